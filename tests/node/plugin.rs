//! The plugins that the cases are held against, and the pods they make. What holds for `ptp` with `host-local`
//! and `portmap` too is a right case.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use weir_tests::plugin::{Call, NETWORK, Sandbox, configuration};
use weir_tests::pods::inside;

use crate::world::{Place, World, without_delay};

/// Where Debian has the reference plugins.
const REFERENCE: &str = "/usr/lib/cni";

/// The namespace of Kubernetes that all pods are in.
pub(crate) const NAMESPACE: &str = "x";

/// Whose pods they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plugin {
    /// The reference plugins.
    Ptp,
    /// Ours.
    Weir,
}

/// A pod that a plugin has made.
pub(crate) struct Pod {
    plugin: Plugin,
    sandbox: Sandbox,
    addresses: [IpAddr; 2],
    configuration: Value,
    ports: Value,
    result: Value,
}

impl Plugin {
    /// The configuration of pods that are hidden behind the node's address.
    pub(crate) fn configuration(self, world: &World) -> Value {
        let mut configuration = match self {
            Self::Ptp => json!({
                "cniVersion": "1.0.0",
                "name": NETWORK,
                "type": "ptp",
                "ipam": {
                    "type": "host-local",
                    "dataDir": world.lab.node().state().join("host-local"),
                    "ranges": [[{ "subnet": "10.88.0.0/16" }], [{ "subnet": "fd88::/64" }]],
                    "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }],
                },
            }),
            Self::Weir => configuration(&world.lab),
        };
        configuration["ipMasq"] = true.into();
        configuration
    }

    fn call(self, program: &str, verb: &str, sandbox: &Sandbox, configuration: &Value) -> Call {
        let call = match self {
            Self::Weir => Call::about(verb, sandbox, configuration),
            Self::Ptp => {
                let program = Command::new(Path::new(REFERENCE).join(program));
                let call = Call::by(program, verb, configuration).env("CNI_PATH", REFERENCE);
                call.attached_to(sandbox)
            }
        };
        let name = &sandbox.id;
        let arguments =
            format!("IgnoreUnknown=1;K8S_POD_NAMESPACE={NAMESPACE};K8S_POD_NAME={name}");
        call.env("CNI_ARGS", arguments)
    }
}

impl Pod {
    /// A pod with the addresses that come next.
    pub(crate) fn new(world: &World, plugin: Plugin, id: &str) -> Self {
        Self::with(plugin, id, plugin.configuration(world), &json!([]))
    }

    /// A pod with these addresses.
    pub(crate) fn at(world: &World, plugin: Plugin, id: &str, addresses: [IpAddr; 2]) -> Self {
        let mut configuration = plugin.configuration(world);
        configuration["args"] = json!({ "cni": { "ips": addresses } });
        Self::with(plugin, id, configuration, &json!([]))
    }

    /// A pod with these host ports, as runtimes write them.
    pub(crate) fn with(plugin: Plugin, id: &str, configuration: Value, ports: &Value) -> Self {
        let sandbox = Sandbox::new(id);
        inside(&sandbox.namespace, without_delay);
        let mut pod = Self {
            plugin,
            sandbox,
            addresses: [IpAddr::from([0; 4]), IpAddr::from([0; 16])],
            configuration,
            ports: ports.clone(),
            result: Value::Null,
        };
        pod.add();
        pod
    }

    fn add(&mut self) {
        self.result = self
            .call("ADD", &self.asked(self.plugin == Plugin::Weir))
            .expect_success();
        let all = self.result["ips"].as_array().unwrap().iter();
        let all = all.map(|ip| ip["address"].as_str().unwrap().split_once('/').unwrap().0);
        for address in all.map(|address| address.parse::<IpAddr>().unwrap()) {
            self.addresses[usize::from(address.is_ipv6())] = address;
        }
        if self.is_mapped_behind() {
            self.portmap("ADD");
        }
    }

    /// What the plugin is sent; host ports are the business of `portmap` behind the reference.
    fn asked(&self, with_ports: bool) -> Value {
        let mut configuration = self.configuration.clone();
        if with_ports && self.has_ports() {
            configuration["runtimeConfig"] = json!({ "portMappings": self.ports });
        }
        configuration
    }

    fn has_ports(&self) -> bool {
        self.ports.as_array().is_some_and(|ports| !ports.is_empty())
    }

    fn is_mapped_behind(&self) -> bool {
        self.plugin == Plugin::Ptp && self.has_ports()
    }

    fn portmap(&self, verb: &str) {
        let configuration = json!({
            "cniVersion": "1.0.0",
            "name": NETWORK,
            "type": "portmap",
            "capabilities": { "portMappings": true },
            "runtimeConfig": { "portMappings": self.ports },
            "prevResult": self.result,
        });
        let call = self
            .plugin
            .call("portmap", verb, &self.sandbox, &configuration);
        call.run().expect_success();
    }

    fn call(&self, verb: &str, configuration: &Value) -> weir_tests::plugin::Answer {
        self.plugin
            .call("ptp", verb, &self.sandbox, configuration)
            .run()
    }

    /// The pod's own namespace and addresses.
    pub(crate) fn place(&self) -> Place<'_> {
        Place::new(&self.sandbox.namespace, self.addresses)
    }

    /// Ends it as a runtime does.
    pub(crate) fn remove(self) {
        if self.is_mapped_behind() {
            self.portmap("DEL");
        }
        let configuration = self.asked(self.plugin == Plugin::Weir);
        self.call("DEL", &configuration).expect_success();
        self.sandbox.unname();
    }
}
