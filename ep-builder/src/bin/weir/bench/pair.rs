//! Two endpoints of one node without devices: loaded, known to the maps, and under a policy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ep_builder::bpf::{Program, TestInput};
use ep_builder::builder::Builder;
use ep_builder::endpoint::{Endpoint, MacAddr};
use ep_builder::load::{self, Datapath, LoadError, Owner, Target};
use ep_builder::maps::{
    Conntrack, Decision, Direction, Family, InvalidPrefix, LocalEndpoint, Maps, Peer, Ports,
    Prefix, Rule, Traffic,
};
use ep_builder::options::EndpointOptions;
use ep_builder::policy::FIRST_NETWORK;
use ep_builder::shape::Features;
use ep_builder::timeline::Timeline;

use super::packets::{ACK, SYN, SYN_ACK, tcp};
use super::scratch::{Scratch, endpoint};
use crate::failure::Failure;
use crate::node::Node;

/// The program that packets of the pod meet, and that of packets from the host's stack.
pub(super) const FROM: &str = "from-container";
const TO: &str = "to-container";
/// Verdicts: to the host's stack, and to another device.
pub(super) const OK: u32 = 0;
pub(super) const REDIRECT: u32 = 7;

/// Peers beyond the node, of the other half of the network for benchmarks.
const WORLD4: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 19, 0, 0));
const WORLD6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 2, 0, 1, 0, 0, 0, 0));
const WORLD_IDENTITY: u32 = 20_000;
const HTTPS: u16 = 443;
/// The revision of both policies, which name networks, too: one of them has the peers beyond the node.
const REVISION: u32 = 1;
const NETWORKS: u16 = 100;
/// Rules beside those that allow.
const OTHER_RULES: u32 = 100;

/// An endpoint whose programs are loaded and attached to nothing.
struct Side {
    facts: Endpoint,
    datapath: Datapath,
}

impl Side {
    fn address(&self, is_ipv6: bool, port: u16) -> SocketAddr {
        let wanted = |address: &IpAddr| address.is_ipv6() == is_ipv6;
        let address = self.addresses().into_iter().find(wanted);
        SocketAddr::new(address.unwrap_or(WORLD4), port)
    }

    fn addresses(&self) -> Vec<IpAddr> {
        let ipv4 = self.facts.ipv4.map(IpAddr::V4);
        let ipv6 = self.facts.ipv6.map(IpAddr::V6);
        ipv4.into_iter().chain(ipv6).collect()
    }

    /// Sends one packet through a program of it.
    fn send(&self, section: &str, frame: &[u8], wanted: u32) -> Result<(), Failure> {
        let program = self.datapath.program(section)?;
        let output = program.test_run(&TestInput::packet(frame));
        expect(section, output.map_err(LoadError::from)?.verdict, wanted)
    }

    /// As the pod sends it, or as the host's stack does.
    fn macs(&self, section: &str) -> [MacAddr; 2] {
        let (pod, host) = (self.facts.mac, self.facts.host_mac);
        if section == FROM {
            [pod, host]
        } else {
            [host, pod]
        }
    }
}

/// Two endpoints of one node.
pub(super) struct Pair {
    sender: Side,
    receiver: Side,
    maps: Maps,
    /// Last: it takes the pins away.
    _scratch: Scratch,
}

impl Pair {
    /// With the default options and features, whatever the node has: numbers of two nodes compare.
    pub(super) fn load(node: &Node, mut scratch: Scratch) -> Result<Self, Failure> {
        let settings = &mut scratch.settings;
        settings.node.ipv4 = true;
        settings.node.ipv6 = true;
        settings.endpoint.features = Features::default();
        let builder = Builder::open(settings.clone(), node.search())?;
        let maps = Maps::new(&settings.paths.bpffs_dir, &settings.node.map_prefix);
        let mut options = EndpointOptions::default();
        for events in ["TraceNotification", "PolicyVerdictNotification"] {
            let set = options.set(events, 0);
            set.map_err(|error| Failure::Input(error.to_string()))?;
        }
        let pair = Self {
            sender: side(&builder, 1, &options)?,
            receiver: side(&builder, 2, &options)?,
            maps,
            _scratch: scratch,
        };
        pair.introduce(&pair.sender)?;
        pair.introduce(&pair.receiver)?;
        for (address, bits) in [(WORLD4, 16), (WORLD6, 64)] {
            let prefix = Prefix::new(address, bits);
            let prefix = prefix.map_err(|error| Failure::Input(error.to_string()))?;
            let peer = Peer::with_identity(WORLD_IDENTITY);
            pair.maps.ipcache()?.insert(prefix, peer)?;
        }
        pair.name_networks()?;
        Ok(pair)
    }

    fn name_networks(&self) -> Result<(), Failure> {
        let failed = |error: InvalidPrefix| Failure::Input(error.to_string());
        let mut networks = Vec::new();
        for (number, third) in (FIRST_NETWORK..).zip(0..NETWORKS) {
            let [high, low] = third.to_be_bytes();
            let ipv4 = Prefix::new(Ipv4Addr::new(198, 19 + high, low, 0).into(), 24);
            let ipv6 = Ipv6Addr::new(0x2001, 2, 0, 1 + third, 0, 0, 0, 0);
            let ipv6 = Prefix::new(ipv6.into(), 64);
            networks.push((ipv4.map_err(failed)?, number));
            networks.push((ipv6.map_err(failed)?, number));
        }
        self.maps.ipcache()?.insert_networks(REVISION, &networks)?;
        Ok(())
    }

    /// What the loader and the policy compiler do on a node.
    fn introduce(&self, side: &Side) -> Result<(), Failure> {
        let facts = &side.facts;
        let local = LocalEndpoint {
            lxc_id: facts.id.get(),
            ifindex: facts.host_ifindex,
            mac: facts.mac,
            host_mac: facts.host_mac,
            identity: facts.identity,
            is_host: false,
            masquerade: false,
        };
        for address in side.addresses() {
            let peer = Peer::with_identity(facts.identity);
            self.maps.ipcache()?.insert(Prefix::of(address), peer)?;
            self.maps.endpoints()?.insert(address, &local)?;
        }
        side.datapath.offer()?;
        self.allow_https(side)
    }

    /// To everybody in question; and as many rules again about others.
    fn allow_https(&self, side: &Side) -> Result<(), Failure> {
        let mut policy = self.maps.policy(side.facts.id)?;
        self.maps.policy_revisions()?.set(side.facts.id, REVISION)?;
        let peers = [
            WORLD_IDENTITY,
            self.sender.facts.identity,
            self.receiver.facts.identity,
        ];
        let others = 30_000..30_000 + OTHER_RULES;
        for identity in peers.into_iter().chain(others) {
            for direction in [Direction::Ingress, Direction::Egress] {
                let rule = Rule {
                    identity,
                    direction,
                    traffic: Traffic::Ports(Ports::one(6, HTTPS)),
                };
                policy.insert(
                    REVISION,
                    &rule,
                    Decision {
                        deny: false,
                        rule: 1,
                    },
                )?;
            }
        }
        Ok(())
    }

    /// Opens a connection from the sender to a peer beyond the node; gives a packet of it.
    pub(super) fn open_to_world(&self, is_ipv6: bool) -> Result<Vec<u8>, Failure> {
        let to = SocketAddr::new(if is_ipv6 { WORLD6 } else { WORLD4 }, HTTPS);
        let from = self.sender.address(is_ipv6, 40_000);
        let out = |flags| tcp(self.sender.macs(FROM), from, to, flags);
        self.sender.send(FROM, &out(SYN), OK)?;
        let answer = tcp(self.sender.macs(TO), to, from, SYN_ACK);
        self.sender.send(TO, &answer, OK)?;
        self.sender.send(FROM, &out(ACK), OK)?;
        Ok(out(ACK))
    }

    /// Likewise over IPv4 to the receiver.
    pub(super) fn open_to_pod(&self) -> Result<Vec<u8>, Failure> {
        let from = self.sender.address(false, 40_001);
        let to = self.receiver.address(false, HTTPS);
        let out = |flags| tcp(self.sender.macs(FROM), from, to, flags);
        self.sender.send(FROM, &out(SYN), REDIRECT)?;
        let answer = tcp(self.receiver.macs(FROM), to, from, SYN_ACK);
        self.receiver.send(FROM, &answer, REDIRECT)?;
        self.sender.send(FROM, &out(ACK), REDIRECT)?;
        Ok(out(ACK))
    }

    /// The packet that would open a connection over IPv4.
    pub(super) fn first_to_world(&self) -> Vec<u8> {
        let from = self.sender.address(false, 0);
        let to = SocketAddr::new(WORLD4, HTTPS);
        tcp(self.sender.macs(FROM), from, to, SYN)
    }

    /// How many connections of TCP over IPv4 there are.
    pub(super) fn connections(&self) -> Result<usize, Failure> {
        let map = self.maps.conntrack(Conntrack {
            family: Family::Ipv4,
            tcp: true,
            owner: None,
        })?;
        Ok(map.count()?)
    }

    pub(super) fn first_program(&self) -> Result<&Program, Failure> {
        Ok(self.sender.datapath.program(FROM)?)
    }

    pub(super) fn sender_mac(&self) -> MacAddr {
        self.sender.facts.mac
    }
}

fn side(builder: &Builder, number: u16, options: &EndpointOptions) -> Result<Side, Failure> {
    let facts = endpoint(number, options)?;
    let built = builder.build(&facts, &mut Timeline::default())?;
    let settings = builder.settings();
    let target = Target {
        owner: Owner::Endpoint(facts.id),
        device: facts.host_ifname.clone(),
        mode: settings.attach,
        bpffs_dir: settings.paths.bpffs_dir.clone(),
        prefix: settings.node.map_prefix.clone(),
    };
    let datapath = load::load_detached(&built.object, &target, &mut Timeline::default())?;
    Ok(Side { facts, datapath })
}

/// Whether the packet went where it should: a number for dropped packets would be a wrong one.
pub(super) fn expect(what: &str, verdict: u32, wanted: u32) -> Result<(), Failure> {
    if verdict == wanted {
        return Ok(());
    }
    Err(Failure::Input(format!(
        "cannot measure: a packet ({what}) got the verdict {verdict} and not {wanted}"
    )))
}
