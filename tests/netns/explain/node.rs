//! The node's own policy, explained: what the twins of its programs say is what the programs at its devices do.

use std::collections::BTreeSet;
use std::net::{IpAddr, UdpSocket};

use ep_builder::attach::{Hook, Rtnl, filter_program};
use ep_builder::bpf::{SkContext, TestInput};
use ep_builder::cache::TemplateCache;
use ep_builder::device::{DeviceFacts, DeviceId};
use ep_builder::endpoint::Values;
use ep_builder::explain::{
    Addresses, Content, End, Found, Judgement, Packet, Run, SYN, Start, Twins,
};
use ep_builder::maps::{Counters, Decision, Direction, Family, MapName, OpenPort, Rule};
use ep_builder::node::{DeviceRecord, recorded};
use ep_builder::policy::Holder;
use ep_builder::settings::Settings;
use ep_builder::state::StateLayout;
use weir_tests::Lab;
use weir_tests::pods::{GATEWAYS, Pod};

use super::agreement::{Dice, NETWORK, PORTS, content, end, traffic};
use super::{decision, enforce, silence, twins};
use crate::lifecycle::needs;
use crate::own_part::node;

/// How many packets, unless `WEIR_EXPLAIN` says so.
const PACKETS: u32 = 400;
/// How many of them under one policy.
const UNDER_ONE: u32 = 50;
/// The node's addresses, and who is outside, on the link and beyond it.
const NODE: [&str; 2] = ["192.0.2.1", "2001:db8:2::1"];
const OUTSIDE: [[&str; 2]; 2] = [["192.0.2.9", "198.51.100.9"], ["2001:db8:2::9", "fd99::9"]];
/// A datagram socket of the node that talks to somebody on the link.
const SESSION: (u16, u16) = (5_353, 9_999);
/// `DROP_POLICY`, `DROP_POLICY_DENY` and `DROP_INVALID_SOURCE_IP` of `bpf-src/lib/drop.h`.
const REASONS: [u8; 3] = [133, 181, 132];

/// A node with a device that leads outside, and a pod.
struct Stage {
    lab: Lab,
    pod: Pod,
    up0: DeviceFacts,
    _sessions: Vec<UdpSocket>,
}

impl Stage {
    fn new(lines: &str, options: &[(&str, u8)]) -> Self {
        let lab = node(&["-4", "-6"], lines);
        lab.weir(&["node", "init"]).expect_success();
        let mut pod = lab.bare_pod(51);
        for (name, value) in options {
            pod.endpoint.options.set(name, *value).unwrap();
        }
        lab.attach(&pod.endpoint);
        silence(&[&pod]);
        let devices = devices(&lab);
        let up0 = devices.into_iter().find(|it| it.facts.name == "up0");
        let sessions = [0, 1].map(|family| {
            let address = |text: &str| text.parse::<IpAddr>().unwrap();
            let socket = UdpSocket::bind((address(NODE[family]), SESSION.0)).unwrap();
            socket
                .connect((address(OUTSIDE[family][0]), SESSION.1))
                .unwrap();
            socket
        });
        Self {
            lab,
            pod,
            up0: up0.unwrap().facts,
            _sessions: sessions.into(),
        }
    }

    /// The twins of the pod and of the node's devices.
    fn twins(&self) -> Twins {
        let mut twins = twins(&self.lab, &[&self.pod]);
        for device in devices(&self.lab) {
            let object =
                template(&self.lab, &device).into_object(&Values::of_device(&device.facts));
            twins.load_device(&object, &device.facts).unwrap();
        }
        twins
    }

    /// Puts a policy of the node in force, and one of the pod.
    fn change(&self, twins: &Twins, revision: u32, dice: &mut Dice) {
        let maps = self.lab.maps();
        let mut ipcache = maps.ipcache().unwrap();
        ipcache.remove_networks(revision - 1).unwrap();
        let networks = [
            "192.0.2.8/30",
            "2001:db8:2::/64",
            "fd99::/16",
            "10.88.0.0/16",
        ];
        let networks = networks.map(|text| (text.parse().unwrap(), NETWORK));
        ipcache.insert_networks(revision, &networks).unwrap();
        let identity = self.pod.endpoint.identity;
        let entries: Vec<_> = (1..=10)
            .map(|number| (rule(dice, identity), decision(dice.below(4) == 0, number)))
            .map(|(rule, decision): (Rule, Decision)| (rule, decision, Counters::default()))
            .collect();
        let mut policy = maps.node_policy().unwrap();
        policy.insert_all(revision, &entries).unwrap();
        let open = [(80, 6, Direction::Ingress), (8_079, 17, Direction::Egress)];
        let open = open.map(|(port, protocol, direction)| OpenPort {
            port,
            protocol,
            direction,
        });
        maps.node_open().unwrap().replace(&open.into()).unwrap();
        maps.policy_revisions().unwrap().set_node(revision).unwrap();
        policy.keep_only(revision).unwrap();
        let open = |direction| Rule {
            identity: 0,
            direction,
            traffic: ep_builder::maps::Traffic::Any,
        };
        let all = Direction::ALL.map(|direction| (open(direction), decision(false, 0)));
        enforce(&self.lab, &self.pod, revision, &all);
        twins.copy_policy(Holder::Node, &maps).unwrap();
        let pod = Holder::Endpoint(self.pod.endpoint.id);
        twins.copy_policy(pod, &maps).unwrap();
    }

    /// Where a packet begins, and the packet.
    fn packet(&self, dice: &mut Dice, number: u16) -> (Start, Packet) {
        let family = dice.below(2);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let outside = address(dice.one(&OUTSIDE[family]));
        let node = address(dice.one(&[NODE[family], NODE[family], GATEWAYS[family]]));
        let pod = self.pod.addresses()[family];
        let (start, from, to) = match dice.below(8) {
            0..=2 => (Start::FromOutside(self.up0.ifindex), outside, node),
            3 => (
                Start::FromOutside(self.up0.ifindex),
                dice.one(&[pod, node]),
                node,
            ),
            4..=5 => (Start::ToOutside(self.up0.ifindex), node, outside),
            _ => (Start::FromPod(self.pod.endpoint.id), pod, node),
        };
        let session = Content::Udp {
            sport: SESSION.1,
            dport: SESSION.0,
        };
        let dhcp = Content::Udp {
            sport: 67,
            dport: if family == 0 { 68 } else { 546 },
        };
        let content = match dice.below(10) {
            0 => session,
            1 => dhcp,
            // Who is in which group, of IPv4.
            2 => Content::Other(2),
            _ => content(dice, number),
        };
        (
            start,
            Packet::new(Addresses::new(from, to).unwrap(), content),
        )
    }

    fn frame(&self, start: Start, packet: &Packet) -> Vec<u8> {
        let (pod, node) = (&self.pod.endpoint, self.up0.mac);
        match start {
            Start::FromPod(_) => packet.frame(pod.mac, pod.host_mac),
            Start::ToOutside(_) => packet.frame(node, pod.mac),
            _ => packet.frame(pod.mac, node),
        }
    }

    /// What the attached program does.
    fn live(&self, start: Start, frame: &[u8]) -> (u32, u32, Vec<u8>, BTreeSet<u8>) {
        let mut rtnl = Rtnl::open().unwrap();
        let name = match start {
            Start::FromPod(_) => &self.pod.endpoint.host_ifname,
            _ => &self.up0.name,
        };
        let device = rtnl.device(name).unwrap();
        let program = filter_program(&mut rtnl, &device, start.hook()).unwrap();
        let counters = || self.lab.maps().metrics().unwrap().counters().unwrap();
        let before = counters();
        let input = TestInput {
            packet: frame,
            context: SkContext {
                ifindex: device.index,
                ingress_ifindex: match start.hook() {
                    Hook::ToNetdev => 0,
                    _ => device.index,
                },
                ..SkContext::default()
            },
            repeat: 1,
        };
        let output = program.unwrap().test_run(&input).unwrap();
        let grown = counters()
            .into_iter()
            .filter(|counter| !before.contains(counter));
        let reasons = grown.map(|it| it.reason).filter(|reason| *reason > 1);
        (
            output.verdict,
            output.context.mark,
            output.packet,
            reasons.collect(),
        )
    }

    fn forget(&self, twins: &Twins) {
        twins.forget().unwrap();
        let maps = self.lab.maps();
        for name in maps.list().unwrap() {
            if let MapName::Conntrack(map) = name {
                maps.conntrack(map).unwrap().remove_where(|_| true).unwrap();
            }
        }
        for family in [Family::Ipv4, Family::Ipv6] {
            assert_eq!(maps.nat(family).unwrap().count().unwrap(), 0);
        }
    }
}

fn rule(dice: &mut Dice, pod: u32) -> Rule {
    Rule {
        identity: dice.one(&[0, 2, NETWORK, NETWORK, pod]),
        direction: dice.one(&Direction::ALL),
        traffic: traffic(dice),
    }
}

fn settings(lab: &Lab) -> Settings {
    Settings::load(Some(&lab.node().config())).unwrap()
}

/// The devices of the node that have programs.
fn devices(lab: &Lab) -> Vec<DeviceRecord> {
    recorded(&settings(lab)).unwrap().unwrap().devices
}

fn template(lab: &Lab, device: &DeviceRecord) -> ep_builder::patch::Template {
    let settings = settings(lab);
    let key = device.template.unwrap();
    let folder = StateLayout::new(&settings.paths.state_dir).templates();
    let cache = TemplateCache::open(&folder, settings.cache.lock_timeout).unwrap();
    let bundle = || {
        let bundle = ep_builder::cache::Bundle::open(&settings.paths.bundle_dir).unwrap();
        bundle.unwrap().get(key).unwrap()
    };
    cache.read(key).unwrap().or_else(bundle).unwrap().template
}

/// The packet that comes behind one in the same direction, and the first one that comes back.
fn later(packet: &Packet) -> Option<Packet> {
    let (Content::Tcp { sport: own, .. } | Content::Udp { sport: own, .. }) = packet.content else {
        return None;
    };
    let content = packet.content.next(own);
    Some(Packet { content, ..*packet })
}

/// Runs random packets, each with a later one of its connection, and returns the kinds of ends that they came to, with
/// whose they were.
fn agree(lines: &str, options: &[(&str, u8)], packets: u32) -> BTreeSet<(bool, u32, Option<u8>)> {
    let stage = Stage::new(lines, options);
    let twins = stage.twins();
    let (mut dice, mut ends) = (Dice(0x9e37_79b9_7f4a_7c15), BTreeSet::new());
    for number in 0..packets {
        if number % UNDER_ONE == 0 {
            stage.change(&twins, 2 + number / UNDER_ONE, &mut dice);
        }
        let short = u16::try_from(number % 50_000).unwrap();
        let (start, packet) = stage.packet(&mut dice, short);
        for packet in [Some(packet), later(&packet)].into_iter().flatten() {
            let frame = stage.frame(start, &packet);
            let run = twins.run(start, &frame).unwrap();
            let (verdict, mark, left, reasons) = stage.live(start, &frame);
            let (want, reason) = end(&run);
            let explained = (want, run.mark, &run.packet, reason.into_iter().collect());
            let happened = (verdict, mark, &left, reasons);
            assert_eq!(
                explained, happened,
                "{lines} {options:?} {packet:?} {run:#?}"
            );
            told_as_it_was(&run);
            ends.insert((run.start.endpoint().is_none(), want, reason));
        }
        stage.forget(&twins);
    }
    ends
}

/// The node's programs are where a packet of the node is dropped; what was counted has decided, and nothing has where
/// the node lets pass what its policy does not.
fn told_as_it_was(run: &Run) {
    let of_node = |it: &&Judgement| it.whose == Holder::Node;
    for judgement in run.judgements.iter().filter(of_node) {
        let found = judgement.look_ups.iter().filter_map(|it| it.found);
        let strength = |it: &Found| (it.decision.deny, it.rule.traffic.match_bits());
        let strongest = found.clone().map(|it| strength(&it)).max();
        let decided: Vec<_> = found.filter(|it| it.decided).collect();
        assert!(decided.len() <= 1, "{run:#?}");
        let is_excused = decided.is_empty() && !matches!(run.end, End::Dropped(..));
        let decided_by = decided.first().map(strength);
        assert!(is_excused || decided_by == strongest, "{run:#?}");
        assert!(!is_excused || strongest.is_none_or(|it| it.0), "{run:#?}");
    }
    if let End::Dropped(by, drop) = run.end {
        let is_judged = run.judgements.iter().any(|it| of_node(&it));
        assert_eq!(
            by == Holder::Node,
            is_judged || run.start.endpoint().is_none()
        );
        assert!(drop.file > 0 && drop.line > 0, "{run:#?}");
    }
}

#[test]
fn packets_of_the_node_fare_alike_in_a_twin_and_at_its_devices() {
    needs!();
    let packets = std::env::var("WEIR_EXPLAIN").map_or(PACKETS, |text| text.parse().unwrap());
    let ends = agree("", &[], packets);
    for is_device in [true, false] {
        assert!(ends.contains(&(is_device, 0, None)), "{ends:?}");
        for reason in &REASONS[..2] {
            assert!(ends.contains(&(is_device, 2, Some(*reason))), "{ends:?}");
        }
    }
    assert!(ends.contains(&(true, 2, Some(REASONS[2]))), "{ends:?}");
}

#[test]
fn packets_of_the_node_fare_alike_in_every_shape() {
    needs!();
    for (lines, options) in [
        ("[options]\npolicy_audit_mode = true\n", &[][..]),
        (
            "[options]\nconntrack = false\nconntrack_accounting = false\n",
            &[],
        ),
        (
            "[options]\ndrop_notification = false\ntrace_notification = false\npolicy_verdict_notification = false\n",
            &[],
        ),
        ("", &[("conntrack_local", 1)]),
    ] {
        let ends = agree(lines, options, UNDER_ONE * 2);
        assert!(ends.len() >= 3, "{lines}: {ends:?}");
        let is_audited = lines.contains("audit");
        let by_policy = ends.iter().any(|(_, _, reason)| *reason == Some(133));
        assert_eq!(by_policy, !is_audited, "{lines}: {ends:?}");
    }
}

#[test]
fn what_pods_send_to_a_node_that_is_not_ready_is_told() {
    needs!();
    let stage = Stage::new("", &[]);
    let twins = stage.twins();
    stage.change(&twins, 2, &mut Dice(1));
    twins.withhold(Holder::Node, MapName::CallPolicy).unwrap();
    let (own, node) = (stage.pod.addresses()[0], NODE[0].parse().unwrap());
    let content = Content::Tcp {
        sport: 40_000,
        dport: 79,
        flags: SYN,
    };
    let packet = Packet::new(Addresses::new(own, node).unwrap(), content);
    let start = Start::FromPod(stage.pod.endpoint.id);
    let run = twins.run(start, &stage.frame(start, &packet)).unwrap();
    let End::Dropped(by, drop) = run.end else {
        panic!("{run:?}");
    };
    let own = Holder::Endpoint(stage.pod.endpoint.id);
    assert_eq!((by, drop.reason), (own, 202), "{run:?}");
    assert!(twins.withhold(Holder::Node, MapName::Verdict).is_ok());
    assert_eq!(DeviceId::Native(stage.up0.ifindex), stage.up0.id());
    assert!(PORTS.contains(&79));
}
