//! Sources whose digest is remembered are read as soon as anything about them has changed.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::thread::{self, sleep};
use std::time::Duration;

use ep_builder::builder::{Builder, Origin};
use ep_builder::digest::sha256_hex;
use ep_builder::header::Texts;
use ep_builder::sources::{SourceError, UnitSources, Units, read_templates};
use ep_builder::timeline::Timeline;
use ep_builder::unit::Unit;
use ep_builder::whole_file::write_output;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};
use tempfile::TempDir;
use weir_tests::need;
use weir_tests::need::Need;

use crate::common::{Node, copy_tree, put, repository};

/// More than a file must have been left alone.
const SETTLED: Duration = Duration::from_millis(3300);
/// No sources have this digest, so whoever says it has not read them.
const FORGED: [u8; 32] = [7; 32];
const NONE: Option<&str> = None;
/// Where a mount has a number of its own for ever; before that nothing is remembered.
const UNIQUE_MOUNTS: Need = Need::Linux(6, 8);

/// A copy of the sources, and what is remembered of them.
struct Copy(TempDir);

impl Copy {
    fn new() -> Self {
        // A tmpfs on every machine: times of change are those of this kernel.
        let copy = Self(tempfile::tempdir_in("/dev/shm").unwrap());
        copy_tree(&repository("bpf-src"), &copy.root());
        copy
    }

    fn root(&self) -> std::path::PathBuf {
        self.0.path().join("bpf-src")
    }

    fn memory(&self) -> std::path::PathBuf {
        self.0.path().join("sources.json")
    }

    fn units(&self, headers: &Texts) -> Result<Units, SourceError> {
        Units::recalled(&self.root(), headers, &self.memory())
    }

    fn digest(&self, headers: &Texts) -> Result<[u8; 32], SourceError> {
        self.units(headers)?.digest(Unit::Lxc)
    }

    /// Has the digest remembered, and forges it.
    fn remember(&self) {
        self.units(&headers()).unwrap();
        forge(&self.memory(), "digest", &json!(FORGED));
    }
}

fn headers() -> Texts {
    read_templates(&repository("bpf-templates")).unwrap()
}

/// Changes what is remembered, under a checksum that holds.
fn forge(memory: &Path, field: &str, value: &Value) {
    let text = fs::read_to_string(memory).expect("sources that were left alone are remembered");
    let mut record: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_ne!(&record[field], value);
    record[field] = value.clone();
    let line = format!("{record}\n");
    put(memory, format!("{line}{}\n", sha256_hex(line.as_bytes())));
}

/// The last of some characters becomes another one; what a file says of its times is put back.
fn edit_secretly(path: &Path) {
    let before = fs::metadata(path).unwrap();
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains("the"));
    // In place: the same file.
    write_output(path, text.replacen("the", "teh", 1).as_bytes()).unwrap();
    let times = FileTimes::new().set_modified(before.modified().unwrap());
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_times(times)
        .unwrap();
    let after = fs::metadata(path).unwrap();
    assert_eq!(
        (after.len(), after.modified().unwrap()),
        (before.len(), before.modified().unwrap())
    );
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What can happen to sources, with a word for it.
type Change = (&'static str, fn(&Copy));

const CHANGES: [Change; 9] = [
    ("other text, of the same length and time", |it| {
        edit_secretly(&it.root().join("lib/utils.h"));
    }),
    ("another file of the same name", |it| {
        let path = it.root().join("bpf_lxc.c");
        put(&path, fs::read(&path).unwrap());
    }),
    ("a file more", |it| put(it.root().join("lib/more.h"), "")),
    ("a folder more", |it| {
        fs::create_dir(it.root().join("kernel/more")).unwrap();
    }),
    ("a file less", |it| {
        fs::remove_file(it.root().join("bpf_host.c")).unwrap();
    }),
    ("other rights", |it| mode(&it.root().join("maps.h"), 0o600)),
    ("another start of the machine", |it| {
        forge(&it.memory(), "start", &json!("another"));
    }),
    ("a record of another kind", |it| {
        forge(&it.memory(), "format", &json!(0));
    }),
    ("a record that others could have written", |it| {
        mode(&it.memory(), 0o620);
    }),
];

#[test]
fn nothing_is_believed_once_something_has_changed() {
    need!(UNIQUE_MOUNTS);
    let copies = CHANGES.map(|(what, change)| (what, change, Copy::new()));
    let odd = Copy::new();
    // What was changed just now could be changed again without another time.
    assert_ne!(odd.digest(&headers()).unwrap(), FORGED);
    assert!(!odd.memory().exists());
    sleep(SETTLED);
    for (what, change, copy) in &copies {
        copy.remember();
        assert_eq!(copy.digest(&headers()).unwrap(), FORGED, "{what}: before");
        change(copy);
        let read = UnitSources::read(&copy.root(), &headers(), Unit::Lxc).unwrap();
        assert_eq!(&copy.digest(&headers()).unwrap(), read.digest(), "{what}");
    }
    odd.remember();
    let mut other = headers();
    other.node_config += "\n";
    assert_ne!(odd.digest(&other).unwrap(), FORGED, "another template");
    odd.remember();
    // A text that somebody asks for is read, and from then on its digest counts.
    let units = odd.units(&headers()).unwrap();
    assert_eq!(units.digest(Unit::Lxc).unwrap(), FORGED);
    let read = *units.of(Unit::Lxc).unwrap().digest();
    assert_eq!(units.digest(Unit::Lxc).unwrap(), read);
    // What is refused when it is read is refused behind a memory, too.
    mode(&odd.root().join("lib"), 0o777);
    assert!(matches!(
        odd.digest(&headers()),
        Err(SourceError::Public { .. })
    ));
    mode(&odd.root().join("lib"), 0o755);
    fs::rename(odd.root().join("lib"), odd.0.path().join("lib")).unwrap();
    symlink("../lib", odd.root().join("lib")).unwrap();
    assert!(matches!(
        odd.digest(&headers()),
        Err(SourceError::Symlink { .. })
    ));
}

/// The same files with the same numbers and times: who mounts another image of a package at the same place may have that.
#[test]
fn nothing_is_believed_of_another_mount() {
    need!(Need::Root, UNIQUE_MOUNTS);
    let copy = Copy::new();
    sleep(SETTLED);
    copy.remember();
    let seen = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).unwrap();
        // In this copy of the namespace every mount is another one already.
        copy.remember();
        let before = copy.digest(&headers()).unwrap();
        mount(
            Some(&copy.root()),
            &copy.root(),
            NONE,
            MsFlags::MS_BIND,
            NONE,
        )
        .unwrap();
        let after = copy.digest(&headers()).unwrap();
        umount2(&copy.root(), MntFlags::MNT_DETACH).unwrap();
        [before, after]
    });
    let [before, after] = seen.join().unwrap();
    assert!(before == FORGED && after != FORGED);
}

#[test]
fn what_is_compiled_was_read() {
    need!(Need::Tool("clang"), UNIQUE_MOUNTS);
    let copy = Copy::new();
    let mut node = Node::new();
    node.settings.paths.bpf_dir = copy.root();
    sleep(SETTLED);
    let hurried = || Builder::recalled(node.settings.clone(), node.search.clone()).unwrap();
    let shape = node.settings.endpoint.clone();
    let obtain = || {
        hurried()
            .template(&shape, &mut Timeline::default())
            .unwrap()
    };
    let first = obtain();
    assert!(matches!(first.origin, Origin::Compiled(_)));
    let at_hand = || {
        hurried()
            .template_at_hand(&shape, &mut Timeline::default())
            .unwrap()
    };
    assert_eq!(at_hand().unwrap().key, first.key);
    forge(&node.path("state/sources.json"), "digest", &json!(FORGED));
    assert!(at_hand().is_none());
    // Nothing lies under the key of a digest that was only remembered, and nothing will.
    let second = obtain();
    assert_eq!((second.key, second.origin), (first.key, Origin::Cache));
    assert_eq!(node.templates(), [first.key.to_string()]);
}
