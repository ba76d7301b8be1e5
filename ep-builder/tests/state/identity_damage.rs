//! Identities whose files are cut, filled with noise, replaced or mixed up, and disks without room: a set keeps
//! its number wherever anything can tell it, and never gets the number of another.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ep_builder::error::chain;
use ep_builder::identity::{FIRST, IdentityError};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use weir_tests::need;
use weir_tests::need::Need;

use crate::common::{OwnStore, id, names, noise, overwrite, watched};
use crate::disk::{fill, mount, on_small_tmpfs};
use crate::identities::{folder, open, set};

/// The name by digest of the only set there is.
fn digest(root: &Path) -> PathBuf {
    let names = names(&folder(root));
    let digests: Vec<_> = names.iter().filter(|name| name.len() == 64).collect();
    assert_eq!(digests.len(), 1, "{names:?}");
    folder(root).join(digests[0])
}

/// Does something to the file or name at a path.
type Harm = Box<dyn Fn(&Path) + Send>;

fn harms(good: &[u8]) -> Vec<(String, Harm)> {
    let replace = |make: fn(&Path)| -> Harm {
        Box::new(move |path| {
            fs::remove_file(path).unwrap();
            make(path);
        })
    };
    let content = |bytes: Vec<u8>| -> Harm { Box::new(move |path| overwrite(path, &bytes)) };
    let mut harms: Vec<(String, Harm)> = vec![
        ("removed".into(), replace(|_| {})),
        (
            "symlink".into(),
            replace(|path| symlink("/etc/passwd", path).unwrap()),
        ),
        (
            "dangling".into(),
            replace(|path| symlink("nowhere", path).unwrap()),
        ),
        (
            "fifo".into(),
            replace(|path| mkfifo(path, Mode::S_IRWXU).unwrap()),
        ),
        (
            "folder".into(),
            replace(|path| fs::create_dir_all(path.join("with/content")).unwrap()),
        ),
        ("large".into(), content(vec![b'x'; 2 << 20])),
    ];
    harms.extend(
        (0..good.len()).map(|cut| (format!("cut at {cut}"), content(good[..cut].to_vec()))),
    );
    harms.extend((0..20).map(|seed| (format!("noise {seed}"), content(noise(seed, good.len())))));
    harms
}

/// The set keeps its number after every harm to the names that `pick` chooses, and no other set gets it.
fn check_harm(pick: fn(&Path) -> Vec<PathBuf>) {
    watched(move || {
        let model = tempfile::tempdir().unwrap();
        open(model.path()).acquire(&set("a")).unwrap();
        let good = fs::read(digest(model.path())).unwrap();
        for (what, harm) in harms(&good) {
            let root = tempfile::tempdir().unwrap();
            let identities = open(root.path());
            assert_eq!(identities.acquire(&set("a")).unwrap(), FIRST);
            for path in pick(root.path()) {
                harm(&path);
            }
            for listed in identities.list().unwrap() {
                let is_true = listed
                    .labels
                    .as_ref()
                    .is_ok_and(|labels| *labels == set("a"));
                assert!(is_true || listed.labels.is_err(), "{what}: {listed:?}");
            }
            assert_eq!(identities.acquire(&set("b")).unwrap(), FIRST + 1, "{what}");
            assert_eq!(identities.acquire(&set("a")).unwrap(), FIRST, "{what}");
            assert_eq!(identities.get(FIRST).unwrap(), Some(set("a")), "{what}");
            assert_eq!(names(&folder(root.path())).len(), 6, "{what}");
        }
    });
}

#[test]
fn a_harmed_digest_is_told_from_the_number() {
    check_harm(|root| vec![digest(root)]);
}

#[test]
fn a_harmed_number_is_told_from_the_digest() {
    check_harm(|root| vec![folder(root).join(FIRST.to_string())]);
}

#[test]
fn a_harmed_last_name_is_no_loss() {
    check_harm(|root| vec![folder(root).join("last")]);
}

#[test]
fn what_no_name_tells_the_endpoints_records_tell() {
    // The facts of the endpoint have labels, and a number that this node never gave.
    let own = OwnStore::with(9, 2);
    let record = own.read(id(9)).unwrap().record;
    let (labels, number) = (record.endpoint.labels, record.endpoint.identity);
    let root = own.root.path();
    let check = |what: &str| {
        assert_eq!(open(root).acquire(&labels).unwrap(), number, "{what}");
        assert_eq!(
            open(root).get(number).unwrap(),
            Some(labels.clone()),
            "{what}"
        );
    };
    check("before the first number");
    let other = open(root).acquire(&set("a")).unwrap();
    assert_ne!(other, number);
    fs::remove_dir_all(folder(root)).unwrap();
    check("the folder is lost");
    for path in [digest(root), folder(root).join(number.to_string())] {
        fs::remove_file(&path).unwrap();
        mkfifo(&path, Mode::S_IRWXU).unwrap();
    }
    check("neither name tells it");
}

#[test]
fn a_set_that_nothing_tells_gets_a_new_number() {
    let root = tempfile::tempdir().unwrap();
    open(root.path()).acquire(&set("a")).unwrap();
    let number = folder(root.path()).join(FIRST.to_string());
    for path in [digest(root.path()), number] {
        fs::remove_file(&path).unwrap();
        mkfifo(&path, Mode::S_IRWXU).unwrap();
    }
    let identities = open(root.path());
    assert_eq!(identities.acquire(&set("a")).unwrap(), FIRST + 1);
    let error = identities.get(FIRST).unwrap_err();
    assert!(
        chain(&error).contains("no file of ours"),
        "{}",
        chain(&error)
    );
    assert!(error.advice().is_some());
    let collected = identities
        .collect(|_| false, Duration::ZERO, false)
        .unwrap();
    assert_eq!(collected, [FIRST, FIRST + 1]);
}

#[test]
fn names_that_were_mixed_up_give_no_set_the_number_of_another() {
    let root = tempfile::tempdir().unwrap();
    let identities = open(root.path());
    identities.acquire(&set("a")).unwrap();
    let of_a = digest(root.path());
    identities.acquire(&set("b")).unwrap();
    // The digest of one set now leads to the other.
    fs::remove_file(&of_a).unwrap();
    fs::hard_link(folder(root.path()).join("257"), &of_a).unwrap();
    assert_eq!(identities.acquire(&set("b")).unwrap(), 257);
    let number = identities.acquire(&set("a")).unwrap();
    assert_ne!(number, 257);
    assert_eq!(identities.get(257).unwrap(), Some(set("b")));
    assert_eq!(identities.get(number).unwrap(), Some(set("a")));
}

#[test]
fn a_newer_file_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let identities = open(root.path());
    identities.acquire(&set("a")).unwrap();
    let line = "{\"format\":7,\"news\":true}\n";
    let checksum = ep_builder::digest::sha256_hex(line.as_bytes());
    let text = format!("{line}{checksum}\n");
    overwrite(&digest(root.path()), text.as_bytes());
    let error = identities.acquire(&set("a")).unwrap_err();
    assert!(
        matches!(
            error,
            IdentityError::NewerFormat {
                found: 7,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(identities.acquire(&set("b")).unwrap(), 257);
    assert_eq!(
        fs::read(folder(root.path()).join("256")).unwrap(),
        text.as_bytes()
    );
}

#[test]
fn a_full_disk_is_said_and_known_sets_keep_their_numbers() {
    need!(Need::Root, Need::Tool("unshare"));
    let test = "identity_damage::a_full_disk_is_said_and_known_sets_keep_their_numbers";
    on_small_tmpfs(test, |root| {
        let identities = open(root);
        assert_eq!(identities.acquire(&set("a")).unwrap(), FIRST);
        fill(&root.join("ballast"));
        assert_eq!(identities.acquire(&set("a")).unwrap(), FIRST);
        let error = identities.acquire(&set("b")).unwrap_err();
        assert!(chain(&error).contains("No space left"), "{}", chain(&error));
        assert!(error.advice().is_some());
        fs::remove_file(root.join("ballast")).unwrap();
        assert_eq!(identities.acquire(&set("b")).unwrap(), FIRST + 1);
        assert_eq!(names(&folder(root)).len(), 6);
    });
}

#[test]
fn a_read_only_disk_can_be_listed() {
    need!(Need::Root, Need::Tool("unshare"));
    on_small_tmpfs("identity_damage::a_read_only_disk_can_be_listed", |root| {
        open(root).acquire(&set("a")).unwrap();
        mount(&["-o", "remount,ro"], root);
        let identities = open(root);
        assert_eq!(identities.list().unwrap().len(), 1);
        assert_eq!(identities.get(FIRST).unwrap(), Some(set("a")));
        for name in ["a", "b"] {
            let error = identities.acquire(&set(name)).unwrap_err();
            assert!(chain(&error).contains("Read-only"), "{}", chain(&error));
            assert!(error.advice().is_some());
        }
        let unused = |dry_run| identities.collect(|_| false, Duration::ZERO, dry_run);
        assert_eq!(unused(true).unwrap(), [FIRST]);
        assert!(unused(false).is_err());
    });
}
