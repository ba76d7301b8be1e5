//! A node with pods of which one may not reach another, and with the packets that show it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use ep_builder::endpoint::Label;
use ep_builder::whole_file;
use serde_json::Value;
use weir_tests::plugin::{Sandbox, configuration};
use weir_tests::pods::{MAPS, run, set_sysctl};
use weir_tests::release::Release;
use weir_tests::{Finished, Lab, Pod, binaries};

use crate::probe::{End, Probes, Sender};

/// Nobody reaches pods with `app: db` but those with `app: web`.
pub(crate) const OLD: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from:
    - podSelector: {matchLabels: {app: web}}
";

/// Those with `app: late` do as well.
pub(crate) const MORE: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: late}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from:
    - podSelector: {matchLabels: {app: late}}
    - ipBlock: {cidr: 192.0.2.0/24}
";

/// The node.
pub(crate) struct Stage {
    pub(crate) probes: Probes,
    pods: Vec<Pod>,
    pub(crate) lab: Lab,
    /// A container that a runtime may have wired.
    pub(crate) sandbox: Sandbox,
    /// What a runtime sends.
    pub(crate) configuration: Value,
    /// What is installed into an image.
    pub(crate) release: Release,
}

impl Stage {
    /// With the old policy in force.
    pub(crate) fn new() -> Self {
        let lab = Lab::with(MAPS);
        // Links get no address by themselves, some time later.
        set_sysctl("ipv6/conf/default/addr_gen_mode", "1");
        outside();
        lab.node().write_policy("old.yaml", OLD);
        let labels = ["web", "db", "stranger", "late"];
        let pods: Vec<_> = (1..)
            .zip(labels)
            .map(|(id, app)| pod(&lab, id, app))
            .collect();
        lab.weir(&["policy", "apply"]).expect_success();
        let probes = Probes::start([0, 2, 3].map(|it| End::of(&pods[it])), &End::of(&pods[1]));
        Self {
            probes,
            pods,
            sandbox: Sandbox::new("c1"),
            configuration: configuration(&lab),
            release: Release::small(),
            lab,
        }
    }

    /// By their ids, which count from 1: one that may, the one that all send to, one that may not, one that may later.
    pub(crate) fn pods(&self) -> &[Pod] {
        &self.pods
    }

    /// Where all is that weir writes to: a file system of its own, in memory.
    pub(crate) fn root(&self) -> PathBuf {
        self.lab.node().state().parent().unwrap().to_owned()
    }

    /// The root of an image.
    fn image(&self) -> PathBuf {
        self.root().join("image")
    }

    /// `weir` at work in the image.
    pub(crate) fn in_image(&self, verb: &str) -> Command {
        for folder in ["usr/lib/systemd", "var/lib"] {
            fs::create_dir_all(self.image().join(folder)).unwrap();
        }
        let mut command = binaries::weir();
        command.arg(verb).arg("--root").arg(self.image());
        command.stdin(Stdio::null());
        command
    }

    /// What processes left that died long ago.
    pub(crate) fn plant_leftovers(&self) {
        let state = self.lab.node().state();
        let folder = state.join(".tmp-77");
        fs::create_dir_all(&folder).unwrap();
        whole_file::write(&folder.join("part"), b"part").unwrap();
        whole_file::write(&state.join("locks/00077"), b"").unwrap();
        let file = File::open(&folder).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }

    /// Has the documents of the old policy, or of the new one, in the folder.
    pub(crate) fn write_documents(&self, is_new: bool) {
        let more = self.lab.node().policy_dir().join("more.yaml");
        if is_new {
            self.lab.node().write_policy("more.yaml", MORE);
        } else if more.exists() {
            fs::remove_file(more).unwrap();
        }
    }

    /// Puts the old policy in force, or the new one.
    pub(crate) fn apply(&self, is_new: bool) {
        self.write_documents(is_new);
        self.weir("policy apply").expect_success();
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = self.lab.node().command();
        command.args(line.split_whitespace());
        command
    }

    /// Runs `weir` with these words.
    pub(crate) fn weir(&self, line: &str) -> Finished {
        let words: Vec<_> = line.split_whitespace().collect();
        self.lab.weir(&words)
    }

    /// Asserts that packets can be heard that were not: without it, silence would prove nothing.
    pub(crate) fn assert_silence_means_something(&self) {
        assert!(self.probes.in_vain() > 0, "nobody has tried");
        self.apply(true);
        self.probes.wait(Sender::Newcomer, 2).unwrap();
        self.apply(false);
    }

    /// Everything in the state root, the folder of policies and bpffs, by name; numbers of revisions and of
    /// generations are all one.
    pub(crate) fn listing(&self) -> BTreeSet<String> {
        let node = self.lab.node();
        let mut lines = BTreeSet::new();
        for root in [node.state(), node.policy_dir(), self.image()] {
            list(&root, "", &mut lines);
        }
        // A template that was compiled because another could not be read is as good as that one; and the digest of sources
        // is remembered once they have been left alone for a while.
        let comes = ["clang.json", "sources.json"];
        lines.retain(|line| !line.starts_with("templates") && !comes.contains(&line.as_str()));
        lines.extend(self.lab.pins());
        lines
    }

    /// What has come to a listing, and what has gone.
    pub(crate) fn change(&self, before: &BTreeSet<String>) -> Option<String> {
        let now = self.listing();
        let come: Vec<_> = now.difference(before).collect();
        let gone: Vec<_> = before.difference(&now).collect();
        (now != *before).then(|| format!("come {come:?}, gone {gone:?}"))
    }

    /// A defect of the node, by what its own doctor says.
    pub(crate) fn sickness(&self) -> Option<String> {
        let found = self.weir("doctor");
        (found.code != Some(0)).then(|| format!("doctor: {}{}", found.stdout, found.stderr))
    }
}

/// A device that leads outside.
fn outside() {
    for line in [
        "ip link add up0 type veth peer name up0-far",
        "ip link set up0-far up",
        "ip link set up0 up",
        "ip addr add 192.0.2.1/24 dev up0",
        "ip -4 route add default via 192.0.2.254",
    ] {
        run(line);
    }
}

fn pod(lab: &Lab, id: u16, app: &str) -> Pod {
    let mut pod = lab.bare_pod(id);
    pod.endpoint.labels = [Label::new("app", app, "k8s")].into_iter().collect();
    lab.attach(&pod.endpoint);
    pod
}

fn list(root: &Path, below: &str, lines: &mut BTreeSet<String>) {
    for entry in fs::read_dir(root.join(below)).into_iter().flatten() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if below.is_empty() {
            name
        } else {
            format!("{below}/{name}")
        };
        if entry.file_type().unwrap().is_dir() {
            list(root, &path, lines);
        }
        lines.insert(without_revision(&path));
    }
}

/// The one in force, and the one before it, have other numbers each time.
fn without_revision(path: &str) -> String {
    let mut parts: Vec<_> = path.split('/').collect();
    if parts.len() > 1 && parts[0] == "policy" && parts[1].parse::<u32>().is_ok() {
        parts[1] = "N";
    }
    parts.join("/")
}
