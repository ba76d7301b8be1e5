//! Policies that change under traffic: each packet is judged by a policy that was in force while it was.
//!
//! Threads run the attached programs on packets. The endpoint's revision is read before and after each, and the
//! numbers only grow: so what a packet may meet is known for certain, whatever the threads' order was.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ep_builder::attach::{Hook, Rtnl, filter_program};
use ep_builder::bpf::{Program, SkContext, TestInput};
use ep_builder::endpoint::{EndpointId, Label};
use ep_builder::explain::{self, Addresses, Content, SYN};
use ep_builder::maps::{Direction, Maps, Peer};
use ep_builder::policy::documents::{SourceFile, parse};
use ep_builder::policy::oracle::random::{self, Choices};
use ep_builder::policy::oracle::{Case, End, Packet, Verdict, yaml};
use ep_builder::policy::{Documents, EnforceError, Enforcement, NAMESPACE_LABEL, PodFacts, oracle};
use ep_builder::settings::Settings;
use ep_builder::state::Store;
use weir_tests::need::Need;
use weir_tests::{Lab, Pod, need};

/// How many policies, unless `WEIR_CHURN` says so.
const POLICIES: u64 = 150;
/// Room for two of them at a time.
const MAPS: &str = "[maps]\nendpoints = 64\nipcache = 256\npolicy = 2048\nmetrics = 256\nevents = 65536\nfragments = 64\nct_tcp = 4096\nct_any = 4096\n";
const LABELS: [&[(&str, &str)]; 3] = [
    &[("app", "web"), (NAMESPACE_LABEL, "shop")],
    &[("app", "db"), ("tier", "back")],
    &[("tier", "front")],
];
const OUTSIDE: [&str; 2] = ["192.0.2.1", "2001:db8::1"];
/// Packets that are judged again and again, as they belong to connections; the others open new ones.
const KNOWN: u16 = 40_000;
const SHOT: u32 = 2;
/// Long enough for some packets.
const MOMENT: Duration = Duration::from_millis(100);

/// A packet, the program that it meets, and who judges it.
struct Flow {
    program: usize,
    hook: Hook,
    content: Content,
    addresses: Addresses,
    mark: u32,
    /// By their numbers.
    judges: Vec<usize>,
}

/// What became of the packets.
#[derive(Debug, Default)]
struct Tally {
    sent: u64,
    /// While a policy changed.
    between: u64,
    /// Those that met none that was in force.
    wrong: Vec<String>,
}

/// What the documents mean, by revision, for each of the packets that are judged.
type Meaning = RwLock<BTreeMap<u32, Vec<bool>>>;

/// The pods with their programs, and what is sent.
struct Traffic<'a> {
    maps: Maps,
    pods: &'a [Pod],
    /// From the pod, and to it.
    programs: Vec<[Program; 2]>,
    devices: Vec<u32>,
    judged: Vec<Packet>,
    flows: Vec<Flow>,
}

fn hook(direction: Direction) -> Hook {
    match direction {
        Direction::Egress => Hook::FromContainer,
        Direction::Ingress => Hook::ToContainer,
    }
}

fn attached(lab: &Lab, id: u16, labels: &[(&str, &str)]) -> Pod {
    let mut pod = lab.bare_pod(id);
    let labels = labels.iter();
    let labels = labels.map(|(key, value)| Label::new(key, value, "k8s"));
    pod.endpoint.labels = labels.collect();
    lab.attach(&pod.endpoint);
    pod
}

fn content(protocol: u8, port: u16) -> Content {
    let (sport, dport) = (KNOWN, port);
    match protocol {
        6 => Content::Tcp {
            sport,
            dport,
            flags: SYN,
        },
        17 => Content::Udp { sport, dport },
        _ => Content::Sctp { sport, dport },
    }
}

impl<'a> Traffic<'a> {
    fn new(lab: &Lab, pods: &'a [Pod]) -> Self {
        let mut rtnl = Rtnl::open().unwrap();
        let (mut programs, mut devices) = (Vec::new(), Vec::new());
        for pod in pods {
            let device = rtnl.device(&pod.endpoint.host_ifname).unwrap();
            let hooks = [Hook::FromContainer, Hook::ToContainer];
            let program = |hook| filter_program(&mut rtnl, &device, hook).unwrap().unwrap();
            programs.push(hooks.map(program));
            devices.push(device.index);
        }
        let mut traffic = Self {
            maps: lab.maps(),
            pods,
            programs,
            devices,
            judged: Vec::new(),
            flows: Vec::new(),
        };
        for own in 0..pods.len() {
            for protocol in [6, 17, 132] {
                for port in [80, 8_080, 32_768] {
                    traffic.add(own, protocol, port);
                }
            }
        }
        traffic
    }

    /// Between a pod and somebody outside, and the next pod, both ways.
    fn add(&mut self, own: usize, protocol: u8, port: u16) {
        let family = usize::from(port == 8_080);
        let address = |pod: &Pod| pod.addresses()[family];
        let (pod, peer) = (own, (own + 1) % self.pods.len());
        let outside: IpAddr = OUTSIDE[family].parse().unwrap();
        let ends = [&self.pods[pod], &self.pods[peer]].map(address);
        let of = |at: usize| End::Pod(self.pods[at].endpoint.identity);
        let packet = |subject: usize, direction, remote, address| Packet {
            subject: self.pods[subject].endpoint.identity,
            direction,
            remote,
            address,
            protocol,
            port,
        };
        let out = packet(pod, Direction::Egress, End::World, outside);
        let entering = packet(pod, Direction::Ingress, End::World, outside);
        let away = packet(pod, Direction::Egress, of(peer), ends[1]);
        let arriving = packet(peer, Direction::Ingress, of(pod), ends[0]);
        let first = self.judged.len();
        self.judged.extend([out, entering, away, arriving]);
        let flow = |direction, from, to, judges| Flow {
            program: pod,
            hook: hook(direction),
            content: content(protocol, port),
            addresses: Addresses::new(from, to).unwrap(),
            mark: 0,
            judges,
        };
        let more = [
            flow(Direction::Egress, ends[0], outside, vec![first]),
            flow(Direction::Ingress, outside, ends[0], vec![first + 1]),
            flow(
                Direction::Egress,
                ends[0],
                ends[1],
                vec![first + 2, first + 3],
            ),
        ];
        self.flows.extend(more);
    }

    fn id(&self, judge: usize) -> EndpointId {
        let subject = self.judged[judge].subject;
        let mut pods = self.pods.iter();
        pods.find(|pod| pod.endpoint.identity == subject)
            .unwrap()
            .endpoint
            .id
    }

    /// Whether it passes.
    fn send(&self, flow: &Flow, sport: u16) -> bool {
        let pod = &self.pods[flow.program].endpoint;
        let content = match flow.content {
            Content::Tcp { dport, flags, .. } => Content::Tcp {
                sport,
                dport,
                flags,
            },
            other => other.next(sport),
        };
        let packet = explain::Packet::new(flow.addresses, content);
        let device = self.devices[flow.program];
        let (frame, program, came_by) = match flow.hook {
            Hook::FromContainer => (packet.frame(pod.mac, pod.host_mac), 0, device),
            _ => (packet.frame(pod.host_mac, pod.mac), 1, 1),
        };
        let input = TestInput {
            packet: &frame,
            context: SkContext {
                mark: flow.mark,
                ifindex: device,
                ingress_ifindex: came_by,
                ..SkContext::default()
            },
            repeat: 1,
        };
        let output = self.programs[flow.program][program].test_run(&input);
        output.unwrap().verdict != SHOT
    }

    /// Sends until it is over.
    fn run(&self, meaning: &Meaning, is_over: &AtomicBool, first: u16) -> Tally {
        let revisions = self.maps.policy_revisions().unwrap();
        let (mut tally, mut sport) = (Tally::default(), first);
        while !is_over.load(Ordering::Relaxed) {
            for flow in &self.flows {
                let now = || flow.judges.iter().map(|at| revisions.get(self.id(*at)));
                let before: Vec<_> = now().collect();
                sport = if sport == u16::MAX { first } else { sport + 1 };
                let has_passed = self.send(flow, if tally.sent % 2 == 0 { KNOWN } else { sport });
                let ranges = before.into_iter().zip(now());
                let ranges: Vec<_> = ranges.map(|(a, b)| a.unwrap()..=b.unwrap()).collect();
                let known = meaning.read().unwrap();
                let is_between = ranges.iter().any(|range| range.start() != range.end());
                tally.sent += 1;
                tally.between += u64::from(is_between);
                if let Err(wrong) = self.check(flow, has_passed, &ranges, &known) {
                    tally.wrong.push(wrong);
                }
            }
        }
        tally
    }

    /// Some policy that each of those who judge may have had says so.
    fn check(
        &self,
        flow: &Flow,
        has_passed: bool,
        ranges: &[RangeInclusive<u32>],
        known: &BTreeMap<u32, Vec<bool>>,
    ) -> Result<(), String> {
        let judges = flow.judges.iter().zip(ranges);
        let answers = judges.map(|(judge, range)| {
            let said = known.range(range.clone()).map(|(_, meant)| meant[*judge]);
            said.collect::<Vec<_>>()
        });
        let answers: Vec<_> = answers.collect();
        let may_pass = answers.iter().all(|said| said.contains(&true));
        let may_drop = answers.iter().any(|said| said.contains(&false));
        if if has_passed { may_pass } else { may_drop } {
            return Ok(());
        }
        let packets = flow.judges.iter().map(|judge| &self.judged[*judge]);
        let packets: Vec<_> = packets.collect();
        Err(format!(
            "passed: {has_passed}, {answers:?} in {ranges:?}: {packets:?}"
        ))
    }

    /// What documents mean for all that is judged.
    fn meant(&self, case: &Case) -> Vec<bool> {
        let judged = self.judged.iter();
        let verdicts = judged.map(|packet| case.meant(packet).unwrap());
        verdicts
            .map(|verdict| matches!(verdict, Verdict::Allowed { .. }))
            .collect()
    }

    /// Random documents about these pods.
    fn case(&self, seed: u64) -> Case {
        let pods = self.pods.iter().map(|pod| {
            let endpoint = &pod.endpoint;
            let pod = oracle::Pod {
                facts: PodFacts::of(&endpoint.labels),
                ipv4: endpoint.ipv4.unwrap(),
                ipv6: endpoint.ipv6.unwrap(),
            };
            (endpoint.identity, pod)
        });
        let random = random::case(&mut Choices::seeded(seed), 0);
        Case {
            set: random.set,
            allow_localhost: true,
            pods: pods.collect(),
            node: random.node,
            packets: Vec::new(),
        }
    }
}

fn documents(case: &Case) -> Documents {
    let text = yaml(case).unwrap().into();
    let path = PathBuf::from("random.yaml");
    parse(vec![SourceFile { path, text }]).unwrap()
}

/// Puts one policy after the other in force, and returns how many fitted.
fn change(traffic: &Traffic<'_>, enforcement: &Enforcement<'_>, meaning: &Meaning) -> u64 {
    let policies = std::env::var("WEIR_CHURN").map_or(POLICIES, |text| text.parse().unwrap());
    let (mut revision, mut fitted) = (0, 0);
    for seed in 0..policies {
        let case = traffic.case(seed);
        let meant = traffic.meant(&case);
        meaning.write().unwrap().insert(revision + 1, meant);
        match enforcement.apply(&documents(&case)) {
            Ok(applied) => {
                revision += 1;
                assert_eq!(applied.revision, revision);
                fitted += 1;
            }
            Err(EnforceError::NoRoom { .. } | EnforceError::NoRoomForNetworks { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
        // What was in force long ago nobody meets.
        let mut meaning = meaning.write().unwrap();
        *meaning = meaning.split_off(&revision.saturating_sub(8));
    }
    fitted
}

/// A node with pods, under traffic while `change` goes on.
fn under_traffic(change: impl FnOnce(&Traffic<'_>, &Enforcement<'_>, &Meaning) + Send) -> Tally {
    let lab = Lab::with(MAPS);
    let pods = (1..)
        .zip(LABELS)
        .map(|(id, labels)| attached(&lab, id, labels));
    let pods: Vec<_> = pods.collect();
    let mut ipcache = lab.maps().ipcache().unwrap();
    for network in ["0.0.0.0/0", "::/0"] {
        let world = Peer::with_identity(End::World.identity());
        ipcache.insert(network.parse().unwrap(), world).unwrap();
    }
    let settings = Settings::load(Some(&lab.node().config())).unwrap();
    let store = Store::open(&lab.node().state()).unwrap();
    let enforcement = Enforcement::new(&settings, &store);
    let traffic = Traffic::new(&lab, &pods);
    let open = vec![true; traffic.judged.len()];
    let meaning = Meaning::new([(0, open)].into());
    let is_over = AtomicBool::new(false);
    let tallies = thread::scope(|scope| {
        let hands = [10_000, 20_000].map(|first| {
            let (traffic, meaning, is_over) = (&traffic, &meaning, &is_over);
            scope.spawn(move || traffic.run(meaning, is_over, first))
        });
        let changed = scope
            .spawn(|| change(&traffic, &enforcement, &meaning))
            .join();
        is_over.store(true, Ordering::Relaxed);
        let tallies = hands.map(|hand| hand.join().unwrap());
        changed.unwrap();
        tallies
    });
    let mut all = Tally::default();
    for tally in tallies {
        all.sent += tally.sent;
        all.between += tally.between;
        all.wrong.extend(tally.wrong);
    }
    all
}

#[test]
fn no_packet_meets_a_policy_that_was_not_in_force() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("ip"));
    let tally = under_traffic(|traffic, enforcement, meaning| {
        let fitted = change(traffic, enforcement, meaning);
        assert!(fitted > 10, "{fitted}");
    });
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
    assert!(tally.between > 0 && tally.sent > 1_000, "{tally:?}");
}

#[test]
fn a_policy_that_is_changed_in_place_is_found() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("ip"));
    let tally = under_traffic(|traffic, _, _| {
        let mut policy = traffic.maps.policy(traffic.pods[0].endpoint.id).unwrap();
        let rows = policy.generation(0).unwrap().into_iter();
        let rows = rows.map(|(rule, (decision, counters))| (rule, decision, counters));
        let rows: Vec<_> = rows.collect();
        thread::sleep(MOMENT);
        policy.remove_generation(0).unwrap();
        thread::sleep(MOMENT);
        policy.insert_all(0, &rows).unwrap();
    });
    assert!(!tally.wrong.is_empty(), "{tally:?}");
}
