//! Files that are cut, zeroed, filled with noise or replaced: always reported, never believed, and never a
//! panic or a wait.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use ep_builder::digest::sha256_hex;
use ep_builder::endpoint::EndpointId;
use ep_builder::state::{
    BUILD_LOG, Damage, EP_CONFIG_H, Entry, OBJECT, Origin, Place, RECORD, StateError, Status,
};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::common::{OwnStore, facts, header, id, noise, object, overwrite, watched};

const FILES: [&str; 3] = [RECORD, EP_CONFIG_H, OBJECT];

/// What must hold with one damaged file: it is found, and the facts are the true ones or none.
fn check(own: &OwnStore, damaged: &str, what: &str) {
    let endpoint = id(2665);
    let faults = own.verify(endpoint);
    assert!(!faults.is_empty(), "{damaged}, {what}: not found");
    for fault in &faults {
        let text = ep_builder::error::chain(fault);
        assert!(text.contains(damaged), "{what}: {text}");
    }
    let loaded = own.read(endpoint).unwrap();
    assert_eq!(loaded.record.endpoint, facts(endpoint), "{damaged}, {what}");
    let restored = matches!(loaded.origin, Origin::Header { .. });
    assert_eq!(restored, damaged == RECORD, "{damaged}, {what}");
    // Without the record nobody knows what the other two must be.
    assert_eq!(
        own.read_object(endpoint).is_err(),
        damaged != EP_CONFIG_H,
        "{damaged}, {what}"
    );
    assert_eq!(
        own.read_header(endpoint).is_err(),
        damaged != OBJECT,
        "{damaged}, {what}"
    );
    own.recover(endpoint).unwrap();
}

fn status(own: &OwnStore, endpoint: EndpointId) -> Status {
    let mut entries = own.list().unwrap().into_iter();
    entries
        .find_map(|entry| match entry {
            Entry::Endpoint { id, status, .. } if id == endpoint => Some(*status),
            _ => None,
        })
        .unwrap()
}

/// The same content damages, for each of the three files.
fn with_content(damages: impl Fn(&[u8]) -> Vec<(String, Vec<u8>)> + Send + 'static) {
    watched(move || {
        let own = OwnStore::with(2665, 1);
        for file in FILES {
            let path = own.path(id(2665), Place::Live, file);
            let good = fs::read(&path).unwrap();
            for (what, bytes) in damages(&good) {
                overwrite(&path, &bytes);
                check(&own, file, &what);
            }
            overwrite(&path, &good);
            assert!(own.verify(id(2665)).is_empty(), "{file}");
        }
    });
}

#[test]
fn cut_at_every_byte() {
    with_content(|good| {
        (0..good.len())
            .map(|cut| (format!("cut at {cut}"), good[..cut].to_vec()))
            .collect()
    });
}

#[test]
fn a_flipped_bit_in_every_byte() {
    with_content(|good| {
        let flip = |at: usize| {
            let mut bytes = good.to_vec();
            bytes[at] ^= 1 << (at % 8);
            (format!("byte {at}"), bytes)
        };
        (0..good.len()).map(flip).collect()
    });
}

#[test]
fn zeroed_noisy_or_too_long() {
    with_content(|good| {
        let length = good.len();
        let mut damages: Vec<_> = (0..200)
            .map(|seed| (format!("noise {seed}"), noise(1000 + seed, length)))
            .collect();
        damages.push(("zeroed".into(), vec![0; length]));
        damages.push(("blank".into(), vec![b' '; length]));
        damages.push(("one more byte".into(), [good, b"\n"].concat()));
        damages.push(("twice".into(), [good, good].concat()));
        damages.push(("noise of another length".into(), noise(7, 10_000)));
        damages
    });
}

/// Puts something else in the place of a file.
type Replace = fn(&Path, good: &Path);

const REPLACEMENTS: [(&str, Replace); 7] = [
    ("missing", |_, _| {}),
    ("folder", |path, _| fs::create_dir(path).unwrap()),
    ("full folder", |path, _| {
        fs::create_dir(path).unwrap();
        overwrite(&path.join("x"), b"x");
    }),
    ("symlink to the very content", |path, good| {
        symlink(good, path).unwrap();
    }),
    ("dangling symlink", |path, _| {
        symlink("nowhere", path).unwrap();
    }),
    ("FIFO", |path, _| mkfifo(path, Mode::S_IRUSR).unwrap()),
    // Sparse: it takes no room, and would take 65 MiB to read.
    ("huge", |path, _| {
        fs::File::create(path).unwrap().set_len(65 << 20).unwrap();
    }),
];

#[test]
fn replaced_by_something_else() {
    watched(|| {
        for file in FILES {
            for (what, replace) in REPLACEMENTS {
                let own = OwnStore::with(2665, 1);
                let path = own.path(id(2665), Place::Live, file);
                let good = own.root.path().join("good");
                fs::rename(&path, &good).unwrap();
                replace(&path, &good);
                check(&own, file, what);
                match status(&own, id(2665)) {
                    Status::Restored { .. } => assert_eq!(file, RECORD, "{what}"),
                    Status::Damaged {
                        record: Some(_), ..
                    } => assert_ne!(file, RECORD, "{what}"),
                    other => panic!("{file}, {what}: {other:?}"),
                }
                own.build(id(2665));
                assert!(
                    own.verify(id(2665)).is_empty(),
                    "{file}, {what}: a new build repairs it"
                );
                own.remove(id(2665)).unwrap();
                assert_eq!(own.names(), ["good", "locks"], "{file}, {what}");
            }
        }
    });
}

#[test]
fn unreadable() {
    watched(|| {
        for file in FILES {
            let own = OwnStore::with(2665, 1);
            let path = own.path(id(2665), Place::Live, file);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
            if fs::read(&path).is_ok() {
                // Root reads it all the same, and so does the store.
                assert!(own.verify(id(2665)).is_empty());
            } else {
                check(&own, file, "unreadable");
            }
        }
    });
}

#[test]
fn the_folder_itself_replaced() {
    watched(|| {
        for (what, replace) in REPLACEMENTS {
            if ["missing", "folder"].contains(&what) {
                continue;
            }
            let own = OwnStore::with(2665, 1);
            own.build(id(7));
            let path = own.layout().folder(id(2665), Place::Live);
            let good = own.root.path().join("good");
            fs::rename(&path, &good).unwrap();
            replace(&path, &good);
            assert!(own.read(id(2665)).is_err(), "{what}");
            assert!(own.read_object(id(2665)).is_err(), "{what}");
            assert!(!own.verify(id(2665)).is_empty(), "{what}");
            assert!(
                matches!(status(&own, id(2665)), Status::Damaged { record: None, .. }),
                "{what}"
            );
            assert!(matches!(status(&own, id(7)), Status::Ok(_)), "{what}");
            own.remove(id(2665)).unwrap();
            assert!(own.verify(id(7)).is_empty(), "{what}");
            assert_eq!(own.names(), ["00007", "good", "locks"], "{what}");
            assert_eq!(
                fs::read_dir(&good).unwrap().count(),
                3,
                "{what}: not followed"
            );
        }
    });
}

#[test]
fn record_and_header_both_lost() {
    watched(|| {
        let own = OwnStore::with(2665, 2);
        overwrite(&own.path(id(2665), Place::Live, RECORD), b"{}");
        overwrite(&own.path(id(2665), Place::Live, EP_CONFIG_H), b"\xff");
        let error = own.read(id(2665)).unwrap_err();
        assert!(matches!(error, StateError::Unrestorable { .. }), "{error}");
        let text = ep_builder::error::chain(&error);
        assert!(
            text.contains("ep_config.h") && text.contains("endpoint.json"),
            "{text}"
        );
        assert!(
            error
                .advice()
                .is_some_and(|advice| advice.contains("rollback"))
        );
        assert!(own.read_object(id(2665)).is_err());
        assert_eq!(own.rollback(id(2665)).unwrap().generation, 1);
        assert!(own.verify(id(2665)).is_empty());
        assert_eq!(own.read_object(id(2665)).unwrap(), object(1));
    });
}

#[test]
fn the_header_gives_the_facts_back_and_says_what_is_lost() {
    let own = OwnStore::with(2665, 3);
    fs::remove_file(own.path(id(2665), Place::Live, RECORD)).unwrap();
    let loaded = own.read(id(2665)).unwrap();
    assert_eq!(loaded.record.endpoint, facts(id(2665)));
    assert_eq!(loaded.record.generation, 0);
    assert_eq!(loaded.record.template, None);
    let Origin::Header { reason } = loaded.origin else {
        panic!("the record is gone");
    };
    assert!(matches!(*reason, StateError::File(e) if e.is_not_found()));
    let error = own.read_object(id(2665)).unwrap_err();
    assert!(matches!(error, StateError::Unverified { .. }), "{error}");
    // The number of the lost generation does not come back for another one while its successor lives.
    own.build(id(2665));
    assert_eq!(own.read(id(2665)).unwrap().record.generation, 3);
}

#[test]
fn files_of_another_endpoint_are_not_believed() {
    let own = OwnStore::with(2665, 1);
    own.build(id(7));
    for file in [RECORD, EP_CONFIG_H] {
        fs::copy(
            own.path(id(7), Place::Live, file),
            own.path(id(2665), Place::Live, file),
        )
        .unwrap();
        let faults = own.verify(id(2665));
        assert!(!faults.is_empty(), "{file}");
        match own.read(id(2665)) {
            Ok(loaded) => assert_eq!(loaded.record.endpoint, facts(id(2665))),
            Err(error) => assert!(matches!(error, StateError::Unrestorable { .. }), "{error}"),
        }
    }
}

/// Writes a record by the rule of its checksum, which no format changes.
fn sealed(json: &str) -> String {
    let body = json.strip_suffix("\n}").unwrap();
    format!(
        "{body},\n  \"checksum\": \"{}\"\n}}\n",
        sha256_hex(json.as_bytes())
    )
}

#[test]
fn a_newer_format_is_an_error_of_its_own() {
    let own = OwnStore::with(2665, 1);
    let path = own.path(id(2665), Place::Live, RECORD);
    overwrite(
        &path,
        sealed("{\n  \"format\": 2,\n  \"who\": \"knows\"\n}").as_bytes(),
    );
    for error in [
        own.read(id(2665)).unwrap_err(),
        own.read_object(id(2665)).unwrap_err(),
        own.begin(id(2665)).unwrap_err(),
    ] {
        assert!(
            matches!(error, StateError::NewerFormat { found: 2, .. }),
            "{error}"
        );
        assert!(error.to_string().contains("endpoint.json"), "{error}");
    }
    assert!(matches!(
        status(&own, id(2665)),
        Status::Damaged { record: None, .. }
    ));
    assert!(path.exists(), "what a newer weir wrote is kept");
    own.remove(id(2665)).unwrap();

    own.build(id(2665));
    overwrite(&path, sealed("{\n  \"format\": 0\n}").as_bytes());
    let faults = own.verify(id(2665));
    assert!(
        matches!(
            faults[..],
            [StateError::Damaged {
                source: Damage::Format(0),
                ..
            }]
        ),
        "{faults:?}"
    );
}

#[test]
fn damaged_logs_are_errors_and_missing_ones_are_none() {
    watched(|| {
        let own = OwnStore::with(2665, 1);
        assert_eq!(own.read_log(id(2665)).unwrap(), None);
        own.begin(id(2665)).unwrap().fail("clang: no\n").unwrap();
        assert_eq!(own.read_log(id(2665)).unwrap().unwrap(), "clang: no\n");
        let path = own.path(id(2665), Place::Failed, BUILD_LOG);
        overwrite(&path, b"a\xffb");
        assert_eq!(own.read_log(id(2665)).unwrap().unwrap(), "a\u{fffd}b");
        fs::remove_file(&path).unwrap();
        mkfifo(&path, Mode::S_IRUSR).unwrap();
        assert!(own.read_log(id(2665)).is_err());
    });
}

#[test]
fn a_header_that_cannot_restore_is_not_written() {
    let own = OwnStore::new();
    let next = || own.claim_id(id(5)).unwrap().begin().unwrap();
    let record = crate::common::record;
    let no_record = next().write(b"o", "#define X 1\n", record(id(5)));
    assert!(matches!(no_record, Err(StateError::Header { .. })));
    let other = next().write(b"o", &header(&facts(id(6))), record(id(5)));
    assert!(matches!(
        other,
        Err(StateError::OtherEndpoint { what: "header", .. })
    ));
    let other = next().write(b"o", &header(&facts(id(5))), record(id(6)));
    assert!(matches!(
        other,
        Err(StateError::OtherEndpoint { what: "record", .. })
    ));
    let huge = format!("{}{}", header(&facts(id(5))), " ".repeat(9 << 20));
    assert!(matches!(
        next().write(b"o", &huge, record(id(5))),
        Err(StateError::TooLarge { .. })
    ));
    assert_eq!(own.names(), ["locks"], "nothing is left");
}
