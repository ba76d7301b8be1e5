//! The folders and files that a node is given, when they are not what they should be: said with what to do, and what
//! lies elsewhere is left alone.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use ep_builder::whole_file;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use weir_tests::residue::Snapshot;

use crate::links::{Scene, needs};
use crate::links_plant::Plant;

/// From this size on a log is put aside.
const FULL: u64 = 8 << 20;

/// A state root that is not one, and what is said of it.
type Root = (&'static str, fn(&Path), &'static str);

const ROOTS: [Root; 5] = [
    (
        "a symbolic link to a folder",
        |it| {
            let elsewhere = it.with_file_name("elsewhere");
            fs::create_dir(&elsewhere).unwrap();
            symlink(elsewhere, it).unwrap();
        },
        "a symbolic link",
    ),
    (
        "a folder that all may write to",
        |it| {
            fs::create_dir(it).unwrap();
            fs::set_permissions(it, fs::Permissions::from_mode(0o1777)).unwrap();
        },
        "it must be ours and 0700",
    ),
    (
        "a folder of somebody else's",
        |it| {
            fs::create_dir(it).unwrap();
            chown(it, Some(65_534), None).unwrap();
        },
        "it must be ours and 0700",
    ),
    (
        "a file",
        |it| whole_file::write(it, b"as it was").unwrap(),
        "it is no folder",
    ),
    (
        "a FIFO",
        |it| mkfifo(it, Mode::S_IRUSR | Mode::S_IWUSR).unwrap(),
        "it is no folder",
    ),
];

/// What is said on both streams by everybody who needs the state.
#[test]
fn a_state_root_that_is_none_is_refused_with_what_to_do() {
    needs!();
    let scene = Scene::new();
    let root = scene.lab.node().state();
    let pods = [&scene.pod.namespace];
    let before = Snapshot::thorough(&scene.lab, &pods);
    for (what, make, says) in ROOTS {
        whole_file::remove(&root).unwrap();
        make(&root);
        let answers = [
            ("ADD", scene.call("ADD")),
            ("policy apply", scene.weir(&["policy", "apply"])),
            ("gc", scene.weir(&["gc"])),
            ("node init", scene.weir(&["node", "init"])),
            ("doctor", scene.weir(&["doctor"])),
        ];
        for (who, traced) in answers {
            let finished = traced.finished;
            let said = format!("{}{}", finished.stdout, finished.stderr);
            assert_ne!(finished.code, Some(0), "{what}: {who}: {said}");
            assert!(said.contains(says), "{what}: {who}: {said}");
        }
        let elsewhere = root.with_file_name("elsewhere");
        let put_there = fs::read_dir(&elsewhere).map_or(0, Iterator::count);
        assert_eq!(put_there, 0, "{what}");
        whole_file::remove(&elsewhere).unwrap();
        whole_file::remove(&root).unwrap();
        assert_eq!(Snapshot::thorough(&scene.lab, &pods).since(&before), None);
    }
    for verb in ["ADD", "DEL"] {
        scene.succeed(verb);
    }
}

/// A log never costs a pod anything, nor anybody else.
#[test]
fn a_log_or_its_predecessor_that_is_something_else_is_left_alone() {
    needs!();
    let scene = Scene::new();
    let log = scene.lab.node().log();
    let aside = PathBuf::from(format!("{}.1", log.display()));
    scene.succeed("ADD");
    scene.succeed("DEL");
    for path in [&log, &aside] {
        for plant in Plant::ALL {
            if path == &aside {
                let file = fs::OpenOptions::new().write(true).open(&log);
                file.unwrap().set_len(FULL).unwrap();
            }
            let Some(planted) = scene.victims.plant(plant, path) else {
                continue;
            };
            for verb in ["ADD", "DEL"] {
                scene.succeed(verb);
            }
            let harm = scene.victims.harm(&planted);
            assert_eq!(harm, None, "{plant:?} at {}", path.display());
            planted.lift();
            whole_file::remove(&aside).unwrap();
            whole_file::remove(&log).unwrap();
            scene.succeed("ADD");
            scene.succeed("DEL");
            assert!(log.is_file(), "{plant:?}");
        }
    }
}

/// Documents may be symbolic links, as a `ConfigMap`'s are. Whatever else is there, an apply ends.
#[test]
fn what_is_no_document_is_said() {
    needs!();
    let scene = Scene::new();
    scene.succeed("ADD");
    let path = scene.lab.node().policy_dir().join("more.yaml");
    for plant in Plant::ALL {
        let Some(planted) = scene.victims.plant(plant, &path) else {
            continue;
        };
        let finished = scene.weir(&["policy", "apply"]).finished;
        let harm = scene.victims.harm(&planted);
        assert_eq!(harm, None, "{plant:?}: {finished:?}");
        // A folder holds documents of somebody else's, and is passed over.
        let is_folder = matches!(plant, Plant::Folder | Plant::LinkToFolder);
        let refused = finished.code != Some(0) && finished.stderr.contains("more.yaml");
        assert!(refused || is_folder, "{plant:?}: {finished:?}");
        planted.lift();
        let again = scene.weir(&["policy", "apply"]).finished;
        assert_eq!(again.code, Some(0), "{plant:?}: {again:?}");
    }
    scene.succeed("DEL");
}
