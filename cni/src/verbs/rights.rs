//! What the process may do.

use std::fs;

use crate::error::{Failure, Kind};

/// The numbers of `linux/capability.h`, and what each is needed for. `CAP_SYS_ADMIN` has `CAP_BPF` and `CAP_PERFMON` in
/// it (`bpf_capable`, `perfmon_capable`), and runtimes that are older than these two do not give them.
const NEEDED: [(u32, &str, &str); 2] = [
    (12, "CAP_NET_ADMIN", "links, routes and filters"),
    (
        21,
        "CAP_SYS_ADMIN",
        "programs, maps and the pods' namespaces",
    ),
];

/// Refuses to go on without a right that every ADD needs.
pub(super) fn check() -> Result<(), Failure> {
    // Without /proc nothing is known, and the ADD itself will tell.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    match missing(&status) {
        None => Ok(()),
        Some((name, purpose)) => Err(Failure::new(
            Kind::Unavailable,
            format!("cannot wire pods without {name}, which is needed for {purpose}"),
        )
        .advice("let the runtime start its plugins as root with all capabilities")),
    }
}

fn missing(status: &str) -> Option<(&'static str, &'static str)> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    let effective = u64::from_str_radix(line.trim(), 16).ok()?;
    let lacking = NEEDED
        .into_iter()
        .find(|(number, ..)| effective & (1 << number) == 0);
    lacking.map(|(_, name, purpose)| (name, purpose))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_right_that_lacks_is_named() {
        let name = |status| missing(status).map(|(name, _)| name);
        for (status, expected) in [
            ("Name:\tx\nCapEff:\t000001ffffffffff\n", None),
            ("CapEff:\t0000000000000000\n", Some("CAP_NET_ADMIN")),
            ("CapEff:\t0000000000001000\n", Some("CAP_SYS_ADMIN")),
            ("CapEff:\t0000008000001000\n", Some("CAP_SYS_ADMIN")),
            ("CapEff:\t0000000000201000\n", None),
            ("", None),
            ("CapEff:\tnonsense", None),
        ] {
            assert_eq!(name(status), expected, "{status:?}");
        }
    }
}
