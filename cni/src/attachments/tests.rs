use std::fs;
use std::path::Path;

use serde_json::json;

use super::*;
use crate::names::{ContainerId, InterfaceName, NetworkName};
use ep_builder::endpoint::EndpointId;

fn attachment(container: &str) -> Attachment {
    Attachment {
        network: NetworkName::new("pods").unwrap(),
        container: ContainerId::new(container).unwrap(),
        ifname: InterfaceName::new("eth0").unwrap(),
    }
}

fn begun(container: &str) -> Note {
    Note {
        attachment: attachment(container),
        netns: "/proc/7/ns/net".into(),
        stage: Stage::Begun,
    }
}

fn wired(container: &str) -> Note {
    let wired = Wired {
        endpoint: EndpointId::new(7).unwrap(),
        addresses: vec!["10.0.0.7".parse().unwrap(), "fd00::7".parse().unwrap()],
        result: json!({"cniVersion": "1.1.0", "ips": []}),
        condemned: false,
    };
    Note {
        stage: Stage::Wired(wired),
        ..begun(container)
    }
}

fn store() -> (tempfile::TempDir, Attachments) {
    let folder = tempfile::tempdir().unwrap();
    let store = Attachments::open(folder.path().join("state/attachments")).unwrap();
    (folder, store)
}

fn found(store: &Attachments, container: &str) -> Note {
    match store.read(&attachment(container)) {
        Found::Note(note) => note,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_note_comes_back_and_goes() {
    let (_folder, store) = store();
    assert!(matches!(store.read(&attachment("c1")), Found::Nothing));
    for note in [begun("c1"), wired("c1")] {
        store.write(&note).unwrap();
        assert_eq!(found(&store, "c1"), note);
    }
    store.write(&begun("c2")).unwrap();
    assert_eq!(store.list().unwrap().len(), 2);
    for _ in 0..2 {
        store.remove(&attachment("c1")).unwrap();
        assert!(matches!(store.read(&attachment("c1")), Found::Nothing));
    }
    assert_eq!(found(&store, "c2"), begun("c2"));
}

/// Every way a file can be broken is damage, never an error that would keep DEL from its work.
#[test]
fn a_broken_note_is_damage() {
    let (_folder, store) = store();
    store.write(&wired("c1")).unwrap();
    let path = store.path(&attachment("c1").host_name(), NOTE);
    let whole = fs::read(&path).unwrap();
    let broken = |what: &str| {
        let read = store.read(&attachment("c1"));
        assert!(matches!(read, Found::Damaged(_)), "{what}: {read:?}");
        store.remove(&attachment("c1")).unwrap();
    };
    for cut in 0..whole.len() {
        whole_file::write(&path, &whole[..cut]).unwrap();
        broken(&format!("cut at {cut}"));
    }
    for bytes in [
        &b"\0\0\0"[..],
        b"[]",
        b"{\"network\":\"../..\",\"containerId\":\"c\",\"ifname\":\"e\",\"netns\":\"/\"}",
    ] {
        whole_file::write(&path, bytes).unwrap();
        broken(&String::from_utf8_lossy(bytes));
    }
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    broken("a symlink");
    fs::create_dir(&path).unwrap();
    broken("a folder");
    assert!(Path::new("/etc/passwd").exists());
}

#[test]
fn one_call_at_a_time_and_no_file_afterwards() {
    let (_folder, store) = store();
    let lock = store.lock(&attachment("c1")).unwrap();
    drop(store.lock(&attachment("c2")).unwrap());
    let path = store.path(&attachment("c1").host_name(), LOCK);
    assert!(FileLock::try_acquire(&path).unwrap().is_none());
    drop(lock);
    assert!(!path.exists());
}

#[test]
fn sweeping_takes_what_the_dead_left_and_nothing_else() {
    let (_folder, store) = store();
    store.write(&wired("c1")).unwrap();
    let held = store.lock(&attachment("c1")).unwrap();
    let dead = store.path(&attachment("c2").host_name(), LOCK);
    whole_file::write(&dead, b"1").unwrap();
    let half_written = store.path(&attachment("c2").host_name(), NEW);
    let being_written = store.path(&attachment("c1").host_name(), NEW);
    for path in [&half_written, &being_written] {
        whole_file::write(path, b"half").unwrap();
    }
    store.sweep().unwrap();
    assert!(!dead.exists() && !half_written.exists() && being_written.exists());
    assert_eq!(found(&store, "c1"), wired("c1"));
    drop(held);
}
