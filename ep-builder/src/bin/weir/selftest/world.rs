//! The node that nobody sees: its configuration, its link to an outside, its pods.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use ep_builder::endpoint::Endpoint;
use ep_builder::maps::{MapsError, Prefix};
use ep_builder::policy::Enforcement;
use ep_builder::policy::documents::read_folder;
use ep_builder::settings::Settings;
use ep_builder::whole_file;
use serde_json::Value as Json;
use toml::Value;

use super::fault::Fault;
use super::place::{Family, Place};
use super::plugin::{Asked, NETWORKS, Runtime, container};
use super::room::Room;
use super::talk::{self, Protocol};
use super::wire;
use crate::failure::Failure;
use crate::map::maps;
use crate::node::Node;

/// The node and its outside, of the networks for examples (RFC 5737, RFC 3849).
const NODE: [IpAddr; 2] = [
    IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 1)),
];
const OUTSIDE: [IpAddr; 2] = [
    IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)),
    IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 2)),
];
const LENGTHS: [u8; 2] = [24, 64];
/// The device that leads outside, and its other end. Numbers that no device gets by itself so soon.
const UP: (&str, u32) = ("up0", 1_001);
const PEER: (&str, u32) = ("eth0", 1_002);

/// A pod, as it was made.
pub(super) struct Pod {
    pub(super) asked: Asked,
    pub(super) place: Place,
    /// What the plugin answered.
    pub(super) result: Json,
    pub(super) endpoint: Endpoint,
}

/// All of it.
pub(super) struct World {
    pub(super) node: Node,
    pub(super) runtime: Runtime,
    pub(super) families: Vec<Family>,
    /// The node itself.
    pub(super) here: Place,
    pub(super) outside: Place,
    /// In the order in which they were made.
    pub(super) pods: Vec<Pod>,
}

impl World {
    /// The node with its link to the outside, and nothing of weir yet.
    pub(super) fn new(node: Node, runtime: Runtime, families: Vec<Family>) -> Result<Self, Fault> {
        let of = |both: [IpAddr; 2]| -> Vec<IpAddr> {
            let known = |address: &IpAddr| families.contains(&Family::of(*address));
            both.into_iter().filter(known).collect()
        };
        let wired = || {
            let here = Place::here(of(NODE))?;
            let outside = Place::new(of(OUTSIDE))?;
            wire::pair(UP, PEER, outside.namespace())?;
            join(UP.1, &of(NODE), &of(OUTSIDE), None)?;
            outside.inside(|| join(PEER.1, &of(OUTSIDE), &of(NODE), Some(NETWORKS)))?;
            Ok((here, outside))
        };
        let (here, outside) = wired().map_err(Fault::of("cannot make a link to an outside"))?;
        Ok(Self {
            node,
            runtime,
            families,
            here,
            outside,
            pods: Vec::new(),
        })
    }

    /// Has the plugin make a pod.
    pub(super) fn add(&mut self, asked: Asked) -> Result<(), Fault> {
        let place = Place::new(Vec::new()).map_err(Fault::of("cannot make a network namespace"))?;
        let result = self.runtime.add(&asked, &place)?;
        let endpoint = self.endpoint(&asked)?;
        let (ipv4, ipv6) = (endpoint.ipv4, endpoint.ipv6);
        let addresses = ipv4.map(IpAddr::V4).into_iter().chain(ipv6.map(IpAddr::V6));
        let pod = Pod {
            place: place.called(addresses.collect()),
            asked,
            result,
            endpoint,
        };
        if let Some(family) = self
            .families
            .iter()
            .find(|it| pod.place.address(**it).is_none())
        {
            let name = pod.asked.name;
            return Err(Fault::new(format!("pod {name} has no {family} address")));
        }
        self.pods.push(pod);
        Ok(())
    }

    fn endpoint(&self, asked: &Asked) -> Result<Endpoint, Fault> {
        let (entries, wanted) = (self.node.store()?.list()?, container(asked));
        let records = entries.iter().filter_map(crate::node::record);
        let mut endpoints = records.map(|record| &record.endpoint);
        let found = endpoints.find(|endpoint| endpoint.container_id == wanted);
        let name = asked.name;
        found
            .cloned()
            .ok_or_else(|| Fault::new(format!("ADD of pod {name} succeeded and made no endpoint")))
    }

    /// One of the pods.
    pub(super) fn pod(&self, name: &str) -> Result<&Pod, Fault> {
        let found = self.pods.iter().find(|pod| pod.asked.name == name);
        found.ok_or_else(|| Fault::new(format!("pod {name} is not there")))
    }

    /// Whether packets of a pod to the outside leave with the node's address.
    pub(super) fn is_hidden(&self, family: Family) -> bool {
        let native = &self.node.settings.host.native_cidrs;
        let outside = self.outside.address(family).map(Prefix::of);
        let is_native = outside.is_some_and(|it| native.iter().any(|native| native.contains(it)));
        self.runtime.is_masquerading() && !is_native
    }

    /// Puts these documents in force, as `weir policy apply` does.
    pub(super) fn apply(&self, documents: &str) -> Result<(), Fault> {
        let folder = &self.node.settings.paths.policy_dir;
        let file = folder.join("selftest.yaml");
        whole_file::write(&file, documents.as_bytes()).map_err(Failure::from)?;
        let documents = read_folder(folder).map_err(Failure::from)?;
        let store = self.node.store()?;
        let enforcement = Enforcement::new(&self.node.settings, &store);
        enforcement.apply(&documents).map_err(Failure::from)?;
        Ok(())
    }

    /// How many packets were dropped, by the code of the reason and the number of the direction.
    pub(super) fn drops(&self) -> Result<BTreeMap<(u8, u8), u64>, Fault> {
        let metrics = match maps(&self.node).metrics() {
            Err(MapsError::Missing { .. }) => return Ok(BTreeMap::new()),
            other => other?,
        };
        let counters = metrics.counters()?.into_iter();
        // Below are those of packets that go on, and of events.
        let drops = counters.filter(|it| it.reason >= LOWEST_DROP);
        Ok(drops
            .map(|it| ((it.reason, it.direction), it.packets))
            .collect())
    }
}

/// The lowest code of a reason in `bpf-src/lib/drop.h`.
const LOWEST_DROP: u8 = 130;

/// A pod with who it is, for messages.
impl Pod {
    /// Its address of a family.
    pub(super) fn address(&self, family: Family) -> Result<IpAddr, Fault> {
        let (name, found) = (self.asked.name, self.place.address(family));
        found.ok_or_else(|| Fault::new(format!("pod {name} has no {family} address")))
    }

    /// Asks another one over a protocol.
    pub(super) fn asks(
        &self,
        protocol: Protocol,
        other: &Self,
        port: u16,
        family: Family,
    ) -> Result<(), Fault> {
        let (own, at) = (self.address(family)?, other.address(family)?);
        let at = SocketAddr::new(at, port);
        let seen = talk::ask(protocol, (&self.place, own), (&other.place, at), at);
        let (name, from, to) = (protocol.name(), self.asked.name, other.asked.name);
        let what = format!("{name} from {from} {own} to {to} {at}");
        match seen.map_err(Fault::of(what.clone()))? {
            seen if seen == own => Ok(()),
            seen => Err(Fault::new(format!("{what} arrives from {seen}"))),
        }
    }
}

/// Gives an end of the link its addresses, and a way to the networks by its neighbours on the other end: to these, or to
/// everything.
fn join(
    index: u32,
    own: &[IpAddr],
    others: &[IpAddr],
    networks: Option<[&str; 2]>,
) -> std::io::Result<()> {
    for (address, bits) in own
        .iter()
        .map(|it| (*it, LENGTHS[usize::from(it.is_ipv6())]))
    {
        wire::add_address(index, address, bits)?;
    }
    wire::raise(index)?;
    for via in others {
        let network = networks.map(|both| both[usize::from(via.is_ipv6())].parse::<Prefix>());
        let network = network.transpose().map_err(std::io::Error::other)?;
        wire::add_route(network, *via, index)?;
    }
    Ok(())
}

/// Whether new devices of the calling thread's network namespace have IPv6. A kernel without it has no such file.
const NO_IPV6: &str = "/proc/sys/net/ipv6/conf/default/disable_ipv6";

/// The families that pods here have: those of the datapath, as far as the kernel lets devices have them.
pub(super) fn families(settings: &Settings) -> Vec<Family> {
    let is_known = |family| match family {
        Family::V4 => settings.node.ipv4,
        Family::V6 => {
            let off = std::fs::read_to_string(NO_IPV6);
            settings.node.ipv6 && off.is_ok_and(|off| off.trim() == "0")
        }
    };
    let all = Family::ALL.into_iter();
    all.filter(|family| is_known(*family)).collect()
}

/// Writes the node's configuration with the folders of the room. Devices and networks are those of the node, which has
/// others.
pub(super) fn configure(node: &Node, room: &Room) -> Result<Node, Failure> {
    let paths = [
        ("state_dir", room.state()),
        ("policy_dir", room.policies()),
        ("bpffs_dir", room.pins()),
        ("cgroup_dir", room.groups()),
        ("log_file", room.log()),
    ];
    node.write_elsewhere(&room.config(), &paths, |table| {
        if let Some(Value::Table(own)) = table.get_mut("node") {
            for key in ["devices", "pod_cidrs", "health"] {
                own.remove(key);
            }
        }
    })?;
    Node::load(Some(&room.config()))
}
