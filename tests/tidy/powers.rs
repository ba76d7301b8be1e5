//! What only named files may do: step out of the compiler's guarantees, and start processes.

use crate::house::{File, accepts, files, finds, line_of};
use crate::lex::{Language, code, words};

/// Files that talk to the kernel where no safe wrapper exists. Each block argues for itself.
const UNSAFE: &[&str] = &[
    "cni/src/heap.rs",
    "cni/src/ipam/delegate/exec.rs",
    "ep-builder/src/beside/helper.rs",
    "ep-builder/src/bin/weir/health/ping.rs",
    "ep-builder/src/bin/weir/metrics/privileges.rs",
    "ep-builder/src/bin/weir/top/terminal.rs",
    "ep-builder/src/bpf/batch.rs",
    "ep-builder/src/bpf/btf.rs",
    "ep-builder/src/bpf/detached.rs",
    "ep-builder/src/bpf/grace.rs",
    "ep-builder/src/bpf/info.rs",
    "ep-builder/src/bpf/link.rs",
    "ep-builder/src/bpf/map.rs",
    "ep-builder/src/bpf/object.rs",
    "ep-builder/src/bpf/program.rs",
    "ep-builder/src/bpf/ring.rs",
    "ep-builder/src/bpf/stats.rs",
    "ep-builder/src/bpf/sys.rs",
    "ep-builder/src/bpf/test_run.rs",
    "ep-builder/src/compile/sandbox.rs",
    "ep-builder/src/install/machine.rs",
    "ep-builder/src/sock/cookie.rs",
    "tests/harness/trace/mod.rs",
    "tests/node/frames.rs",
    "tests/node/tunnel.rs",
    "tests/policy/socket.rs",
];

/// Files that start a process. Tests may, anywhere.
const SPAWNING: &[&str] = &[
    "cni/src/ipam/delegate/exec.rs",
    "ep-builder/src/bin/weir/bench/cni/call.rs",
    "ep-builder/src/bin/weir/health/plugin.rs",
    "ep-builder/src/compile/sandbox.rs",
];

fn unsafe_code(file: &File) -> Vec<String> {
    let is_named = UNSAFE.contains(&file.path.as_str());
    let found = if file.is_rust() {
        unsafe_words(&file.text)
    } else {
        Vec::new()
    };
    judge(file, is_named, &found, "unsafe")
}

fn unsafe_words(text: &str) -> Vec<usize> {
    let code = code(text, Language::Rust);
    words(&code)
        .filter(|(_, word)| *word == "unsafe")
        .map(|(at, _)| line_of(&code, at))
        .collect()
}

fn spawning(file: &File) -> Vec<String> {
    let is_named = SPAWNING.contains(&file.path.as_str());
    let is_shipped = file.is_rust() && !file.is_test();
    let found = if is_shipped {
        spawns(file.shipped_text())
    } else {
        Vec::new()
    };
    judge(file, is_named, &found, "starting a process")
}

/// The lines that import or use what starts a process.
fn spawns(text: &str) -> Vec<usize> {
    let code = code(text, Language::Rust);
    let all: Vec<_> = words(&code).collect();
    let is_start = |index: usize| match all[index].1 {
        "fork" | "execv" | "execve" | "execvp" | "execvpe" | "execveat" | "fexecve"
        | "posix_spawn" | "posix_spawnp" => true,
        "Command" => of_process(&code, all[index].0),
        _ => false,
    };
    (0..all.len())
        .filter(|index| is_start(*index))
        .map(|index| line_of(&code, all[index].0))
        .collect()
}

/// Whether the word at this place is named through a module `process`: alone or in a list in braces.
fn of_process(code: &str, at: usize) -> bool {
    let before = code[..at].trim_end();
    let list = before
        .rfind('{')
        .filter(|open| !before[*open..].contains(['}', ';']));
    let path = list.map_or(before, |open| before[..open].trim_end());
    path.ends_with("process::")
}

/// A name in a list that is not needed any more is a door left open.
fn judge(file: &File, is_named: bool, found: &[usize], what: &str) -> Vec<String> {
    if is_named && found.is_empty() {
        return vec![format!(
            "{}: is named for {what} and does not need it",
            file.path
        )];
    }
    let excess = found.iter().filter(|_| !is_named);
    excess
        .map(|line| format!("{}:{line}: {what} is left to named files", file.path))
        .collect()
}

fn missing(named: &[&str]) -> Vec<String> {
    let absent = named
        .iter()
        .filter(|path| files().iter().all(|file| file.path != **path));
    absent
        .map(|path| format!("{path}: is named and missing"))
        .collect()
}

#[test]
fn unsafe_stays_in_its_files() {
    accepts(&missing(UNSAFE));
    accepts(&files().iter().flat_map(unsafe_code).collect::<Vec<_>>());
}

#[test]
fn processes_start_in_their_files() {
    accepts(&missing(SPAWNING));
    accepts(&files().iter().flat_map(spawning).collect::<Vec<_>>());
}

#[test]
fn a_name_without_a_file_is_found() {
    assert_eq!(missing(&["no/such/file.rs", "tests/tidy/main.rs"]).len(), 1);
}

#[test]
fn unsafe_elsewhere_is_found() {
    let block = "\nfn a() {\n    unsafe { b() }\n}\n";
    finds(
        unsafe_code,
        &[
            ("cni/src/a.rs", block, &["cni/src/a.rs:3: unsafe"]),
            ("tests/harness/a.rs", "unsafe impl A for B {}", &["a.rs:1:"]),
            (
                "cni/src/a.rs",
                "// unsafe\nlet a = \"unsafe\"; // unsafe_code",
                &[],
            ),
            (UNSAFE[0], block, &[]),
            (UNSAFE[0], "fn a() {}", &["does not need it"]),
        ],
    );
}

#[test]
fn a_process_started_elsewhere_is_found() {
    finds(
        spawning,
        &[
            (
                "cni/src/a.rs",
                "use std::process::Command;",
                &["a.rs:1: starting a process"],
            ),
            (
                "cni/src/a.rs",
                "use std::process::{ExitCode,\n    Command};",
                &["a.rs:2:"],
            ),
            (
                "cni/src/a.rs",
                "std::process::Command::new(\"x\")",
                &["a.rs:1:"],
            ),
            ("cni/src/a.rs", "nix::unistd::execve(a, b, c)", &["a.rs:1:"]),
            (
                "cni/src/a.rs",
                "use std::process::{ExitCode};\nuse crate::request::{Command};",
                &[],
            ),
            (
                "cni/src/a.rs",
                "enum Command { Fork }\n// process::Command",
                &[],
            ),
            (
                "cni/src/a.rs",
                "fn a() {}\n#[cfg(test)]\nmod tests {\nuse std::process::Command;\n}",
                &[],
            ),
            ("tests/harness/a.rs", "use std::process::Command;", &[]),
            (SPAWNING[0], "use std::process::Command;", &[]),
            (SPAWNING[0], "", &["does not need it"]),
        ],
    );
}
