//! Many processes and one compiler.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ep_builder::compile::Search;
use ep_builder::unit::Unit;
use ep_builder::whole_file;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use weir_tests::need::Need;
use weir_tests::{Node, need};

/// What `weir template build` makes a template of, each by a run of the compiler.
const UNITS: usize = Unit::ALL.len();

/// A compiler that writes a line into `compiles` and then does `behaviour`; `$REAL` is the real one and
/// `$HERE` its folder.
struct Compiler {
    folder: tempfile::TempDir,
}

impl Compiler {
    fn new(behaviour: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let real = Search::from_environment(None)
            .candidates()
            .unwrap()
            .remove(0);
        let script = format!(
            "#!/bin/sh\nREAL={}\nHERE={}\n[ \"$1\" = --version ] && exec $REAL --version\necho $$ >> $HERE/compiles\n{behaviour}\n",
            real.display(),
            folder.path().display(),
        );
        let path = folder.path().join("clang");
        whole_file::write(&path, script.as_bytes()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn node(&self) -> Node {
        Node::with(&format!(
            "[clang]\npath = {:?}",
            self.folder.path().join("clang").display().to_string()
        ))
    }

    /// The process ids of the compilers that were started.
    fn compiles(&self) -> Vec<i32> {
        let text = fs::read_to_string(self.folder.path().join("compiles")).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }
}

fn start(node: &Node) -> Child {
    let mut command = node.command();
    command
        // One at a time, so that a test knows which one is under way.
        .args(["template", "build", "--jobs", "1", "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn finish(child: Child) -> serde_json::Value {
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < Duration::from_mins(1),
            "waited in vain for: {what}"
        );
        sleep(Duration::from_millis(5));
    }
}

/// The names in the folder of templates.
fn templates(node: &Node) -> Vec<PathBuf> {
    fs::read_dir(node.state().join("templates"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect()
}

#[test]
fn thirty_two_processes_compile_once() {
    need!(Need::Tool("clang"));
    // Slow enough that all of them miss.
    let compiler = Compiler::new("sleep 2; exec $REAL \"$@\"");
    let node = compiler.node();
    let children: Vec<_> = (0..32).map(|_| start(&node)).collect();
    let reports: Vec<_> = children.into_iter().map(finish).collect();
    assert_eq!(compiler.compiles().len(), UNITS);
    let mut made = BTreeSet::new();
    for unit in 0..UNITS {
        let key = &reports[0][unit]["key"];
        assert!(reports.iter().all(|report| report[unit]["key"] == *key));
        let builders = reports
            .iter()
            .filter(|report| report[unit]["origin"] == "compiled")
            .count();
        assert_eq!(
            builders, 1,
            "one has compiled, the others used what it made"
        );
        made.insert(node.state().join("templates").join(key.as_str().unwrap()));
    }
    assert_eq!(BTreeSet::from_iter(templates(&node)), made);
}

#[test]
fn a_killed_winner_is_followed_by_a_waiter() {
    need!(Need::Tool("clang"));
    // The first compiler hangs, the second works.
    let compiler =
        Compiler::new("[ $(wc -l < $HERE/compiles) = 1 ] && exec sleep 1000; exec $REAL \"$@\"");
    let node = compiler.node();
    let mut winner = start(&node);
    wait_until("the first compiler", || compiler.compiles().len() == 1);
    let waiters: Vec<_> = (0..4).map(|_| start(&node)).collect();
    kill(Pid::from_raw(winner.id().cast_signed()), Signal::SIGKILL).unwrap();
    winner.wait().unwrap();
    let reports: Vec<_> = waiters.into_iter().map(finish).collect();
    assert_eq!(
        compiler.compiles().len(),
        1 + UNITS,
        "exactly one of the waiters took over"
    );
    assert!(
        reports
            .iter()
            .all(|report| report[0]["key"] == reports[0][0]["key"])
    );
    assert_eq!(
        templates(&node).len(),
        UNITS,
        "the dead winner's folder is gone"
    );
    let orphan = format!("/proc/{}", compiler.compiles()[0]);
    wait_until("the dead winner's compiler to be gone", || {
        !Path::new(&orphan).exists()
    });
}
