//! Our filter on a hook: where it goes, putting it there, taking it away.

use std::collections::HashSet;

use nix::errno::Errno;

use super::Hook;
use super::device::Device;
use super::error::{AttachError, Request};
use super::filter::{Filter, Write};
use super::netlink::Rtnl;
use crate::bpf::Program;

/// Where our filter stands if nobody else does.
const PRIORITY: u16 = 1;
const HANDLE: u32 = 1;
/// Somebody may take a place between our look and our message; then it is looked again.
const TRIES: u32 = 4;

/// A program on a hook, and what it takes to undo it.
#[derive(Debug)]
pub struct Attached {
    /// The filter's hook.
    pub hook: Hook,
    /// The filter's priority.
    pub priority: u16,
    /// What the operator should know.
    pub notice: Option<String>,
    replaced: Option<Program>,
    ground: Ground,
}

/// What becomes of clsact where none of our filters is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clsact {
    /// It stays: somebody else has made it.
    Stays,
    /// It goes if it holds nothing any more, once a filter of ours has gone.
    GoesIfEmpty,
    /// It goes if it holds nothing: it came with our filters, and who died between the two left it alone.
    CameWithOurs,
}

/// Where our filter of a hook goes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// One of ours is there.
    Ours(u16, u32),
    /// Nobody is there.
    Free(u16),
}

/// Ours stays where it is unless a lower priority has become free; a new one goes to the lowest that nobody
/// uses.
fn place(filters: &[Filter]) -> Option<Place> {
    // The kernel's own entry of a priority, with handle 0, is nobody's.
    let somebody = |filter: &&Filter| filter.handle != 0 || filter.kind != "bpf";
    let taken: HashSet<u16> = filters
        .iter()
        .filter(somebody)
        .map(|filter| filter.priority)
        .collect();
    let is_free = |priority: &u16| !taken.contains(priority);
    let ours = filters.iter().filter(|filter| filter.is_ours());
    let ours = ours.min_by_key(|filter| (filter.priority, filter.handle));
    let limit = ours.map_or(u16::MAX, |filter| filter.priority);
    match ((PRIORITY..limit).find(is_free), ours) {
        (Some(priority), _) => Some(Place::Free(priority)),
        (None, Some(filter)) => Some(Place::Ours(filter.priority, filter.handle)),
        (None, None) => None,
    }
}

/// Whoever is asked before our filter.
fn notice(device: &Device, hook: Hook, priority: u16, filters: &[Filter]) -> Option<String> {
    let before: Vec<_> = filters
        .iter()
        .filter(|filter| filter.priority < priority && filter.handle != 0 && !filter.is_ours())
        .map(|filter| match filter.name.as_str() {
            "" => format!("{} at priority {}", filter.kind, filter.priority),
            name => format!("{name} at priority {}", filter.priority),
        })
        .collect();
    (!before.is_empty()).then(|| {
        format!(
            "{hook} stands at priority {priority} of the {} of {}: a filter that is not ours is asked before it ({})",
            hook.direction(),
            device.name,
            before.join(", ")
        )
    })
}

/// What is known of a device before its filters are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// There was no clsact: nobody had a filter.
    Fresh,
    /// Anybody may have filters.
    Used,
}

/// Makes a device ready for filters.
pub fn ground(rtnl: &mut Rtnl, device: &Device) -> Result<Ground, AttachError> {
    let is_fresh = rtnl.add_clsact(device)?;
    Ok(if is_fresh {
        Ground::Fresh
    } else {
        Ground::Used
    })
}

/// Puts a program on a hook, in the place of the one of ours that is there.
pub fn attach(
    rtnl: &mut Rtnl,
    device: &Device,
    hook: Hook,
    program: &Program,
) -> Result<Attached, AttachError> {
    let ground = ground(rtnl, device)?;
    attach_on(ground, rtnl, device, hook, program)
}

/// As [`attach`], on a device that is ready. Where nobody had a filter a moment ago, none is looked for before
/// the first try: our message adds, and fails where somebody was faster.
pub fn attach_on(
    ground: Ground,
    rtnl: &mut Rtnl,
    device: &Device,
    hook: Hook,
    program: &Program,
) -> Result<Attached, AttachError> {
    let mut tries = TRIES;
    loop {
        let filters = match ground {
            Ground::Fresh if tries == TRIES => Vec::new(),
            _ => rtnl.filters(device, hook)?,
        };
        tries -= 1;
        let full = || AttachError::Full {
            device: device.name.clone(),
            direction: hook.direction(),
        };
        let (at, write) = match place(&filters).ok_or_else(full)? {
            Place::Ours(priority, handle) => ((priority, handle), Write::Replace),
            Place::Free(priority) => ((priority, HANDLE), Write::Add),
        };
        // Held before it is replaced: without a holder it would be gone when it must be put back.
        let replaced = current(&filters)?;
        match rtnl.write_filter(device, hook, at, program, write) {
            Ok(()) => {
                let attached = Attached {
                    hook,
                    priority: at.0,
                    notice: notice(device, hook, at.0, &filters),
                    replaced,
                    ground,
                };
                remove_ours(rtnl, device, &filters, Some(at))?;
                return Ok(attached);
            }
            Err(AttachError::Kernel {
                request: Request::AddFilter,
                source: Errno::EEXIST,
                ..
            }) if tries > 0 => {}
            Err(error) => return Err(error),
        }
    }
}

/// The program of ours that is asked first.
fn current(filters: &[Filter]) -> Result<Option<Program>, AttachError> {
    Ok(current_id(filters).map(Program::open_id).transpose()?)
}

fn current_id(filters: &[Filter]) -> Option<u32> {
    let ours = filters.iter().filter(|filter| filter.is_ours());
    let first = ours.min_by_key(|filter| (filter.priority, filter.handle));
    first.and_then(|filter| filter.program_id)
}

/// The number of the program of our filter on a hook, if there is one.
pub fn filter_program_id(
    rtnl: &mut Rtnl,
    device: &Device,
    hook: Hook,
) -> Result<Option<u32>, AttachError> {
    Ok(current_id(&rtnl.filters(device, hook)?))
}

/// The program of our filter on a hook, if there is one.
pub fn filter_program(
    rtnl: &mut Rtnl,
    device: &Device,
    hook: Hook,
) -> Result<Option<Program>, AttachError> {
    current(&rtnl.filters(device, hook)?)
}

impl Attached {
    /// Puts back what was there before.
    pub fn undo(self, rtnl: &mut Rtnl, device: &Device) -> Result<(), AttachError> {
        if let Some(program) = &self.replaced {
            return attach(rtnl, device, self.hook, program).map(drop);
        }
        let clsact = match self.ground {
            Ground::Fresh => Clsact::GoesIfEmpty,
            Ground::Used => Clsact::Stays,
        };
        detach(rtnl, device, self.hook, clsact).map(drop)
    }
}

/// Removes our filters of a hook; says how many there were.
pub fn detach(
    rtnl: &mut Rtnl,
    device: &Device,
    hook: Hook,
    clsact: Clsact,
) -> Result<usize, AttachError> {
    let filters = rtnl.filters(device, hook)?;
    let removed = remove_ours(rtnl, device, &filters, None)?;
    let goes = match clsact {
        Clsact::Stays => false,
        Clsact::GoesIfEmpty => removed > 0,
        Clsact::CameWithOurs => rtnl.has_clsact(device)?,
    };
    if goes && is_empty(rtnl, device)? {
        rtnl.remove_clsact(device)?;
    }
    Ok(removed)
}

fn is_empty(rtnl: &mut Rtnl, device: &Device) -> Result<bool, AttachError> {
    // Both sides of it, whoever's device it is.
    for hook in Hook::OF_ENDPOINT {
        if !rtnl.filters(device, hook)?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn remove_ours(
    rtnl: &mut Rtnl,
    device: &Device,
    filters: &[Filter],
    except: Option<(u16, u32)>,
) -> Result<usize, AttachError> {
    let mut removed = 0;
    for filter in filters.iter().filter(|filter| filter.is_ours()) {
        if except != Some((filter.priority, filter.handle)) {
            removed += usize::from(rtnl.remove_filter(device, filter)?);
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(priority: u16, handle: u32, kind: &str, name: &str) -> Filter {
        Filter {
            hook: Hook::FromContainer,
            priority,
            handle,
            kind: kind.into(),
            name: name.into(),
            program_id: None,
            tag: None,
            direct_action: true,
        }
    }

    const OURS: &str = "bpf_lxc.o:[from-container]";

    #[test]
    fn the_place_is_ours_or_nobody_s() {
        let other = "bpf_lxc.o:[to-container]";
        for (name, filters, want) in [
            ("nobody", vec![], Place::Free(1)),
            ("ours", vec![filter(1, 1, "bpf", OURS)], Place::Ours(1, 1)),
            (
                "by stock tc",
                vec![filter(1, 9, "bpf", OURS)],
                Place::Ours(1, 9),
            ),
            ("foreign", vec![filter(1, 1, "bpf", "x")], Place::Free(2)),
            (
                "of the other hook",
                vec![filter(1, 1, "bpf", other)],
                Place::Free(2),
            ),
            (
                "another kind",
                vec![filter(1, 0, "u32", ""), filter(2, 1, "flower", OURS)],
                Place::Free(3),
            ),
            (
                "behind a foreign one",
                vec![filter(1, 1, "flower", ""), filter(2, 1, "bpf", OURS)],
                Place::Ours(2, 1),
            ),
            (
                "the foreign one is gone",
                vec![filter(2, 1, "bpf", OURS)],
                Place::Free(1),
            ),
            (
                "the priority's own entry",
                vec![filter(1, 0, "bpf", ""), filter(1, 1, "bpf", OURS)],
                Place::Ours(1, 1),
            ),
        ] {
            assert_eq!(place(&filters), Some(want), "{name}");
        }
        let all: Vec<_> = (1..=u16::MAX).map(|p| filter(p, 1, "bpf", "x")).collect();
        assert_eq!(place(&all), None);
    }

    #[test]
    fn who_is_asked_first_is_said() {
        let device = Device {
            index: 3,
            name: "lxc0".into(),
        };
        let filters = [filter(1, 1, "bpf", "x"), filter(2, 1, "bpf", OURS)];
        let said = notice(&device, Hook::FromContainer, 2, &filters).unwrap();
        assert!(
            said.contains("x at priority 1") && said.contains("lxc0"),
            "{said}"
        );
        assert_eq!(notice(&device, Hook::FromContainer, 1, &filters), None);
    }
}
