//! podman with its CNI backend.

use std::process::Command;

use ep_builder::whole_file;
use serde_json::Value;
use weir_tests::need;
use weir_tests::need::Need;
use weir_tests::process;

use crate::host::{Host, text};
use crate::image;
use crate::plugin::{self, NETWORK, Plugin};
use crate::residue::Residue;
use crate::until::until;

/// A podman of the test's own, with the image in its store.
struct Podman<'host> {
    host: &'host Host<'host>,
}

impl<'host> Podman<'host> {
    fn new(host: &'host Host<'host>, list: &Value) -> Self {
        let podman = Self { host };
        let folder = host.folder("podman");
        let lists = host.folder("podman/net.d").join("10-test.conflist");
        let archive = folder.join("image.tar");
        for (path, content) in [
            (lists, list.to_string()),
            (folder.join("containers.conf"), podman.containers()),
            (folder.join("storage.conf"), podman.storage()),
        ] {
            whole_file::write(&path, content.as_bytes()).unwrap();
        }
        image::write(&archive);
        podman.run(&format!("load -q -i {}", text(&archive)));
        podman
    }

    fn at(&self, name: &str) -> String {
        format!("{:?}", text(&self.host.folder("podman").join(name)))
    }

    fn containers(&self) -> String {
        // The default limits are above what a process without CAP_SYS_RESOURCE may ask for.
        [
            "[containers]".to_owned(),
            "default_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]".to_owned(),
            "log_driver = \"none\"".to_owned(),
            "[network]".to_owned(),
            "network_backend = \"cni\"".to_owned(),
            "cni_plugin_dirs = [\"/usr/lib/cni\"]".to_owned(),
            format!("network_config_dir = {}", self.at("net.d")),
            format!("default_network = \"{NETWORK}\""),
            "[engine]".to_owned(),
            "cgroup_manager = \"cgroupfs\"".to_owned(),
            "events_logger = \"none\"".to_owned(),
            "runtime = \"runc\"".to_owned(),
            format!("static_dir = {}", self.at("static")),
            format!("tmp_dir = {}", self.at("volatile")),
            format!("volume_path = {}\n", self.at("volumes")),
        ]
        .join("\n")
    }

    fn storage(&self) -> String {
        let (run, graph) = (self.at("run"), self.at("graph"));
        format!("[storage]\ndriver = \"overlay\"\nrunroot = {run}\ngraphroot = {graph}\n")
    }

    fn command(&self, arguments: &str) -> Command {
        let folder = self.host.folder("podman");
        let mut command = self.host.command("podman");
        command
            .args(arguments.split_whitespace())
            .env("CONTAINERS_CONF", folder.join("containers.conf"))
            .env("CONTAINERS_STORAGE_CONF", folder.join("storage.conf"));
        command
    }

    #[track_caller]
    fn run(&self, arguments: &str) -> String {
        process::run(&mut self.command(arguments)).expect_success()
    }

    fn start(&self, name: &str, program: &str) {
        let (cgroup, image) = (self.host.cgroup(), image::NAME);
        self.run(&format!(
            "run -d --name {name} --cgroup-parent {cgroup} {image} {program}"
        ));
    }
}

fn check(plugin: Plugin) {
    let lab = plugin::lab();
    let host = Host::new(&lab);
    let podman = Podman::new(&host, &plugin::list(plugin, &host, &[]));
    let before = Residue::of(&host);
    podman.start("server", "httpd -f -p 80 -h /www");
    podman.start("client", "sleep 1000000");
    let facts: Value = serde_json::from_str(&podman.run("inspect server")).unwrap();
    let network = &facts[0]["NetworkSettings"]["Networks"][NETWORK];
    let address = network["IPAddress"].as_str().unwrap_or_default();
    assert!(plugin.owns(address.parse().unwrap()), "{network}");
    until(|| {
        let line = format!("exec client timeout 2 wget -q -O - http://{address}/");
        let said = process::run(&mut podman.command(&line));
        let answered = said.code == Some(0) && said.stdout == image::ANSWER;
        answered.then_some(()).ok_or(said.stderr)
    });
    podman.run(&format!("exec client ping -c 1 -W 2 {address}"));
    podman.run("rm -f -t 0 server client");
    before.assert_again(&host);
}

macro_rules! need_podman {
    () => {
        need!(
            Need::Root,
            Need::Templates,
            Need::Tool("podman"),
            Need::Tool("runc"),
            Need::Tool("busybox"),
            Need::Tool("bpftool"),
            Need::Tool("/usr/lib/cni/ptp"),
        )
    };
}

#[test]
fn containers_of_ptp() {
    need_podman!();
    check(Plugin::Ptp);
}

#[test]
fn containers_of_weir() {
    need_podman!();
    check(Plugin::Weir);
}
