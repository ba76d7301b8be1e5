//! The plugins that the cases are held against. What holds for `ptp` too shows that a case is right.

use std::fs::OpenOptions;
use std::io::{Seek, Write};
use std::net::IpAddr;
use std::process::Stdio;

use serde_json::{Value, json};
use weir_tests::node::repository;
use weir_tests::pods::MAPS;
use weir_tests::{Lab, binaries, process};

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
                Self::without_own_shaping(plugin)
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

    /// What host ports and rates have to be left to: other plugins behind it.
    fn without_own_shaping(mut plugin: Value) -> Value {
        plugin["ipMasq"] = json!(false);
        let capabilities = plugin["capabilities"].as_object_mut();
        if let Some(capabilities) = capabilities {
            capabilities.retain(|name, _| name != "portMappings" && name != "bandwidth");
        }
        plugin
    }
}

/// Returns from the test, as skipped, while the built plugin answers VERSION alone.
macro_rules! need_weir {
    () => {
        if !crate::plugin::is_whole(weir_tests::here!()) {
            return;
        }
    };
}
pub(crate) use need_weir;

/// Whether the built plugin knows ADD. If not, the test is a counted skip.
pub(crate) fn is_whole(test: &str) -> bool {
    let mut stdin = tempfile::tempfile().unwrap();
    let config = json!({
        "cniVersion": "1.0.0", "name": NETWORK, "type": "weir-cni", "config": "/nonexistent/weir.toml",
        "ipam": { "type": "weir", "ranges": [[{ "subnet": "10.88.0.0/16" }]] },
    });
    stdin.write_all(config.to_string().as_bytes()).unwrap();
    stdin.rewind().unwrap();
    let mut command = binaries::weir_cni();
    command
        .env("CNI_COMMAND", "ADD")
        .env("CNI_CONTAINERID", "a");
    command.env("CNI_NETNS", "/a").env("CNI_IFNAME", "a");
    let said = process::run(command.stdin(Stdio::from(stdin)));
    let whole = !said.stdout.contains("VERSION only");
    if !whole {
        let line = format!("{test}: needs a weir-cni that knows ADD\n");
        eprint!("skipped {line}");
        let log = std::env::var_os("WEIR_SKIP_LOG");
        let log = log.map(|path| OpenOptions::new().append(true).create(true).open(path));
        if let Some(log) = log {
            log.unwrap().write_all(line.as_bytes()).unwrap();
        }
    }
    whole
}

/// A list of the shipped version with these plugins behind the first.
pub(crate) fn list(plugin: Plugin, host: &Host<'_>, chained: &[Value]) -> Value {
    let mut plugins = vec![plugin.configuration(host)];
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
