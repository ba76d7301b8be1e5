//! Killing a command at every place there is, and what must be left.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;

use ep_builder::endpoint::EndpointId;
use weir_tests::Lab;
use weir_tests::residue::{Snapshot, ids_on};
use weir_tests::trace::Traced;

/// So many defects say what is wrong; the rest would repeat them.
const ENOUGH: usize = 12;

/// No command that is tried here has less.
const FEWEST: usize = 30;

/// Which of a command's places a test takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub(crate) first: usize,
    pub(crate) step: usize,
}

/// Kills a command at its first place, its second, and so on to its end: `attempt` makes everything ready,
/// runs the command with that place, cleans up, and says what was wrong. The end is found by coming to it,
/// not by a count made before, so a run with more calls than the last one is killed at those too; there the
/// command ends with the code `end`. With `WEIR_KILL_SHOW` set every place is told.
pub(crate) fn at_every_place(
    what: &str,
    end: i32,
    attempt: impl FnMut(usize) -> (Traced, Option<String>),
) {
    at_places(what, end, Share { first: 0, step: 1 }, attempt);
}

/// As [`at_every_place`], at a share of the places.
pub(crate) fn at_places(
    what: &str,
    end: i32,
    share: Share,
    mut attempt: impl FnMut(usize) -> (Traced, Option<String>),
) {
    let mut defects = Vec::new();
    for place in (share.first..).step_by(share.step) {
        let (traced, defect) = attempt(place);
        let killed = traced
            .killed_before
            .map_or("at its end".to_owned(), |call| format!("before {call}"));
        if std::env::var_os("WEIR_KILL_SHOW").is_some() {
            tell(&format!("{what}, place {place}, {killed}\n"));
        }
        defects.extend(defect.map(|defect| format!("{what}, place {place}, {killed}:\n{defect}")));
        if let Some(code) = traced.finished.code {
            assert!(
                code == end && place >= FEWEST,
                "{what}, place {place}: {:?}",
                traced.finished
            );
            tell(&format!(
                "{what}: killed at {} places\n",
                place / share.step
            ));
            break;
        }
        if defects.len() == ENOUGH {
            break;
        }
    }
    assert!(defects.is_empty(), "\n{}", defects.join("\n"));
}

/// To the log of the run, past the test library, which shows nothing of a test that passed.
pub(crate) fn tell(line: &str) {
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// What a node was before, and the ids that have been seen since.
pub(crate) struct Watch<'a> {
    lab: &'a Lab,
    pods: Vec<&'a File>,
    before: Snapshot,
    /// With what was left since, so that each defect is told once, at its place.
    known: Snapshot,
    ids: BTreeSet<EndpointId>,
}

impl<'a> Watch<'a> {
    /// From now on.
    pub(crate) fn new(lab: &'a Lab, pods: &[&'a File]) -> Self {
        let before = Snapshot::thorough(lab, pods);
        Self {
            lab,
            pods: pods.to_vec(),
            known: before.clone(),
            before,
            ids: ids_on(lab),
        }
    }

    /// Remembers the endpoints that are there now: what is left of them is looked for later.
    pub(crate) fn note_ids(&mut self) {
        self.ids.extend(ids_on(self.lab));
    }

    /// What is left since this was asked last.
    pub(crate) fn residue(&mut self) -> Option<String> {
        let now = Snapshot::of(self.lab, &self.pods, &self.ids);
        let change = now.since(&self.known)?;
        self.known = now;
        Some(change.to_string())
    }

    /// Asserts that nothing is left of any endpoint there could have been.
    #[track_caller]
    pub(crate) fn assert_nothing(&self) {
        let change = Snapshot::thorough(self.lab, &self.pods).since(&self.before);
        assert!(change.is_none(), "left behind:\n{}", change.unwrap());
    }
}
