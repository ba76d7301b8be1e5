//! Who stands on a hook: our program, those that are asked before it, and the rest; and as much of whose
//! they are as the kernel tells.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};
use serde::Serialize;

use super::device::Device;
use super::error::AttachError;
use super::filter::Filter;
use super::netlink::Rtnl;
use super::tcx::linked_program_id;
use super::{AttachMode, Hook};
use crate::bpf::{Link, Program, ProgramInfo};
use crate::digest::hex;
use crate::events::clock::rfc3339;

/// What stands on a hook of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Occupant {
    /// `bpf`, `flower` and so on; `tcx` for a program that is not below clsact.
    pub kind: String,
    /// The filter's name; empty if it has none.
    pub name: String,
    /// The filter's priority; tcx has an order and no numbers.
    pub priority: Option<u16>,
    /// Its program, if it has one.
    pub program: Option<Suspect>,
}

/// A program, and what is known of who brought it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Suspect {
    /// Its number in the kernel.
    pub id: u32,
    /// Its name there.
    pub name: String,
    /// The digest of its instructions.
    pub tag: String,
    /// When it was loaded.
    pub loaded: String,
    /// The user who loaded it.
    pub uid: u32,
    /// The processes that have it open. Who loaded it and ended is none of them.
    pub holders: Vec<Holder>,
}

/// A process that has a program open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Its name.
    pub command: String,
}

/// All that stands on a hook, in the order it is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Who is asked before our program; everybody, if it is not there.
    pub before: Vec<Occupant>,
    /// The number of our program.
    pub ours: Option<u32>,
    /// Who is asked after it, if it says nothing.
    pub after: Vec<Occupant>,
}

impl Standing {
    /// Looks at a hook. Ours is the filter with our name, or the program of the link pinned at `link`.
    pub fn look(
        rtnl: &mut Rtnl,
        device: &Device,
        hook: Hook,
        mode: AttachMode,
        link: &Path,
    ) -> Result<Self, AttachError> {
        let linked = match mode {
            AttachMode::Tc => None,
            AttachMode::Tcx => linked_program_id(link, device)?,
        };
        let mut standing = Self::default();
        // The kernel runs tcx first, and what is below clsact if nobody there has decided.
        for id in tcx_programs(device, hook)? {
            let is_ours = Some(id) == linked;
            standing.add(is_ours.then_some(id), || Occupant::linked(id));
        }
        for filter in rtnl.filters(device, hook)? {
            if filter.handle == 0 {
                continue;
            }
            let is_ours = mode == AttachMode::Tc && filter.is_ours();
            let ours = filter.program_id.filter(|_| is_ours);
            standing.add(ours, || Occupant::below_clsact(&filter));
        }
        Ok(standing)
    }

    fn add(&mut self, ours: Option<u32>, occupant: impl FnOnce() -> Occupant) {
        match (ours, self.ours) {
            (Some(id), None) => self.ours = Some(id),
            (_, None) => self.before.push(occupant()),
            (_, Some(_)) => self.after.push(occupant()),
        }
    }
}

/// A kernel without tcx has none.
fn tcx_programs(device: &Device, hook: Hook) -> Result<Vec<u32>, AttachError> {
    match Link::programs_on(device.index, hook.tcx()) {
        Err(error) if error.errno() == Some(Errno::EINVAL) => Ok(Vec::new()),
        programs => Ok(programs?),
    }
}

impl Occupant {
    fn linked(id: u32) -> Self {
        Self {
            kind: "tcx".to_owned(),
            name: String::new(),
            priority: None,
            program: Suspect::of(id),
        }
    }

    fn below_clsact(filter: &Filter) -> Self {
        Self {
            kind: filter.kind.clone(),
            name: filter.name.clone(),
            priority: Some(filter.priority),
            program: filter.program_id.and_then(Suspect::of),
        }
    }
}

impl Suspect {
    /// What is known of a program; nothing if it is gone.
    pub fn of(id: u32) -> Option<Self> {
        let info = Program::open_id(id).and_then(|program| program.info());
        info.ok().map(|info| Self::new(info, holders(id)))
    }

    fn new(info: ProgramInfo, holders: Vec<Holder>) -> Self {
        Self {
            id: info.id,
            name: info.name,
            tag: hex(&info.tag),
            loaded: time_of_day(info.load_time),
            uid: info.created_by,
            holders,
        }
    }
}

/// The time of day of a time since the start of the machine. A person compares it with a log: parts of a second
/// say nothing there.
fn time_of_day(since_start: Duration) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let up = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from);
    let ago = up.unwrap_or_default().saturating_sub(since_start);
    let then = now.unwrap_or_default().saturating_sub(ago);
    rfc3339(Duration::from_secs(then.as_secs())).replace(".000000", "")
}

/// The processes with a descriptor of this program, as far as we may look.
fn holders(id: u32) -> Vec<Holder> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let others = numbers.filter(|pid| *pid != std::process::id());
    let holding = others.filter(|pid| has_program(*pid, id));
    let mut holders: Vec<_> = holding
        .map(|pid| Holder {
            pid,
            command: fs::read_to_string(format!("/proc/{pid}/comm"))
                .unwrap_or_default()
                .trim()
                .to_owned(),
        })
        .collect();
    holders.sort_by_key(|holder| holder.pid);
    holders
}

fn has_program(pid: u32, id: u32) -> bool {
    let folder = format!("/proc/{pid}/fd");
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut programs = files.filter(|file| {
        let target = fs::read_link(file.path()).unwrap_or_default();
        is_program(&target.to_string_lossy())
    });
    programs.any(|file| {
        let number = file.file_name();
        let facts = Path::new("/proc").join(pid.to_string()).join("fdinfo");
        let facts = fs::read_to_string(facts.join(number)).unwrap_or_default();
        program_id(&facts) == Some(id)
    })
}

/// Whether a descriptor leads to a program. The kernel has changed its punctuation over time.
fn is_program(target: &str) -> bool {
    let name = target.strip_prefix("anon_inode:").unwrap_or_default();
    name.trim_start_matches('[').starts_with("bpf-prog")
}

/// The program's number in the text of `fdinfo`.
fn program_id(facts: &str) -> Option<u32> {
    let line = facts.lines().find_map(|line| line.strip_prefix("prog_id:"));
    line?.trim().parse().ok()
}

impl fmt::Display for Occupant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if !self.name.is_empty() {
            write!(f, " {:?}", self.name)?;
        }
        if let Some(priority) = self.priority {
            write!(f, " at priority {priority}")?;
        }
        match &self.program {
            Some(program) => write!(f, ", {program}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Suspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            name,
            tag,
            loaded,
            uid,
            holders,
        } = self;
        write!(
            f,
            "program {id} {name:?} with tag {tag}, loaded {loaded} by user {uid}"
        )?;
        for (index, Holder { pid, command }) in holders.iter().enumerate() {
            let before = if index == 0 { ", held by" } else { " and" };
            write!(f, "{before} process {pid} ({})", command.escape_debug())?;
        }
        Ok(())
    }
}

/// Several, in one line.
pub fn listed(occupants: &[Occupant]) -> String {
    let all: Vec<_> = occupants.iter().map(Occupant::to_string).collect();
    all.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspect() -> Suspect {
        Suspect {
            id: 7,
            name: "xdp".into(),
            tag: "0102030405060708".into(),
            loaded: "2025-01-02T03:04:05Z".into(),
            uid: 0,
            holders: Vec::new(),
        }
    }

    #[test]
    fn an_occupant_says_what_is_known_of_it() {
        let holder = |pid, command: &str| Holder {
            pid,
            command: command.into(),
        };
        let check = |kind: &str, name: &str, priority, program, want: &str| {
            let occupant = Occupant {
                kind: kind.into(),
                name: name.into(),
                priority,
                program,
            };
            assert_eq!(occupant.to_string(), want);
        };
        check("flower", "", Some(3), None, "flower at priority 3");
        let program =
            "program 7 \"xdp\" with tag 0102030405060708, loaded 2025-01-02T03:04:05Z by user 0";
        check("tcx", "", None, Some(suspect()), &format!("tcx, {program}"));
        let held = Suspect {
            holders: vec![holder(1, "init"), holder(2, "a\nb")],
            ..suspect()
        };
        let want = format!(
            "bpf \"a.o:[b]\" at priority 1, {program}, held by process 1 (init) and process 2 (a\\nb)"
        );
        check("bpf", "a.o:[b]", Some(1), Some(held), &want);
    }

    #[test]
    fn the_program_of_a_descriptor_is_read_from_its_facts() {
        for (facts, want) in [
            (
                "pos:\t0\nprog_type:\t3\nprog_id:\t42\nrun_cnt:\t0\n",
                Some(42),
            ),
            ("map_id:\t42\n", None),
            ("prog_id:\tx\n", None),
            ("", None),
        ] {
            assert_eq!(program_id(facts), want, "{facts:?}");
        }
        for (target, want) in [
            ("anon_inode:bpf-prog", true),
            ("anon_inode:[bpf-prog]", true),
            ("anon_inode:bpf-map", false),
            ("/bpf-prog", false),
        ] {
            assert_eq!(is_program(target), want, "{target}");
        }
    }

    #[test]
    fn what_is_asked_first_stands_before_ours() {
        let other = |kind: &str| Occupant {
            kind: kind.into(),
            name: String::new(),
            priority: None,
            program: None,
        };
        let mut standing = Standing::default();
        standing.add(None, || other("a"));
        standing.add(Some(9), || other("b"));
        standing.add(None, || other("c"));
        standing.add(Some(10), || other("d"));
        assert_eq!(standing.ours, Some(9));
        assert_eq!(standing.before, [other("a")]);
        assert_eq!(standing.after, [other("c"), other("d")]);
        assert_eq!(listed(&standing.after), "c; d");
    }
}
