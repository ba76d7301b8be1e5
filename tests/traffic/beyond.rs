//! A host beyond the node: what it sends to a pod, and what a pod sends to it, the node forwards.

use std::fs::File;
use std::net::IpAddr;

use weir_tests::pods::{fd_path, inside, new_namespace, run};

/// The addresses of the node and of the host in the network between them.
const NODE: [&str; 2] = ["192.0.2.1", "2001:db8::1"];
const HOST: [&str; 2] = ["192.0.2.2", "2001:db8::2"];
const LENGTH: [u8; 2] = [24, 64];

/// A network namespace with a link to the node's.
pub(crate) struct Beyond {
    namespace: File,
    own: [IpAddr; 2],
    nodes: [IpAddr; 2],
}

impl Beyond {
    pub(crate) fn new() -> Self {
        let namespace = new_namespace();
        let place = fd_path(&namespace);
        run(&format!(
            "ip link add up0 type veth peer name eth0 netns {place}"
        ));
        let parsed = |addresses: [&str; 2]| addresses.map(|address| address.parse().unwrap());
        let host = Self {
            namespace,
            own: parsed(HOST),
            nodes: parsed(NODE),
        };
        let configure = |device: &str, addresses: [&str; 2]| {
            run(&format!("ip link set {device} up"));
            for (address, length) in addresses.iter().zip(LENGTH) {
                let nodad = if length == 64 { " nodad" } else { "" };
                run(&format!(
                    "ip addr add {address}/{length} dev {device}{nodad}"
                ));
            }
        };
        configure("up0", NODE);
        host.inside(|| {
            run("ip link set lo up");
            configure("eth0", HOST);
            for (family, node) in ["-4", "-6"].into_iter().zip(NODE) {
                run(&format!("ip {family} route add default via {node}"));
            }
        });
        host
    }

    pub(crate) fn inside<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        inside(&self.namespace, what)
    }

    /// Its addresses, IPv4 first.
    pub(crate) fn addresses(&self) -> [IpAddr; 2] {
        self.own
    }

    /// The node's address on this side.
    pub(crate) fn node_address(&self, family: usize) -> IpAddr {
        self.nodes[family]
    }
}
