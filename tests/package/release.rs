//! Making what is shipped: one release for all tests of a process, and from it what each of them wants.
//!
//! With `WEIR_LONG=1` it is the real one: the programs of the release build, the templates of two changes, packed as
//! well as they are when they are shipped. That compiles for minutes; `WEIR_TREE` names a release that is there.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;
use weir_tests::binaries;
use weir_tests::node::repository;

/// What making a release takes.
macro_rules! needs {
    ($($need:expr),*) => {
        weir_tests::need!(
            weir_tests::need::Need::Tool("clang"),
            weir_tests::need::Need::Tool("strip")
            $(, $need)*
        )
    };
}
pub(crate) use needs;

/// A folder of its own, with what was made in it.
pub(crate) struct Made {
    folder: TempDir,
}

impl Made {
    /// Makes one of the things that `.ci/package` makes, from the release of this process.
    pub(crate) fn new(what: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        make(
            package(&repository(""), what, folder.path()).env("WEIR_TREE", release()),
            what,
        );
        Self { folder }
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The file in it whose name ends so.
    pub(crate) fn file(&self, ending: &str) -> PathBuf {
        let names = self.path().read_dir().unwrap();
        let mut paths = names.map(|entry| entry.unwrap().path());
        let found = paths.find(|path| path.to_string_lossy().ends_with(ending));
        found.unwrap_or_else(|| panic!("no *{ending} was made"))
    }
}

/// Whether it is the real release that is wanted.
pub(crate) fn is_long() -> bool {
    env::var_os("WEIR_LONG").is_some_and(|it| !it.is_empty() && it != "0")
}

/// `.ci/package` of a checkout, which is to make something in a folder.
pub(crate) fn package(checkout: &Path, what: &str, folder: &Path) -> Command {
    let built = binaries::weir().get_program().to_owned();
    let built = Path::new(&built).parent().unwrap();
    let mut command = Command::new(checkout.join(".ci/package"));
    command
        .arg(what)
        .arg(folder)
        .env_remove("WEIR_TREE")
        .env("WEIR_SBOM", env!("CARGO_BIN_EXE_weir-sbom"))
        .env("SOURCE_DATE_EPOCH", "1700000000");
    if is_long() {
        command.env("WEIR_BIN_DIR", built.with_file_name("release"));
        command.env("WEIR_CHANGES", "2");
    } else {
        command.env("WEIR_BIN_DIR", built);
        command.env("WEIR_CHANGES", "0").env("WEIR_PRESS", "fast");
    }
    command
}

/// Runs it, for as long as it takes: a test's deadline is none for many compiles.
pub(crate) fn make(command: &mut Command, what: &str) {
    let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).output();
    let ended = ended.unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{what}: {}: {said}", ended.status);
}

/// The release that all of this process are made from: templates are compiled once. `WEIR_TREE` names one that was
/// made before.
fn release() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        if let Some(tree) = env::var_os("WEIR_TREE") {
            return tree.into();
        }
        let below = Path::new(env!("CARGO_TARGET_TMPDIR"));
        clear_orphans(below);
        let folder = below.join(format!("{PREFIX}{}", std::process::id()));
        make(&mut package(&repository(""), "tree", &folder), "tree");
        folder.join("tree")
    });
    made.clone()
}

const PREFIX: &str = "weir-release-of-";

/// A value that lives as long as the process is never dropped: those of processes that are gone are removed by the next.
fn clear_orphans(below: &Path) {
    for entry in below.read_dir().unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let process = name.strip_prefix(PREFIX);
        if process.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            std::fs::remove_dir_all(entry.path()).unwrap_or_default();
        }
    }
}
