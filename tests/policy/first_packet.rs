//! A pod is policed from its first packet on: while it floods, and is flooded, from before there is a link until it
//! is wired, no frame comes anywhere that policy denies.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ep_builder::endpoint::Label;
use nix::libc;
use serde_json::{Value, json};
use weir_tests::plugin::{Call, Sandbox, configuration};
use weir_tests::pods::{MAPS, inside};
use weir_tests::{Finished, Lab, Pod};

use crate::beyond::Beyond;
use crate::cases::needs;
use crate::socket::{FAMILIES, open};

/// How many pods; `WEIR_FIRST_PACKETS=1000` for more.
const PODS: usize = 100;
/// Far longer than a wired pod takes to be heard on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two waves: the processors wire pods, too.
const PAUSE: Duration = Duration::from_micros(250);
/// Each so many pods, one has labels that nobody had before.
const NEW_LABELS_EACH: usize = 10;

/// Each so many pods, the policy is applied anew while one begins.
const APPLIED_EACH: usize = 7;

/// What everybody may be sent.
const ALLOWED: u16 = 7_000;
/// What closed pods may neither send nor be sent.
const CLOSED: u16 = 7_001;
/// What the strict pod and new pods may not send to each other: by the strict one's policy.
const STRICT: u16 = 7_002;

const POLICY: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: x}
spec:
  podSelector: {matchLabels: {new: closed}}
  policyTypes: [Ingress, Egress]
  ingress: [{ports: [{port: 7000, protocol: UDP}]}]
  egress: [{ports: [{port: 7000, protocol: UDP}]}]
---
apiVersion: weir.dev/v1alpha1
kind: WeirPolicy
metadata: {name: strict}
spec:
  podSelector: {matchLabels: {role: strict}}
  ingress:
  - action: deny
    from: [{podSelector: {matchExpressions: [{key: new, operator: Exists}]}}]
    ports: [{port: 7002, protocol: UDP}]
  egress:
  - action: deny
    to: [{podSelector: {matchExpressions: [{key: new, operator: Exists}]}}]
    ports: [{port: 7002, protocol: UDP}]
";

const ANOTHER: &str = "---
apiVersion: weir.dev/v1alpha1
kind: WeirPolicy
metadata: {name: another}
spec:
  ingress: [{action: deny, from: [{ipBlock: {cidr: 198.51.100.0/24}}], ports: [{port: NUMBER}]}]
";

/// A node with a pod that is open, one that is strict, and a host beyond.
struct Stage {
    lab: Lab,
    node: File,
    neighbours: [Pod; 2],
    beyond: Beyond,
}

impl Stage {
    fn new() -> Self {
        // Each set of labels that there ever was is a peer of the strict one.
        let lab = Lab::with(&MAPS.replace("= 64\n", "= 4096\n"));
        let neighbour = |id, role| {
            let mut pod = lab.bare_pod(id);
            pod.endpoint.labels = [Label::new("role", role, "k8s")].into_iter().collect();
            lab.attach(&pod.endpoint);
            pod
        };
        let stage = Self {
            neighbours: [neighbour(1, "open"), neighbour(2, "strict")],
            beyond: Beyond::new(),
            node: File::open("/proc/thread-self/ns/net").unwrap(),
            lab,
        };
        stage.apply(0).expect_success();
        stage
    }

    /// Puts the policy in force, with one more rule that says nothing about those who are there.
    fn apply(&self, number: usize) -> Finished {
        let port = (number + 1).to_string();
        let text = format!("{POLICY}{}", ANOTHER.replace("NUMBER", &port));
        self.lab.node().write_policy("policy.yaml", &text);
        self.lab.weir(&["policy", "apply"])
    }

    /// Wires a pod and takes it away again, in the middle of floods, and returns what was seen that may not be.
    fn pass(&self, number: usize) -> Vec<String> {
        let new = NewPod::new(number);
        let mut flood = Flood::new(self, &new);
        let is_wired = AtomicBool::new(false);
        let configuration = new.configuration(&self.lab);
        let found = thread::scope(|scope| {
            let found = scope.spawn(|| flood.run(&is_wired));
            let call = |verb| {
                let call = Call::about(verb, &new.sandbox, &configuration);
                call.env("CNI_ARGS", "K8S_POD_NAMESPACE=x;K8S_POD_NAME=new")
            };
            let applied = number
                .is_multiple_of(APPLIED_EACH)
                .then(|| scope.spawn(|| self.apply(number)));
            let added = call("ADD").run();
            let applied = applied.map(|applied| applied.join().unwrap());
            // The flood ends by this alone: what has failed is looked at behind it.
            is_wired.store(true, Ordering::Release);
            let found = found.join().unwrap();
            added.expect_success();
            applied.map(Finished::expect_success);
            call("DEL").run().expect_success();
            found
        });
        new.sandbox.unname();
        found
    }
}

/// A pod that is to be wired.
struct NewPod {
    number: usize,
    sandbox: Sandbox,
}

impl NewPod {
    fn new(number: usize) -> Self {
        Self {
            number,
            sandbox: Sandbox::new(&format!("new{number}")),
        }
    }

    fn is_closed(&self) -> bool {
        self.number.is_multiple_of(2)
    }

    fn addresses(&self) -> [IpAddr; 2] {
        let last = u8::try_from(self.number % 200 + 1).unwrap();
        [
            [10, 88, 9, last].into(),
            [0xfd88, 0, 0, 0, 0, 0, 9, u16::from(last)].into(),
        ]
    }

    fn configuration(&self, lab: &Lab) -> Value {
        let kind = if self.is_closed() { "closed" } else { "open" };
        let mut labels = vec![json!({ "key": "new", "value": kind })];
        // Both kinds get such labels.
        if (self.number / 2).is_multiple_of(NEW_LABELS_EACH) {
            labels.push(json!({ "key": "number", "value": self.number.to_string() }));
        }
        let mut configuration = configuration(lab);
        configuration["args"] = json!({ "cni": { "labels": labels, "ips": self.addresses() } });
        configuration
    }
}

/// Datagrams between the new pod and all others, and eyes everywhere.
struct Flood {
    lines: Vec<Line>,
    /// Those that begin when the pod is wired: the strict one may speak to that address as long as it is nobody's,
    /// and what was said then belongs to the conversation.
    late: Vec<Line>,
    eyes: Vec<Eye>,
}

/// A sender, with the addresses and ports that it sends to.
struct Line {
    socket: UdpSocket,
    places: Vec<SocketAddr>,
}

/// What comes to a namespace by any device, also by those that are not there yet.
struct Eye {
    name: &'static str,
    family: usize,
    /// Of one protocol, so what is sent is not seen, nor what programs drop or redirect when it comes in.
    frames: File,
    /// Whom it looks for: there are addresses from which such frames may come this far.
    from: Vec<IpAddr>,
    /// Whether something that is allowed must be seen.
    has_hope: bool,
}

impl Flood {
    fn new(stage: &Stage, new: &NewPod) -> Self {
        let mut flood = Self {
            lines: Vec::new(),
            late: Vec::new(),
            eyes: Vec::new(),
        };
        let [open, strict] = &stage.neighbours;
        let theirs = if new.is_closed() { CLOSED } else { ALLOWED };
        for family in [0, 1] {
            let own = new.addresses()[family];
            let others = [
                open.addresses(),
                strict.addresses(),
                stage.beyond.addresses(),
            ];
            let others = others.map(|addresses| addresses[family]);
            let place = |address: &IpAddr, port| SocketAddr::new(*address, port);
            let [near, hard, far] = [0, 1, 2].map(|n| &others[n]);
            flood.lines.extend([
                inside(&new.sandbox.namespace, || {
                    let places = others
                        .iter()
                        .flat_map(|it| [place(it, ALLOWED), place(it, theirs)]);
                    Line::new(family, places.chain([place(hard, STRICT)]).collect())
                }),
                open.inside(|| Line::new(family, vec![place(&own, ALLOWED), place(&own, theirs)])),
                strict.inside(|| Line::new(family, vec![place(&own, ALLOWED)])),
                stage
                    .beyond
                    .inside(|| Line::new(family, vec![place(&own, ALLOWED), place(&own, theirs)])),
            ]);
            let late = || Line::new(family, vec![place(&own, STRICT)]);
            flood.late.push(strict.inside(late));
            let eye = |name, from, has_hope| Eye::new(name, family, from, has_hope);
            flood.eyes.extend([
                inside(&new.sandbox.namespace, || {
                    eye("the pod", vec![*near, *hard, *far], true)
                }),
                open.inside(|| eye("its neighbour", vec![own], true)),
                strict.inside(|| eye("the strict one", vec![own], true)),
                stage
                    .beyond
                    .inside(|| eye("the host beyond", vec![own], true)),
                inside(&stage.node, || eye("the node", vec![own], false)),
            ]);
        }
        flood
    }

    /// Sends and looks, until the pod is wired and everybody has seen what is allowed.
    fn run(&mut self, is_wired: &AtomicBool) -> Vec<String> {
        let (mut found, mut wired) = (Vec::new(), None);
        let mut hopes: Vec<_> = self.eyes.iter().map(|eye| eye.has_hope).collect();
        loop {
            self.lines.iter().for_each(Line::send);
            for (eye, hopes) in self.eyes.iter_mut().zip(&mut hopes) {
                for port in eye.seen() {
                    match port {
                        ALLOWED => *hopes = false,
                        _ => found.push(format!(
                            "{} sees port {port} over {}",
                            eye.name,
                            eye.family()
                        )),
                    }
                }
            }
            if is_wired.load(Ordering::Acquire) {
                self.late.iter().for_each(Line::send);
                let since = wired.get_or_insert_with(Instant::now).elapsed();
                if hopes.iter().all(|hopes| !hopes) {
                    break;
                }
                if since > PATIENCE {
                    let blind = self.eyes.iter().zip(&hopes).filter(|(_, hopes)| **hopes);
                    let text = |(eye, _): (&Eye, _)| {
                        format!("{} sees nothing over {}", eye.name, eye.family())
                    };
                    found.extend(blind.map(text));
                    break;
                }
            }
            thread::sleep(PAUSE);
        }
        found.sort();
        found.dedup();
        found
    }
}

impl Line {
    /// In the namespace of the calling thread.
    fn new(family: usize, places: Vec<SocketAddr>) -> Self {
        let socket = UdpSocket::from(open(FAMILIES[family], libc::SOCK_DGRAM, 0));
        Self { socket, places }
    }

    /// Until there is a route nothing goes out.
    fn send(&self) {
        for place in &self.places {
            let _lost = self.socket.send_to(b"flood", place).is_err();
        }
    }
}

impl Eye {
    /// In the namespace of the calling thread.
    fn new(name: &'static str, family: usize, from: Vec<IpAddr>, has_hope: bool) -> Self {
        let protocol = [libc::ETH_P_IP, libc::ETH_P_IPV6][family];
        let protocol = u16::try_from(protocol).unwrap().to_be();
        let frames = open(libc::AF_PACKET, libc::SOCK_DGRAM, protocol.into());
        Self {
            name,
            family,
            frames: frames.into(),
            from,
            has_hope,
        }
    }

    fn family(&self) -> &'static str {
        ["IPv4", "IPv6"][self.family]
    }

    /// The ports of the datagrams that have come from those in question.
    fn seen(&mut self) -> Vec<u16> {
        let (mut ports, mut packet) = (Vec::new(), [0; 256]);
        while let Ok(length) = self.frames.read(&mut packet) {
            let datagram = datagram(&packet[..length]);
            ports.extend(
                datagram
                    .filter(|(from, _)| self.from.contains(from))
                    .map(|(_, port)| port),
            );
        }
        ports
    }
}

/// From where, and to which port, a datagram in a packet goes.
fn datagram(packet: &[u8]) -> Option<(IpAddr, u16)> {
    let (from, protocol, header) = if packet.first()? >> 4 == 4 {
        let from: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
        (from.into(), packet[9], usize::from(packet[0] & 15) * 4)
    } else {
        let from: [u8; 16] = packet.get(8..24)?.try_into().ok()?;
        (IpAddr::from(from), packet[6], 40)
    };
    let port = packet.get(header + 2..header + 4)?.try_into().ok()?;
    (protocol == 17).then_some((from, u16::from_be_bytes(port)))
}

#[test]
fn no_frame_that_policy_denies_is_seen_while_pods_begin() {
    needs!();
    let stage = Stage::new();
    let pods = std::env::var("WEIR_FIRST_PACKETS").ok();
    let pods = pods.map_or(PODS, |text| text.parse().unwrap());
    for number in 0..pods {
        let found = stage.pass(number);
        assert!(found.is_empty(), "pod {number}: {}", found.join(", "));
    }
}
