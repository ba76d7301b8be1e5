//! Who reaches whom: one round of questions from everybody to everybody, all at once.
//!
//! What shall get through is waited for with patience, and asked again: a slow machine cuts nobody off. What
//! shall not has been answered by the drop that the datapath counts for it, so nothing waits for silence.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ep_builder::maps::Direction;
use nix::libc;

use crate::cluster::{Cluster, NAMES, NODE};
use crate::icmp::Icmp;
use crate::sctp::Sctp;
use crate::serve::PORTS;
use crate::socket::{FAMILIES, open};

/// Far longer than an answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a drop that was not counted yet is waited for, when all answers are there: one more SYN.
const SILENCE: Duration = Duration::from_millis(1_500);
/// How long ago the last question was when it is asked again.
const AGAIN: Duration = Duration::from_millis(300);
const TICK: Duration = Duration::from_millis(2);
/// What is left to a late answer when all that shall be dropped has been.
const GRACE: Duration = Duration::from_millis(15);
/// The reason of packets that policy drops.
const POLICY: u8 = 133;

/// A protocol that everybody serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
    Sctp,
    Icmp,
}

/// A port that everybody serves; ICMP has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Service {
    pub(crate) protocol: Protocol,
    pub(crate) port: u16,
}

impl Service {
    /// All that is served.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].into_iter();
        let icmp = Self {
            protocol: Protocol::Icmp,
            port: 0,
        };
        let served = protocols.flat_map(|protocol| PORTS.map(|port| Self { protocol, port }));
        served.chain([icmp])
    }

    /// Its name in a grid.
    pub(crate) fn name(self) -> String {
        match self.protocol {
            Protocol::Icmp => "icmp".to_owned(),
            protocol => format!("{protocol:?}{}", self.port).to_lowercase(),
        }
    }
}

/// One question.
#[derive(Clone, Copy, Debug)]
struct Flow {
    from: usize,
    to: usize,
    service: Service,
    family: usize,
    is_open: bool,
}

/// What asks for one end.
struct Asker {
    udp: [UdpSocket; 2],
    sctp: [Sctp; 2],
    icmp: [Icmp; 2],
    /// The connections that have been begun, by the numbers of their flows.
    tcp: Vec<(usize, TcpStream)>,
}

/// A round under way.
struct Round<'a> {
    cluster: &'a Cluster,
    flows: Vec<Flow>,
    askers: Vec<Asker>,
    answered: BTreeSet<usize>,
    /// The ports and tags of this round are nobody else's.
    number: u16,
    drops: u64,
}

/// Asks everything that `expected` has an opinion on, and says where it is mistaken.
pub(crate) fn mistakes(
    cluster: &Cluster,
    expected: impl Fn(usize, usize, Service) -> Option<bool>,
) -> Vec<String> {
    let mut round = Round::begin(cluster, flows(expected));
    round.listen();
    round.mistakes()
}

fn flows(expected: impl Fn(usize, usize, Service) -> Option<bool>) -> Vec<Flow> {
    let mut flows = Vec::new();
    for (from, to) in (0..NAMES.len()).flat_map(|from| (0..NAMES.len()).map(move |to| (from, to))) {
        // Who talks to itself, and the node to the world, goes by no pod's policy.
        if from == to || (from >= NODE && to >= NODE) {
            continue;
        }
        for (service, family) in Service::all().flat_map(|service| [(service, 0), (service, 1)]) {
            if let Some(is_open) = expected(from, to, service) {
                flows.push(Flow {
                    from,
                    to,
                    service,
                    family,
                    is_open,
                });
            }
        }
    }
    flows
}

impl<'a> Round<'a> {
    fn begin(cluster: &'a Cluster, flows: Vec<Flow>) -> Self {
        static ROUNDS: AtomicU16 = AtomicU16::new(1);
        let mut round = Self {
            drops: drops(cluster),
            number: ROUNDS.fetch_add(1, Ordering::Relaxed),
            askers: Vec::new(),
            answered: BTreeSet::new(),
            cluster,
            flows,
        };
        for from in 0..NAMES.len() {
            let asker = cluster.inside(from, || round.ask_all(from));
            round.askers.push(asker);
        }
        round
    }

    /// Asks all that somebody asks, in the namespace of the calling thread.
    fn ask_all(&self, from: usize) -> Asker {
        let addresses = self.cluster.addresses(from);
        let mut asker = Asker {
            udp: addresses.map(|address| {
                let socket = UdpSocket::bind((address, 0)).unwrap();
                socket.set_nonblocking(true).unwrap();
                socket
            }),
            sctp: [0, 1].map(Sctp::new),
            icmp: [0, 1].map(Icmp::new),
            tcp: Vec::new(),
        };
        for (index, flow) in self.flows.iter().enumerate() {
            if flow.from != from {
                continue;
            }
            match flow.service.protocol {
                Protocol::Tcp => asker
                    .tcp
                    .push((index, connect(flow.family, self.place(flow)))),
                _ => self.ask(&asker, index),
            }
        }
        asker
    }

    /// Asks by what is no stream; once more, if need be.
    fn ask(&self, asker: &Asker, index: usize) {
        let flow = &self.flows[index];
        let tag = self.tag(index);
        match flow.service.protocol {
            Protocol::Tcp => {}
            Protocol::Udp => {
                let question = tag.to_be_bytes();
                let socket = &asker.udp[flow.family];
                let _lost = socket.send_to(&question, self.place(flow)).is_err();
            }
            Protocol::Sctp => {
                let ports = (20_000 + self.number % 10_000, flow.service.port);
                asker.sctp[flow.family].ask(self.address(flow), ports, tag);
            }
            Protocol::Icmp => {
                asker.icmp[flow.family].ask(self.address(flow), self.number, tag);
            }
        }
    }

    fn address(&self, flow: &Flow) -> IpAddr {
        self.cluster.addresses(flow.to)[flow.family]
    }

    fn place(&self, flow: &Flow) -> SocketAddr {
        SocketAddr::new(self.address(flow), flow.service.port)
    }

    /// Never 0, which no tag of SCTP is.
    fn tag(&self, index: usize) -> u32 {
        let index = u32::try_from(index).unwrap() + 1;
        (u32::from(self.number) << 16) | index
    }

    fn index(&self, tag: u32) -> Option<usize> {
        let index = usize::try_from(tag & 0xffff).unwrap().checked_sub(1)?;
        (tag >> 16 == u32::from(self.number)).then_some(index)
    }

    /// Waits for what shall come, and for the drops of what shall not.
    fn listen(&mut self) {
        let closed = self.flows.iter().filter(|flow| !flow.is_open).count();
        let closed = u64::try_from(closed).unwrap();
        let (start, mut asked) = (Instant::now(), Instant::now());
        let mut complete = None;
        loop {
            self.collect();
            let is_waiting = self.unanswered().next().is_some();
            if !is_waiting {
                let since = complete.get_or_insert_with(Instant::now).elapsed();
                if drops(self.cluster) >= self.drops + closed || since > SILENCE {
                    break;
                }
            } else if start.elapsed() > PATIENCE {
                break;
            } else if asked.elapsed() > AGAIN {
                asked = Instant::now();
                for index in self.unanswered() {
                    self.ask(&self.askers[self.flows[index].from], index);
                }
            }
            thread::sleep(TICK);
        }
        thread::sleep(GRACE);
        self.collect();
    }

    fn collect(&mut self) {
        let mut tags = Vec::new();
        for asker in &mut self.askers {
            let answered = &mut self.answered;
            asker.tcp.retain(|(index, stream)| {
                let is_open = stream.peer_addr().is_ok();
                if is_open {
                    answered.insert(*index);
                }
                !is_open
            });
            tags.extend(asker.sctp.iter().flat_map(Sctp::answers));
            tags.extend(asker.icmp.iter().flat_map(Icmp::answers));
            let mut bytes = [0; 4];
            for socket in &asker.udp {
                while let Ok(4) = socket.recv(&mut bytes) {
                    tags.push(u32::from_be_bytes(bytes));
                }
            }
        }
        let indices: Vec<_> = tags.into_iter().filter_map(|tag| self.index(tag)).collect();
        self.answered.extend(indices);
    }

    /// What shall have an answer and has none.
    fn unanswered(&self) -> impl Iterator<Item = usize> {
        let open = self
            .flows
            .iter()
            .enumerate()
            .filter(|(_, flow)| flow.is_open);
        let missing = open.filter(|(index, _)| !self.answered.contains(index));
        missing.map(|(index, _)| index)
    }

    /// A line for each two whose answers are not as expected.
    fn mistakes(&self) -> Vec<String> {
        let flows = self.flows.iter().enumerate();
        let wrong = flows.filter(|(index, flow)| flow.is_open != self.answered.contains(index));
        let mut lines: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for (_, flow) in wrong {
            let what = format!("{}/v{}", flow.service.name(), [4, 6][flow.family]);
            let line = lines.entry((flow.from, flow.to, flow.is_open));
            line.or_default().push(what);
        }
        let text = lines.into_iter().map(|((from, to, is_open), what)| {
            let is = if is_open { "blocked" } else { "open" };
            format!(
                "{} to {} is {is}: {}",
                NAMES[from],
                NAMES[to],
                what.join(" ")
            )
        });
        text.collect()
    }
}

/// Begins a connection, and does not wait for it.
fn connect(family: usize, place: SocketAddr) -> TcpStream {
    let socket = open(FAMILIES[family], libc::SOCK_STREAM, 0);
    // The type is that of another protocol; the call is the same, and this one's does not wait.
    let socket = UdpSocket::from(socket);
    let begun = socket.connect(place);
    let expected = begun.as_ref().err().and_then(std::io::Error::raw_os_error);
    assert_eq!(expected, Some(libc::EINPROGRESS), "{place}: {begun:?}");
    TcpStream::from(OwnedFd::from(socket))
}

/// How many packets policy has dropped on this node.
fn drops(cluster: &Cluster) -> u64 {
    let directions = [Direction::Ingress, Direction::Egress];
    let counted = directions.map(|direction| cluster.lab.counted(POLICY, direction));
    counted.iter().sum()
}
