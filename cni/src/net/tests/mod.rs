//! The wiring on real links. Each test is a host of its own: a thread in a new network namespace, with pods
//! in others. Programs are not attached, so the host itself stands in for the gateway that the datapath
//! would answer for.

mod check;
mod create;
mod rates;
mod reach;
mod remove;
mod settings;
mod shapes;

use std::fs::File;
use std::path::Path;

use ep_builder::endpoint::{Bandwidth, EndpointId, MacAddr};
use ipnet::IpNet;
use weir_tests::pods::{fd_path, inside, new_namespace, run};

use super::{Netns, Pair, PairSpec, Plan, Wire};
use crate::names::{Attachment, ContainerId, InterfaceName, NetworkName};
use crate::result::{Address, Extra, Outcome, Route};

/// What the host is called by its pods.
const GATEWAYS: [&str; 2] = ["10.88.0.1", "fd88::1"];

/// Makes the test's thread a host.
fn become_host() {
    use nix::sched::{CloneFlags, unshare};
    unshare(CloneFlags::CLONE_NEWNET).expect("root may unshare");
    run("ip link set lo up");
    for gateway in GATEWAYS {
        run(&format!("ip addr add {gateway} dev lo"));
    }
}

/// A pod to be wired.
struct Pod {
    namespace: File,
    attachment: Attachment,
    id: u16,
    bandwidth: Bandwidth,
}

impl Pod {
    fn new(id: u16) -> Self {
        Self {
            namespace: new_namespace(),
            attachment: attachment(&format!("container-{id}"), "eth0"),
            id,
            bandwidth: Bandwidth::default(),
        }
    }

    fn netns(&self) -> Netns {
        Netns::open(Path::new(&fd_path(&self.namespace)), false).expect("it is a namespace")
    }

    fn alias(&self) -> String {
        let id = EndpointId::new(self.id).expect("ids of tests are valid");
        self.attachment.alias(id)
    }

    /// Does something with the specification of its pair.
    fn with_spec<T>(&self, mtu: u32, has_ipv6: bool, work: impl FnOnce(&PairSpec<'_>) -> T) -> T {
        let [high, low] = self.id.to_be_bytes();
        work(&PairSpec {
            host_name: &self.attachment.host_name(),
            host_mac: MacAddr([2, 0, 0, 2, high, low]),
            alias: &self.alias(),
            pod_name: self.attachment.ifname.as_str(),
            pod_mac: MacAddr([2, 0, 0, 1, high, low]),
            mtu,
            has_ipv6,
        })
    }

    fn create(&self, wire: &Wire<'_>, mtu: u32, has_ipv6: bool) -> Pair {
        let made = self.with_spec(mtu, has_ipv6, |spec| wire.create_pair(spec));
        made.expect("the pair can be made")
    }

    /// Wires it up whole.
    fn wire(&self, outcome: &Outcome, mtu: u32) -> Pair {
        let plan = Plan::new(outcome, mtu).expect("the outcome is sound");
        let netns = self.netns();
        let wire = Wire::open(&netns).expect("sockets can be opened");
        let pair = self.create(&wire, mtu, plan.has_ipv6());
        wire.adjust(&pair, &plan).expect("the pair can be set");
        wire.bring_up(&pair, &plan, &self.bandwidth)
            .expect("the pair comes up");
        pair
    }

    /// Runs a command in it.
    fn run(&self, line: &str) -> String {
        inside(&self.namespace, || run(line))
    }
}

fn attachment(container: &str, ifname: &str) -> Attachment {
    Attachment {
        network: NetworkName::new("net").expect("valid"),
        container: ContainerId::new(container).expect("valid"),
        ifname: InterfaceName::new(ifname).expect("valid"),
    }
}

/// What IPAM gave: addresses with an optional gateway behind `>`, and routes with one.
pub(super) fn outcome(addresses: &[&str], routes: &[&str]) -> Outcome {
    Outcome {
        ips: addresses.iter().map(|text| address(text)).collect(),
        routes: routes.iter().map(|text| route(text)).collect(),
        ..Outcome::default()
    }
}

pub(super) fn address(text: &str) -> Address {
    let (address, gateway) = with_gateway(text);
    Address {
        address,
        gateway,
        interface: None,
        extra: Extra::new(),
    }
}

fn route(text: &str) -> Route {
    let (destination, gateway) = with_gateway(text);
    Route::new(destination, gateway)
}

fn with_gateway(text: &str) -> (IpNet, Option<std::net::IpAddr>) {
    let (net, gateway) = text.split_once('>').unwrap_or((text, ""));
    (net.parse().expect("a network"), gateway.parse().ok())
}
