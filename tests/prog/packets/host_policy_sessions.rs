//! Sessions that stood before the node's policy came: the kernel has a socket for them, and they go on.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};

use weir_tests::need;
use weir_tests::need::Need;
use weir_tests::pods;

use super::Net;
use super::build::*;
use super::host_bench::Host;
use super::host_policy::{self, NodeStep, judged, tracked};
use super::host_scenario::{Step, on_link};

const DROPPED: u32 = 2;
const HOST_NOT_READY: u8 = 202;

/// A host, and the peer's addresses on the node itself, so that there can be real connections to them.
fn with_peer(test: impl Fn(&mut Host, Net)) {
    let mut host = Host::new();
    for net in Net::BOTH.map(Net::of) {
        let rest = if net.is_ipv6 { "/128 nodad" } else { "/32" };
        pods::run(&format!("ip addr add {}{rest} dev lo", net.world));
        host.reset();
        for step in judged([]) {
            take(&mut host, &step);
        }
        test(&mut host, net);
    }
}

fn take(host: &mut Host, step: &Step) {
    let Step::Node(step) = step else {
        panic!("{step:?}")
    };
    host_policy::take(host, step).unwrap();
}

fn received(host: &Host, packet: &Packet) -> u32 {
    host.receive(&on_link(packet, false)).verdict
}

fn sent(host: &Host, packet: &Packet) -> u32 {
    host.send(&on_link(packet, true), 0).verdict
}

/// A connection of TCP from this address of the node, which the route to the other one names as the source.
fn connect(from: IpAddr, to: SocketAddr) -> (TcpStream, SocketAddr) {
    let (ip, at) = (if from.is_ipv4() { "ip -4" } else { "ip -6" }, to.ip());
    pods::run(&format!("{ip} route del local {at} table local"));
    pods::run(&format!(
        "{ip} route add local {at} dev lo table local src {from}"
    ));
    let stream = TcpStream::connect(to).unwrap();
    let own = stream.local_addr().unwrap();
    assert_eq!(own.ip(), from);
    (stream, own)
}

fn end(address: SocketAddr) -> (IpAddr, u16) {
    (address.ip(), address.port())
}

#[test]
fn an_established_connection_goes_on_whoever_began_it() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("bpftool"));
    with_peer(|host, net| {
        for (listens, asks) in [(net.node, net.world), (net.world, net.node)] {
            let listener = TcpListener::bind((listens, 0)).unwrap();
            let at = listener.local_addr().unwrap();
            let (_stream, from) = connect(asks, at);
            let (_accepted, _) = listener.accept().unwrap();
            let (node, peer) = if listens == net.node {
                (end(at), end(from))
            } else {
                (end(from), end(at))
            };
            assert_eq!(received(host, &tcp(peer, node, ACK)), 0);
            assert_eq!(sent(host, &tcp(node, peer, ACK)), 0);
            // One that begins anew, and one of another port.
            assert_eq!(received(host, &tcp(peer, (node.0, 9), ACK)), DROPPED);
            let step = Step::Node(NodeStep::At(6));
            take(host, &step);
            assert_eq!(sent(host, &tcp(node, peer, ACK)), 0);
            assert_eq!(received(host, &tcp(peer, node, ACK | FIN)), 0);
        }
        take(host, &tracked(2));
    });
}

#[test]
fn what_only_begins_needs_a_rule() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("bpftool"));
    with_peer(|host, net| {
        let listener = TcpListener::bind((net.node, 0)).unwrap();
        let at = end(listener.local_addr().unwrap());
        assert_eq!(received(host, &tcp((net.world, 1000), at, SYN)), DROPPED);
        assert_eq!(received(host, &tcp((net.world, 1000), at, ACK)), DROPPED);
        let far = TcpListener::bind((net.world, 0)).unwrap();
        let (_stream, from) = connect(net.node, far.local_addr().unwrap());
        let begins = tcp(end(from), end(far.local_addr().unwrap()), SYN);
        assert_eq!(sent(host, &begins), DROPPED);
        take(host, &tracked(0));
    });
}

#[test]
fn of_udp_a_connected_socket_hears_its_peer_and_others_do_not() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("bpftool"));
    with_peer(|host, net| {
        let socket = UdpSocket::bind((net.node, 0)).unwrap();
        let (own, peer) = (end(socket.local_addr().unwrap()), (net.world, 53));
        assert_eq!(received(host, &udp(peer, own)), DROPPED);
        assert_eq!(sent(host, &udp(own, peer)), DROPPED);
        socket.connect(peer).unwrap();
        assert_eq!(received(host, &udp((net.world, 54), own)), DROPPED);
        assert_eq!(received(host, &udp(peer, own)), 0);
        assert_eq!(sent(host, &udp(own, peer)), 0);
        take(host, &tracked(1));
    });
}

#[test]
fn an_error_about_a_standing_session_is_heard() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("bpftool"));
    with_peer(|host, net| {
        let listener = TcpListener::bind((net.world, 0)).unwrap();
        let at = listener.local_addr().unwrap();
        let (_stream, from) = connect(net.node, at);
        let (node, peer) = (end(from), end(at));
        let router = crate::bench::Bench::address(net.is_ipv6, 50);
        let about = |packet: &Packet| unreachable(router, net.node, packet);
        assert_eq!(received(host, &about(&tcp(node, peer, ACK))), 0);
        let other = tcp((net.node, 9), peer, ACK);
        assert_eq!(received(host, &about(&other)), DROPPED);
    });
}

#[test]
fn where_nobody_judges_for_the_node_what_pods_send_it_is_dropped() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("bpftool"));
    with_peer(|host, net| {
        let called = host.bench.map("call_policy").unwrap();
        called.delete(&0_u32.to_ne_bytes()).unwrap();
        let send = |host: &Host, to| {
            let frame = udp((net.pod, 1000), (to, 22)).bytes();
            host.bench.run("from-container", &frame, 0).verdict
        };
        assert_eq!(send(host, net.node), DROPPED);
        let counters = host.bench.counters();
        assert!(counters.contains(&(HOST_NOT_READY, 2, 1)), "{counters:?}");
        let elsewhere = crate::bench::Bench::address(net.is_ipv6, 98);
        assert_eq!(send(host, elsewhere), 0);
        host.set_revision(0);
        assert_eq!(send(host, net.node), 0);
    });
}
