//! The same bytes, whoever makes them, where, when, and with what settings of his own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::{env, fs};

use tempfile::TempDir;
use weir_tests::need::Need;
use weir_tests::node::repository;
use weir_tests::process;

use crate::listing::{Listing, difference, listing};
use crate::release::{make, needs, package};

/// Somebody who makes a release: in a folder of his own, with files that others may not read, or may write.
struct Maker {
    folder: TempDir,
    umask: &'static str,
    variables: [(&'static str, &'static str); 3],
}

impl Maker {
    fn new(below: &str, umask: &'static str, [locale, language, zone]: [&'static str; 3]) -> Self {
        let mut folder = tempfile::Builder::new();
        folder.prefix("weir-maker-");
        let is_there = Path::new(below).is_dir();
        let below = if is_there {
            below.into()
        } else {
            env::temp_dir()
        };
        Self {
            folder: folder.tempdir_in(below).unwrap(),
            umask,
            variables: [("LC_ALL", locale), ("LANG", language), ("TZ", zone)],
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// With what this one has set.
    fn command(&self, command: &Command) -> Command {
        let script = format!("umask {}; exec \"$@\"", self.umask);
        let mut own = Command::new("sh");
        own.args(["-c", &script, "sh"]).arg(command.get_program());
        own.args(command.get_args()).envs(self.variables);
        // Each compiles for himself.
        own.env("TMPDIR", self.path("tmp")).env_remove("WEIR_TREE");
        let set = command.get_envs();
        own.envs(set.filter_map(|(name, value)| Some((name, value?))));
        own
    }

    /// A checkout with times and rights of its own.
    fn check_out(&self, from: &Path) {
        for name in ["checkout", "tmp", "out"] {
            fs::create_dir(self.path(name)).unwrap();
        }
        let mut copy = Command::new("sh");
        let script =
            "tar --exclude-vcs --exclude=./target --exclude=./fuzz/target -C \"$1\" -cf - . |
            tar -C \"$2\" --touch --no-same-permissions --no-same-owner -xf -";
        copy.args(["-c", script, "sh"]).arg(from);
        let mut copy = self.command(copy.arg(self.path("checkout")));
        process::run(&mut copy).expect_success();
    }

    /// Makes the release, and of it all that is shipped; returns what that is.
    fn make(&self) -> Listing {
        let (checkout, out) = (self.path("checkout"), self.path("out"));
        let own = |what| self.command(&package(&checkout, what, &out));
        make(&mut own("tree"), "tree");
        for what in ["archive", "deb", "image"] {
            make(own(what).env("WEIR_TREE", out.join("tree")), what);
        }
        let mut all = listing(&out, &[""]);
        // The folder itself is the maker's.
        all.remove(Path::new(""));
        all
    }
}

/// At the same time, in two checkouts, in folders of two file systems where there are two.
#[test]
fn two_who_make_a_release_make_the_same_bytes() {
    needs!(
        Need::Tool("xz"),
        Need::Tool("zstd"),
        Need::Tool("tar"),
        Need::Tool("dpkg-deb")
    );
    let one = Maker::new("/dev/shm", "077", ["C.UTF-8", "C", "Asia/Kathmandu"]);
    let other = Maker::new("/var/tmp", "002", ["", "de_DE.UTF-8", "America/Caracas"]);
    one.check_out(&repository(""));
    // Of the first: somebody may be at work in the repository.
    other.check_out(&one.path("checkout"));
    let (one, other) = thread::scope(|scope| {
        let one = scope.spawn(|| one.make());
        (other.make(), one.join().unwrap())
    });
    assert_eq!(difference(&one, &other), [""; 0]);
    for ending in [".tar.xz", ".deb", ".tar", "SHA256SUMS"] {
        let of_that = one
            .keys()
            .filter(|path| path.to_string_lossy().ends_with(ending));
        assert_eq!(of_that.count(), 1, "{ending}: {one:?}");
    }
}
