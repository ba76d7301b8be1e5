//! The kernel's verifier accepts the programs of every shape.

use ep_builder::pairwise::shapes;
use weir_tests::need;
use weir_tests::need::Need;

use crate::bench::{POD, compile, enter_namespaces, load, settings};

/// What the verifier may walk through for one endpoint. A thousand instructions are about a millisecond of
/// its start: raise it for a reason only.
const MOST_VERIFIED: u32 = 20_000;

#[test]
fn every_shape_is_accepted() {
    need!(Need::Root, Need::Tool("clang"));
    enter_namespaces();
    let base = settings("");
    for (node, endpoint) in shapes(&(base.node.clone(), base.endpoint.clone())) {
        let mut settings = base.clone();
        (settings.node, settings.endpoint) = (node, endpoint);
        let shape = format!("{:?} {:?}", settings.node, settings.endpoint);
        let loaded = load(&compile(settings), POD);
        let programs = loaded.programs().unwrap();
        let counts = programs.iter().map(|program| program.verified_instructions);
        let verified: u32 = counts.sum();
        assert!(
            (1_000..=MOST_VERIFIED).contains(&verified),
            "{verified}: {shape}"
        );
        loaded.abandon();
    }
}
