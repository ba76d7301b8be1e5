//! Claiming ids: in crowds, among processes, when nearly all are taken.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::sync::Barrier;
use std::thread;

use ep_builder::endpoint::EndpointId;
use ep_builder::state::{Claim, Entry, Place, StateError, Status};
use ep_builder::whole_file;

use crate::common::{Killed, OwnStore, again, id, inside_child, names, open, overwrite, write};

#[test]
fn crowds_get_ids_of_their_own() {
    let own = OwnStore::new();
    let (root, barrier) = (own.root.path(), Barrier::new(32));
    let claim = |thread: usize| -> Vec<Claim> {
        let store = open(root);
        barrier.wait();
        // 500 in all.
        let share = 500 / 32 + usize::from(thread < 500 % 32);
        (0..share).map(|_| store.claim().unwrap()).collect()
    };
    let claims: Vec<Claim> = thread::scope(|scope| {
        let threads: Vec<_> = (0..32).map(|n| scope.spawn(move || claim(n))).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let ids: HashSet<EndpointId> = claims.iter().map(Claim::id).collect();
    assert_eq!((claims.len(), ids.len()), (500, 500));
    let listed = own.list().unwrap();
    assert_eq!(listed.len(), 500);
    for entry in &listed {
        let Entry::Endpoint { id, status, .. } = entry else {
            panic!("{entry:?}")
        };
        assert!(ids.contains(id));
        assert!(
            matches!(**status, Status::Claimed { in_progress: true }),
            "{entry:?}"
        );
    }
    drop(claims);
    assert_eq!(own.names(), ["locks"], "dropped claims are given back");
    assert!(names(&own.layout().locks()).is_empty());
}

/// A process that claims ids, says which, and holds them until it is killed.
fn claiming_process(test: &str, own: &OwnStore) -> (Killed, Vec<EndpointId>) {
    let mut child = Killed(again(&[], test, own.root.path()).spawn().unwrap());
    let said = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let said = said
        .map(Result::unwrap)
        .find(|line| line.starts_with("claimed "))
        .unwrap();
    let ids = said
        .split(' ')
        .skip(1)
        .map(|id| EndpointId::parse(id).unwrap())
        .collect();
    (child, ids)
}

#[test]
fn killed_processes_leave_claims_that_can_be_reaped() {
    if let Some(folder) = inside_child() {
        let store = open(&folder);
        let claims: Vec<_> = (0..20).map(|_| store.claim().unwrap()).collect();
        let ids: Vec<_> = claims.iter().map(|claim| claim.id().to_string()).collect();
        println!("\nclaimed {}", ids.join(" "));
        std::io::stdout().flush().unwrap();
        // Until the parent goes away.
        std::io::stdin().lines().for_each(drop);
        return;
    }
    let own = OwnStore::new();
    let test = "claims::killed_processes_leave_claims_that_can_be_reaped";
    let processes: Vec<_> = (0..4).map(|_| claiming_process(test, &own)).collect();
    let ids: HashSet<_> = processes.iter().flat_map(|(_, ids)| ids.clone()).collect();
    assert_eq!(ids.len(), 80);
    let one = *ids.iter().next().unwrap();
    assert!(!own.reap(one).unwrap(), "its process lives");
    assert!(matches!(own.claim_id(one), Err(StateError::Locked { .. })));
    drop(processes);
    for entry in own.list().unwrap() {
        let Entry::Endpoint { id, status, .. } = entry else {
            panic!("{entry:?}")
        };
        assert!(
            matches!(*status, Status::Claimed { in_progress: false }),
            "{status:?}"
        );
        assert!(matches!(own.read(id), Err(StateError::NotBuilt { .. })));
        assert!(matches!(own.begin(id), Err(StateError::NotBuilt { .. })));
    }
    let taken_over = own.claim_id(one).unwrap();
    assert!(!own.reap(one).unwrap(), "it is ours now");
    drop(taken_over);
    for id in ids {
        assert!(own.reap(id).unwrap());
    }
    assert_eq!(own.names(), ["locks"]);
}

#[test]
fn the_last_free_id_is_found_and_then_none() {
    let own = OwnStore::new();
    let free = id(40_000);
    // What counts is the name; as many folders would take a slow disk ten seconds.
    for number in (EndpointId::MIN..=EndpointId::MAX).filter(|number| *number != free.get()) {
        symlink("taken", own.layout().folder(id(number), Place::Live)).unwrap();
    }
    let claim = own.claim().unwrap();
    assert_eq!(claim.id(), free);
    let error = own.claim().unwrap_err();
    assert!(
        matches!(
            error,
            StateError::Full {
                taken: 65_534,
                busy: 0
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("65534 are taken"), "{error}");
    assert!(error.advice().is_some());
    drop(claim);
    let locked = own.claim_id(free).unwrap();
    fs::remove_dir(own.layout().folder(free, Place::Live)).unwrap();
    let error = own.claim().unwrap_err();
    assert!(
        matches!(
            error,
            StateError::Full {
                taken: 65_533,
                busy: 1
            }
        ),
        "{error}"
    );
    drop(locked);
}

#[test]
fn leftovers_without_a_live_folder_do_not_hold_the_id() {
    for place in [Place::Next, Place::Failed, Place::Previous] {
        let own = OwnStore::with(9, 2);
        own.begin(id(9)).unwrap().fail("why").unwrap();
        fs::rename(
            own.layout().folder(id(9), Place::Live),
            own.layout().folder(id(9), Place::Next),
        )
        .unwrap();
        for other in Place::ALL.into_iter().filter(|other| *other != place) {
            fs::remove_dir_all(own.layout().folder(id(9), other)).ok();
        }
        let claim = own.claim_id(id(9)).unwrap();
        assert_eq!(own.names(), ["00009", "locks"], "{place:?}");
        write(claim.begin().unwrap()).commit().unwrap();
        assert_eq!(own.read(id(9)).unwrap().record.generation, 1, "{place:?}");
    }
}

#[test]
fn taken_ids_stay_with_their_endpoint() {
    let own = OwnStore::with(9, 1);
    assert!(matches!(own.claim_id(id(9)), Err(StateError::Taken { .. })));
    assert!(!own.reap(id(9)).unwrap());
    let stranger = own.layout().folder(id(10), Place::Live);
    fs::create_dir(&stranger).unwrap();
    overwrite(&stranger.join("notes"), b"mine");
    assert!(matches!(
        own.claim_id(id(10)),
        Err(StateError::Taken { .. })
    ));
    assert!(!own.reap(id(10)).unwrap());
    assert!(own.verify(id(9)).is_empty());
    assert_eq!(names(&stranger), ["notes"]);
}

#[test]
fn a_build_that_is_given_up_gives_the_id_back() {
    let own = OwnStore::new();
    drop(own.claim_id(id(9)).unwrap());
    drop(own.claim_id(id(9)).unwrap().begin().unwrap());
    drop(write(own.claim_id(id(9)).unwrap().begin().unwrap()));
    assert_eq!(own.names(), ["locks"]);
    write(own.claim_id(id(9)).unwrap().begin().unwrap())
        .fail("verifier")
        .unwrap();
    assert_eq!(own.names(), ["00009_next_fail", "locks"]);
    assert_eq!(own.read_log(id(9)).unwrap().unwrap(), "verifier");
    assert!(matches!(own.read(id(9)), Err(StateError::Missing { .. })));
    drop(own.claim_id(id(9)).unwrap());
    assert_eq!(own.names(), ["locks"]);
}

#[test]
fn lock_files_of_the_dead_are_swept() {
    let own = OwnStore::with(3, 1);
    let held = own.claim_id(id(4)).unwrap();
    let locks = own.layout().locks();
    for number in [id(3), id(5), id(6)] {
        overwrite(&own.layout().lock(number), b"7");
    }
    whole_file::write(&locks.join("stranger"), b"").unwrap();
    own.sweep(true).unwrap();
    assert_eq!(names(&locks).len(), 5);
    own.sweep(false).unwrap();
    // Of a live endpoint, of a claim that is under way, and not ours.
    assert_eq!(names(&locks), ["00003", "00004", "stranger"]);
    drop(held);
    OwnStore::new().sweep_locks().unwrap();
}
