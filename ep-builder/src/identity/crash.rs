//! The crash model: every verb is killed, or fails, at each of its steps; whoever comes next finds or makes
//! order, and no set changes its number.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::folder::Listing;
use super::{FIRST, Identities, IdentityError, file};
use crate::endpoint::{Label, Labels};
use crate::step::{Step, Steps};
use crate::whole_file;

fn set(name: &str) -> Labels {
    [Label::new("app", name, "k8s")].into_iter().collect()
}

fn open(root: &Path) -> Identities {
    // A process that a neighbouring test forks holds a copy of our lock until it has called exec.
    Identities::open(root)
        .unwrap()
        .with_lock_wait(Duration::from_secs(2))
}

/// What a verb is killed or fails in.
type Verb = fn(&Identities) -> Result<(), IdentityError>;

fn acquire(identities: &Identities, name: &str) -> Result<(), IdentityError> {
    identities.acquire(&set(name)).map(drop)
}

/// Overwrites what both names lead to.
fn damage(identities: &Identities, name: &str) {
    let path = identities.folder.digest(&file::digest(&set(name)));
    let mut bytes = fs::read(&path).unwrap();
    bytes[3] ^= 1;
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).unwrap();
}

/// Runs `verb` with a fault at step number `at`; after a `kill` nothing more happens. Says whether the
/// verb has that many steps.
fn with_fault(root: &Path, at: usize, kill: bool, verb: Verb) -> bool {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let mut identities = open(root);
    identities.steps = Steps::observed(move |step, real| {
        let number = seen.fetch_add(1, Ordering::Relaxed);
        if number < at || (number > at && !kill) {
            return real();
        }
        if number == at {
            step.leave_half();
        }
        Err(step.fault())
    });
    verb(&identities).ok();
    count.load(Ordering::Relaxed) > at
}

/// Every number has its two names, every set has one number, and nothing else lies there.
fn check_ordered(identities: &Identities, at: &str) {
    let listing = Listing::read(&identities.folder).unwrap();
    assert!(listing.litter.is_empty(), "{at}: {listing:?}");
    assert!(listing.lone_numbers().is_empty(), "{at}: {listing:?}");
    assert!(listing.lone_digests().is_empty(), "{at}: {listing:?}");
    let sets: Vec<Labels> = identities
        .list()
        .unwrap()
        .into_iter()
        .map(|listed| listed.labels.unwrap())
        .collect();
    for (n, set) in sets.iter().enumerate() {
        assert!(!sets[..n].contains(set), "{at}: {set:?} has two numbers");
    }
}

/// Runs `verb` with every fault on what `prepare` makes anew, and then acquires the sets of `expected` in
/// every possible sequence of the first; each must have its number, or, where that is 0, any of its own.
fn check(prepare: Verb, verb: Verb, expected: &[(&str, u32)]) {
    for (kill, first) in [(true, 0), (true, 1), (true, 2), (false, 0)] {
        for step in 0.. {
            let root = tempfile::tempdir().unwrap();
            prepare(&open(root.path())).unwrap();
            let is_met = with_fault(root.path(), step, kill, verb);
            let at = format!("step {step}, kill {kill}, set {first} comes first");
            check_after(root.path(), expected, first, &at);
            if !is_met {
                assert!(step > 1, "the verb has steps");
                break;
            }
        }
    }
}

fn check_after(root: &Path, expected: &[(&str, u32)], first: usize, at: &str) {
    let identities = open(root);
    let mut numbers = BTreeMap::new();
    for turn in 0..expected.len() {
        let (name, number) = expected[(first + turn) % expected.len()];
        let found = identities.acquire(&set(name)).unwrap();
        assert!(number == 0 || found == number, "{at}: {name} is {found}");
        let before = numbers.insert(found, name);
        assert_eq!(before, None, "{at}: {name}");
    }
    // A set nobody knows: its number comes from whoever orders what was left.
    let fresh = identities.acquire(&set("never seen")).unwrap();
    assert!(!numbers.contains_key(&fresh), "{at}");
    check_ordered(&identities, at);
    for (number, name) in numbers {
        assert_eq!(identities.acquire(&set(name)).unwrap(), number, "{at}");
    }
}

#[test]
fn the_first_number() {
    check(
        |_| Ok(()),
        |identities| acquire(identities, "a"),
        &[("a", 0), ("b", 0), ("c", 0)],
    );
}

#[test]
fn one_more_number() {
    check(
        |identities| acquire(identities, "a").and_then(|()| acquire(identities, "b")),
        |identities| acquire(identities, "c"),
        &[("c", 0), ("b", FIRST + 1), ("a", FIRST)],
    );
}

#[test]
fn a_number_that_was_begun_is_kept() {
    // Steps of a first number: write, link by number, link by digest.
    for step in [2, 3] {
        let root = tempfile::tempdir().unwrap();
        assert!(with_fault(root.path(), step, true, |identities| acquire(
            identities, "a"
        )));
        let identities = open(root.path());
        assert_eq!(identities.acquire(&set("b")).unwrap(), FIRST + 1);
        assert_eq!(identities.acquire(&set("a")).unwrap(), FIRST);
    }
}

#[test]
fn a_damaged_file_is_rebuilt() {
    check(
        |identities| {
            acquire(identities, "a")?;
            acquire(identities, "b")?;
            damage(identities, "a");
            Ok(())
        },
        |identities| acquire(identities, "a"),
        &[("a", FIRST), ("b", FIRST + 1), ("c", 0)],
    );
}

#[test]
fn a_collection() {
    check(
        |identities| {
            acquire(identities, "a")?;
            acquire(identities, "b")?;
            acquire(identities, "c")
        },
        |identities| {
            let collected = identities.collect(|number| number == FIRST + 1, Duration::ZERO, false);
            collected.map(drop)
        },
        &[("a", 0), ("b", FIRST + 1), ("c", 0)],
    );
}

#[test]
fn a_collection_that_meets_an_acquisition_gives_the_name_back() {
    let root = tempfile::tempdir().unwrap();
    let (keep, old) = (Duration::from_mins(10), Duration::from_hours(1));
    open(root.path()).acquire(&set("a")).unwrap();
    let path = open(root.path()).folder.number(FIRST);
    let file = fs::File::open(&path).unwrap();
    file.set_modified(std::time::SystemTime::now() - old)
        .unwrap();
    let mut identities = open(root.path());
    // Between the look at its age and the removal of its name somebody found it.
    let marked = file.try_clone().unwrap();
    identities.steps = Steps::observed(move |step, real| {
        if matches!(step, Step::Remove(_)) {
            marked.set_modified(std::time::SystemTime::now()).unwrap();
        }
        real()
    });
    let collected = identities.collect(|_| false, keep, false).unwrap();
    assert_eq!(collected, [0; 0]);
    assert_eq!(identities.acquire(&set("a")).unwrap(), FIRST);
    file.set_modified(std::time::SystemTime::now() - old)
        .unwrap();
    let identities = open(root.path());
    assert_eq!(
        identities.collect(|_| false, keep, true).unwrap(),
        [FIRST],
        "a dry run only says it"
    );
    assert_eq!(identities.collect(|_| false, keep, false).unwrap(), [FIRST]);
    assert_eq!(identities.acquire(&set("a")).unwrap(), FIRST + 1);
}

#[test]
fn a_name_that_was_taken_away_under_the_reader_is_looked_up_again() {
    let root = tempfile::tempdir().unwrap();
    let identities = open(root.path());
    identities.acquire(&set("a")).unwrap();
    let path = identities.folder.digest(&file::digest(&set("a")));
    let (found, _) = whole_file::open_plain(&path).unwrap();
    assert!(super::mark_used(&found, &path).unwrap());
    fs::remove_file(&path).unwrap();
    assert!(!super::mark_used(&found, &path).unwrap(), "it is gone");
    fs::File::create(&path).unwrap();
    assert!(!super::mark_used(&found, &path).unwrap(), "it is another");
}
