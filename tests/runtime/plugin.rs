//! The plugins that the cases are held against. What holds for `ptp` too shows that a case is right.

use std::net::IpAddr;

use serde_json::{Value, json};
use weir_tests::Lab;
use weir_tests::node::repository;
use weir_tests::pods::MAPS;

use crate::host::{Host, text};

/// The name of the network in all configurations.
pub(crate) const NETWORK: &str = "weir-test";

/// Whose pods they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plugin {
    /// The reference plugin with `host-local`.
    Ptp,
    /// Ours.
    Weir,
}

impl Plugin {
    /// What stands in a list of plugins.
    pub(crate) fn configuration(self, host: &Host<'_>) -> Value {
        match self {
            Self::Ptp => json!({
                "type": "ptp",
                "ipam": {
                    "type": "host-local",
                    "dataDir": text(&host.folder("host-local")),
                    "ranges": [[{ "subnet": "10.89.0.0/16" }], [{ "subnet": "fd89::/64" }]],
                    "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }],
                },
            }),
            Self::Weir => {
                let mut plugin = shipped()["plugins"][0].take();
                plugin["config"] = json!(text(&host.lab.node().config()));
                plugin
            }
        }
    }

    /// Whether the address is one of its pods'.
    pub(crate) fn owns(self, address: IpAddr) -> bool {
        let subnets = match self {
            Self::Ptp => ["10.89.", "fd89::"],
            Self::Weir => ["10.88.", "fd88::"],
        };
        let text = address.to_string();
        subnets.iter().any(|subnet| text.starts_with(subnet))
    }
}

/// A list of the shipped version with these plugins behind the first, which leaves to them what they can.
pub(crate) fn list(plugin: Plugin, host: &Host<'_>, chained: &[Value]) -> Value {
    let mut first = plugin.configuration(host);
    let capabilities = chained
        .iter()
        .filter_map(|it| it["capabilities"].as_object());
    for capability in capabilities.flat_map(|all| all.keys()) {
        if let Some(own) = first["capabilities"].as_object_mut() {
            own.remove(capability);
        }
    }
    let mut plugins = vec![first];
    plugins.extend_from_slice(chained);
    json!({ "cniVersion": "1.0.0", "name": NETWORK, "plugins": plugins })
}

/// A node on which `bandwidth` may stand behind ours.
pub(crate) fn lab() -> Lab {
    Lab::with(&format!("attach = \"tcx\"\n{MAPS}"))
}

fn shipped() -> Value {
    let path = repository("conf/10-weir.conflist");
    let bytes = std::fs::read(path).expect("the shipped list is there");
    serde_json::from_slice(&bytes).expect("the shipped list is JSON")
}
