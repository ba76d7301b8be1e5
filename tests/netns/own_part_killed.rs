//! `weir node init` and `weir node cleanup` killed before each of their effects: whoever comes next finishes their
//! work or undoes it.
//!
//! Each place takes several commands, so the places of a case are dealt out to tests that run side by side.

use ep_builder::node::first_difference;
use ep_builder::settings::Settings;
use weir_tests::Lab;
use weir_tests::need;
use weir_tests::need::Need;
use weir_tests::trace::{self, Places};

use crate::own_part::{assert_as_before, listing, meet_sockets, node};

/// How many tests share the places of a case.
const PARTS: usize = 4;

/// Neither command has fewer.
const FEWEST: usize = 40;

/// What comes after a command that was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// A setup, which completes, and a cleanup.
    Init,
    /// A cleanup alone.
    Cleanup,
}

/// Kills a command at every place of a part. Before `cleanup` there is something to clean, programs of sockets
/// among it.
fn check(verb: &str, then: Then, part: usize) {
    let lab = node(
        &["-4", "-6"],
        "[node]\nnative_cidrs = [\"198.51.100.0/24\"]\n",
    );
    // What the state folder has before anything else.
    lab.weir(&["node", "init"]).expect_success();
    lab.weir(&["node", "cleanup"]).expect_success();
    let before = listing(&lab);
    for place in (part..).step_by(PARTS) {
        if verb == "cleanup" {
            meet_sockets(&lab);
        }
        let mut dying = lab.node().command();
        dying.args(["node", verb]);
        let traced = trace::run(&mut dying, b"", Places::Effects, Some(place));
        let what = format!("{verb}, place {place}, {:?}", traced.killed_before);
        if then == Then::Init {
            lab.weir(&["node", "init"]).expect_success();
            assert_eq!(difference(&lab), None, "{what}");
        }
        lab.weir(&["node", "cleanup"]).expect_success();
        assert_as_before(&lab, &before, &what);
        if traced.killed_before.is_none() {
            let finished = traced.finished;
            assert_eq!(finished.code, Some(0), "{what}: {finished:?}");
            assert!(place >= FEWEST, "{verb} has more places than {place}");
            break;
        }
    }
}

/// What is not as a setup makes it.
fn difference(lab: &Lab) -> Option<String> {
    let settings = Settings::load(Some(&lab.node().config())).unwrap();
    first_difference(&settings).unwrap()
}

/// A test for each part of a case.
macro_rules! parts {
    ($($case:ident: $verb:literal, $then:expr;)+) => {
        $(
            mod $case {
                parts!(@ $verb, $then, first 0, second 1, third 2, fourth 3);
            }
        )+
    };
    (@ $verb:literal, $then:expr, $($part:ident $number:literal),+) => {
        $(
            #[test]
            fn $part() {
                super::need!(
                    super::Need::Root,
                    super::Need::Templates,
                    super::Need::Tool("ip"),
                    super::Need::Tool("tc")
                );
                super::check($verb, $then, $number);
            }
        )+
    };
}

parts! {
    an_init_that_was_cut_short_is_finished: "init", super::Then::Init;
    an_init_that_was_cut_short_is_undone: "init", super::Then::Cleanup;
    a_cleanup_that_was_cut_short_is_finished: "cleanup", super::Then::Cleanup;
    what_a_cut_cleanup_took_is_made_again: "cleanup", super::Then::Init;
}
