//! A bare node: a root with nothing but a release, no compiler and no other program, in which weir is installed.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;
use tempfile::TempDir;

use crate::plugin::{Answer, Call};
use crate::pods::{run, set_sysctl};
use crate::release::Release;
use crate::{Finished, process};

const NONE: Option<&str> = None;
/// The network configuration that `weir install` writes.
const NETWORK: &str = "etc/cni/net.d/10-weir.conflist";

/// What a test with such a node needs.
#[macro_export]
macro_rules! need_bare {
    () => {
        $crate::need!(
            $crate::need::Need::Root,
            $crate::need::Need::Templates,
            $crate::need::Need::Tool("ip"),
            $crate::need::Need::Tool("tc"),
            $crate::need::Need::Tool("chroot"),
            $crate::need::Need::Tool("strip")
        )
    };
}

/// The root of the node, in namespaces of the calling thread's own. It is removed with the value.
#[derive(Debug)]
pub struct Bare {
    root: TempDir,
}

impl Bare {
    /// A node that has a release, a device that leads outside, and nothing else.
    pub fn new(release: &Release) -> Self {
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).expect("root may unshare");
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(NONE, "/", NONE, private, NONE).expect("mounts can be made private");
        let root = tempfile::Builder::new().prefix("weir-bare-").tempdir();
        let bare = Self {
            root: root.expect("a temporary folder can be made"),
        };
        let flags = MsFlags::empty();
        mount(Some("tmpfs"), bare.root.path(), Some("tmpfs"), flags, NONE).expect("root may mount");
        for folder in ["proc", "sys", "dev", "run", "var/lib", "etc", "release"] {
            DirBuilder::new()
                .recursive(true)
                .create(bare.path(folder))
                .expect("a folder can be made");
        }
        for (from, to, kind) in [
            ("/proc", "proc", NONE),
            ("/dev", "dev", NONE),
            (
                release.path().to_str().expect("a temporary path is text"),
                "release",
                NONE,
            ),
        ] {
            mount(Some(from), &bare.path(to), kind, MsFlags::MS_BIND, NONE)
                .expect("root may mount");
        }
        mount(Some("sysfs"), &bare.path("sys"), Some("sysfs"), flags, NONE)
            .expect("root may mount");
        run("ip link set lo up");
        set_sysctl("ipv6/conf/default/addr_gen_mode", "1");
        for setting in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            set_sysctl(setting, "0");
        }
        // A device that leads outside.
        run("ip link add up0 type veth peer name far0");
        run("ip link set up0 up");
        run("ip addr add 192.0.2.1/24 dev up0");
        run("ip route add default via 192.0.2.254");
        bare
    }

    /// A path of the node.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A program in the root.
    pub fn inside(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("chroot");
        command.arg(self.root.path()).arg(program).args(arguments);
        for variable in ["WEIR_CONFIG", "CLANG"] {
            command.env_remove(variable);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Runs `weir` of the release.
    pub fn weir(&self, arguments: &[&str]) -> Finished {
        process::run(&mut self.inside("/release/bin/weir", arguments))
    }

    /// Installs, and does without the selftest.
    pub fn install(&self) -> Finished {
        let finished = self.weir(&["install", "--no-selftest"]);
        finished.clone().expect_success();
        finished
    }

    /// Calls the plugin as a runtime does for a pod `c1`.
    pub fn call(&self, verb: &str, place: &str) -> Answer {
        self.call_for(verb, "c1", place, &Value::Null)
    }

    /// The same for another one, with this as `args`.
    pub fn call_for(&self, verb: &str, container: &str, place: &str, arguments: &Value) -> Answer {
        let text = fs::read_to_string(self.path(NETWORK)).expect("what a node has can be read");
        let list: Value = serde_json::from_str(&text).expect("a network configuration is JSON");
        let mut configuration = list["plugins"][0].clone();
        for key in ["cniVersion", "name"] {
            configuration[key] = list[key].clone();
        }
        configuration["args"] = arguments.clone();
        let root = self.root.path().to_str().expect("a temporary path is text");
        Call::by(Command::new("/opt/cni/bin/weir-cni"), verb, &configuration)
            .under(&["chroot", root])
            .env("CNI_CONTAINERID", container)
            .env("CNI_IFNAME", "eth0")
            .env("CNI_NETNS", place)
            .run()
    }

    /// Everything of the node that anybody could have changed.
    pub fn listing(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        files(self.root.path(), Path::new(""), &mut lines);
        let pins = self.path("sys/fs/bpf");
        files(&pins, Path::new(""), &mut lines);
        for command in [
            "ip -o link",
            "ip -o addr",
            "ip route show table all",
            "ip -6 route show table main",
            "tc qdisc show",
        ] {
            let text = run(command);
            lines.extend(
                text.lines()
                    .map(|line| format!("{command}: {}", steady(line))),
            );
        }
        for setting in [
            "ipv4/ip_forward",
            "ipv6/conf/all/forwarding",
            "ipv4/conf/up0/forwarding",
            "ipv4/conf/up0/rp_filter",
            "ipv6/conf/up0/accept_ra",
        ] {
            let text = fs::read_to_string(Path::new("/proc/sys/net").join(setting))
                .expect("what a node has can be read");
            lines.insert(format!("{setting} {text}"));
        }
        let mounts =
            fs::read_to_string("/proc/thread-self/mountinfo").expect("what a node has can be read");
        let root = self.root.path().to_str().expect("a temporary path is text");
        let places = mounts.lines().filter_map(|line| line.split(' ').nth(4));
        let places = places.filter(|place| place.starts_with(root));
        lines.extend(places.map(|place| format!("mount {place}")));
        lines
    }
}

/// A line without what counts on.
fn steady(line: &str) -> String {
    let words = line.split_whitespace();
    let words = words.filter(|word| !word.starts_with("qlen"));
    words.collect::<Vec<_>>().join(" ")
}

impl Drop for Bare {
    fn drop(&mut self) {
        // Left mounted, the folder could not be removed; the namespace takes the rest along.
        let _unmounted = umount2(self.root.path(), MntFlags::MNT_DETACH);
    }
}

/// The files of a folder but for what is mounted into it for the test.
fn files(root: &Path, below: &Path, lines: &mut BTreeSet<String>) {
    for entry in fs::read_dir(root.join(below)).expect("what a node has can be read") {
        let path = below.join(entry.expect("what a node has can be read").file_name());
        if ["proc", "sys", "dev", "release"]
            .iter()
            .any(|name| path == Path::new(name))
        {
            continue;
        }
        let whole = root.join(&path);
        let metadata = whole
            .symlink_metadata()
            .expect("what a node has can be read");
        let mode = metadata.permissions().mode();
        let size = if metadata.is_file() {
            metadata.len()
        } else {
            0
        };
        lines.insert(format!("file {} {mode:o} {size}", path.display()));
        if metadata.is_dir() {
            files(root, &path, lines);
        }
    }
}
