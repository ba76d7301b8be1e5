//! A node with one endpoint whose object is in the kernel, put there by stock tools: the maps are then
//! those of the object, whatever our own loader would make of it.

use std::path::PathBuf;
use std::process::Command;

use ep_builder::maps::Record;
use ep_builder::whole_file;
use weir_tests::node::repository;
use weir_tests::{Finished, Node, process};

/// Maps as small as they may be: the default conntrack maps take hundreds of megabytes.
const SMALL: &str = "[maps]\nendpoints = 16\nipcache = 16\npolicy = 16\nmetrics = 64\nevents = 4096\nfragments = 16\nct_tcp = 64\nct_any = 64\n";

/// Where the pins are, in a mount namespace that goes away with the script.
const START: &str = "set -eu
mount -t bpf bpf /sys/fs/bpf
weir() { \"$WEIR\" --config \"$CONFIG\" \"$@\"; }
";

/// What libbpf pins by name lies at the root; the link makes that the folder where tc and weir have it.
const LOAD: &str = "mkdir /sys/fs/bpf/tc /sys/fs/bpf/programs
ln -s /sys/fs/bpf /sys/fs/bpf/tc/globals
bpftool prog loadall \"$OBJECT\" /sys/fs/bpf/programs type tc
bpftool map update pinned /sys/fs/bpf/weir_calls_02665 key 1 0 0 0 value pinned /sys/fs/bpf/programs/tail_drop
bpftool map update pinned /sys/fs/bpf/weir_calls_02665 key 24 0 0 0 value pinned /sys/fs/bpf/programs/tail_other_from
";

/// A frame of the endpoint's with a protocol that the datapath drops.
const FRAME: [u8; 60] = {
    let mut frame = [0; 60];
    let start = [
        0x42, 0x23, 0xdc, 0x4d, 0x79, 0xb1, 0x6e, 0xb0, 0x7d, 0x4e, 0x6b, 0xe5, 0x88, 0xcc,
    ];
    let mut at = 0;
    while at < start.len() {
        frame[at] = start[at];
        at += 1;
    }
    frame
};

/// A node with an endpoint, and scripts that run where its maps are pinned.
pub(crate) struct Attached {
    node: Node,
}

impl Attached {
    /// A node whose endpoint 2665 is built, with these options of its record at 0.
    pub(crate) fn without(options: &[&str]) -> Self {
        let node = Node::with(SMALL);
        let record = repository("ep-builder/tests/golden/endpoint-2665.json");
        let mut text = std::fs::read_to_string(record).unwrap();
        for option in options {
            let on = format!("\"{option}\": 1");
            assert!(text.contains(&on), "{option} is not on");
            text = text.replace(&on, &format!("\"{option}\": 0"));
        }
        let record = node.state().with_file_name("record.json");
        whole_file::write(&record, text.as_bytes()).unwrap();
        node.weir(&["endpoint", "compile", record.to_str().unwrap(), "--save"])
            .expect_success();
        let attached = Self { node };
        whole_file::write(&attached.frame(), &FRAME).unwrap();
        attached
    }

    /// Runs a script with the object loaded. It can call `weir`.
    pub(crate) fn run(&self, script: &str) -> Finished {
        self.shell(&format!("{START}{LOAD}{script}"))
    }

    /// Likewise with nothing loaded.
    pub(crate) fn run_bare(&self, script: &str) -> Finished {
        self.shell(&format!("{START}{script}"))
    }

    fn frame(&self) -> PathBuf {
        self.node.state().with_file_name("frame")
    }

    fn shell(&self, script: &str) -> Finished {
        let mut shell = Command::new("unshare");
        shell
            .args(["-m", "-n", "sh", "-c", script])
            .env("WEIR", self.node.command().get_program())
            .env("CONFIG", self.node.config())
            .env("OUT", self.node.state().with_file_name("out"))
            .env("FRAME", self.frame())
            .env("OBJECT", self.node.state().join("02665/bpf_lxc.o"));
        for variable in ["WEIR_CONFIG", "CLANG"] {
            shell.env_remove(variable);
        }
        process::run(&mut shell)
    }
}

/// The line of a script that sends so many frames which are dropped.
pub(crate) fn send(frames: u32) -> String {
    format!(
        "bpftool prog run pinned /sys/fs/bpf/programs/from_container data_in \"$FRAME\" repeat {frames} >&2\n"
    )
}

/// The line of a script that writes an entry with a stock tool.
pub(crate) fn update(map: &str, key: &impl Record, value: &impl Record) -> String {
    let hex = |bytes: &[u8]| {
        let octets: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        octets.join(" ")
    };
    format!(
        "bpftool map update pinned /sys/fs/bpf/{map} key hex {} value hex {}\n",
        hex(key.to_bytes().as_ref()),
        hex(value.to_bytes().as_ref())
    )
}
