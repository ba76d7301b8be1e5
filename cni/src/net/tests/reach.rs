//! Packets pass: from the host to its pods and back, at once.

use weir_tests::need;
use weir_tests::need::Need;
use weir_tests::pods::run;

use super::{GATEWAYS, Pod, become_host, outcome};

/// One question, and no second try: the first packet must pass.
fn ping(who: impl Fn(&str) -> String, address: &str) {
    let said = who(&format!("ping -n -c 1 -W 3 {address}"));
    assert!(said.contains(" 0% packet loss"), "{address}: {said}");
}

#[test]
fn the_first_packet_reaches_the_pod_and_the_host() {
    need!(Need::Root, Need::Tool("ip"), Need::Tool("ping"));
    for (addresses, gateways) in [
        (&["10.88.0.5/16"][..], &GATEWAYS[..1]),
        (&["fd88::5/64"], &GATEWAYS[1..]),
        (&["10.88.0.5/16", "fd88::5/64"], &GATEWAYS[..]),
    ] {
        become_host();
        let pod = Pod::new(5);
        let pair = pod.wire(&outcome(addresses, &[]), 1500);
        // A host answers for an IPv6 address on the link that has it only; the datapath on every link.
        let stand_in = format!("ip addr add {} dev {} nodad", GATEWAYS[1], pair.host_name);
        run(&stand_in);
        for address in addresses {
            let (address, _) = address.split_once('/').unwrap();
            ping(run, address);
        }
        for gateway in gateways {
            ping(|line| pod.run(line), gateway);
        }
    }
}

#[test]
fn two_pods_reach_one_another_through_the_host() {
    need!(Need::Root, Need::Tool("ip"), Need::Tool("ping"));
    become_host();
    let pods = [5, 6].map(|id: u16| {
        let pod = Pod::new(id);
        let (v4, v6) = (format!("10.88.0.{id}/16"), format!("fd88::{id}/64"));
        let pair = pod.wire(&outcome(&[&v4, &v6], &[]), 1500);
        let stand_in = format!("ip neigh add proxy {} dev {}", GATEWAYS[1], pair.host_name);
        run(&stand_in);
        let line = format!("ipv6/conf/{}/proxy_ndp", pair.host_name);
        weir_tests::pods::set_sysctl(&line, "1");
        pod
    });
    for address in ["10.88.0.6", "fd88::6"] {
        ping(|line| pods[0].run(line), address);
    }
}
