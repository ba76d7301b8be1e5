//! Identities: one number for a set, whoever asks, as long as an endpoint has it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ep_builder::endpoint::{Label, Labels};
use ep_builder::error::chain;
use ep_builder::identity::{FIRST, INIT, Identities, IdentityError};
use ep_builder::state::StateLayout;
use proptest::prelude::*;

use crate::common::{Killed, again, inside_child, names};

pub(crate) fn set(name: &str) -> Labels {
    let labels = [
        Label::new("app", name, "k8s"),
        Label::new("io.kubernetes.pod.namespace", "default", "k8s"),
    ];
    labels.into_iter().collect()
}

pub(crate) fn open(root: &Path) -> Identities {
    Identities::open(root).unwrap()
}

pub(crate) fn folder(root: &Path) -> PathBuf {
    StateLayout::new(root).identities()
}

#[test]
fn no_labels_is_init_and_takes_no_number() {
    let root = tempfile::tempdir().unwrap();
    let identities = open(root.path());
    assert_eq!(identities.acquire(&Labels::default()).unwrap(), INIT);
    assert!(names(root.path()).is_empty(), "nothing is written");
    assert_eq!(identities.get(INIT).unwrap(), Some(Labels::default()));
    assert!(identities.list().unwrap().is_empty());
    for absent in [0, 1, 255, 256, 1 << 24, u32::MAX] {
        assert_eq!(identities.get(absent).unwrap(), None, "{absent}");
    }
    assert_eq!(identities.acquire(&set("a")).unwrap(), FIRST);
    assert_eq!(identities.get(FIRST).unwrap(), Some(set("a")));
}

fn any_labels() -> impl Strategy<Value = Vec<Label>> {
    let text = "[ab\n\u{e9}]{0,2}";
    let label = (text, text, "[kc]").prop_map(|(k, v, s)| Label::new(&k, &v, &s));
    proptest::collection::vec(label, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn equal_sets_have_one_number_and_others_have_others(sets in proptest::collection::vec(any_labels(), 1..12)) {
        let root = tempfile::tempdir().unwrap();
        let mut numbers = BTreeMap::new();
        for labels in &sets {
            // Of two labels with one key and source the last one counts, so only sets can be turned round.
            let set: Labels = Labels::from(labels.clone());
            let turned: Labels = Vec::from(set.clone()).into_iter().rev().collect();
            let number = open(root.path()).acquire(&set).unwrap();
            prop_assert_eq!(open(root.path()).acquire(&turned).unwrap(), number);
            prop_assert_eq!(open(root.path()).get(number).unwrap(), Some(set.clone()));
            let before = numbers.insert(number, set.clone());
            prop_assert!(before.is_none_or(|before| before == set));
        }
    }
}

/// Acquires sets, from a place of its own on, and says which number each has.
fn crowd(root: &Path) {
    let start = usize::try_from(std::process::id()).unwrap();
    let identities = open(root);
    std::io::stdin().lines().for_each(drop);
    for turn in 0..SETS {
        let n = (start * 7 + turn) % SETS;
        let number = identities.acquire(&set(&n.to_string())).unwrap();
        println!("\nnumber {n} {number}");
    }
    std::io::stdout().flush().unwrap();
}

const SETS: usize = 40;

#[test]
fn sixteen_processes_agree() {
    if let Some(root) = inside_child() {
        return crowd(&root);
    }
    let root = tempfile::tempdir().unwrap();
    let test = "identities::sixteen_processes_agree";
    let mut processes: Vec<_> = (0..16)
        .map(|_| Killed(again(&[], test, root.path()).spawn().unwrap()))
        .collect();
    // All are there: now they may begin.
    for process in &mut processes {
        drop(process.0.stdin.take());
    }
    let mut seen = BTreeSet::new();
    for mut process in processes {
        let mut said = String::new();
        let mut out = process.0.stdout.take().unwrap();
        std::io::Read::read_to_string(&mut out, &mut said).unwrap();
        assert!(process.0.wait().unwrap().success(), "{said}");
        let lines: Vec<_> = said.lines().filter(|l| l.starts_with("number ")).collect();
        assert_eq!(lines.len(), SETS, "{said}");
        seen.extend(lines.into_iter().map(ToOwned::to_owned));
    }
    // Each process said the same of each set, and no two sets have one number.
    assert_eq!(seen.len(), SETS, "{seen:?}");
    let numbers: BTreeSet<_> = seen.iter().filter_map(|l| l.split(' ').nth(2)).collect();
    assert_eq!(numbers.len(), SETS, "{seen:?}");
    assert_eq!(
        names(&folder(root.path())).len(),
        2 * SETS + 2,
        "lock and last"
    );
}

fn age(root: &Path, number: u32, age: Duration) {
    let file = fs::File::open(folder(root).join(number.to_string())).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

#[test]
fn only_what_is_unused_and_has_rested_is_collected() {
    const KEEP: Duration = Duration::from_mins(10);
    let root = tempfile::tempdir().unwrap();
    let identities = open(root.path());
    let collect = |dry_run| {
        identities
            .collect(|number| number == 257, KEEP, dry_run)
            .unwrap()
    };
    assert!(collect(false).is_empty(), "there is none yet");
    for name in ["a", "b", "c", "d"] {
        identities.acquire(&set(name)).unwrap();
    }
    assert!(collect(false).is_empty(), "all are young");
    let old = KEEP + Duration::from_secs(1);
    for number in 256..=258 {
        age(root.path(), number, old);
    }
    // Acquired again: whoever did it may not have written its record yet.
    assert_eq!(identities.acquire(&set("c")).unwrap(), 258);
    assert_eq!(collect(true), [256]);
    assert_eq!(
        identities.list().unwrap().len(),
        4,
        "a dry run removes nothing"
    );
    assert_eq!(collect(false), [256]);
    assert_eq!(collect(false), [0; 0]);
    assert_eq!(identities.get(256).unwrap(), None);
    assert_eq!(identities.acquire(&set("b")).unwrap(), 257);
    assert_eq!(
        identities.acquire(&set("a")).unwrap(),
        260,
        "a number comes back late"
    );
    let file = fs::File::open(folder(root.path()).join("259")).unwrap();
    file.set_modified(SystemTime::now() + old).unwrap();
    assert!(collect(false).is_empty(), "a clock that was set back");
}

#[test]
fn the_highest_number_comes_back_late_too() {
    let root = tempfile::tempdir().unwrap();
    let identities = open(root.path());
    for (name, number) in [("a", 256), ("b", 257), ("c", 258)] {
        assert_eq!(identities.acquire(&set(name)).unwrap(), number);
    }
    identities
        .collect(|number| number == 256, Duration::ZERO, false)
        .unwrap();
    assert_eq!(identities.acquire(&set("d")).unwrap(), 259);
}

#[test]
fn a_lock_that_is_held_is_waited_for_and_then_said() {
    let root = tempfile::tempdir().unwrap();
    let identities = open(root.path()).with_lock_wait(Duration::from_millis(5));
    identities.acquire(&set("a")).unwrap();
    let path = folder(root.path()).join("lock");
    let lock = ep_builder::lock::FileLock::acquire(&path, Duration::from_secs(2)).unwrap();
    assert_eq!(
        identities.acquire(&set("a")).unwrap(),
        FIRST,
        "known: needs no lock"
    );
    let error = identities.acquire(&set("b")).unwrap_err();
    assert!(matches!(error, IdentityError::Locked { .. }), "{error}");
    let holder = format!("process {}", std::process::id());
    assert!(chain(&error).contains(&holder), "{}", chain(&error));
    assert!(error.advice().is_some());
    drop(lock);
}

#[test]
fn too_many_labels_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let error = open(root.path())
        .acquire(&set(&"x".repeat(2 << 20)))
        .unwrap_err();
    assert!(matches!(error, IdentityError::TooLarge { .. }), "{error}");
    assert_eq!(open(root.path()).acquire(&set("a")).unwrap(), FIRST);
}
