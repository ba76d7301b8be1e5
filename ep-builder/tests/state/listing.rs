//! The list of endpoints: every status, and none hides another.

use std::fs;

use ep_builder::state::{EP_CONFIG_H, Entry, OBJECT, Place, RECORD, Status};

use crate::common::{OwnStore, id, names, overwrite, write};

/// One line per entry.
fn listed(own: &OwnStore) -> Vec<String> {
    let line = |entry: &Entry| match entry {
        Entry::Stranger(name) => format!("stranger {}", name.display()),
        Entry::Endpoint {
            id,
            status,
            has_previous,
            has_failed_build,
        } => {
            let status = match &**status {
                Status::Ok(record) => format!("ok {}", record.generation),
                Status::Restored { record, .. } => format!("restored {}", record.endpoint.id),
                Status::Damaged { record, .. } => format!("damaged {}", record.is_some()),
                Status::Claimed { in_progress } => format!("claimed {in_progress}"),
                Status::Leftover => "leftover".to_owned(),
            };
            let previous = if *has_previous { " prev" } else { "" };
            let failed = if *has_failed_build { " failed" } else { "" };
            format!("{id} {status}{previous}{failed}")
        }
    };
    own.list().unwrap().iter().map(line).collect()
}

#[test]
fn every_status_side_by_side() {
    let own = OwnStore::with(1, 2);
    for number in [2, 3, 4, 5] {
        own.build(id(number));
    }
    own.begin(id(1)).unwrap().fail("why").unwrap();
    overwrite(&own.path(id(2), Place::Live, RECORD), b"?");
    overwrite(&own.path(id(3), Place::Live, OBJECT), b"cut");
    overwrite(&own.path(id(4), Place::Live, RECORD), b"");
    overwrite(&own.path(id(4), Place::Live, EP_CONFIG_H), b"");
    let claim = own.claim_id(id(6)).unwrap();
    fs::create_dir(own.layout().folder(id(7), Place::Live)).unwrap();
    write(own.claim_id(id(8)).unwrap().begin().unwrap())
        .fail("why")
        .unwrap();
    for folder in [
        "templates",
        "ipam",
        "00009.bak",
        "9",
        "65535",
        "00009_stale",
    ] {
        fs::create_dir(own.root.path().join(folder)).unwrap();
    }
    overwrite(&own.root.path().join("README"), b"mine");
    let before = own.names();
    assert_eq!(
        listed(&own),
        [
            "1 ok 2 prev failed",
            "2 restored 2",
            "3 damaged true",
            "4 damaged false",
            "5 ok 1",
            "6 claimed true",
            "7 claimed false",
            "8 leftover failed",
            "stranger 00009.bak",
            "stranger 00009_stale",
            "stranger 65535",
            "stranger 9",
            "stranger README",
        ]
    );
    assert_eq!(own.names(), before, "a list changes nothing here");
    drop(claim);
}

#[test]
fn a_list_finishes_what_a_killed_process_left() {
    let own = OwnStore::with(9, 1);
    let next = own.begin(id(9)).unwrap();
    assert_eq!(listed(&own), ["9 ok 1"]);
    assert!(
        own.names().contains(&"00009_next".to_owned()),
        "it is being built"
    );
    drop(next);
    fs::create_dir(own.layout().folder(id(9), Place::Next)).unwrap();
    assert_eq!(listed(&own), ["9 ok 1"]);
    assert_eq!(own.names(), ["00009", "locks"]);
}

#[test]
fn an_empty_store_has_an_empty_list() {
    let own = OwnStore::new();
    assert!(listed(&own).is_empty());
    assert!(names(own.root.path()).is_empty(), "to look is not to make");
}
