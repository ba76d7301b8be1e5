//! Scenarios: what happens to an endpoint, packet by packet, and what must come of each packet. A counter
//! that is not expected, a drop without its event or an event without its drop fails the scenario.

use std::net::IpAddr;

use ep_builder::endpoint::MacAddr;
use ep_builder::events::Event;
use ep_builder::maps::{Decision, Direction, LocalEndpoint, Peer, Prefix, Rule, Traffic};

use super::build::{OTHER_HOST_MAC, OTHER_MAC, Packet};
use super::memory::{remember, within};
use crate::bench::{Bench, OTHER, OTHER_IDENTITY, OUTSIDE, POD, POD_IDENTITY, set_forwarding};

pub(crate) const HOST_IDENTITY: u32 = 1;

/// What must come of a packet.
#[derive(Clone, Debug)]
pub(crate) enum Want {
    /// It goes on to the host's stack, as it is, marked with the pod's identity.
    Stack,
    /// It goes on to the stack, and nobody says whose it is.
    Unmarked,
    /// It goes on to the pod, as it is.
    Pass,
    /// It passes, and nobody counts it again.
    Uncounted,
    /// It is handed to the other pod, like this.
    Peer(Vec<u8>),
    /// It is handed to the other pod's device, like this, with the mark that it has been judged.
    PeerDevice(Vec<u8>),
    /// It is handed to the other pod's device, like this, with this mark, and counted or not.
    Handed(Vec<u8>, u32, usize),
    /// The pod gets this instead.
    Answer(Vec<u8>),
    /// It is dropped with this code.
    Drop(u8),
    /// It is dropped with this code on its way into the other pod.
    DropAtPeer(u8),
    /// It is dropped with this code, and the pod gets this.
    DropAndAnswer(u8, Vec<u8>),
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The pod sends a frame.
    From(Vec<u8>, Want),
    /// The host's stack sends one to the pod, with this mark, that came to the node from outside.
    To(Vec<u8>, u32, Want),
    /// Likewise one that the node itself has made.
    ByNode(Vec<u8>, u32, Want),
    /// An endpoint gets a rule under its revision: the endpoint, the rule, whether it denies.
    Rule(u16, Rule, bool),
    /// The pod gets a rule under a revision that need not be its own.
    RuleAt(u32, Rule, bool),
    /// An endpoint loses it.
    NoRule(u16, Rule),
    /// An endpoint's rules get this revision, and the endpoint, too.
    Revision(u16, u32),
    /// The pod gets this revision, whatever there is under it.
    At(u32),
    /// The policy of a revision names a network, by this number.
    Network(u32, &'static str, u32),
    /// The node forwards, or does not.
    Forwarding(bool),
    /// An address gets an identity.
    Known(IpAddr, u32),
    /// An address is the other pod's, or the node's.
    Local(IpAddr, bool),
    /// An address is that of a pod whose programs are not loaded.
    NotReady(IpAddr),
    /// Every connection that is tracked has been idle for too long.
    Expired,
    /// Every connection remembers of an earlier second whether its peer is a pod.
    Sought(bool),
    /// The pod sends a frame in the very second in which every connection has found that its peer is no pod.
    Within(Vec<u8>, Want),
    /// So many connections are tracked.
    Tracked(usize),
}

/// A name and what happens.
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
}

pub(crate) fn scenario(name: impl Into<String>, steps: impl IntoIterator<Item = Step>) -> Scenario {
    Scenario {
        name: name.into(),
        steps: steps.into_iter().collect(),
    }
}

pub(crate) fn from(packet: &Packet, want: Want) -> Step {
    Step::From(packet.bytes(), want)
}

pub(crate) fn to(packet: &Packet, want: Want) -> Step {
    Step::To(packet.bytes(), 0, want)
}

/// One that the node itself has made.
pub(crate) fn by_node(packet: &Packet, want: Want) -> Step {
    Step::ByNode(packet.bytes(), 0, want)
}

pub(crate) fn rule(direction: Direction, identity: u32, traffic: Traffic) -> Rule {
    Rule {
        identity,
        direction,
        traffic,
    }
}

pub(crate) fn allow(direction: Direction, identity: u32, traffic: Traffic) -> Step {
    Step::Rule(POD, rule(direction, identity, traffic), false)
}

pub(crate) fn deny(direction: Direction, identity: u32, traffic: Traffic) -> Step {
    Step::Rule(POD, rule(direction, identity, traffic), true)
}

/// Both endpoints as they are without policy.
pub(crate) fn open() -> Vec<Step> {
    let rules = Direction::ALL.map(|direction| rule(direction, 0, Traffic::Any));
    let of = |id| rules.map(|rule| Step::Rule(id, rule, false));
    of(POD).into_iter().chain(of(OTHER)).collect()
}

/// An open endpoint, and then this.
pub(crate) fn opened(steps: impl IntoIterator<Item = Step>) -> Vec<Step> {
    open().into_iter().chain(steps).collect()
}

/// The mark of a packet whose sender has this identity.
pub(crate) fn mark_of(identity: u32) -> u32 {
    identity << 16 | 0x0f00 | (identity >> 16 & 0xff)
}

/// The mark of what the endpoint's programs have seen.
pub(crate) fn passed_mark(id: u16) -> u32 {
    u32::from(id) << 16 | 0x0600
}

pub(crate) fn check(bench: &mut Bench, scenarios: &[Scenario]) {
    let mut failures = Vec::new();
    for Scenario { name, steps } in scenarios {
        bench.reset();
        for (at, step) in steps.iter().enumerate() {
            if let Err(what) = take(bench, step) {
                failures.push(format!("{name}: step {at}: {what}\n  {step:02x?}"));
                break;
            }
        }
    }
    let failed = failures.len();
    assert!(
        failures.is_empty(),
        "{failed} of {}:\n{}",
        scenarios.len(),
        failures.join("\n")
    );
}

pub(crate) fn take(bench: &mut Bench, step: &Step) -> Result<(), String> {
    match step {
        Step::From(frame, want) => from_pod(bench, frame, want),
        Step::Within(frame, want) => within(bench, frame, want),
        Step::To(frame, mark, want) => run(bench, (NODE_SIDE, OUTSIDE), frame, *mark, want),
        Step::ByNode(frame, mark, want) => run(bench, (NODE_SIDE, 0), frame, *mark, want),
        Step::Tracked(want) => {
            let found: usize = bench.conntrack().iter().map(|map| map.keys().count()).sum();
            (found == *want)
                .then_some(())
                .ok_or_else(|| format!("{found} connections are tracked"))
        }
        change => {
            happen(bench, change);
            Ok(())
        }
    }
}

/// What happens besides packets.
fn happen(bench: &Bench, step: &Step) {
    let insert = |id: u16, revision, rule, deny| {
        let mut policy = bench.maps.policy(id.try_into().unwrap()).unwrap();
        policy
            .insert(revision, rule, Decision { deny, rule: 7 })
            .unwrap();
    };
    match step {
        Step::Rule(id, rule, deny) => insert(*id, bench.revision(*id), rule, *deny),
        Step::RuleAt(revision, rule, deny) => insert(POD, *revision, rule, *deny),
        Step::NoRule(id, rule) => {
            let mut policy = bench.maps.policy((*id).try_into().unwrap()).unwrap();
            assert!(policy.remove(bench.revision(*id), rule).unwrap());
        }
        Step::Revision(id, revision) => move_rules(bench, *id, *revision),
        Step::At(revision) => bench.set_revision(POD, *revision),
        Step::Network(revision, prefix, number) => {
            let networks = [(prefix.parse().unwrap(), *number)];
            let mut ipcache = bench.maps.ipcache().unwrap();
            ipcache.insert_networks(*revision, &networks).unwrap();
        }
        Step::Forwarding(is_on) => set_forwarding(*is_on),
        Step::Known(address, identity) => {
            let mut ipcache = bench.maps.ipcache().unwrap();
            ipcache
                .insert(Prefix::of(*address), Peer::with_identity(*identity))
                .unwrap();
        }
        Step::Local(address, true) => local(bench, *address, 0),
        Step::Local(address, false) => local(bench, *address, OTHER),
        Step::NotReady(address) => local(bench, *address, 77),
        Step::Expired => remember(bench, "lifetime", 0),
        Step::Sought(is_pod) => remember(bench, "sought", 1 << 1 | u32::from(*is_pod)),
        Step::From(..) | Step::To(..) | Step::ByNode(..) | Step::Within(..) | Step::Tracked(_) => {
            unreachable!("a packet or a look is no change")
        }
    }
}

/// As the policy of a node is changed, with the same rules.
fn move_rules(bench: &Bench, id: u16, revision: u32) {
    let mut policy = bench.maps.policy(id.try_into().unwrap()).unwrap();
    let rules = policy.generation(bench.revision(id)).unwrap().into_iter();
    let rules = rules.map(|(rule, (decision, counters))| (rule, decision, counters));
    let rules: Vec<_> = rules.collect();
    policy.insert_all(revision, &rules).unwrap();
    bench.set_revision(id, revision);
    policy.keep_only(revision).unwrap();
}

/// The node has no id.
fn local(bench: &Bench, address: IpAddr, lxc_id: u16) {
    let endpoint = LocalEndpoint {
        lxc_id,
        ifindex: 102,
        mac: MacAddr(OTHER_MAC),
        host_mac: MacAddr(OTHER_HOST_MAC),
        identity: OTHER_IDENTITY,
        is_host: lxc_id == 0,
        masquerade: false,
    };
    bench
        .maps
        .endpoints()
        .unwrap()
        .insert(address, &endpoint)
        .unwrap();
}

/// Verdict, frame, mark and counters that a packet must lead to.
struct Expected {
    verdict: u32,
    frame: Option<Vec<u8>>,
    mark: Option<u32>,
    counters: Vec<(u8, u8)>,
}

/// `MARK_ANSWER` of `bpf-src/lib/identity.h`, for the node's programs alone (`host_answers.rs`).
const ANSWER: u32 = 0x1000;

const INGRESS: u8 = 1;
const EGRESS: u8 = 2;

fn expected(frame: &[u8], mark: u32, want: &Want, direction: u8) -> Expected {
    let same = Some(frame.to_vec());
    let (verdict, frame, mark, counters) = match want {
        Want::Stack => (0, same, Some(mark_of(POD_IDENTITY)), vec![(0, direction)]),
        Want::Unmarked | Want::Pass => (0, same, Some(mark), vec![(0, direction)]),
        Want::Uncounted => (0, same, Some(mark), vec![]),
        Want::Peer(frame) => (
            7,
            Some(frame.clone()),
            None,
            vec![(0, INGRESS), (0, EGRESS)],
        ),
        Want::PeerDevice(frame) => (
            7,
            Some(frame.clone()),
            Some(passed_mark(OTHER)),
            vec![(0, INGRESS), (0, EGRESS)],
        ),
        Want::Handed(frame, mark, counted) => (
            7,
            Some(frame.clone()),
            Some(*mark),
            vec![(0, direction); *counted],
        ),
        Want::Answer(frame) => (
            7,
            Some(frame.clone()),
            Some(passed_mark(POD)),
            vec![(0, direction)],
        ),
        Want::Drop(code) => (2, None, None, vec![(*code, direction)]),
        Want::DropAtPeer(code) => (2, None, None, vec![(0, EGRESS), (*code, INGRESS)]),
        Want::DropAndAnswer(code, frame) => (
            7,
            Some(frame.clone()),
            Some(passed_mark(POD)),
            vec![(*code, direction)],
        ),
    };
    Expected {
        verdict,
        frame,
        mark,
        counters,
    }
}

/// Reason and direction of the counters that have grown.
fn grown(before: &[(u8, u8, u64)], after: &[(u8, u8, u64)]) -> Vec<(u8, u8)> {
    let rows = after.iter().filter(|row| !before.contains(row));
    rows.map(|row| (row.0, row.1)).collect()
}

/// Whose packets the programs of these sections get.
const POD_SIDE: &str = "from-container";
const NODE_SIDE: &str = "to-container";

/// A frame of the pod.
pub(super) fn from_pod(bench: &mut Bench, frame: &[u8], want: &Want) -> Result<(), String> {
    run(bench, (POD_SIDE, 0), frame, 0, want)
}

fn run(
    bench: &mut Bench,
    (section, ingress_ifindex): (&str, u32),
    frame: &[u8],
    mark: u32,
    want: &Want,
) -> Result<(), String> {
    let direction = if section == POD_SIDE { EGRESS } else { INGRESS };
    let expected = expected(frame, mark, want, direction);
    let before = bench.counters();
    bench.events();
    let output = bench.run_from(ingress_ifindex, section, frame, mark);
    let events = bench.events();
    let counted = grown(&before, &bench.counters());
    let drops = events.iter().filter_map(|event| match event {
        Event::Drop(drop) => Some((drop.header.subtype, drop.direction, drop.line)),
        _ => None,
    });
    let drops: Vec<_> = drops.collect();
    if output.verdict != expected.verdict || counted != expected.counters {
        return Err(format!(
            "verdict {}, counted {counted:?}, drop events {drops:?}",
            output.verdict
        ));
    }
    let wanted = expected
        .counters
        .iter()
        .filter(|(reason, _)| *reason >= 130);
    if !drops
        .iter()
        .map(|(reason, direction, _)| (*reason, *direction))
        .eq(wanted.copied())
    {
        return Err(format!("drop events {drops:?}"));
    }
    if expected.frame.is_some_and(|frame| frame != output.packet) {
        return Err(format!("the packet became {:02x?}", output.packet));
    }
    match expected.mark {
        Some(mark) if mark != output.context.mark & !ANSWER => {
            Err(format!("the mark is {:#x}", output.context.mark))
        }
        _ => Ok(()),
    }
}
