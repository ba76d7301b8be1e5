//! A node with a pod to be wired, and one that is wired and must stay so.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use weir_tests::Lab;
use weir_tests::plugin::{Answer, Call, Sandbox, configuration};
use weir_tests::pods::set_sysctl;

use crate::kill::Watch;

/// What every test here needs.
macro_rules! needs {
    ($($tool:literal),*) => {
        weir_tests::need!(
            weir_tests::need::Need::Root,
            weir_tests::need::Need::Templates,
            weir_tests::need::Need::Tool("ip")
            $(, weir_tests::need::Need::Tool($tool))*
        )
    };
}
pub(crate) use needs;

/// The node, and what its runtime asks with.
pub(crate) struct Stage {
    pub(crate) lab: Lab,
    pub(crate) pod: Sandbox,
    configuration: Value,
    /// `CNI_PATH`.
    path: PathBuf,
    /// Another pod, with the answer to its ADD: whatever is cleaned up, it is not that.
    neighbour: Option<(Sandbox, Value)>,
}

impl Stage {
    /// With no other pod. The shared maps and the template are there already.
    pub(crate) fn alone() -> Self {
        let lab = Lab::new();
        // Links get no address by themselves, some time later.
        set_sysctl("ipv6/conf/default/addr_gen_mode", "1");
        let stage = Self {
            pod: Sandbox::new("c1"),
            neighbour: None,
            configuration: configuration(&lab),
            path: "/opt/cni/bin".into(),
            lab,
        };
        stage.add();
        stage.del();
        stage
    }

    /// With another pod.
    pub(crate) fn new() -> Self {
        let mut stage = Self::alone();
        let neighbour = Sandbox::new("neighbour");
        let result = stage.about("ADD", &neighbour).run().expect_success();
        stage.neighbour = Some((neighbour, result));
        stage
    }

    /// With another configuration of the network from now on.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Value)) {
        change(&mut self.configuration);
    }

    /// What the runtime sends.
    pub(crate) fn configuration(&self) -> &Value {
        &self.configuration
    }

    /// With other plugins from now on.
    pub(crate) fn set_path(&mut self, path: &Path) {
        path.clone_into(&mut self.path);
    }

    fn about(&self, verb: &str, sandbox: &Sandbox) -> Call {
        let path = self.path.to_str().unwrap();
        Call::about(verb, sandbox, &self.configuration).env("CNI_PATH", path)
    }

    /// A call about the pod.
    pub(crate) fn call(&self, verb: &str) -> Call {
        self.about(verb, &self.pod)
    }

    /// GC, with the other pod as the only one that is valid.
    pub(crate) fn gc_call(&self) -> Call {
        let neighbour = self.neighbour.iter();
        let valid = neighbour.map(|(pod, _)| json!({ "containerID": pod.id, "ifname": "eth0" }));
        let valid: Vec<_> = valid.collect();
        let mut configuration = self.configuration.clone();
        configuration["cni.dev/valid-attachments"] = json!(valid);
        Call::of("GC", &configuration)
    }

    pub(crate) fn add(&self) -> Value {
        self.call("ADD").run().expect_success()
    }

    pub(crate) fn try_add(&self) -> Answer {
        self.call("ADD").run()
    }

    pub(crate) fn del(&self) {
        self.call("DEL").run().expect_success();
    }

    pub(crate) fn gc(&self) {
        self.gc_call().run().expect_success();
    }

    /// As a reboot does, or a person who does not ask whose it is.
    pub(crate) fn wipe(&self) {
        fs::remove_dir_all(self.lab.node().state()).unwrap();
    }

    /// Whether a GC has found the pod alive and left it for the next one.
    pub(crate) fn is_condemned(&self) -> bool {
        let notes = fs::read_dir(self.lab.node().state().join("attachments")).unwrap();
        let texts = notes.filter_map(|note| fs::read(note.unwrap().path()).ok());
        let mut notes = texts.filter_map(|text| serde_json::from_slice::<Value>(&text).ok());
        notes.any(|note| note["containerId"] == "c1" && note["wired"]["condemned"] == true)
    }

    /// Asserts that the other pod is as its ADD left it.
    pub(crate) fn check_neighbour(&self) {
        let (neighbour, result) = self.neighbour.as_ref().expect("there is another pod");
        let mut configuration = self.configuration.clone();
        configuration["prevResult"] = result.clone();
        Call::about("CHECK", neighbour, &configuration)
            .run()
            .expect_success();
    }

    pub(crate) fn watch(&self) -> Watch<'_> {
        let mut pods = vec![&self.pod.namespace];
        pods.extend(self.neighbour.iter().map(|(pod, _)| &pod.namespace));
        Watch::new(&self.lab, &pods)
    }
}
