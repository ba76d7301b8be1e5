//! The crash model: every verb is killed, or fails, at each of its steps, and within each step that
//! consists of several system calls; what is left must recover to the old generation or the new one.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::error::StateError;
use super::generation::{Next, Written};
use super::layout::Place;
use super::record::tests::endpoint;
use super::record::{EndpointRecord, PolicyState};
use super::recover::{Recovery, Side};
use super::store::Store;
use crate::endpoint::{Endpoint, EndpointId};
use crate::shape::{EndpointConfig, NodeConfig};
use crate::sources::read_renderer;
use crate::step::{Step, Steps};
use crate::whole_file;

/// The most files that the folder of a generation holds.
const FILES: usize = 4;

fn id() -> EndpointId {
    EndpointId::new(2665).unwrap()
}

fn open(root: &Path) -> Store {
    // A process that a neighbouring test forks holds copies of our locks until it has called exec.
    Store::open(root)
        .unwrap()
        .with_lock_wait(Duration::from_secs(2))
}

fn write(next: Next) -> Result<Written, StateError> {
    let (facts, generation) = (endpoint(next.id().get()), next.generation());
    let header = shipped_header(&facts);
    let record = EndpointRecord::new(facts, None, PolicyState::default());
    next.write(format!("object {generation}").as_bytes(), &header, record)
}

fn shipped_header(facts: &Endpoint) -> String {
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bpf-templates");
    let (node, shape) = (NodeConfig::default(), EndpointConfig::default());
    let renderer = read_renderer(&templates).unwrap();
    renderer.endpoint(&node, &shape, facts).unwrap().ep_config
}

fn first(store: &Store) -> Result<(), StateError> {
    write(store.claim_id(id())?.begin()?)?.commit().map(drop)
}

fn again(store: &Store) -> Result<(), StateError> {
    write(store.begin(id())?)?.commit().map(drop)
}

fn fail(store: &Store) -> Result<(), StateError> {
    write(store.begin(id())?)?.fail("why")
}

type Verb = fn(&Store) -> Result<(), StateError>;

/// Where something goes wrong, and how.
#[derive(Clone, Copy, Debug)]
struct Fault {
    /// The number of the step.
    step: usize,
    /// How far a removal comes: bit N set, the Nth file of the folder is gone already.
    mask: usize,
    /// Whether nothing happens after it, as after a kill; else it is an error of this step alone.
    kill: bool,
}

/// What became of a verb with a fault in it.
struct Outcome {
    /// Whether the verb has that many steps.
    met: bool,
    /// Whether the step removes a folder, so that the mask matters.
    divisible: bool,
    /// What the verb itself said.
    said_ok: bool,
}

fn with_fault(root: &Path, fault: Fault, verb: Verb) -> Outcome {
    let count = Arc::new(AtomicUsize::new(0));
    let divisible = Arc::new(AtomicBool::new(false));
    let (seen, parts) = (Arc::clone(&count), Arc::clone(&divisible));
    let store = open(root).with_steps(Steps::observed(move |step, real| {
        let number = seen.fetch_add(1, Ordering::Relaxed);
        if number < fault.step || (number > fault.step && !fault.kill) {
            return real();
        }
        if number == fault.step {
            parts.store(part_of(step, fault.mask), Ordering::Relaxed);
        }
        Err(step.fault())
    }));
    let said_ok = verb(&store).is_ok();
    drop(store);
    Outcome {
        met: count.load(Ordering::Relaxed) > fault.step,
        divisible: divisible.load(Ordering::Relaxed),
        said_ok,
    }
}

/// What is done of a step of several system calls when the fault comes in its midst. Says whether the
/// mask mattered.
fn part_of(step: &Step<'_>, mask: usize) -> bool {
    match step {
        Step::Remove(folder) if folder.is_dir() => {
            let files = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
            let mut files: Vec<_> = files.collect();
            files.sort();
            for (n, file) in files.iter().enumerate() {
                if mask & (1 << n) != 0 {
                    whole_file::remove(file).unwrap();
                }
            }
            !files.is_empty()
        }
        _ => {
            step.leave_half();
            false
        }
    }
}

/// Runs `check` for each fault that `verb` can meet, each time on what `prepare` makes anew.
fn each_fault(prepare: &[Verb], verb: Verb, check: impl Fn(&Path, &Outcome, &str)) {
    for kill in [true, false] {
        for step in 0.. {
            if !faults_at(step, kill, prepare, verb, &check) {
                assert!(step > 1, "the verb has steps");
                break;
            }
        }
    }
}

/// Says whether the verb has such a step.
fn faults_at(
    step: usize,
    kill: bool,
    prepare: &[Verb],
    verb: Verb,
    check: &impl Fn(&Path, &Outcome, &str),
) -> bool {
    for mask in 0..1 << FILES {
        let root = tempfile::tempdir().unwrap();
        for verb in prepare {
            verb(&open(root.path())).unwrap();
        }
        let fault = Fault { step, mask, kill };
        let outcome = with_fault(root.path(), fault, verb);
        check(root.path(), &outcome, &format!("{fault:?}"));
        // A step that fails has as much left to do as one that is killed: one part of it is enough.
        if !outcome.divisible || !kill {
            return outcome.met;
        }
    }
    true
}

fn side(store: &Store, place: Place) -> Side {
    store.look(id(), place).unwrap()
}

/// What must hold after every crash and recovery. `allowed`: the generations that may be live and
/// previous; 0 is none.
fn check_recovered(root: &Path, allowed: &[(u64, u64)], at: &str) {
    let store = open(root);
    store.recover(id()).unwrap();
    assert_eq!(store.recover(id()).unwrap(), Recovery::Nothing, "{at}");
    assert_eq!(side(&store, Place::Next), Side::Absent, "{at}");
    let live = side(&store, Place::Live);
    let previous = side(&store, Place::Previous);
    let now = (live.generation(), previous.generation());
    assert!(allowed.contains(&now), "{at}: {live:?} {previous:?}");
    if matches!(live, Side::Kept { .. }) {
        let faults = store.verify(id());
        assert!(faults.is_empty(), "{at}: {faults:?}");
        let object = store.read_object(id()).unwrap();
        assert_eq!(
            object,
            format!("object {}", live.generation()).as_bytes(),
            "{at}"
        );
        let highest = now.0.max(now.1);
        again(&store).unwrap();
        assert_eq!(side(&store, Place::Live).generation(), highest + 1, "{at}");
        assert_eq!(
            side(&store, Place::Previous),
            live,
            "{at}: the last good one is kept"
        );
        assert_eq!(side(&store, Place::Failed), Side::Absent, "{at}");
    } else {
        assert!(matches!(live, Side::Absent | Side::Empty), "{at}: {live:?}");
        first(&store).unwrap();
        assert_eq!(side(&store, Place::Live).generation(), 1, "{at}");
    }
    store.remove(id()).unwrap();
    let left: Vec<_> = fs::read_dir(root)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["locks"], "{at}");
    assert_eq!(
        fs::read_dir(store.layout().locks()).unwrap().count(),
        0,
        "{at}"
    );
}

fn check(prepare: &[Verb], verb: Verb, allowed: &[(u64, u64)]) {
    each_fault(prepare, verb, |root, _, at| {
        check_recovered(root, allowed, at);
    });
}

fn rollback(store: &Store) -> Result<(), StateError> {
    store.rollback(id()).map(drop)
}

fn remove(store: &Store) -> Result<(), StateError> {
    store.remove(id())
}

#[test]
fn first_generation() {
    check(&[], first, &[(0, 0), (1, 0)]);
}

#[test]
fn first_generation_fails() {
    check(
        &[],
        |store| write(store.claim_id(id())?.begin()?)?.fail("why"),
        &[(0, 0)],
    );
    check(
        &[],
        |store| store.claim_id(id())?.begin()?.fail("why"),
        &[(0, 0)],
    );
}

#[test]
fn second_and_third_generation() {
    check(&[first], again, &[(1, 0), (2, 1)]);
    check(&[first, again, fail], again, &[(2, 1), (3, 2)]);
}

#[test]
fn a_build_fails() {
    check(&[first, again], fail, &[(2, 1)]);
    check(&[first, fail], fail, &[(1, 0)]);
}

#[test]
fn a_build_is_given_up() {
    check(
        &[first],
        |store| write(store.begin(id())?).map(drop),
        &[(1, 0)],
    );
    check(
        &[],
        |store| write(store.claim_id(id())?.begin()?).map(drop),
        &[(0, 0)],
    );
}

#[test]
fn rollback_and_the_build_after_it() {
    check(&[first, again], rollback, &[(2, 1), (1, 2)]);
    check(&[first, again, rollback], again, &[(1, 2), (3, 1)]);
}

#[test]
fn remove_with_all_folders() {
    each_fault(&[first, again, fail], remove, |root, _, at| {
        let store = open(root);
        let (live, faults) = (side(&store, Place::Live), store.verify(id()));
        let whole = live.generation() == 2 && faults.is_empty();
        assert!(whole || live == Side::Absent, "{at}: {live:?}");
        remove(&store).unwrap();
        remove(&store).unwrap();
        first(&store).unwrap();
        assert_eq!(side(&store, Place::Live).generation(), 1);
    });
}

fn kill_build(store: &Store, step: usize) {
    let fault = Fault {
        step,
        mask: 0,
        kill: true,
    };
    assert!(with_fault(store.layout().root(), fault, again).met);
}

#[test]
fn a_recovery_that_is_killed_too() {
    // Step 0 makes the folder, 1 to 3 write, 4 syncs, 5 swaps.
    let before_swap: Verb = |store| {
        kill_build(store, 5);
        Ok(())
    };
    let after_swap: Verb = |store| {
        kill_build(store, 6);
        Ok(())
    };
    let recover: Verb = |store| store.recover(id()).map(drop);
    check(&[first, again, fail, before_swap], recover, &[(2, 1)]);
    check(&[first, again, fail, after_swap], recover, &[(3, 2)]);
}

#[test]
fn a_commit_says_what_is_live() {
    each_fault(&[first], again, |root, outcome, at| {
        let live = side(&open(root), Place::Live).generation();
        assert_eq!(live, if outcome.said_ok { 2 } else { 1 }, "{at}");
    });
}

#[test]
fn what_is_published_is_durable_before_and_after() {
    let root = tempfile::tempdir().unwrap();
    first(&open(root.path())).unwrap();
    let log = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&log);
    let store = open(root.path()).with_steps(Steps::observed(move |step, real| {
        seen.lock().unwrap().push(format!("{step:?}"));
        real()
    }));
    again(&store).unwrap();
    let log = log.lock().unwrap();
    let at = log.iter().position(|s| s.starts_with("Exchange")).unwrap();
    let sync = format!("{:?}", Step::Sync(root.path().to_owned()));
    assert!(
        log[..at].iter().rposition(|s| s.starts_with("Write"))
            < log[..at].iter().rposition(|s| *s == sync)
    );
    assert_eq!(log[at + 1], sync);
}
