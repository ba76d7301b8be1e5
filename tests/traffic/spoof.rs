//! A pod that says it is somebody else is not heard.

use std::net::{IpAddr, UdpSocket};

use ep_builder::maps::Direction;
use weir_tests::pods::GATEWAYS;
use weir_tests::{Lab, Pod};

use crate::talk::{At, SILENCE, needs, reaches, until};

const INVALID_SOURCE_MAC: u8 = 130;
const INVALID_SOURCE_IP: u8 = 132;
const PACKETS: u64 = 5;

/// The pod's neighbour stands still: what is counted are the packets of the test, not questions for it.
fn fix_neighbour(pod: &Pod) {
    for gateway in GATEWAYS {
        let mac = pod.endpoint.host_mac;
        pod.exec(&format!(
            "ip neigh replace {gateway} lladdr {mac} dev eth0 nud permanent"
        ))
        .expect_success();
    }
}

/// Sends from an address to another pod; whether any packet arrives.
fn arrives(from: &Pod, source: IpAddr, to: &Pod, family: usize) -> bool {
    let server = At::In(to).udp(family, 0);
    server.set_read_timeout(Some(SILENCE)).unwrap();
    let client = from.inside(|| UdpSocket::bind((source, 0)).unwrap());
    for _ in 0..PACKETS {
        let place = server.local_addr().unwrap();
        assert_eq!(client.send_to(b"it is me", place).unwrap(), 8);
    }
    server.recv(&mut [0; 64]).is_ok()
}

#[test]
fn a_source_address_that_is_not_the_pods_is_dropped_and_counted() {
    needs!();
    let lab = Lab::new();
    let (a, b) = (lab.pod(1), lab.pod(2));
    reaches(At::In(&a), At::In(&b));
    fix_neighbour(&a);
    let stolen = ["10.99.0.9/32", "fd99::9/128 nodad"];
    // Also the address of the receiver's neighbour, and of the receiver itself.
    let others = lab.pod(3).addresses();
    for (family, stolen) in stolen.into_iter().enumerate() {
        let length = [32, 128][family];
        let nodad = ["", " nodad"][family];
        let neighbours = format!("{}/{length}{nodad}", others[family]);
        for address in [stolen.to_owned(), neighbours] {
            a.exec(&format!("ip addr add {address} dev eth0"))
                .expect_success();
            let before = lab.counted(INVALID_SOURCE_IP, Direction::Egress);
            let source = address.split('/').next().unwrap().parse().unwrap();
            assert!(!arrives(&a, source, &b, family), "{address}");
            let counted = lab.counted(INVALID_SOURCE_IP, Direction::Egress) - before;
            assert_eq!(counted, PACKETS, "{address}");
            let plain = address.split_whitespace().next().unwrap();
            a.exec(&format!("ip addr del {plain} dev eth0"))
                .expect_success();
        }
    }
    assert!(arrives(&a, a.addresses()[0], &b, 0) && arrives(&a, a.addresses()[1], &b, 1));
}

#[test]
fn a_source_mac_that_is_not_the_pods_is_dropped_and_counted() {
    needs!();
    let lab = Lab::new();
    let (a, b) = (lab.pod(1), lab.pod(2));
    reaches(At::In(&a), At::In(&b));
    let own = a.endpoint.mac;
    for family in [0, 1] {
        for mac in [b.endpoint.mac.to_string(), "02:00:00:00:99:99".to_owned()] {
            a.exec(&format!("ip link set eth0 address {mac}"))
                .expect_success();
            fix_neighbour(&a);
            let before = lab.counted(INVALID_SOURCE_MAC, Direction::Egress);
            assert!(!arrives(&a, a.addresses()[family], &b, family), "{mac}");
            // The pod's kernel may say more by itself, and is not heard either.
            until("the drops are counted", || {
                lab.counted(INVALID_SOURCE_MAC, Direction::Egress) >= before + PACKETS
            });
        }
        a.exec(&format!("ip link set eth0 address {own}"))
            .expect_success();
        fix_neighbour(&a);
        assert!(arrives(&a, a.addresses()[family], &b, family));
    }
}
