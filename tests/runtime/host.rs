//! The processes of a test's node: runtimes, plugins and pods live in a PID namespace and a mount namespace
//! on top of a [`Lab`], and end with the value, or with the test process however that ends.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use weir_tests::node::repository;
use weir_tests::process::{self, Finished};
use weir_tests::{Lab, binaries};

use crate::cgroup::Cgroup;

/// A node on which runtimes can be started.
pub(crate) struct Host<'lab> {
    /// Its network namespace, its bpffs, and the configuration of weir.
    pub(crate) lab: &'lab Lab,
    init: Child,
    cgroup: Cgroup,
}

impl<'lab> Host<'lab> {
    /// Starts the first process of the node.
    pub(crate) fn new(lab: &'lab Lab) -> Self {
        let cgroup = Cgroup::new();
        let mut init = Command::new("unshare");
        init.args(["--mount", "--pid", "--fork", "--mount-proc", "--kill-child"])
            .arg("sh")
            .arg(repository("tests/runtime/node.sh"))
            .arg(folder_of(lab).join("node"))
            .arg(binaries::weir_cni().get_program())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut init = init.spawn().expect("unshare can be started");
        let stdout = init.stdout.take().expect("stdout is piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let host = Self { lab, init, cgroup };
        assert_eq!(line, "ready\n", "the node could not be made");
        host
    }

    /// A program of the node, to be started.
    pub(crate) fn command(&self, program: &str) -> Command {
        let namespaces = format!("/proc/{}/ns", self.init.id());
        let mut command = Command::new("nsenter");
        for (option, name) in [
            ("mount", "mnt"),
            ("net", "net"),
            ("pid", "pid_for_children"),
        ] {
            command.arg(format!("--{option}={namespaces}/{name}"));
        }
        // A plugin that listened to these would not find what the test's configuration names.
        for variable in ["WEIR_CONFIG", "CLANG"] {
            command.env_remove(variable);
        }
        command.args(["--", program]).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn try_run(&self, line: &str) -> Finished {
        let mut words = line.split_whitespace();
        let program = words.next().expect("a command has a name");
        process::run(self.command(program).args(words))
    }

    /// Runs a command that must succeed, and returns what it says.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> String {
        let finished = self.try_run(line);
        assert_eq!(finished.code, Some(0), "{line}: {finished:?}");
        finished.stdout
    }

    /// A folder of the node that the test sees too. It is made if it is not there.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = folder_of(self.lab).join(name);
        fs::create_dir_all(&folder).expect("a folder can be made");
        folder
    }

    /// The parent of all control groups of the node.
    pub(crate) fn cgroup(&self) -> String {
        self.cgroup.path()
    }

    /// Makes a namespace that is neither the node's nor a pod's, with the node at 192.0.2.1 before it.
    pub(crate) fn outside(&self) {
        for line in [
            "ip netns add outside",
            "ip link add out0 type veth peer name eth0 netns outside",
            // An address of its own making would bring routes at a moment of its own choosing.
            "ip link set out0 addrgenmode none",
            "ip address add 192.0.2.1/24 dev out0",
            "ip link set out0 up",
            "ip -n outside address add 192.0.2.2/24 dev eth0",
            "ip -n outside link set eth0 up",
            "ip -n outside route add default via 192.0.2.1",
        ] {
            self.run(line);
        }
    }
}

impl Drop for Host<'_> {
    fn drop(&mut self) {
        drop(self.init.stdin.take());
        let _ended = self.init.wait();
    }
}

/// In memory, and seen at the same place inside and outside of the node's own mounts.
fn folder_of(lab: &Lab) -> PathBuf {
    let config = lab.node().config();
    config.parent().expect("a file has a folder").to_owned()
}

/// The path as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}
