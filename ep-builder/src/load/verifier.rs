//! What the verifier says of a program it refuses, for people.

use std::fmt;

use nix::errno::Errno;

use crate::object::SourceLine;

/// How many lines of the log stand in the message: the reason is at the end.
const SHOWN: usize = 8;

/// A refused program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The program.
    pub program: String,
    /// Its section.
    pub section: String,
    /// The C of the last instruction that the verifier looked at.
    pub line: Option<SourceLine>,
    /// The whole log.
    pub log: String,
    /// The kernel's answer.
    pub errno: Errno,
}

impl Refusal {
    /// What to do about it.
    pub fn advice(&self) -> Option<&'static str> {
        match self.errno {
            Errno::EPERM => Some(
                "run as root, or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN in the first user namespace",
            ),
            Errno::E2BIG => Some(
                "the program is too large for this kernel's verifier: switch off options in [options], or use Linux 6.1 or newer",
            ),
            Errno::ENOMEM => Some(
                "the kernel has no memory for it: raise the memory limit of this process's cgroup",
            ),
            _ if self.log.is_empty() => Some(
                "the kernel gives no reason: weir needs Linux 6.1 or newer, with CONFIG_BPF_JIT and CONFIG_NET_CLS_BPF",
            ),
            _ => Some(
                "the generation in force goes on; without CAP_PERFMON or CAP_SYS_ADMIN the kernel refuses what it lets root load; with them, the log, which `weir endpoint log ID` shows whole, belongs into a bug report",
            ),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            program,
            section,
            errno,
            ..
        } = self;
        write!(
            f,
            "the kernel's verifier refused program {program} (section {section}): {errno}"
        )?;
        if let Some(SourceLine { file, line, text }) = &self.line {
            write!(f, "\n  at {file}:{line}: {text}")?;
        }
        for line in last_lines(&self.log) {
            write!(f, "\n  | {}", line.replace(char::is_control, " "))?;
        }
        Ok(())
    }
}

/// The end of the log, without the statistics that close it.
fn last_lines(log: &str) -> Vec<&str> {
    let is_reason = |line: &&str| !line.trim().is_empty() && !is_statistics(line);
    let lines: Vec<_> = log.lines().filter(is_reason).collect();
    lines
        .get(lines.len().saturating_sub(SHOWN)..)
        .unwrap_or_default()
        .to_vec()
}

fn is_statistics(line: &str) -> bool {
    ["processed ", "verification time", "stack depth"]
        .iter()
        .any(|begin| line.starts_with(begin))
}

/// The instruction that the log names last: a line like `17: (85) call ...`.
pub(super) fn last_instruction(log: &str) -> Option<usize> {
    log.lines().rev().find_map(|line| {
        let (number, rest) = line.split_once(": (")?;
        let is_code = rest.get(..2)?.bytes().all(|b| b.is_ascii_hexdigit());
        number.parse().ok().filter(|_| is_code)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "0: R1=ctx() R10=fp0\n; int x = *p; @ lib/a.h:7\n0: (79) r2 = *(u64 *)(r1 +0)\ninvalid bpf_context access off=0 size=8\nprocessed 1 insns (limit 1000000) max_states_per_insn 0\n";

    #[test]
    fn the_last_instruction_is_found() {
        assert_eq!(last_instruction(LOG), Some(0));
        assert_eq!(
            last_instruction("1: (b7) r0 = 0\n17: (85) call bpf#12\nbad\n"),
            Some(17)
        );
        assert_eq!(last_instruction(""), None);
        assert_eq!(last_instruction("func#0 @0\nR1: (xy) z"), None);
    }

    #[test]
    fn a_refusal_names_program_line_and_reason() {
        let refusal = Refusal {
            program: "tail_arp".into(),
            section: "tail/arp".into(),
            line: Some(SourceLine {
                file: "lib/a.h".into(),
                line: 7,
                text: "int x = *p;".into(),
            }),
            log: LOG.into(),
            errno: Errno::EACCES,
        };
        let text = refusal.to_string();
        for part in [
            "tail_arp",
            "tail/arp",
            "lib/a.h:7: int x = *p;",
            "invalid bpf_context access",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("processed"), "{text}");
    }
}
