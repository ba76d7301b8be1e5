//! A release of weir in a folder, as `weir install` takes it.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::Command;

use ep_builder::whole_file;
use tempfile::TempDir;

use crate::node::repository;
use crate::{Node, binaries, bundle, process};

/// A release. It is removed with the value.
#[derive(Debug)]
pub struct Release {
    folder: TempDir,
}

impl Release {
    /// One of a few small files, whose programs do nothing: for what happens to files.
    pub fn small() -> Self {
        let release = Self::with_configuration();
        for name in ["bin/weir", "bin/weir-cni"] {
            copy(Path::new("/bin/true"), &release.path().join(name));
        }
        for (name, text) in [
            ("bpf/bpf_lxc.c", "int lxc;\n"),
            ("bpf/lib/one.h", "int one;\n"),
            ("bpf-templates/ep_config.h.hbs", "one\n"),
            ("share/man/man8/weir.8", "weir\n"),
        ] {
            release.set(name, text);
        }
        release
    }

    /// One of the built programs and the repository's sources, with a bundle for a `weir.toml` of these lines.
    pub fn whole(lines: &str) -> Self {
        let release = Self::with_configuration();
        release.set("conf/weir.toml", lines);
        for (name, built) in [
            ("weir", binaries::weir()),
            ("weir-cni", binaries::weir_cni()),
        ] {
            // Unstripped they are twenty times as large.
            let target = release.path().join("bin").join(name);
            folder_of(&target);
            let mut strip = Command::new("strip");
            strip.arg("-o").arg(target).arg(built.get_program());
            process::run(&mut strip).expect_success();
        }
        for (from, to) in [("bpf-src", "bpf"), ("bpf-templates", "bpf-templates")] {
            copy_all(&repository(from), &release.path().join(to));
        }
        let templates = release.path().join("templates");
        match bundle::given() {
            Some(bundle) => copy_all(&bundle, &templates),
            None => compile(lines, &templates),
        }
        release
    }

    fn with_configuration() -> Self {
        let folder = tempfile::Builder::new().prefix("weir-release-").tempdir();
        let release = Self {
            folder: folder.expect("a temporary folder can be made"),
        };
        for name in ["conf/10-weir.conflist", "conf/weir.toml"] {
            copy(&repository(name), &release.path().join(name));
        }
        release
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes one of its files anew.
    pub fn set(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        folder_of(&path);
        whole_file::write(&path, text.as_bytes()).expect("a file can be written");
    }

    /// Takes one of its files away.
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).expect("a file can be removed");
    }
}

fn compile(lines: &str, bundle: &Path) {
    let bundle = bundle.to_str().expect("a temporary path is text");
    let node = Node::with(lines);
    node.weir(&["template", "build", "--bundle", bundle])
        .expect_success();
}

fn folder_of(path: &Path) {
    let folder = path.parent().expect("a file has a folder");
    let made = DirBuilder::new().recursive(true).mode(0o755).create(folder);
    made.expect("a folder can be made");
}

fn copy(from: &Path, to: &Path) {
    folder_of(to);
    fs::copy(from, to).expect("a file can be copied");
}

fn copy_all(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder can be listed") {
        let entry = entry.expect("a folder can be listed");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_all(&from, &to);
        } else {
            copy(&from, &to);
        }
    }
}
