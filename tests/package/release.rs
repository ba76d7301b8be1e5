//! Making what is shipped.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use weir_tests::node::repository;
use weir_tests::{Finished, binaries, process};

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
    /// Makes one of the things that `.ci/package` makes.
    pub(crate) fn new(what: &str) -> Self {
        Self::with(what, "0")
    }

    /// With the templates of so many changes of the configuration.
    pub(crate) fn with(what: &str, changes: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        run(what, folder.path(), changes).expect_success();
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

fn run(what: &str, folder: &Path, changes: &str) -> Finished {
    let weir = binaries::weir().get_program().to_owned();
    let mut command = Command::new(repository(".ci/package"));
    command
        .arg(what)
        .arg(folder)
        .env("WEIR_BIN_DIR", Path::new(&weir).parent().unwrap())
        .env("WEIR_SBOM", env!("CARGO_BIN_EXE_weir-sbom"))
        .env("WEIR_CHANGES", changes)
        .env("WEIR_PRESS", "fast")
        .env("SOURCE_DATE_EPOCH", "1700000000");
    process::run(&mut command)
}
