//! What is checked, in this order.

mod leave;
mod make;
mod policy;
mod reach;
mod renew;

use std::collections::BTreeMap;

use ep_builder::maps::Direction;

use super::fault::Fault;
use super::world::World;
use crate::bpf::names::vocabulary;

/// One claim, and how it is seen to be so.
pub(super) struct Check {
    pub(super) name: &'static str,
    /// What it makes no sense without.
    pub(super) needs: &'static [&'static str],
    pub(super) run: fn(&mut World) -> Result<Said, Fault>,
    /// What to do where it fails and the fault itself does not say it.
    pub(super) fix: &'static str,
}

/// How a check ended that did not fail.
pub(super) enum Said {
    /// What was seen.
    Proved(String),
    /// Why it is of no concern here.
    Skipped(String),
}

const DOCTOR: &str = "`weir doctor` says what is wrong with this machine";
const REPORT: &str = "no pod is safe or reachable as it should be: do not use this datapath. If sources of its own are \
    configured (bpf_dir), go back to those of the release; else install the release anew, and report this";
const DROPS: &str = "the reasons of drops stand in docs/reference/drops.md; `weir doctor` says what is wrong with this \
    machine. If sources of its own are configured (bpf_dir), go back to those of the release";
const LEFT: &str = "`weir gc` and `weir node cleanup` remove what is left on a node; report this";

/// All of them.
pub(super) const CHECKS: [Check; 13] = [
    Check {
        name: "template",
        needs: &[],
        run: make::templates,
        fix: "`weir template build` says more; a node without clang needs the bundle of the release",
    },
    Check {
        name: "add",
        needs: &["template"],
        run: make::pods,
        fix: DOCTOR,
    },
    Check {
        name: "pods",
        needs: &["add"],
        run: reach::pods,
        fix: DROPS,
    },
    Check {
        name: "spoofing",
        needs: &["pods"],
        run: reach::spoofing,
        fix: REPORT,
    },
    Check {
        name: "node",
        needs: &["add"],
        run: reach::node,
        fix: DROPS,
    },
    Check {
        name: "outside",
        needs: &["add"],
        run: reach::outside,
        fix: DROPS,
    },
    Check {
        name: "host-port",
        needs: &["add"],
        run: reach::host_port,
        fix: DROPS,
    },
    Check {
        name: "policy",
        needs: &["pods"],
        run: policy::verdicts,
        fix: REPORT,
    },
    Check {
        name: "established",
        needs: &["policy"],
        run: policy::established,
        fix: REPORT,
    },
    Check {
        name: "check",
        needs: &["add"],
        run: renew::check,
        fix: DOCTOR,
    },
    Check {
        name: "regenerate",
        needs: &["pods"],
        run: renew::regenerate,
        fix: "do not regenerate endpoints under traffic on this kernel; report this",
    },
    Check {
        name: "gc",
        needs: &["pods"],
        run: leave::gc,
        fix: LEFT,
    },
    Check {
        name: "del",
        needs: &["add"],
        run: leave::del,
        fix: LEFT,
    },
];

/// What was dropped meanwhile, as the end of a sentence; nothing if nothing was.
pub(super) fn dropped_since(world: &World, before: &BTreeMap<(u8, u8), u64>) -> String {
    let vocabulary = vocabulary(&world.node);
    let now = world.drops().unwrap_or_default().into_iter();
    let dropped = now.filter_map(|((reason, direction), packets)| {
        let had = before.get(&(reason, direction)).copied().unwrap_or(0);
        let more = packets.wrapping_sub(had);
        let way = Direction::of(direction).map_or_else(String::new, |way| format!(" at {way}"));
        let name = vocabulary.counted(reason).name;
        (more > 0).then(|| format!("{more} {name}{way}"))
    });
    let dropped: Vec<_> = dropped.collect();
    if dropped.is_empty() {
        "; nothing was counted as dropped".to_owned()
    } else {
        format!("; dropped meanwhile: {}", dropped.join(", "))
    }
}
