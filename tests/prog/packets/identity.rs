//! Who is it? Identities of peers, by mark, cache, pods of the node, and the node itself.

use ep_builder::maps::{Direction, Traffic};

use super::build::*;
use super::scenario::{
    HOST_IDENTITY, Scenario, Step, Want, allow, by_node, deny, from, mark_of, scenario, to,
};
use super::{Net, run};

const POLICY: u8 = 133;
const DENIED: u8 = 181;
const PEER: u32 = 300;
const WORLD: u32 = 2;

const OUT: Direction = Direction::Egress;
const IN: Direction = Direction::Ingress;
const ALL: Traffic = Traffic::Any;

#[test]
fn identities_of_peers() {
    run(|net| {
        let packet = tcp((net.world, 9), (net.pod, 80), SYN);
        let in_ = |what: &str, entries: &[Step], mark: u32, want| {
            let steps = [entries, &[Step::To(packet.bytes(), mark, want)]].concat();
            scenario(net.name(what), steps)
        };
        let all = Traffic::Any;
        vec![
            in_(
                "unknown is the world",
                &[allow(IN, WORLD, all)],
                0,
                Want::Pass,
            ),
            in_(
                "the world is not anybody else",
                &[allow(IN, PEER, all)],
                0,
                Want::Drop(POLICY),
            ),
            in_(
                "of the cache",
                &[Step::Known(net.world, PEER), allow(IN, PEER, all)],
                0,
                Want::Pass,
            ),
            in_(
                "of the mark",
                &[allow(IN, PEER, all)],
                mark_of(PEER),
                Want::Pass,
            ),
            in_(
                "of the mark, before the cache",
                &[Step::Known(net.world, 9), allow(IN, PEER, all)],
                mark_of(PEER),
                Want::Pass,
            ),
        ]
    });
}

#[test]
fn identities_of_marks_and_pods() {
    run(|net| {
        let packet = tcp((net.world, 9), (net.pod, 80), SYN);
        let in_ = |what: &str, entries: &[Step], mark: u32, want| {
            let steps = [entries, &[Step::To(packet.bytes(), mark, want)]].concat();
            scenario(net.name(what), steps)
        };
        let all = Traffic::Any;
        vec![
            in_(
                "large, of the mark",
                &[allow(IN, 0x00ab_cdef, all)],
                mark_of(0x00ab_cdef),
                Want::Pass,
            ),
            in_(
                "of a mark that is none",
                &[allow(IN, PEER, all)],
                PEER << 16 | 0x0e00,
                Want::Drop(POLICY),
            ),
            in_(
                "of a local pod that the cache does not know",
                &[
                    Step::Local(net.world, false),
                    allow(IN, crate::bench::OTHER_IDENTITY, all),
                ],
                0,
                Want::Pass,
            ),
        ]
    });
}

/// What the node sends is the node's, whatever its source address; what it forwards never is.
#[test]
fn the_node_is_who_has_made_a_packet() {
    run(|net| {
        let packet = tcp((net.node, 9), (net.pod, 80), SYN);
        let other_source = tcp((net.world, 9), (net.pod, 80), SYN);
        let only = |identity| allow(IN, identity, ALL);
        let row = |what: &str, steps: &[Step]| scenario(net.name(what), steps.to_vec());
        let (node, world) = (only(HOST_IDENTITY), only(WORLD));
        let flagged = Step::Local(net.node, true);
        let cached = Step::Known(net.node, HOST_IDENTITY);
        vec![
            row("made here", &[node.clone(), by_node(&packet, Want::Pass)]),
            row(
                "made here, with a source that is not the node's",
                &[node.clone(), by_node(&other_source, Want::Pass)],
            ),
            row(
                "made here, and the node has no rule",
                &[world.clone(), by_node(&packet, Want::Drop(POLICY))],
            ),
            row(
                "made here, and the node is denied",
                &[
                    only(0),
                    deny(IN, HOST_IDENTITY, ALL),
                    by_node(&packet, Want::Drop(DENIED)),
                ],
            ),
            row(
                "made here for a pod: the mark says more",
                &[
                    node.clone(),
                    Step::ByNode(packet.bytes(), mark_of(PEER), Want::Drop(POLICY)),
                ],
            ),
            row(
                "forwarded, with the node's source",
                &[node.clone(), to(&packet, Want::Drop(POLICY))],
            ),
            row(
                "forwarded, with the node's source, which maps know",
                &[flagged, cached, node, to(&packet, Want::Drop(POLICY))],
            ),
            row(
                "forwarded, with the node's source: the world's",
                &[world, to(&packet, Want::Pass)],
            ),
        ]
    });
}

/// Into a connection that the node has begun nobody else may send with the node's address.
#[test]
fn a_connection_of_the_node_is_the_nodes() {
    run(|net| {
        let there = |flags| tcp((net.node, 9), (net.pod, 80), flags);
        let back = tcp((net.pod, 80), (net.node, 9), SYN | ACK);
        let open = [
            allow(IN, HOST_IDENTITY, ALL),
            by_node(&there(SYN), Want::Pass),
            from(&back, Want::Stack),
            by_node(&there(ACK), Want::Pass),
        ];
        let foreign = [
            to(&there(ACK), Want::Drop(POLICY)),
            by_node(&there(ACK), Want::Pass),
        ];
        vec![scenario(
            net.name("taken over"),
            [open.to_vec(), foreign.to_vec()].concat(),
        )]
    });
}

/// Entries, and whether the pod may send to this address.
fn out(net: Net, what: &str, before: &[Step], want: Want) -> Scenario {
    let packet = udp((net.pod, 1000), (net.node, 53));
    let steps = [before, &[from(&packet, want)]].concat();
    scenario(net.name(what), steps)
}

/// The node's routes know its addresses.
#[test]
fn what_ends_at_the_node_is_for_the_node() {
    run(|net| {
        let only = |identity| allow(OUT, identity, ALL);
        let (node, world) = (only(HOST_IDENTITY), only(WORLD));
        let away = udp((net.pod, 1000), (net.world, 53));
        let group = if net.is_ipv6 { "ff0e::7" } else { "239.0.0.7" };
        let group = udp((net.pod, 1000), (group.parse().unwrap(), 53));
        let row = |what: &str, steps: &[Step]| scenario(net.name(what), steps.to_vec());
        vec![
            out(net, "allowed", std::slice::from_ref(&node), Want::Stack),
            out(
                net,
                "it is not the world",
                std::slice::from_ref(&world),
                Want::Drop(POLICY),
            ),
            out(
                net,
                "somebody else, says the cache",
                &[Step::Known(net.node, PEER), only(PEER)],
                Want::Stack,
            ),
            row("beyond", &[world.clone(), from(&away, Want::Stack)]),
            row(
                "beyond is not the node",
                &[node.clone(), from(&away, Want::Drop(POLICY))],
            ),
            row("a group", &[world, from(&group, Want::Stack)]),
            row(
                "a node that forwards nothing keeps all",
                &[
                    Step::Forwarding(false),
                    node,
                    from(&away, Want::Stack),
                    Step::Forwarding(true),
                ],
            ),
        ]
    });
}
