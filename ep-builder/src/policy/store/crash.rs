//! The crash model: every verb is killed, or fails, at each of its steps; what counts is whole, old or new, and
//! the next apply leaves nothing but its own revision.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{Basis, Draft, NodeBasis, PolicyStore, Sources, StoreError, Stored};
use crate::maps::{Decision, Direction, Rule, Traffic};
use crate::policy::{Action, Origin, Place, PolicyEntry, PolicyKind, PolicySet, SubjectPolicy};
use crate::step::Steps;

const IDENTITIES: [u32; 3] = [5, 256, 257];

fn open(root: &Path) -> PolicyStore {
    // A process that a neighbouring test forks holds a copy of our lock until it has called exec.
    PolicyStore::new(root).with_lock_wait(Duration::from_secs(2))
}

/// The policy of an identity, with the revision in it: files of two revisions are never the same.
fn stored(identity: u32, revision: u32, is_complete: bool) -> Stored {
    Stored {
        identity,
        labels: format!("{identity:064}"),
        is_complete,
        policy: SubjectPolicy {
            isolates_ingress: true,
            isolates_egress: false,
            entries: vec![PolicyEntry {
                rule: Rule {
                    identity: revision,
                    direction: Direction::Ingress,
                    traffic: Traffic::Protocol(6),
                },
                decision: Decision {
                    deny: false,
                    rule: revision,
                },
            }],
        },
    }
}

fn sources(revision: u32) -> Sources {
    Sources {
        allow_localhost: true,
        files: vec![(
            "/etc/a.yaml".into(),
            format!("# {revision}\n\"quoted\"").into(),
        )],
    }
}

fn basis(revision: u32) -> Basis {
    let mut set = PolicySet::default();
    set.namespaces
        .insert(format!("n{revision}"), BTreeMap::new());
    Basis::new(true, set, NodeBasis::default())
}

fn origin(revision: u32) -> Origin {
    Origin {
        kind: PolicyKind::NetworkPolicy,
        namespace: "shop".into(),
        name: format!("policy-{revision}"),
        direction: Direction::Ingress,
        action: Action::Allow,
        place: Place {
            file: "/etc/a.yaml".into(),
            line: revision,
        },
    }
}

/// What an apply does on disk.
fn apply(store: &PolicyStore, revision: u32) -> Result<(), StoreError> {
    let exclusive = store.exclude()?;
    let identities = IDENTITIES.map(|identity| stored(identity, revision, true));
    let networks = [("10.0.0.0/8".parse().unwrap(), 1 << 24)];
    let draft = Draft {
        sources: &sources(revision),
        basis: &basis(revision),
        origins: &[origin(revision)],
        networks: &networks,
        identities: &identities,
    };
    exclusive.unsettle()?;
    exclusive.write(revision, &draft)?;
    if let Err(error) = exclusive.publish(revision) {
        exclusive.remove(revision)?;
        return Err(error);
    }
    exclusive.keep_only(Some(revision))?;
    exclusive.settle()
}

/// A new identity in the revision in force.
fn introduce(store: &PolicyStore) -> Result<(), StoreError> {
    let exclusive = store.exclude()?;
    exclusive.put_identity(1, &stored(300, 1, false))?;
    exclusive.put_identity(1, &stored(256, 1, true))?;
    exclusive.put_identity(1, &stored(300, 1, true))
}

type Verb = fn(&PolicyStore) -> Result<(), StoreError>;

/// Runs `verb` with a fault at step number `at`; after a `kill` nothing more happens. Says whether the verb has
/// that many steps, and what it said.
fn with_fault(root: &Path, at: usize, kill: bool, verb: Verb) -> (bool, bool) {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let mut store = open(root);
    store.steps = Steps::observed(move |step, real| {
        let number = seen.fetch_add(1, Ordering::Relaxed);
        if number < at || (number > at && !kill) {
            return real();
        }
        if number == at {
            step.leave_half();
        }
        Err(step.fault())
    });
    let said_ok = verb(&store).is_ok();
    (count.load(Ordering::Relaxed) > at, said_ok)
}

/// Every file of a revision, as it was written.
fn check_whole(store: &PolicyStore, revision: u32, at: &str) {
    assert_eq!(store.sources(revision).unwrap(), sources(revision), "{at}");
    assert_eq!(store.basis(revision).unwrap(), basis(revision), "{at}");
    assert_eq!(store.origins(revision).unwrap(), [origin(revision)], "{at}");
    assert_eq!(store.networks(revision).unwrap().len(), 1, "{at}");
    for identity in IDENTITIES {
        let read = store.identity(revision, identity).unwrap().unwrap();
        assert_eq!(read, stored(identity, revision, true), "{at}");
    }
}

fn each_fault(prepare: Verb, verb: Verb, check: impl Fn(&PolicyStore, bool, &str)) {
    for kill in [true, false] {
        for step in 0.. {
            let root = tempfile::tempdir().unwrap();
            prepare(&open(root.path())).unwrap();
            let (is_met, said_ok) = with_fault(root.path(), step, kill, verb);
            let at = format!("step {step}, kill {kill}");
            let store = open(root.path());
            check(&store, said_ok, &at);
            // Whoever comes next: its number is one that nobody has begun with.
            let next = store.revisions().unwrap().last().map_or(1, |last| last + 1);
            apply(&store, next).unwrap();
            check_whole(&store, next, &at);
            let mut left = super::names(store.layout.root()).unwrap();
            left.sort();
            assert_eq!(left, [&next.to_string(), "current", "lock"], "{at}");
            let identities = super::layout::identities(&store.layout.revision(next));
            assert_eq!(super::names(&identities).unwrap().len(), 3, "{at}");
            if !is_met {
                assert!(step > 0, "the verb has steps");
                break;
            }
        }
    }
}

#[test]
fn the_first_apply() {
    each_fault(
        |_| Ok(()),
        |store| apply(store, 1),
        |store, said_ok, at| match store.current().unwrap() {
            None => assert!(!said_ok, "{at}"),
            Some(1) => check_whole(store, 1, at),
            other => panic!("{at}: {other:?}"),
        },
    );
}

#[test]
fn a_second_apply() {
    each_fault(
        |store| apply(store, 1),
        |store| apply(store, 2),
        |store, said_ok, at| {
            let current = store.current().unwrap().unwrap();
            // Whoever comes next knows that there may be something to end.
            let is_clean = store.revisions().unwrap() == [current].into();
            assert!(is_clean || store.is_unsettled(), "{at}");
            assert!(current == 2 || (current == 1 && !said_ok), "{at}");
            check_whole(store, current, at);
        },
    );
}

#[test]
fn a_new_identity_is_complete_when_the_others_know_it() {
    each_fault(
        |store| apply(store, 1),
        introduce,
        |store, said_ok, at| {
            let introduced = store.identity(1, 300).unwrap();
            let is_complete = introduced.is_some_and(|stored| stored.is_complete);
            // A failed sync behind the last rename: complete, and nobody was told so.
            assert!(is_complete || !said_ok, "{at}");
            check_whole(store, 1, at);
        },
    );
}

#[test]
fn a_basis_that_was_missing_is_there_or_is_missing_still() {
    each_fault(
        |store| {
            apply(store, 1)?;
            Ok(crate::whole_file::remove(&basis_of(store))?)
        },
        |store| store.exclude()?.put_basis(1, &basis(1)),
        |store, said_ok, at| match store.basis(1) {
            Ok(found) => assert_eq!(found, basis(1), "{at}"),
            Err(error) => {
                assert!(matches!(error, StoreError::NoBasis { .. }), "{at}: {error}");
                assert!(!said_ok, "{at}");
            }
        },
    );
}

fn basis_of(store: &PolicyStore) -> std::path::PathBuf {
    super::layout::basis(&store.layout.revision(1))
}

#[test]
fn damage_is_told_from_absence_and_from_a_newer_format() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    assert_eq!(store.current().unwrap(), None);
    assert_eq!(store.identity(1, 256).unwrap(), None);
    apply(&store, 1).unwrap();
    assert_eq!(store.identity(1, 300).unwrap(), None);
    let path = store.layout.current();
    let newer = crate::sealed::seal(br#"{"format":2,"revision":"two"}"#.to_vec());
    for (text, is_newer) in [(newer.as_slice(), true), (b"", false), (b"1\n", false)] {
        crate::whole_file::write(&path, text).unwrap();
        let error = store.current().unwrap_err();
        assert_eq!(
            matches!(error, StoreError::NewerFormat { found: 2, .. }),
            is_newer,
            "{error}"
        );
    }
    let folder = store.layout.revision(1);
    crate::whole_file::rename(
        &super::layout::identity(&folder, 256),
        &super::layout::identity(&folder, 300),
    )
    .unwrap();
    let error = store.identity(1, 300).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    let gone = store.sources(7).unwrap_err();
    assert!(matches!(gone, StoreError::Damaged { .. }), "{gone}");
}
