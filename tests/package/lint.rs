//! What Debian's own tool says of the package.

use std::process::Command;

use weir_tests::need::Need;
use weir_tests::process;

use crate::release::{Made, needs};

#[test]
fn lintian_finds_nothing_but_what_is_meant() {
    needs!(Need::Tool("dpkg-deb"), Need::Tool("lintian"));
    let made = Made::new("deb");
    let mut lintian = Command::new("lintian");
    lintian.args(["--allow-root", "--fail-on", "error,warning"]);
    let said = process::run(lintian.arg(made.file(".deb")));
    // An override that overrides nothing is told, too, and is no warning.
    let lines = said.stdout.lines().filter(|line| !line.starts_with("N:"));
    assert_eq!(lines.collect::<Vec<_>>(), [""; 0], "{said:?}");
    assert_eq!(said.code, Some(0), "{said:?}");
}
