//! The kernel has no memory for a map, a program or an entry: what was in force goes on, and the next attempt works.

use nix::errno::Errno;
use weir_tests::trace::Places;

use crate::places::{Fault, trials_with};

/// Memory that is not there, and rights that are not; a full map says the first of these as well.
const FAULTS: [Fault; 2] = [
    Fault {
        places: Places::BpfChanges,
        errno: Errno::ENOMEM,
        stride: 5,
    },
    Fault {
        places: Places::BpfChanges,
        errno: Errno::EPERM,
        stride: 13,
    },
];

trials_with! {
    FAULTS;
    a_policy_is_applied_or_not: APPLY;
    an_endpoint_is_regenerated_or_not: REGENERATE;
    an_endpoint_is_relabelled_or_not: LABEL;
    a_node_is_made_ready_or_not: INIT;
    a_pod_is_wired_or_not: ADD;
}
