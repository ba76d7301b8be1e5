//! Disks that are full or read-only. Needs root: each test runs in a process with mounts of its own.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use ep_builder::state::{Place, StateError, Store};

use weir_tests::need;
use weir_tests::need::Need;

use crate::common::{
    again, facts, header, id, inside_child, names, object, open, overwrite, record, write,
};

/// Runs `body` on a small tmpfs that no other process sees.
pub(crate) fn on_small_tmpfs(test: &str, body: fn(&Path)) {
    if let Some(folder) = inside_child() {
        mount(
            &["-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs"],
            &folder,
        );
        return body(&folder);
    }
    let wrapper = ["unshare", "--mount", "--propagation", "private", "--"];
    let folder = tempfile::tempdir().unwrap();
    let output = again(&wrapper, test, folder.path()).output().unwrap();
    let said = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat();
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

pub(crate) fn mount(arguments: &[&str], folder: &Path) {
    let status = Command::new("mount")
        .args(arguments)
        .arg(folder)
        .status()
        .unwrap();
    assert!(status.success());
}

fn first(store: &Store) {
    write(store.claim_id(id(9)).unwrap().begin().unwrap())
        .commit()
        .unwrap();
}

/// The error names the file and the cause, and there is advice.
fn check_error(error: &StateError, file: &str, cause: &str) {
    let text = ep_builder::error::chain(error);
    assert!(text.contains(file) && text.contains(cause), "{text}");
    assert!(error.advice().is_some(), "{text}");
}

/// The endpoint is what it was, and nothing lies beside it.
fn check_intact(store: &Store, folder: &Path, at: &str) {
    let faults = store.verify(id(9));
    assert!(faults.is_empty(), "{at}: {faults:?}");
    assert_eq!(store.read_object(id(9)).unwrap(), object(1), "{at}");
    assert_eq!(store.list().unwrap().len(), 1, "{at}");
    let endpoint = |name: &String| name.starts_with('0');
    let left: Vec<_> = names(folder).into_iter().filter(endpoint).collect();
    assert_eq!(left, ["00009"], "{at}");
}

#[test]
fn a_full_disk_leaves_the_old_state() {
    need!(Need::Root, Need::Tool("unshare"));
    on_small_tmpfs("disk::a_full_disk_leaves_the_old_state", |folder| {
        let store = open(folder);
        first(&store);
        for size in [44 << 10, 60 << 10, 100 << 10, 1 << 20] {
            let next = store.begin(id(9)).unwrap();
            let error = next
                .write(&vec![7; size], &header(&facts(id(9))), record(id(9)))
                .unwrap_err();
            check_error(&error, "00009_next/bpf_lxc.o", "No space left");
            check_intact(&store, folder, &format!("an object of {size} bytes"));
        }
        let filler = store.layout().templates();
        fill(&filler);
        let next = store.begin(id(9)).unwrap();
        let error = next
            .write(b"small", &header(&facts(id(9))), record(id(9)))
            .unwrap_err();
        check_error(&error, "00009_next/endpoint.json", "No space left");
        check_intact(&store, folder, "a full disk");
        let error = store
            .begin(id(9))
            .unwrap()
            .fail("no room for a reason")
            .unwrap_err();
        check_error(&error, "00009_next/build.log", "No space left");
        check_intact(&store, folder, "a failure without room for its log");
        store.remove(id(8)).unwrap();
        store.remove(id(9)).unwrap();
        fs::remove_file(&filler).unwrap();
        assert_eq!(names(folder), ["locks"]);
        first(&store);
        check_intact(&store, folder, "room again");
    });
}

/// Takes all the room there is.
pub(crate) fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
}

#[test]
fn a_read_only_disk_can_be_read() {
    need!(Need::Root, Need::Tool("unshare"));
    on_small_tmpfs("disk::a_read_only_disk_can_be_read", |folder| {
        first(&open(folder));
        mount(&["-o", "remount,ro"], folder);
        let store = open(folder);
        check_intact(&store, folder, "read-only");
        let errors = [
            store.claim().unwrap_err(),
            store.claim_id(id(9)).unwrap_err(),
            store.begin(id(9)).unwrap_err(),
            store.remove(id(9)).unwrap_err(),
            store.rollback(id(9)).unwrap_err(),
            store.recover(id(9)).unwrap_err(),
        ];
        for error in errors {
            check_error(&error, "locks/", "Read-only file system");
        }
        check_intact(&store, folder, "after all that");
        mount(&["-o", "remount,rw"], folder);
        // Half a build, and then no way to clear it away.
        fs::create_dir(store.layout().folder(id(9), Place::Next)).unwrap();
        overwrite(
            &store.layout().file(id(9), Place::Next, "endpoint.json"),
            b"half",
        );
        mount(&["-o", "remount,ro"], folder);
        assert!(store.verify(id(9)).is_empty());
        assert_eq!(store.list().unwrap().len(), 1);
        mount(&["-o", "remount,rw"], folder);
        store.recover(id(9)).unwrap();
        check_intact(&store, folder, "writable again");
    });
}
