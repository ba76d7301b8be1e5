//! A node that has the image and nothing else: no compiler, no library, no shell. A runtime installs it there, and pods
//! get their network.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use weir_tests::need::Need;
use weir_tests::plugin::{Call, Sandbox};
use weir_tests::{pods, process};

use crate::containerd::Containerd;
use crate::image::NAME;
use crate::listing::listing;
use crate::manifests::{pod, words};
use crate::podman::{Podman, mounts};
use crate::private;
use crate::release::{Made, needs};

/// The file system of such a node, and what the kernel has for all.
struct Bare {
    root: PathBuf,
}

impl Bare {
    fn new(root: PathBuf) -> Self {
        for name in ["var/lib", "tmp"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        Self { root }
    }

    /// With its processes, devices and names: before that only files are written.
    fn start(&self) {
        for name in ["proc", "sys", "run"] {
            let place = self.root.join(name);
            fs::create_dir_all(&place).unwrap();
            private::bind(&Path::new("/").join(name), &place);
        }
        for line in [
            "ip link set lo up",
            "ip link add outside type veth peer name outside-peer",
            "ip addr add 192.0.2.1/24 dev outside",
            "ip link set outside up",
            "ip link set outside-peer up",
            "ip route add default via 192.0.2.2 dev outside",
        ] {
            pods::run(line);
        }
    }

    /// A program of the node.
    fn program(&self, path: &str) -> Command {
        let mut command = Command::new("chroot");
        command.arg(&self.root).arg(path);
        command
    }

    /// What was installed wires a pod, says that all is well with it, and goes.
    fn wires_a_pod(&self) {
        fs::create_dir_all("/run/netns").unwrap();
        let sandbox = Sandbox::new("c1");
        self.start();
        let list = fs::read(self.root.join("etc/cni/net.d/10-weir.conflist")).unwrap();
        let list: Value = serde_json::from_slice(&list).unwrap();
        let mut configuration = list["plugins"][0].clone();
        for name in ["name", "cniVersion"] {
            configuration[name] = list[name].clone();
        }
        let call = |verb: &str, configuration: &Value| {
            let plugin = self.program("/opt/cni/bin/weir-cni");
            let call = Call::by(plugin, verb, configuration).attached_to(&sandbox);
            call.run().expect_success()
        };
        let result = call("ADD", &configuration);
        let addresses = result["ips"].as_array().unwrap().iter();
        let addresses = addresses.map(|ip| ip["address"].as_str().unwrap());
        let addresses: Vec<_> = addresses.map(|it| it.split('/').next().unwrap()).collect();
        assert_eq!(addresses.len(), 2, "{result}");
        for address in addresses {
            pods::run(&format!("ping -c 1 -W 20 {address}"));
        }
        let mut check = configuration.clone();
        check["prevResult"] = result;
        call("CHECK", &check);
        let listed = self.weir(&["template", "list", "-o", "json"]);
        let rows: Vec<Value> = serde_json::from_str(&listed).unwrap();
        let places: BTreeSet<_> = rows.iter().map(|row| row["place"].as_str()).collect();
        assert_eq!(places, BTreeSet::from([Some("bundle")]), "{listed}");
        call("DEL", &configuration);
        self.weir(&["uninstall", "--prefix", "/opt/weir"]);
        let left = listing(&self.root, &["opt", "etc", "var"]);
        let files = left.iter().filter(|(_, text)| !text.ends_with("folder"));
        assert_eq!(files.count(), 0, "{left:?}");
    }

    fn weir(&self, arguments: &[&str]) -> String {
        process::run(self.program("/opt/weir/bin/weir").args(arguments)).expect_success()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        for name in ["proc", "sys", "run"] {
            private::leave_if_there(&self.root.join(name));
        }
    }
}

#[test]
fn containerd_installs_a_node_that_wires_pods() {
    needs!(
        Need::Root,
        Need::Tool("zstd"),
        Need::Tool("containerd"),
        Need::Tool("ctr"),
        Need::Tool("runc"),
        Need::Tool("ip"),
        Need::Tool("ping")
    );
    let made = Made::new("image");
    private::enter();
    let containerd = Containerd::start(made.path().join("containerd"));
    let bare = Bare::new(containerd.folder.join("host"));
    let archive = made.file(".tar");
    let imported = containerd.ctr(&["images", "import", archive.to_str().unwrap()]);
    imported.expect_success();
    let listed = containerd.ctr(&["images", "list", "-q"]).expect_success();
    assert_eq!(listed.trim(), NAME);
    let pod = pod();
    let install = &pod["initContainers"][0];
    let command = words(&install["command"]);
    containerd
        .run(NAME, &command, &mounts(install, &bare.root))
        .expect_success();
    bare.wires_a_pod();
    drop(bare);
    let folder = containerd.folder.clone();
    drop(containerd);
    private::leave_one(&folder);
}

#[test]
fn podman_installs_a_node_from_the_layout_and_it_wires_pods() {
    needs!(
        Need::Root,
        Need::Tool("zstd"),
        Need::Tool("podman"),
        Need::Tool("runc"),
        Need::Tool("ip"),
        Need::Tool("ping")
    );
    let made = Made::new("image");
    private::enter();
    let podman = Podman::new(made.path().join("podman"));
    let bare = Bare::new(podman.folder.join("host"));
    // It names what it pulls after the folder, which older ones want in small letters.
    let layout = Path::new("/run/weir-image");
    fs::create_dir(layout).unwrap();
    private::bind(&made.path().join("weir-image"), layout);
    let pulled = podman.run(&["pull", "-q", &format!("oci:{}", layout.display())]);
    let id = pulled.expect_success();
    podman.run(&["tag", id.trim(), NAME]).expect_success();
    let pod = pod();
    let install = &pod["initContainers"][0];
    let command = words(&install["command"]);
    podman
        .container(install, &command, &bare.root, &["--rm"])
        .expect_success();
    bare.wires_a_pod();
    drop(bare);
    private::leave_one(&podman.folder);
}
