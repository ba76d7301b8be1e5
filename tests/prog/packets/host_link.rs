//! `weir_host`: what the node's stack has for pods, and for addresses of pods that are not there.

use std::net::IpAddr;

use weir_tests::need;
use weir_tests::need::Need;

use super::Net;
use super::build::*;
use super::host_bench::Host;
use super::host_scenario::{on_link, summed};

const NOBODY: u8 = 150;
const INGRESS: u8 = 1;

#[test]
fn the_node_reaches_pods_and_nobody_else() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("bpftool"));
    let mut host = Host::new();
    for net in Net::BOTH.map(Net::of) {
        host.reset();
        let to = |address: IpAddr| tcp((net.node, 1000), (address, 80), SYN);
        let output = host.send_to_pods(&on_link(&to(net.other), true));
        let expected = summed(&to(net.other).macs(OTHER_MAC, OTHER_HOST_MAC)).bytes();
        assert_eq!((output.verdict, output.packet), (7, expected));

        let group: IpAddr = if net.is_ipv6 { "ff02::1" } else { "224.0.0.1" }
            .parse()
            .unwrap();
        let frame = on_link(&to(group), true);
        let output = host.send_to_pods(&frame);
        assert_eq!((output.verdict, output.packet), (0, frame));

        assert_eq!(host.bench.counters(), []);
        let output = host.send_to_pods(&on_link(&to(net.world), true));
        assert_eq!(output.verdict, 2);
        assert_eq!(host.bench.counters(), [(NOBODY, INGRESS, 1)]);
    }
}
