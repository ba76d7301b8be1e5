//! Templates that were compiled before: the suites that run programs need no compiler with them.
//!
//! `make test-bundle` makes the folder, hides the compilers of the machine, and runs those suites with the folder's
//! name in `WEIR_TEST_BUNDLE`. What has to compile for itself asks for `Need::Tool("clang")`, and is skipped then.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::Node;
use crate::pods::{MAPS, SMALLEST_MAPS};

/// The folder of such a run. In others each test has the compiler make what it needs.
pub fn given() -> Option<PathBuf> {
    env::var_os("WEIR_TEST_BUNDLE")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
}

/// Makes the folder, of all that the suites need; what is in it already stays.
pub fn make(folder: &Path) {
    let path = folder.to_str().expect("the name of a bundle is text");
    let build = ["template", "build", "--bundle", path, "--changes"];
    let others = OTHERS.iter().map(|row| (configuration(MAPS, row), "0"));
    let smallest = SMALLEST
        .iter()
        .map(|row| (configuration(SMALLEST_MAPS, row), "0"));
    let all = [(MAPS.to_owned(), "1")].into_iter();
    for (lines, changes) in all.chain(others).chain(smallest) {
        // As long as it takes: a test's deadline is none for many compiles.
        let node = Node::with(&lines);
        let mut command = node.command();
        command.args(build).arg(changes).stdout(Stdio::null());
        let ended = command.status().expect("weir can be started");
        assert!(ended.success(), "weir template build: {ended}");
    }
}

/// What to write instead of what in the sizes of the maps, and the lines behind them.
type Other = (&'static [(&'static str, &'static str)], &'static str);

/// An endpoint with connections of its own.
const LOCAL: &str = "[options]\nconntrack_local = true\n";

/// What the suites change in [`MAPS`], and one change of a setting does not cover: sizes of maps are part of a
/// template, and some change several settings at once. A test without its row fails, for want of template and clang.
const OTHERS: [Other; 18] = [
    (&[("endpoints = 64", "endpoints = 128")], ""),
    (&[("ipcache = 64", "ipcache = 128")], ""),
    (
        &[
            ("endpoints = 64", "endpoints = 128"),
            ("ipcache = 64", "ipcache = 128"),
        ],
        "",
    ),
    (&[("policy = 64", "policy = 128")], ""),
    (&[("policy = 64", "policy = 1")], ""),
    (&[("ct_tcp = 4096", "ct_tcp = 64")], ""),
    (&[("ct_tcp = 4096", "ct_tcp = 8192")], ""),
    (
        &[
            ("ct_tcp = 4096", "ct_tcp = 8192"),
            ("ct_any = 4096", "ct_any = 2048"),
            ("policy = 64", "policy = 128"),
        ],
        "",
    ),
    (
        &[
            ("ct_tcp = 4096", "ct_tcp = 1024"),
            ("policy = 64", "policy = 32"),
        ],
        "",
    ),
    (
        &[
            ("ct_tcp = 4096", "ct_tcp = 8192"),
            ("ct_any = 4096", "ct_any = 2048"),
            ("policy = 64", "policy = 128"),
        ],
        LOCAL,
    ),
    (
        &[
            ("ct_tcp = 4096", "ct_tcp = 1024"),
            ("policy = 64", "policy = 32"),
        ],
        LOCAL,
    ),
    (&[("snat = 4096", "snat = 262144")], ""),
    (
        &[
            ("ct_any = 4096", "ct_any = 65536"),
            ("snat = 4096", "snat = 131072"),
        ],
        "",
    ),
    (&[("= 64\n", "= 1024\n"), ("= 4096\n", "= 16384\n")], ""),
    (&[("= 64\n", "= 4096\n")], ""),
    (&[], "[options]\ndebug = true\ndebug_policy = true\n"),
    (
        &[],
        "[options]\nconntrack = false\nconntrack_accounting = false\n",
    ),
    (
        &[],
        "[options]\ndrop_notification = false\ntrace_notification = false\npolicy_verdict_notification = false\n",
    ),
];

/// Likewise of the smallest.
const SMALLEST: [Other; 4] = [
    (&[], ""),
    (&[("policy = 16", "policy = 32")], ""),
    (&[], "[options]\nconntrack_accounting = false\n"),
    (&[], LOCAL),
];

fn configuration(maps: &str, (sizes, lines): &Other) -> String {
    let change = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
    sizes.iter().fold(maps.to_owned(), change) + lines
}
