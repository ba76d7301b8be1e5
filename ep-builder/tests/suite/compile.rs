//! A compiler that fails: each way its own error, with what to do, and nothing half-written left.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ep_builder::builder::{Built, Origin};
use ep_builder::cache::CacheError;
use ep_builder::compile::{CompileError, Search};
use ep_builder::error::Error;
use ep_builder::timeline::Timeline;

use weir_tests::need;
use weir_tests::need::Need;

use crate::common::{Node, clang, endpoint_2665, put};

/// A compiler that knows its version and then does `behaviour`.
fn node(behaviour: &str) -> Node {
    Node::with_script(&format!(
        "[ \"$1\" = --version ] && exec $REAL --version\n{behaviour}"
    ))
}

fn failure(node: &Node) -> CompileError {
    match node
        .builder()
        .build(&endpoint_2665(), &mut Timeline::default())
    {
        Err(Error::Cache(CacheError::Compile(error)) | Error::Compile(error)) => error,
        other => panic!("a compile error was expected, not {other:?}"),
    }
}

fn check(node: &Node, expected: impl Fn(&CompileError) -> bool, advice: &str) {
    let error = failure(node);
    assert!(expected(&error), "{error:?}");
    assert!(error.advice().contains(advice), "{}", error.advice());
    assert_eq!(node.templates(), [""; 0], "something was left behind");
}

#[test]
fn a_killed_compiler() {
    need!(Need::Tool("clang"));
    let killed = |e: &CompileError| matches!(e, CompileError::Killed { signal: 9, .. });
    check(&node("kill -9 $$"), killed, "out-of-memory killer");
}

#[test]
fn a_compiler_that_takes_too_long() {
    need!(Need::Tool("clang"));
    // The child of the script must go too: the whole group is killed.
    let mut node = node("echo $$ > pid; sleep 1000 & wait");
    node.settings.clang.timeout = Duration::from_secs(1);
    check(
        &node,
        |e| matches!(e, CompileError::TimedOut { .. }),
        "timeout_seconds",
    );
}

#[test]
fn a_compiler_that_needs_too_much_memory() {
    need!(Need::Tool("clang"));
    let memory = |e: &CompileError| matches!(e, CompileError::OutOfMemory { .. });
    check(
        &node("ulimit -v 100000; exec $REAL \"$@\""),
        memory,
        "memory_mib",
    );
    let mut real = Node::new();
    real.settings.clang.memory_mib = 64;
    check(&real, memory, "memory_mib");
}

#[test]
fn no_compiler() {
    need!(Need::Tool("clang"));
    let missing = |e: &CompileError| matches!(e, CompileError::Missing { .. });
    check(&Node::new().without_clang(), missing, "install clang");
    let mut named = Node::new();
    named.search = Search {
        configured: Some(PathBuf::from("/nonexistent/clang")),
        ..Search::default()
    };
    check(
        &named,
        |e| e.to_string().contains("[clang] path"),
        "install clang",
    );
    let mut variable = Node::new();
    variable.search = Search {
        variable: Some("/nonexistent/clang".into()),
        ..Search::default()
    };
    check(
        &variable,
        |e| e.to_string().contains("CLANG"),
        "install clang",
    );
}

#[test]
fn a_compiler_that_is_too_old_or_none() {
    need!(Need::Tool("clang"));
    for says in [
        "Debian clang version 13.0.1-11",
        "gcc (Debian 12.2.0) 12.2.0",
        "",
    ] {
        let node = Node::with_script(&format!("echo '{says}'"));
        check(
            &node,
            |e| matches!(e, CompileError::Version { .. }),
            "clang 14 or newer",
        );
    }
}

#[test]
fn sources_that_do_not_compile() {
    need!(Need::Tool("clang"));
    let mut node = Node::new();
    let root = node.path("bpf");
    fs::create_dir(&root).unwrap();
    put(root.join("bpf_lxc.c"), "#error no such datapath\n");
    node.settings.paths.bpf_dir = root;
    let source = |e: &CompileError| {
        matches!(e, CompileError::Source { .. }) && e.to_string().contains("no such datapath")
    };
    check(&node, source, "reinstall");
}

#[test]
fn words_in_the_source_are_no_trouble_of_the_compiler() {
    need!(Need::Tool("clang"));
    for words in [
        "out of memory",
        "No space left on device",
        "error: out of memory",
    ] {
        let mut node = Node::new();
        let root = node.path("bpf");
        fs::create_dir(&root).unwrap();
        put(
            root.join("bpf_lxc.c"),
            format!("#error the map is {words}\n"),
        );
        node.settings.paths.bpf_dir = root;
        check(
            &node,
            |e| matches!(e, CompileError::Source { .. }),
            "reinstall",
        );
    }
}

#[test]
fn a_compiler_that_does_not_say_what_it_is() {
    need!(Need::Tool("clang"));
    let node = Node::with_script("exit 1");
    check(
        &node,
        |e| matches!(e, CompileError::NoVersion { .. }),
        "[clang] path",
    );
}

#[test]
fn a_crash_is_not_taken_for_a_lack_of_memory() {
    need!(Need::Tool("clang"));
    let crashed = |e: &CompileError| matches!(e, CompileError::Killed { signal: 11, .. });
    check(&node("kill -SEGV $$"), crashed, "crashed");
}

#[test]
fn an_old_clang_does_not_hide_a_newer_one() {
    need!(Need::Tool("clang"));
    let mut node = Node::with_script("echo clang version 13.0.1");
    let newer = node.path("clang-19");
    std::os::unix::fs::symlink(&clang().path, newer).unwrap();
    let folder = node.path("clang").parent().unwrap().to_owned();
    node.search = Search {
        path: Some(folder.into()),
        ..Search::default()
    };
    assert_eq!(node.builder().clang().unwrap().version, clang().version);
}

#[test]
fn the_time_of_a_compile_is_its_own() {
    need!(Need::Tool("clang"));
    // One that sleeps, beside one that works hard: it must not be charged for its neighbour.
    let lazy = node("sleep 1; exec $REAL \"$@\"");
    let busy = node("i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done; exec $REAL \"$@\"");
    let cpu = |node: &Node| match node
        .builder()
        .build(&endpoint_2665(), &mut Timeline::default())
    {
        Ok(Built {
            origin: Origin::Compiled(cpu),
            ..
        }) => cpu,
        other => panic!("{other:?}"),
    };
    let (lazy, busy) = std::thread::scope(|scope| {
        let busy = scope.spawn(|| cpu(&busy));
        (cpu(&lazy), busy.join().unwrap())
    });
    assert!(
        lazy < busy,
        "{lazy:?} for the lazy, {busy:?} for the busy one"
    );
}

#[test]
fn a_compiler_that_writes_nothing_or_rubbish() {
    need!(Need::Tool("clang"));
    check(
        &node("exit 0"),
        |e| matches!(e, CompileError::File(_)),
        "state_dir",
    );
    let rubbish = |e: &CompileError| matches!(e, CompileError::Object { .. });
    check(&node("echo rubbish > bpf_lxc.o"), rubbish, "another clang");
    check(
        &node("exec $REAL -c -x c /dev/null -o bpf_lxc.o"),
        rubbish,
        "another clang",
    );
}

#[test]
fn a_failed_compile_is_not_remembered() {
    need!(Need::Tool("clang"));
    let node =
        node("[ -e /proc/self ] && [ -e \"$(dirname $0)/broken\" ] && exit 1; exec $REAL \"$@\"");
    put(node.path("broken"), "");
    failure(&node);
    fs::remove_file(node.path("broken")).unwrap();
    node.builder()
        .build(&endpoint_2665(), &mut Timeline::default())
        .unwrap();
}

#[test]
fn the_compiler_sees_a_clean_environment_and_its_own_folder() {
    need!(Need::Tool("clang"));
    let node = node(
        "cd \"$(dirname $0)\"; env > env; echo $OLDPWD > pwd; ulimit -v > limit; cat /proc/self/status > rights; cd - > /dev/null; exec $REAL \"$@\"",
    );
    node.builder()
        .build(&endpoint_2665(), &mut Timeline::default())
        .unwrap();
    let read = |name: &str| fs::read_to_string(node.path(name)).unwrap();
    let names: Vec<_> = read("env")
        .lines()
        .filter_map(|l| l.split_once('='))
        .map(|(n, _)| n.to_owned())
        .collect();
    // PWD, OLDPWD, SHLVL and _ are the shell's own.
    for name in names {
        let known = ["LC_ALL", "PATH", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_"];
        assert!(
            known.contains(&name.as_str()),
            "{name} reached the compiler"
        );
    }
    assert!(Path::new(read("pwd").trim()).starts_with(node.path("state/templates")));
    assert_eq!(read("limit").trim(), (2048 * 1024).to_string());
    // Whoever calls it: what it starts has no more.
    for line in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        let empty = format!("{line}:\t{}\n", "0".repeat(16));
        assert!(
            read("rights").contains(&empty),
            "{line}: {}",
            read("rights")
        );
    }
}

#[test]
fn the_version_is_asked_once_while_the_compiler_stays_the_same() {
    need!(Need::Tool("clang"));
    let node = Node::new();
    let clang = node.builder().clang().unwrap();
    let memory = node.path("state/clang.json");
    // The remembered version is used: a forged one shows.
    let text = fs::read_to_string(&memory).unwrap();
    put(&memory, text.replace(&clang.version, "clang version 99.0"));
    assert_eq!(
        node.builder().clang().unwrap().version,
        "clang version 99.0"
    );
    // Anything wrong with the memory, and the compiler is asked again.
    for broken in [
        "",
        "{}",
        "\0\0\0",
        &text.replace("\"inode\":", "\"inode\":1"),
    ] {
        put(&memory, broken);
        assert_eq!(node.builder().clang().unwrap(), clang);
    }
}

#[test]
fn a_script_is_asked_for_its_version_every_time() {
    need!(Need::Tool("clang"));
    let node = Node::with_script("[ \"$1\" = --version ] && cat \"$(dirname $0)/version\"");
    for version in ["clang version 15.0.1", "clang version 16.0.2"] {
        put(node.path("version"), version);
        assert_eq!(node.builder().clang().unwrap().version, version);
    }
}
