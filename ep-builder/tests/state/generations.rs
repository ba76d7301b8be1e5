//! Generations: committed, failed, rolled back, removed; read while they change; one builder at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ep_builder::state::{
    EP_CONFIG_H, EndpointState, OBJECT, Origin, Place, RECORD, Recovery, StateError,
};

use crate::common::{
    OwnStore, facts, header, id, names, object, open, overwrite, record, watched, write,
};

/// The generations in the live folder and in `_prev`.
fn generations(own: &OwnStore) -> (u64, Option<u64>) {
    let read = || own.read(id(9)).unwrap().record.generation;
    let live = read();
    let previous = own.rollback(id(9)).ok().map(|back| back.generation);
    if previous.is_some() {
        assert_eq!(own.rollback(id(9)).unwrap().generation, live);
    }
    (live, previous)
}

#[test]
fn a_commit_keeps_the_one_before() {
    let own = OwnStore::with(9, 1);
    assert_eq!(generations(&own), (1, None));
    assert_eq!(own.names(), ["00009", "locks"]);
    own.build(id(9));
    assert_eq!(generations(&own), (2, Some(1)));
    own.build(id(9));
    assert_eq!(generations(&own), (3, Some(2)));
    assert_eq!(own.names(), ["00009", "00009_prev", "locks"]);
    assert_eq!(
        names(&own.layout().folder(id(9), Place::Live)),
        [OBJECT, RECORD, EP_CONFIG_H]
    );
    let loaded = own.read(id(9)).unwrap();
    assert!(matches!(loaded.origin, Origin::Record { .. }));
    assert_eq!(loaded.record.state, EndpointState::Ready);
    assert_eq!(loaded.record.policy, record(id(9)).policy);
    assert_eq!(loaded.record.template, record(id(9)).template);
    assert_eq!(own.read_object(id(9)).unwrap(), object(3));
    assert_eq!(own.read_header(id(9)).unwrap(), header(&facts(id(9))));
}

#[test]
fn a_failure_is_kept_beside_until_the_next_success() {
    let own = OwnStore::with(9, 1);
    write(own.begin(id(9)).unwrap()).fail("first").unwrap();
    own.begin(id(9)).unwrap().fail("second").unwrap();
    assert_eq!(own.names(), ["00009", "00009_next_fail", "locks"]);
    assert_eq!(own.read_log(id(9)).unwrap().unwrap(), "second");
    assert_eq!(
        names(&own.layout().folder(id(9), Place::Failed)),
        ["build.log"]
    );
    assert_eq!(own.read(id(9)).unwrap().record.generation, 1);
    own.build(id(9));
    assert_eq!(own.names(), ["00009", "00009_prev", "locks"]);
}

#[test]
fn only_what_is_whole_is_rolled_back_to_or_kept() {
    let own = OwnStore::with(9, 1);
    assert!(matches!(
        own.rollback(id(9)),
        Err(StateError::NoPrevious { .. })
    ));
    assert!(matches!(
        own.rollback(id(8)),
        Err(StateError::Missing { .. })
    ));
    own.build(id(9));
    let live = own.path(id(9), Place::Live, OBJECT);
    overwrite(&live, b"cut");
    own.build(id(9));
    assert_eq!(
        generations(&own),
        (3, Some(1)),
        "a damaged one does not push out a good one"
    );
    // Same length: only its digest gives it away.
    let previous = own.path(id(9), Place::Previous, OBJECT);
    overwrite(&previous, &object(2));
    let error = own.rollback(id(9)).unwrap_err();
    assert!(matches!(error, StateError::Damaged { .. }), "{error}");
    assert_eq!(
        own.read_object(id(9)).unwrap(),
        object(3),
        "the live one still is"
    );
}

#[test]
fn a_damaged_live_one_gives_way_to_a_whole_next_one() {
    let own = OwnStore::with(9, 1);
    let (live, next) = (
        own.layout().folder(id(9), Place::Live),
        own.layout().folder(id(9), Place::Next),
    );
    std::fs::create_dir(&next).unwrap();
    for file in [RECORD, EP_CONFIG_H, OBJECT] {
        std::fs::copy(live.join(file), next.join(file)).unwrap();
    }
    overwrite(&live.join(RECORD), b"");
    overwrite(&live.join(EP_CONFIG_H), b"");
    assert_eq!(own.recover(id(9)).unwrap(), Recovery::Promoted);
    assert!(own.verify(id(9)).is_empty());
    assert_eq!(own.names(), ["00009", "locks"]);
}

#[test]
fn removal_is_repeatable_and_needs_nothing_to_be_readable() {
    let own = OwnStore::with(9, 2);
    own.begin(id(9)).unwrap().fail("why").unwrap();
    overwrite(&own.path(id(9), Place::Live, RECORD), b"");
    overwrite(&own.path(id(9), Place::Live, EP_CONFIG_H), b"");
    for _ in 0..2 {
        own.remove(id(9)).unwrap();
        assert_eq!(own.names(), ["locks"]);
        assert!(names(&own.layout().locks()).is_empty());
        assert!(matches!(own.read(id(9)), Err(StateError::Missing { .. })));
        assert_eq!(own.verify(id(9)).len(), 1);
    }
}

#[test]
fn readers_meet_one_generation_or_the_other() {
    watched(|| {
        let own = OwnStore::with(9, 1);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let reader = || {
                let store = open(own.root.path());
                let (mut reads, mut last) = (0, 0);
                while !done.load(Ordering::Relaxed) || reads == 0 {
                    let loaded = store.read(id(9)).unwrap();
                    assert!(matches!(loaded.origin, Origin::Record { .. }), "{loaded:?}");
                    assert!(loaded.record.generation >= last);
                    last = loaded.record.generation;
                    // Its digest is in the record of the same folder, so this is no mixture.
                    store.read_object(id(9)).unwrap();
                    assert!(store.verify(id(9)).is_empty());
                    reads += 1;
                }
            };
            let readers = [scope.spawn(reader), scope.spawn(reader)];
            for _ in 0..100 {
                own.build(id(9));
            }
            done.store(true, Ordering::Relaxed);
            for reader in readers {
                reader.join().unwrap();
            }
        });
        assert_eq!(own.read(id(9)).unwrap().record.generation, 101);
    });
}

#[test]
fn one_builder_at_a_time_and_the_others_do_not_wait_for_ever() {
    let own = OwnStore::with(9, 1);
    own.build(id(8));
    let next = own.begin(id(9)).unwrap();
    let waiting = open(own.root.path()).with_lock_wait(Duration::from_millis(50));
    let start = Instant::now();
    let error = waiting.begin(id(9)).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(30));
    assert!(matches!(error, StateError::Locked { .. }), "{error}");
    let text = ep_builder::error::chain(&error);
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    assert!(error.advice().is_some());
    assert!(waiting.remove(id(9)).is_err());
    assert!(waiting.rollback(id(9)).is_err());
    assert!(waiting.recover(id(9)).is_err());
    assert_eq!(
        waiting.read(id(9)).unwrap().record.generation,
        1,
        "readers need no lock"
    );
    own.build(id(8));
    let own = &own;
    thread::scope(|scope| {
        let patient = open(own.root.path()).with_lock_wait(Duration::from_mins(1));
        let waiter = scope.spawn(move || write(patient.begin(id(9)).unwrap()).commit().unwrap());
        thread::sleep(Duration::from_millis(20));
        write(next).commit().unwrap();
        assert_eq!(waiter.join().unwrap().record.generation, 3);
    });
}
