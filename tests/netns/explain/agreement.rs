//! The twins and the wire agree: random packets under random policies, through a twin and through the programs
//! that are attached, and datagrams that really arrive.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use ep_builder::attach::{Hook, Rtnl, filter_program};
use ep_builder::bpf::{SkContext, TestInput};
use ep_builder::explain::{
    Addresses, Content, End, Found, HOP_LIMIT, Judgement, Packet, Run, SYN, Sender, Start, Twins,
    Verdict,
};
use ep_builder::maps::{Decision, Direction, MapName, Ports, Rule, Traffic};
use ep_builder::policy::Holder;
use weir_tests::pods::{GATEWAYS, Lab, MAPS, Pod};

use super::{decision, enforce, silence, twins};
use crate::lifecycle::needs;

/// How long is waited for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many packets, unless `WEIR_EXPLAIN` says so.
const PACKETS: u32 = 600;
/// How many of them under one policy.
const UNDER_ONE: u32 = 60;
/// The ports that rules and packets are about: next to one another, and around a power of two.
pub(super) const PORTS: [u16; 6] = [79, 80, 81, 8_079, 8_080, 8_191];
const PROTOCOLS: [u8; 5] = [1, 6, 17, 58, 132];
pub(super) const NETWORK: u32 = 1 << 24;

/// Numbers that look random and are the same in each run (xorshift).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }

    pub(super) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

pub(super) fn traffic(dice: &mut Dice) -> Traffic {
    let protocol = dice.one(&PROTOCOLS);
    match dice.below(4) {
        0 => Traffic::Any,
        1 => Traffic::Protocol(protocol),
        2 => Traffic::Ports(Ports::one(protocol, dice.one(&PORTS))),
        _ => Traffic::Ports(Ports {
            protocol,
            first: dice.one(&PORTS),
            bits: dice.one(&[3, 9, 12, 15]),
        }),
    }
}

fn policy(dice: &mut Dice, pods: &[&Pod]) -> Vec<(Rule, Decision)> {
    let mut identities = vec![0, 0, 1, 2, NETWORK, NETWORK + 1];
    identities.extend(pods.iter().map(|pod| pod.endpoint.identity));
    let entry = |number| {
        let rule = Rule {
            identity: dice.one(&identities),
            direction: dice.one(&Direction::ALL),
            traffic: traffic(dice),
        };
        (rule, decision(dice.below(4) == 0, number))
    };
    (1..=10).map(entry).collect()
}

/// A new policy for each pod, and networks that some of it is about.
fn change(lab: &Lab, pods: &[&Pod], twins: &Twins, revision: u32, dice: &mut Dice) {
    let maps = lab.maps();
    let mut ipcache = maps.ipcache().unwrap();
    ipcache.remove_networks(revision - 1).unwrap();
    let networks = ["10.88.0.0/16", "10.88.1.0/28", "fd88::/16", "192.0.2.0/24"];
    let numbered = networks.iter().map(|text| {
        let number = NETWORK + u32::from(dice.below(2) == 0);
        (text.parse().unwrap(), number)
    });
    ipcache
        .insert_networks(revision, &numbered.collect::<Vec<_>>())
        .unwrap();
    for pod in pods {
        enforce(lab, pod, revision, &policy(dice, pods));
        twins
            .copy_policy(Holder::Endpoint(pod.endpoint.id), &maps)
            .unwrap();
    }
}

pub(super) fn content(dice: &mut Dice, number: u16) -> Content {
    let (sport, dport) = (10_000 + number % 50_000, dice.one(&PORTS));
    match dice.below(6) {
        0 | 1 => Content::Tcp {
            sport,
            dport,
            flags: SYN,
        },
        2 | 3 => Content::Udp { sport, dport },
        4 => Content::Sctp { sport, dport },
        _ => match dice.below(3) {
            0 => Content::Other(47),
            is_reply => Content::Echo {
                identifier: sport,
                is_reply: is_reply == 1,
            },
        },
    }
}

/// Where a packet begins, and the packet.
fn packet(dice: &mut Dice, pods: &[&Pod], number: u16) -> (Start, Packet) {
    let family = dice.below(2);
    let outside: IpAddr = dice
        .one(&[["192.0.2.9", "198.51.100.9"], ["2001:db8::9", "fd99::9"]][family])
        .parse()
        .unwrap();
    let node: IpAddr = GATEWAYS[family].parse().unwrap();
    let (own, peer) = (dice.one(pods), dice.one(pods));
    let others = [peer.addresses()[family], outside, node];
    let (own_address, other) = (own.addresses()[family], dice.one(&others));
    let id = own.endpoint.id;
    let (start, from, to) = match dice.below(4) {
        0 => {
            let came_by = dice.one(&[0, 1]);
            let start = Start::ToPod {
                id,
                mark: 0,
                came_by,
            };
            (start, other, own_address)
        }
        1 if dice.below(8) == 0 => (Start::FromPod(id), other, own_address),
        _ => (Start::FromPod(id), own_address, other),
    };
    let packet = Packet {
        hop_limit: dice.one(&[1, 2, HOP_LIMIT, HOP_LIMIT, HOP_LIMIT, 255]),
        ..Packet::new(Addresses::new(from, to).unwrap(), content(dice, number))
    };
    (start, packet)
}

/// What the attached program does: its verdict, the mark, the packet, and the reasons that were counted.
pub(super) fn live(
    lab: &Lab,
    pod: &Pod,
    start: Start,
    frame: &[u8],
) -> (u32, u32, Vec<u8>, BTreeSet<u8>) {
    let mut rtnl = Rtnl::open().unwrap();
    let device = rtnl.device(&pod.endpoint.host_ifname).unwrap();
    let program = filter_program(&mut rtnl, &device, start.hook()).unwrap();
    let counters = || lab.maps().metrics().unwrap().counters().unwrap();
    let before = counters();
    let context = SkContext {
        ifindex: device.index,
        ingress_ifindex: match start {
            Start::FromPod(_) => device.index,
            Start::ToPod { came_by, .. } => came_by,
            _ => unreachable!("no packet of these tests begins at the node"),
        },
        ..SkContext::default()
    };
    let input = TestInput {
        packet: frame,
        context,
        repeat: 1,
    };
    let output = program.unwrap().test_run(&input).unwrap();
    let grown = counters()
        .into_iter()
        .filter(|counter| !before.contains(counter));
    let reasons = grown
        .map(|counter| counter.reason)
        .filter(|reason| *reason > 1);
    for name in lab.maps().list().unwrap() {
        if let MapName::Conntrack(map) = name {
            let mut map = lab.maps().conntrack(map).unwrap();
            map.remove_where(|_| true).unwrap();
        }
    }
    (
        output.verdict,
        output.context.mark,
        output.packet,
        reasons.collect(),
    )
}

fn frame(start: Start, pod: &Pod, packet: &Packet) -> Vec<u8> {
    let (mac, host_mac) = (pod.endpoint.mac, pod.endpoint.host_mac);
    match start.hook() {
        Hook::FromContainer => packet.frame(mac, host_mac),
        _ => packet.frame(host_mac, mac),
    }
}

/// A shape: lines of the configuration, and options of the endpoints.
type Shape = (&'static str, &'static [(&'static str, u8)]);

const DEFAULT: Shape = ("", &[]);
const OTHERS: [Shape; 7] = [
    (
        "",
        &[
            ("drop_notification", 0),
            ("trace_notification", 0),
            ("policy_verdict_notification", 0),
        ],
    ),
    ("", &[("debug", 1), ("debug_policy", 1)]),
    ("", &[("conntrack", 0), ("conntrack_accounting", 0)]),
    ("", &[("conntrack_local", 1)]),
    ("[datapath]\nrouting = false\n", &[]),
    ("[datapath]\nhost_redirect = false\n", &[]),
    (
        "[datapath]\nforce_local_policy_eval_at_source = false\n",
        &[],
    ),
];
const AUDIT: Shape = ("", &[("policy_audit_mode", 1)]);

fn pod(lab: &Lab, id: u16, options: &[(&str, u8)]) -> Pod {
    let mut pod = lab.bare_pod(id);
    for (name, value) in options {
        pod.endpoint.options.set(name, *value).unwrap();
    }
    lab.attach(&pod.endpoint);
    pod
}

/// Runs random packets, and returns the kinds of ends that they came to.
fn agree((lines, options): Shape, packets: u32) -> BTreeSet<(u32, Option<u8>)> {
    let lab = Lab::with(&format!("{MAPS}{lines}"));
    let pods = [51, 52, 53].map(|id| pod(&lab, id, options));
    let pods: Vec<_> = pods.iter().collect();
    silence(&pods);
    let twins = twins(&lab, &pods);
    let (mut dice, mut ends) = (Dice(0x9e37_79b9_7f4a_7c15), BTreeSet::new());
    for number in 0..packets {
        if number % UNDER_ONE == 0 {
            change(&lab, &pods, &twins, 2 + number / UNDER_ONE, &mut dice);
        }
        let short = u16::try_from(number % 50_000).unwrap();
        let (start, packet) = packet(&mut dice, &pods, short);
        let pod = pods
            .iter()
            .find(|pod| Some(pod.endpoint.id) == start.endpoint());
        let frame = frame(start, pod.unwrap(), &packet);
        twins.forget().unwrap();
        let run = twins.run(start, &frame).unwrap();
        let (verdict, mark, left, reasons) = live(&lab, pod.unwrap(), start, &frame);
        let (want, reason) = end(&run);
        let explained = (want, run.mark, &run.packet, reason.into_iter().collect());
        let happened = (verdict, mark, &left, reasons);
        assert_eq!(explained, happened, "{options:?} {packet:?} {run:#?}");
        judged_as_counted(&run.judgements, &packet);
        ends.insert((want, reason));
    }
    ends
}

/// The verdict of a program whose run ends so, and the reason.
pub(super) fn end(run: &Run) -> (u32, Option<u8>) {
    match run.end {
        End::Stack | End::Sent => (0, None),
        End::Pod(_) if run.start.hook() == Hook::ToContainer => (0, None),
        End::Pod(_) | End::Device(_) | End::Answered => (7, None),
        End::Dropped(_, drop) if drop.is_answered => (7, Some(drop.reason)),
        End::Dropped(_, drop) => (2, Some(drop.reason)),
    }
}

#[test]
fn random_packets_fare_alike_in_a_twin_and_in_the_attached_programs() {
    needs!();
    let packets = std::env::var("WEIR_EXPLAIN").map_or(PACKETS, |text| text.parse().unwrap());
    let ends = agree(DEFAULT, packets);
    let all = [
        (0, None),
        (2, Some(132)),
        (2, Some(133)),
        (2, Some(181)),
        (7, None),
        (7, Some(196)),
    ];
    assert!(ends.is_superset(&all.into()), "{ends:?}");
}

#[test]
fn they_fare_alike_in_every_shape() {
    needs!();
    for shape in OTHERS {
        let ends = agree(shape, UNDER_ONE * 2);
        assert!(ends.len() >= 4, "{shape:?}: {ends:?}");
    }
    let audited = agree(AUDIT, UNDER_ONE * 2);
    let codes: BTreeSet<_> = audited.iter().filter_map(|(_, reason)| *reason).collect();
    assert_eq!(codes, [132, 196].into());
}

/// The strongest of what was found decides: the datapath counted there and nowhere else.
pub(super) fn judged_as_counted(judgements: &[Judgement], packet: &Packet) {
    for judgement in judgements {
        let found = judgement.look_ups.iter().filter_map(|it| it.found);
        let strength = |it: &Found| (it.decision.deny, it.rule.traffic.match_bits());
        let strongest = found.clone().map(|it| strength(&it)).max();
        let decided: Vec<_> = found.filter(|it| it.decided).collect();
        let decided_by = decided.first().map(strength);
        assert_eq!(decided_by, strongest, "{packet:?} {judgement:#?}");
        assert!(decided.len() <= 1, "{packet:?} {judgement:#?}");
    }
}

/// What lies in a socket.
pub(super) fn received(socket: &UdpSocket) -> Vec<u32> {
    let mut bytes = [0; 4];
    let next = || {
        socket
            .recv_from(&mut bytes)
            .ok()
            .map(|_| u32::from_ne_bytes(bytes))
    };
    std::iter::from_fn(next).collect()
}

/// A socket that waits for what is on its way, and not for what was dropped.
fn listen(pod: &Pod, address: IpAddr, port: u16) -> UdpSocket {
    let socket = pod.inside(|| UdpSocket::bind((address, port)).unwrap());
    let wait = Some(Duration::from_millis(1));
    socket.set_read_timeout(wait).unwrap();
    socket
}

#[test]
fn datagrams_arrive_where_the_twins_say_so() {
    needs!();
    let lab = Lab::new();
    let pods = [lab.pod(61), lab.pod(62), lab.pod(63)];
    let pods: Vec<_> = pods.iter().collect();
    let twins = twins(&lab, &pods);
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let ends = pods
        .iter()
        .flat_map(|pod| pod.addresses().map(|address| (*pod, address)));
    let ends: Vec<_> = ends.collect();
    let sockets: Vec<_> = ends
        .iter()
        .flat_map(|(pod, address)| PORTS.map(|port| listen(pod, *address, port)))
        .collect();
    let (mut expected, mut arrived) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..8_u32 {
        change(&lab, &pods, &twins, 2 + round, &mut dice);
        for number in 0..40_u32 {
            let (from, own) = dice.one(&ends);
            let same = ends.iter().filter(|(pod, it)| {
                it.is_ipv4() == own.is_ipv4() && pod.endpoint.id != from.endpoint.id
            });
            let (_, peer) = dice.one(&same.copied().collect::<Vec<_>>());
            let socket = from.inside(|| UdpSocket::bind((own, 0)).unwrap());
            let (sport, dport) = (socket.local_addr().unwrap().port(), dice.one(&PORTS));
            let packet = Packet::new(
                Addresses::new(own, peer).unwrap(),
                Content::Udp { sport, dport },
            );
            twins.forget().unwrap();
            let way = twins.send(Sender::Pod(from.endpoint.id), &packet).unwrap();
            let id = round << 16 | number;
            if matches!(way.verdict, Verdict::Delivered(_)) {
                expected.insert(id);
            }
            socket
                .send_to(&id.to_ne_bytes(), SocketAddr::new(peer, dport))
                .unwrap();
        }
        // Once at least: what should not arrive is looked for, too.
        let late = Instant::now() + PATIENCE;
        loop {
            arrived.extend(sockets.iter().flat_map(received));
            if expected.is_subset(&arrived) || Instant::now() > late {
                break;
            }
        }
    }
    assert_eq!(arrived, expected);
    assert!(
        expected.len() > 20 && expected.len() < 300,
        "{}",
        expected.len()
    );
}
