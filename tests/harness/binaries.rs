//! The binaries under test.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The operator's command.
pub fn weir() -> Command {
    Command::new(find("weir"))
}

/// The CNI plugin.
pub fn weir_cni() -> Command {
    Command::new(find("weir-cni"))
}

fn find(name: &str) -> PathBuf {
    let folder = env::var_os("WEIR_BIN_DIR").map_or_else(own_build, PathBuf::from);
    let program = folder.join(name);
    assert!(
        program.is_file(),
        "there is no {}: build it first (`make test` does; by hand `cargo build --workspace`), or set WEIR_BIN_DIR",
        program.display(),
    );
    program
}

/// Cargo tells a test only the binaries of its own package. Those of the workspace stand beside the `deps`
/// folder that the test itself runs from, so they are of the same profile and target.
fn own_build() -> PathBuf {
    let test = env::current_exe().expect("a test knows where it runs from");
    let folder = test.parent().and_then(Path::parent);
    folder
        .expect("a test runs from the deps folder of a build")
        .to_owned()
}
