//! The node's own policy: what comes to the node and what it sends is judged, and nothing else; without one, nothing is.

use std::net::IpAddr;

use ep_builder::bpf::TestOutput;
use ep_builder::maps::{Decision, Direction, OpenPort, Peer, Ports, Prefix, Rule, Traffic};
use weir_tests::need;
use weir_tests::need::Need;

use super::Net;
use super::build::*;
use super::host_bench::Host;
use super::host_scenario::{Row, Step, Want, check, come, judge, on_link, out, row};
use super::scenario::mark_of;
use crate::bench::{OTHER_IDENTITY, POD_IDENTITY};

pub(super) const IN: Direction = Direction::Ingress;
pub(super) const OUT: Direction = Direction::Egress;
pub(super) const POLICY: u8 = 133;
const DENIED: u8 = 181;
const WORLD: u32 = 2;
/// The revision of the node's policy, where a row does not say.
pub(super) const REVISION: u32 = 5;

/// Something about the node's policy.
#[derive(Clone, Debug)]
pub(super) enum NodeStep {
    /// An entry of a revision: whether it denies.
    Entry(u32, Rule, bool),
    /// The node gets this revision.
    At(u32),
    /// A port is open whatever the policy says.
    Open(OpenPort),
    /// An address has an identity.
    Who(IpAddr, u32),
    /// The policy of a revision names a network.
    Network(u32, String, u32),
    /// A packet that the node forwards, and that came from neither a pod nor the world.
    Forward(Packet, Want),
    /// A packet that the pod sends.
    Pod(Packet, Want),
    /// A packet of the node to the pod, that it gets.
    ToPod(Packet),
    /// So many connections are tracked.
    Tracked(usize),
}

pub(super) fn take(host: &mut Host, step: &NodeStep) -> Result<(), String> {
    let maps = &host.bench.maps;
    match step {
        NodeStep::Entry(revision, rule, deny) => {
            let decision = Decision {
                deny: *deny,
                rule: 7,
            };
            let mut policy = maps.node_policy().unwrap();
            policy.insert(*revision, rule, decision).unwrap();
        }
        NodeStep::At(revision) => host.set_revision(*revision),
        NodeStep::Open(port) => maps.node_open().unwrap().replace(&[*port].into()).unwrap(),
        NodeStep::Who(address, identity) => {
            let peer = Peer::with_identity(*identity);
            let mut ipcache = maps.ipcache().unwrap();
            ipcache.insert(Prefix::of(*address), peer).unwrap();
        }
        NodeStep::Network(revision, prefix, number) => {
            let networks = [(prefix.parse().unwrap(), *number)];
            let mut ipcache = maps.ipcache().unwrap();
            ipcache.insert_networks(*revision, &networks).unwrap();
        }
        NodeStep::Forward(packet, want) => {
            let frame = on_link(packet, true);
            judge(host, &frame, true, want, |host| host.forward(&frame))?;
        }
        NodeStep::Pod(packet, want) => {
            let frame = packet.bytes();
            judge(host, &frame, false, want, |host| from_pod(host, &frame))?;
        }
        NodeStep::ToPod(packet) => {
            let output = host.bench.run_from(0, "to-container", &packet.bytes(), 0);
            if output.verdict != 0 {
                return Err(format!("the pod does not get it: {}", output.verdict));
            }
        }
        NodeStep::Tracked(want) => {
            let maps = host.bench.conntrack();
            let found: usize = maps.iter().map(|map| map.keys().count()).sum();
            if found != *want {
                return Err(format!("{found} connections are tracked"));
            }
        }
    }
    Ok(())
}

/// What the pod's programs and the node's make of a frame of the pod. To the stack it comes with the pod's identity.
fn from_pod(host: &Host, frame: &[u8]) -> TestOutput {
    let output = host.bench.run("from-container", frame, 0);
    if output.verdict == 0 {
        // Beside it the mark may say that it is an answer.
        let mark = output.context.mark & !0x1000;
        assert_eq!(mark, mark_of(POD_IDENTITY));
    }
    output
}

impl Host {
    pub(super) fn set_revision(&self, revision: u32) {
        let mut revisions = self.bench.maps.policy_revisions().unwrap();
        revisions.set_node(revision).unwrap();
    }
}

pub(super) fn allow(direction: Direction, identity: u32, traffic: Traffic) -> Step {
    entry(direction, identity, traffic, false)
}

pub(super) fn deny(direction: Direction, identity: u32, traffic: Traffic) -> Step {
    entry(direction, identity, traffic, true)
}

fn entry(direction: Direction, identity: u32, traffic: Traffic, deny: bool) -> Step {
    let rule = Rule {
        identity,
        direction,
        traffic,
    };
    Step::Node(NodeStep::Entry(REVISION, rule, deny))
}

pub(super) fn port(protocol: u8, port: u16) -> Traffic {
    Traffic::Ports(Ports::one(protocol, port))
}

pub(super) fn at(revision: u32) -> Step {
    Step::Node(NodeStep::At(revision))
}

pub(super) fn tracked(count: usize) -> Step {
    Step::Node(NodeStep::Tracked(count))
}

pub(super) fn pod(packet: &Packet, want: Want) -> Step {
    Step::Node(NodeStep::Pod(packet.clone(), want))
}

/// A node with a policy of these entries.
pub(super) fn judged(entries: impl IntoIterator<Item = Step>) -> Vec<Step> {
    entries.into_iter().chain([at(REVISION)]).collect()
}

pub(super) fn with(before: Vec<Step>, after: impl IntoIterator<Item = Step>) -> Vec<Step> {
    before.into_iter().chain(after).collect()
}

pub(super) fn run(rows: impl Fn(Net) -> Vec<Row>) {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("bpftool"));
    check(rows);
}

/// TCP that opens, UDP, SCTP, an echo: from somebody's port to another's.
pub(super) fn openings(from: IpAddr, to: IpAddr) -> Vec<Packet> {
    let (from_end, to_end) = ((from, 1000), (to, 22));
    vec![
        tcp(from_end, to_end, SYN),
        udp(from_end, to_end),
        sctp(from_end, to_end),
        echo(from, to, 7, true),
    ]
}

/// What the other side answers to [`openings`].
fn answers(from: IpAddr, to: IpAddr) -> Vec<Packet> {
    let (from_end, to_end) = ((from, 22), (to, 1000));
    vec![
        tcp(from_end, to_end, SYN | ACK),
        udp(from_end, to_end),
        sctp(from_end, to_end),
        echo(from, to, 7, false),
    ]
}

#[test]
fn a_node_without_a_policy_is_not_judged() {
    run(|net| {
        let come_in = openings(net.world, net.node);
        let go_out = openings(net.node, net.world);
        let of_pods = openings(net.pod, net.node);
        let all = come_in
            .iter()
            .map(|it| come(it, Want::Same))
            .chain(go_out.iter().map(|it| out(it, Want::Same)));
        vec![
            row(net, "world and node", all.chain([tracked(0)])),
            // The pod tracks its own, and nobody else does.
            row(
                net,
                "a pod and the node",
                of_pods
                    .iter()
                    .map(|it| pod(it, Want::Same))
                    .chain([tracked(of_pods.len())]),
            ),
        ]
    });
}

#[test]
fn what_no_rule_allows_is_dropped_and_answers_need_none() {
    run(|net| {
        let drop = Want::Drop(POLICY);
        let pairs = |from, to| openings(from, to).into_iter().zip(answers(to, from));
        let open = |direction| judged([allow(direction, 0, Traffic::Any)]);
        let mut rows = Vec::new();
        for (asked, answer) in pairs(net.world, net.node) {
            let steps = [
                come(&asked, Want::Same),
                out(&answer, Want::Same),
                tracked(1),
            ];
            rows.push(row(net, "ingress is open", with(open(IN), steps)));
            let steps = [come(&asked, drop.clone()), tracked(0)];
            rows.push(row(net, "ingress is closed", with(open(OUT), steps)));
        }
        for (asked, answer) in pairs(net.node, net.world) {
            let steps = [
                out(&asked, Want::Same),
                come(&answer, Want::Same),
                tracked(1),
            ];
            rows.push(row(net, "egress is open", with(open(OUT), steps)));
            let steps = [out(&asked, drop.clone()), tracked(0)];
            rows.push(row(net, "egress is closed", with(open(IN), steps)));
        }
        for (_, answer) in pairs(net.node, net.world) {
            let steps = [come(&answer, drop.clone())];
            rows.push(row(net, "an answer to nothing", with(open(OUT), steps)));
        }
        rows
    });
}

#[test]
fn entries_are_the_peers_identity_its_network_and_its_port() {
    run(|net| {
        let syn = |from: IpAddr, port| tcp((from, 1000), (net.node, port), SYN);
        let bits = if net.is_ipv6 { "128" } else { "32" };
        let network = format!("{}/{bits}", net.world);
        let named = Step::Node(NodeStep::Network(REVISION, network, 1 << 24));
        let known = Step::Node(NodeStep::Who(net.world, 4000));
        let world = |direction, traffic| allow(direction, WORLD, traffic);
        let ssh = port(TCP, 22);
        let any = Traffic::Any;
        let (pass, drop) = (Want::Same, Want::Drop(POLICY));
        let denied = vec![named.clone(), world(IN, ssh), deny(IN, 1 << 24, any)];
        let rows = [
            ("the world", vec![world(IN, ssh)], 22, pass.clone()),
            ("another port", vec![world(IN, ssh)], 23, drop.clone()),
            (
                "another protocol",
                vec![world(IN, port(UDP, 22))],
                22,
                drop.clone(),
            ),
            (
                "the other direction",
                vec![world(OUT, ssh)],
                22,
                drop.clone(),
            ),
            (
                "an identity",
                vec![known.clone(), allow(IN, 4000, any)],
                22,
                pass.clone(),
            ),
            ("not that one", vec![known, world(IN, any)], 22, drop),
            ("a network", vec![named, allow(IN, 1 << 24, any)], 22, pass),
            ("who denies wins", denied, 22, Want::Drop(DENIED)),
        ];
        let rows = rows.into_iter().map(|(what, entries, port, want)| {
            let asked = come(&syn(net.world, port), want);
            row(net, what, with(judged(entries), [asked]))
        });
        rows.collect()
    });
}

#[test]
fn a_pod_comes_to_the_node_under_its_own_identity() {
    run(|net| {
        let drop = Want::Drop(POLICY);
        let own = |entries| judged([allow(IN, entries, Traffic::Any)]);
        let mut rows = Vec::new();
        for (asked, answer) in openings(net.pod, net.node)
            .into_iter()
            .zip(answers(net.node, net.pod))
        {
            let steps = [
                pod(&asked, Want::Same),
                Step::Node(NodeStep::ToPod(answer)),
                pod(&asked, Want::Same),
                // The pod's, and the node's.
                tracked(2),
            ];
            rows.push(row(net, "allowed", with(own(POD_IDENTITY), steps)));
            let steps = [pod(&asked, drop.clone()), pod(&asked, drop.clone())];
            rows.push(row(
                net,
                "another pod",
                with(own(OTHER_IDENTITY), steps.clone()),
            ));
            rows.push(row(net, "the world", with(own(WORLD), steps)));
        }
        for (asked, answer) in openings(net.node, net.pod)
            .into_iter()
            .zip(answers(net.pod, net.node))
        {
            let steps = [Step::Node(NodeStep::ToPod(asked)), pod(&answer, Want::Same)];
            rows.push(row(net, "what the node asks", with(judged([]), steps)));
        }
        let away = tcp((net.pod, 1000), (net.world, 22), SYN);
        let steps = [pod(&away, Want::Same), tracked(1)];
        rows.push(row(net, "past the node", with(judged([]), steps)));
        rows
    });
}

#[test]
fn a_policy_that_comes_or_goes_counts_from_the_next_packet() {
    run(|net| {
        let (asked, of_pod) = (
            tcp((net.world, 1000), (net.node, 22), SYN),
            tcp((net.pod, 1000), (net.node, 22), SYN),
        );
        let answer = tcp((net.node, 22), (net.world, 1000), SYN | ACK);
        let drop = Want::Drop(POLICY);
        vec![row(
            net,
            "revisions",
            with(
                judged([allow(IN, 0, Traffic::Any)]),
                [
                    come(&asked, Want::Same),
                    out(&answer, Want::Same),
                    pod(&of_pod, Want::Same),
                    at(REVISION + 1),
                    out(&answer, drop.clone()),
                    come(&asked, drop.clone()),
                    pod(&of_pod, drop),
                    at(0),
                    come(&asked, Want::Same),
                    out(&answer, Want::Same),
                    pod(&of_pod, Want::Same),
                ],
            ),
        )]
    });
}
