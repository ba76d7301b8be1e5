//! `weir install` and `weir uninstall` in the root of an image: files, and nothing of the machine.

mod files;
mod killed;
mod networks;
mod refused;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ep_builder::whole_file;
use tempfile::TempDir;
use weir_tests::release::Release;
use weir_tests::{Finished, binaries, process};

const PLUGIN: &str = "opt/cni/bin/weir-cni";
const NETWORK: &str = "etc/cni/net.d/10-weir.conflist";
const CONFIG: &str = "etc/weir/weir.toml";
const RECORD: &str = "var/lib/weir/installed.json";
const SOURCE: &str = "usr/lib/weir/bpf/bpf_lxc.c";

/// The root of an image, and what is installed into it.
struct Image {
    root: TempDir,
    release: Release,
}

/// Every path with its rights, and the content of files or where links lead.
type Listing = BTreeMap<PathBuf, (u32, String)>;

impl Image {
    fn new() -> Self {
        let root = tempfile::Builder::new().prefix("weir-image-").tempdir();
        let image = Self {
            root: root.unwrap(),
            release: Release::small(),
        };
        image.set("etc/hostname", "image\n");
        image.set("usr/lib/systemd/systemd", "");
        image
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn set(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        whole_file::write(&path, text.as_bytes()).unwrap();
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    fn command(&self, verb: &str, more: &[&str]) -> Command {
        let mut command = binaries::weir();
        command.arg(verb).arg("--root").arg(self.root.path());
        if verb == "install" {
            command.arg("--from").arg(self.release.path());
        }
        command.args(more).stdin(Stdio::null());
        command
    }

    fn run(&self, verb: &str, more: &[&str]) -> Finished {
        process::run(&mut self.command(verb, more))
    }

    fn install(&self) -> Finished {
        let finished = self.run("install", &[]);
        finished.clone().expect_success();
        finished
    }

    fn uninstall(&self) -> Finished {
        let finished = self.run("uninstall", &[]);
        finished.clone().expect_success();
        finished
    }

    /// Refused with all of these words, and nothing changed.
    #[track_caller]
    fn refuses(&self, more: &[&str], words: &[&str]) {
        let before = self.listing();
        let refused = self.run("install", more);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        for word in words {
            assert!(refused.stderr.contains(word), "{word}: {}", refused.stderr);
        }
        assert_same(&self.listing(), &before, &refused.stderr);
    }

    fn listing(&self) -> Listing {
        let mut all = Listing::new();
        list(self.root.path(), Path::new(""), &mut all);
        all
    }
}

fn list(root: &Path, below: &Path, all: &mut Listing) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let path = below.join(entry.unwrap().file_name());
        let whole = root.join(&path);
        let metadata = whole.symlink_metadata().unwrap();
        let content = if metadata.is_symlink() {
            fs::read_link(&whole).unwrap().display().to_string()
        } else if metadata.is_dir() {
            list(root, &path, all);
            "folder".to_owned()
        } else {
            ep_builder::digest::sha256_hex(&fs::read(&whole).unwrap())
        };
        all.insert(path, (metadata.permissions().mode() & 0o7777, content));
    }
}

/// Asserts that an image is as it was, and says where it is not.
#[track_caller]
fn assert_same(now: &Listing, before: &Listing, what: &str) {
    let differs = |(path, there): &(&PathBuf, &(u32, String)), other: &Listing| {
        other.get(*path) != Some(*there)
    };
    let come: Vec<_> = now.iter().filter(|it| differs(it, before)).collect();
    let gone: Vec<_> = before.iter().filter(|it| differs(it, now)).collect();
    assert!(
        come.is_empty() && gone.is_empty(),
        "{what}: come {come:?}, gone {gone:?}"
    );
}
