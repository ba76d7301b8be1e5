//! Death before every step that touches the disk.

use std::time::SystemTime;

use super::steps::counting::dying_at;
use super::*;

/// What dies. Owner 1 is there before, with an address of each set; owner 9 is the one that is being added.
#[derive(Clone, Copy, Debug)]
enum Action {
    Add,
    AddRequested,
    /// The index must be derived: somebody else was here.
    AddBehindOthers,
    Del,
    Gc,
}

/// What is done by whoever comes next.
#[derive(Clone, Copy, Debug)]
enum Aftermath {
    Del,
    Gc,
    Retry,
}

const ACTIONS: [Action; 5] = [
    Action::Add,
    Action::AddRequested,
    Action::AddBehindOthers,
    Action::Del,
    Action::Gc,
];

fn sets() -> Config {
    config(&["10.1.0.0/24", "fd00::/64"], &[])
}

fn prepared(action: Action) -> Fixture {
    let fixture = Fixture::new();
    fixture.add(1, &sets()).unwrap();
    match action {
        Action::Del | Action::Gc => {
            fixture.add(9, &sets()).unwrap();
        }
        Action::AddBehindOthers => {
            fixture.put("10.1.0.9", "container-2\r\neth0");
            fixture.put("10.1.0.10", "");
            let past = SystemTime::now() - Duration::from_hours(1);
            let file = fs::File::options()
                .write(true)
                .open(fixture.path("10.1.0.10"))
                .unwrap();
            file.set_modified(past).unwrap();
        }
        Action::Add | Action::AddRequested => {}
    }
    fixture
}

fn act(fixture: &Fixture, action: Action) {
    let sets = match action {
        Action::AddRequested => config(&["10.1.0.0/24", "fd00::/64"], &["10.1.0.200", "fd00::9"]),
        _ => sets(),
    };
    match action {
        Action::Del => drop(fixture.del(9)),
        Action::Gc => drop(fixture.store.collect(&is_not_nine).unwrap()),
        _ => {
            fixture.add(9, &sets).unwrap();
        }
    }
}

fn is_not_nine(reservation: &Reservation) -> bool {
    reservation.holder.container != "container-9"
}

fn check(action: Action, aftermath: Aftermath) -> usize {
    for step in 0..1000 {
        let fixture = prepared(action);
        let others = fixture.truth().len() - held_by_nine(&fixture);
        let has_died = dying_at(step, || act(&fixture, action)).is_none();
        let context = format!("{action:?} died at {step}, then {aftermath:?}");
        for name in folder::names(&fixture.path("")).unwrap() {
            if let Ok(address) = name.parse() {
                let record = fixture.store.folder.record(address).unwrap();
                let is_whole = matches!(record, Record::Held(_)) || name == "10.1.0.10";
                assert!(is_whole, "{context}: {name} is {record:?}");
            }
        }
        match aftermath {
            Aftermath::Del => drop(fixture.del(9)),
            Aftermath::Gc => drop(fixture.store.collect(&is_not_nine).unwrap()),
            Aftermath::Retry => {
                fixture.del(9);
                act(&fixture, Action::Add);
            }
        }
        let nine = if matches!(aftermath, Aftermath::Retry) {
            2
        } else {
            0
        };
        assert_eq!(held_by_nine(&fixture), nine, "{context}");
        assert_eq!(fixture.truth().len(), others + nine, "{context}");
        fixture
            .store
            .check(&owner(1), &[ip("10.1.0.2"), ip("fd00::2")])
            .expect(&context);
        fixture.add(50, &sets()).expect(&context);
        fixture.assert_sound();
        if !has_died {
            return step;
        }
    }
    panic!("{action:?} never ends");
}

fn held_by_nine(fixture: &Fixture) -> usize {
    let truth = fixture.truth();
    let nines = truth
        .values()
        .filter(|holder| holder.container == "container-9");
    nines.count()
}

#[test]
fn whoever_dies_anywhere_leaves_what_del_takes_away() {
    for action in ACTIONS {
        let steps = check(action, Aftermath::Del);
        assert!(
            steps > 8,
            "{action:?} has {steps} steps only: they are not counted"
        );
    }
}

#[test]
fn whoever_dies_anywhere_leaves_what_gc_takes_away() {
    for action in ACTIONS {
        check(action, Aftermath::Gc);
    }
}

#[test]
fn whoever_dies_anywhere_can_try_again() {
    for action in ACTIONS {
        check(action, Aftermath::Retry);
    }
}
