//! Templates that somebody has changed: not one byte of them is used. What comes out is what a sound one gives, and the
//! reason is said.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ep_builder::digest::FileFacts;
use ep_builder::whole_file;
use serde_json::Value;
use weir_tests::need::Need;
use weir_tests::pods::{MAPS, endpoint};
use weir_tests::{Finished, Node, need};

const OBJECT: &str = "bpf_lxc.o";
const MANIFEST: &str = "manifest.json";

/// Nobody.
const OTHER: u32 = 65_534;

/// Rounds with somebody who writes all the time: each may cost a compilation.
const ROUNDS: usize = 6;

/// A node, and what it makes of an endpoint when nothing is wrong.
struct Scene {
    node: Node,
    endpoint: PathBuf,
    sound: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let node = Node::with(MAPS);
        let file = node.config().with_file_name("endpoint.json");
        whole_file::write(&file, &serde_json::to_vec(&endpoint(7)).unwrap()).unwrap();
        let mut scene = Self {
            node,
            endpoint: file,
            sound: Vec::new(),
        };
        let (_, object) = scene.compile();
        scene.sound = object;
        scene
    }

    /// What is said when an object is made, and the object.
    fn compile(&self) -> (Finished, Vec<u8>) {
        let object = self.endpoint.with_file_name("object.o");
        let words = [&self.endpoint, &object].map(|path| path.to_str().unwrap());
        let finished = self
            .node
            .weir(&["endpoint", "compile", words[0], "--object", words[1]]);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        (finished, fs::read(object).unwrap())
    }

    /// The folder of the endpoint's template in a folder of templates.
    fn template(folder: &Path) -> PathBuf {
        let entries = fs::read_dir(folder).unwrap();
        let folders = entries.map(|entry| entry.unwrap().path());
        let mut folders = folders.filter(|path| {
            path.extension().is_none() && path.join(OBJECT).symlink_metadata().is_ok()
        });
        folders.next().unwrap()
    }

    fn cached(&self) -> PathBuf {
        Self::template(&self.node.state().join("templates"))
    }

    #[track_caller]
    fn assert_sound(&self, what: &str, says: &str) {
        let (finished, object) = self.compile();
        assert!(object == self.sound, "{what}: it was used: {finished:?}");
        let said = &finished.stderr;
        assert!(said.contains(says), "{what}: {says:?} is not in {said}");
    }
}

/// Puts bytes in the place of a file, and lets the manifest say that they are the right ones.
fn forge(template: &Path, bytes: &[u8]) {
    whole_file::write(&template.join(OBJECT), bytes).unwrap();
    let path = template.join(MANIFEST);
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    manifest["files"][OBJECT] = serde_json::to_value(FileFacts::of(bytes)).unwrap();
    whole_file::write(&path, &serde_json::to_vec(&manifest).unwrap()).unwrap();
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    whole_file::write(path, &bytes).unwrap();
}

/// A file that takes no room and has no end that anybody reaches.
fn make_huge(path: &Path) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(1 << 42).unwrap();
}

/// Something done to a template, and what is said of it.
type Poison = (&'static str, fn(&Path), &'static str);

const OF_THE_CACHE: [Poison; 7] = [
    ("no object", |it| forge(it, b"no object"), "is no template"),
    ("nothing", |it| forge(it, b""), "is no template"),
    (
        "half of an object",
        |it| {
            let bytes = fs::read(it.join(OBJECT)).unwrap();
            forge(it, &bytes[..bytes.len() / 2]);
        },
        "is no template",
    ),
    (
        "a huge object",
        |it| make_huge(&it.join(OBJECT)),
        "larger than",
    ),
    (
        "a huge manifest",
        |it| make_huge(&it.join(MANIFEST)),
        "larger than",
    ),
    (
        "a header of another shape",
        |it| flip(&it.join("ep_config.h"), 100),
        "ep_config.h was altered",
    ),
    (
        "a folder of somebody else's",
        |it| chown(it, Some(OTHER), None).unwrap(),
        "belongs to user 65534",
    ),
];

#[test]
fn a_template_of_the_cache_is_not_believed() {
    need!(Need::Root, Need::Tool("clang"));
    let scene = Scene::new();
    for (what, poison, says) in OF_THE_CACHE {
        poison(&scene.cached());
        scene.assert_sound(what, says);
        // It was put aside, and a sound one is there.
        scene.assert_sound(what, "");
        let left = fs::read_dir(scene.node.state().join("templates")).unwrap();
        let aside = left.filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().contains(".bad-")
        });
        assert!(aside.count() > 0, "{what}");
    }
}

#[test]
fn every_part_of_an_object_counts() {
    need!(Need::Tool("clang"));
    let scene = Scene::new();
    let object = scene.cached().join(OBJECT);
    let length = fs::read(&object).unwrap().len();
    scene.node.weir(&["template", "verify"]).expect_success();
    for at in (0..length).step_by(length / 24) {
        flip(&object, at);
        let verified = scene.node.weir(&["template", "verify"]);
        assert_eq!(verified.code, Some(1), "byte {at}: {verified:?}");
        flip(&object, at);
    }
    scene.node.weir(&["template", "verify"]).expect_success();
}

const OF_A_BUNDLE: [Poison; 5] = [
    (
        "an index of somebody else's",
        |it| chown(it.with_file_name("bundle.json"), Some(OTHER), None).unwrap(),
        "is not trusted",
    ),
    (
        "an object of somebody else's",
        |it| chown(it.join(OBJECT), Some(OTHER), None).unwrap(),
        "belongs to user 65534",
    ),
    (
        "a folder that all may write to",
        |it| fs::set_permissions(it, fs::Permissions::from_mode(0o777)).unwrap(),
        "can be written by others",
    ),
    (
        "an altered object",
        |it| flip(&it.join(OBJECT), 1000),
        "was altered",
    ),
    ("no object", |it| forge(it, b"no object"), "is no template"),
];

#[test]
fn a_template_of_a_bundle_is_not_believed() {
    need!(Need::Root, Need::Tool("clang"));
    let scene = Scene::new();
    let bundle = scene.node.bundle();
    for (what, poison, says) in OF_A_BUNDLE {
        // What is there, and sound, is not compiled again.
        if bundle.exists() {
            whole_file::remove(&Scene::template(&bundle)).unwrap();
            chown(bundle.join("bundle.json"), Some(0), None).unwrap();
        }
        whole_file::remove(&scene.node.state()).unwrap();
        let path = bundle.to_str().unwrap();
        scene
            .node
            .weir(&["template", "build", "--bundle", path])
            .expect_success();
        poison(&Scene::template(&bundle));
        scene.assert_sound(what, says);
    }
}

/// What was checked is what is used, whatever stands in the file a moment later.
/// Says so when it is dropped: a round that fails ends the writer, too.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn an_object_that_changes_all_the_time_is_used_whole_or_not_at_all() {
    need!(Need::Tool("clang"));
    let scene = Scene::new();
    let path = scene.cached().join(OBJECT);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut count = 0u64;
            while !is_over.load(Ordering::Relaxed) {
                if let Ok(file) = OpenOptions::new().read(true).write(true).open(&path) {
                    let at = 4096 + count % 512;
                    let mut byte = [0];
                    file.read_exact_at(&mut byte, at).unwrap_or_default();
                    file.write_all_at(&[!byte[0]], at).unwrap_or_default();
                    thread::sleep(Duration::from_micros(300));
                    file.write_all_at(&byte, at).unwrap_or_default();
                    count += 1;
                }
                thread::sleep(Duration::from_micros(300));
            }
            count
        });
        let _over = Over(&is_over);
        let mut used = 0;
        for round in 0..ROUNDS {
            let object = scene.endpoint.with_file_name("object.o");
            let words = [&scene.endpoint, &object].map(|path| path.to_str().unwrap());
            let arguments = ["endpoint", "compile", words[0], "--object", words[1]];
            let finished = scene.node.weir(&arguments);
            // One that was changed between its compilation and its check is an error.
            if finished.code == Some(0) {
                let object = fs::read(object).unwrap();
                assert!(object == scene.sound, "round {round}: {finished:?}");
                used += 1;
            } else {
                assert!(finished.stderr.contains("altered"), "{finished:?}");
            }
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(writer.join().unwrap() > 0);
        assert!(used > 0, "no round has used it");
    });
}
