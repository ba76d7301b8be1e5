//! Each call that changes a file, of each command that changes something, refused with EIO and with ENOSPC.

use nix::errno::Errno;
use weir_tests::trace::Places;

use crate::places::{Fault, trials_with};

/// A disk that errs wherever it is written to, and one that is full there.
const FAULTS: [Fault; 2] = [
    Fault {
        places: Places::FileChanges,
        errno: Errno::EIO,
        stride: 1,
    },
    Fault {
        places: Places::FileChanges,
        errno: Errno::ENOSPC,
        stride: 3,
    },
];

trials_with! {
    FAULTS;
    a_policy_is_applied_or_not: APPLY;
    a_document_is_taken_out_or_not: DELETE;
    an_endpoint_is_regenerated_or_not: REGENERATE;
    an_endpoint_is_relabelled_or_not: LABEL;
    an_endpoint_is_rolled_back_or_not: ROLLBACK;
    leftovers_are_collected_or_not: COLLECT;
    a_node_is_made_ready_or_not: INIT;
    a_node_is_cleaned_or_not: CLEANUP;
    a_pod_is_wired_or_not: ADD;
    a_pod_is_taken_away_or_not: DEL;
    a_forgotten_pod_is_collected_or_not: GC;
    a_release_is_installed_or_not: INSTALL;
    a_release_is_removed_or_not: UNINSTALL;
}
