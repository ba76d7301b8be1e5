//! L2: packets through the programs of an endpoint, by test run. A row is a scenario that a person can read;
//! rows that hold for both families are written once.

mod blocks;
pub(crate) mod build;
mod connections;
mod events;
mod generations;
mod host_bench;
mod host_choice;
mod host_errors;
mod host_link;
mod host_masquerade;
mod host_policy;
mod host_policy_passes;
mod host_policy_sessions;
mod host_ports;
mod host_scenario;
mod identity;
mod link;
mod memory;
mod missing;
mod neighbors;
mod network;
mod policy;
mod revision;
mod routing;
mod scenario;

use std::net::IpAddr;

use weir_tests::need;
use weir_tests::need::Need;

use crate::bench::{Bench, NODE};
use scenario::{Scenario, check};

/// The addresses of a family: the pod, the other pod, the node, somebody outside.
#[derive(Clone, Copy)]
struct Net {
    is_ipv6: bool,
    pod: IpAddr,
    other: IpAddr,
    node: IpAddr,
    world: IpAddr,
}

impl Net {
    const BOTH: [bool; 2] = [false, true];

    fn of(is_ipv6: bool) -> Self {
        let address = |host| Bench::address(is_ipv6, host);
        Self {
            is_ipv6,
            pod: address(1),
            other: address(2),
            node: address(NODE),
            world: address(99),
        }
    }

    fn name(self, what: &str) -> String {
        format!("{}: {what}", if self.is_ipv6 { "IPv6" } else { "IPv4" })
    }
}

/// Runs rows of both families under the default shape.
fn run(rows: impl Fn(Net) -> Vec<Scenario>) {
    need!(Need::Root, Need::Tool("clang"));
    let rows: Vec<_> = Net::BOTH
        .into_iter()
        .flat_map(|is_ipv6| rows(Net::of(is_ipv6)))
        .collect();
    check(&mut Bench::new(""), &rows);
}
