//! However it ends, nothing is left.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use ep_builder::bpf::Program;
use ep_builder::maps::Maps;
use ep_builder::shape::MapPrefix;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use weir_tests::need;
use weir_tests::need::Need;

use super::{Seen, until, with_pods};

/// The programs of the pods that a selftest has made so far, seen through its own mounts.
fn programs_of(process: &Child) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{}/task", process.id()));
    let threads = threads.into_iter().flatten().filter_map(Result::ok);
    let pins = threads.map(|thread| thread.path().join("root/sys/fs/bpf/pins"));
    let verdicts = |pins: PathBuf| {
        let maps = Maps::new(pins, &MapPrefix::default());
        let filled = maps.verdicts().ok()?.filled().ok()?;
        Some(filled.into_iter().map(|(_, program)| program).collect())
    };
    pins.filter_map(verdicts)
        .find(|programs: &Vec<u32>| !programs.is_empty())
        .unwrap_or_default()
}

#[test]
fn whatever_ends_it_in_the_middle_leaves_nothing() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let (lab, pods) = with_pods();
    let before = Seen::of(&lab, &[&pods[0], &pods[1]]);
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT] {
        let selftest = lab.node().command();
        // Who runs the tests in the background of a shell has them ignore SIGINT, and whatever they start.
        let mut command = Command::new("env");
        command
            .arg("--default-signal=INT")
            .arg(selftest.get_program())
            .args(selftest.get_args())
            .arg("selftest")
            .env_remove("CLANG")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut programs = Vec::new();
        until("no pod was made", || {
            assert_eq!(process.try_wait().unwrap(), None, "it ended before");
            programs = programs_of(&process);
            !programs.is_empty()
        });
        kill(Pid::from_raw(process.id().cast_signed()), signal).unwrap();
        assert!(!process.wait().unwrap().success());
        // What it had started ends by itself; then the last namespace goes, and with it all that was in it.
        until("programs are left", || {
            programs.iter().all(|id| Program::open_id(*id).is_err())
        });
        let now = Seen::of(&lab, &[&pods[0], &pods[1]]);
        before.assert_same(&now, &format!("{signal}"));
    }
}
