//! Who reaches whom, and who cannot pass for somebody else.

use std::net::{IpAddr, SocketAddr};

use ep_builder::maps::Prefix;

use super::Said;
use super::make::{CLIENT, GUEST, GUEST_PORT, HOST_PORT, SERVER};
use crate::health::{Echo, ping};
use crate::selftest::fault::Fault;
use crate::selftest::place::{Family, Place};
use crate::selftest::plugin::NETWORKS;
use crate::selftest::talk::{Protocol, ask, gets_through};
use crate::selftest::wire;
use crate::selftest::world::World;

/// The port that servers listen on here.
const PORT: u16 = 8_080;
/// `DROP_INVALID_SOURCE_IP` of `bpf-src/lib/drop.h`.
const INVALID_SOURCE: u8 = 132;

/// A place with its address, for messages.
type End<'a> = (&'a str, &'a Place, IpAddr);

/// Two pods, both ways.
pub(super) fn pods(world: &mut World) -> Result<Said, Fault> {
    let (client, server) = (world.pod(CLIENT)?, world.pod(SERVER)?);
    for family in world.families.iter().copied() {
        for (from, to) in [(client, server), (server, client)] {
            pings((from.asked.name, &from.place), to.address(family)?)?;
            for protocol in Protocol::ALL {
                from.asks(protocol, to, PORT, family)?;
            }
        }
    }
    Ok(Said::Proved(format!(
        "ping, TCP and UDP between two pods, both ways, by {}",
        names(world)
    )))
}

/// A pod that sends from an address that it was not given.
pub(super) fn spoofing(world: &mut World) -> Result<Said, Fault> {
    let (client, server) = (world.pod(CLIENT)?, world.pod(SERVER)?);
    for family in world.families.iter().copied() {
        let before = counted(world, INVALID_SOURCE)?;
        let (stranger, bits) = stranger(family)?;
        let at = SocketAddr::new(server.address(family)?, PORT);
        let tried = client.place.inside(|| {
            wire::add_address(wire::LOOPBACK, stranger, bits)?;
            let arrived = gets_through(
                Protocol::Udp,
                (&client.place, stranger),
                (&server.place, at),
            );
            wire::remove_address(wire::LOOPBACK, stranger, bits)?;
            arrived
        });
        let what = format!("a datagram of the client's from {stranger}, which is not its address,");
        if tried.map_err(Fault::of(format!("cannot send {what}")))? {
            return Err(Fault::new(format!("{what} reached the server")));
        }
        if counted(world, INVALID_SOURCE)? == before {
            return Err(Fault::new(format!(
                "{what} did not arrive, and was not counted with that reason"
            )));
        }
    }
    Ok(Said::Proved(format!(
        "a foreign source address is refused and counted, by {}",
        names(world)
    )))
}

/// An address of the pods' network that nobody has, and its length.
fn stranger(family: Family) -> Result<(IpAddr, u8), Fault> {
    let network: Result<Prefix, _> = match family {
        Family::V4 => NETWORKS[0].parse(),
        Family::V6 => NETWORKS[1].parse(),
    };
    let network = network.map_err(|error| Fault::new(error.to_string()))?;
    Ok(match network.address() {
        IpAddr::V4(v4) => ((v4 | std::net::Ipv4Addr::new(0, 0, 0, 200)).into(), 32),
        IpAddr::V6(v6) => ((v6.to_bits() | 0xbad).to_be_bytes().into(), 128),
    })
}

/// How many packets were dropped for a reason, in either direction.
pub(super) fn counted(world: &World, reason: u8) -> Result<u64, Fault> {
    let drops = world.drops()?.into_iter();
    Ok(drops
        .filter(|((it, _), _)| *it == reason)
        .map(|(_, packets)| packets)
        .sum())
}

/// The node and a pod.
pub(super) fn node(world: &mut World) -> Result<Said, Fault> {
    let server = world.pod(SERVER)?;
    for family in world.families.iter().copied() {
        let own = address(&world.here, "the node", family)?;
        let pod = server.address(family)?;
        pings(("the node", &world.here), pod)?;
        pings((SERVER, &server.place), own)?;
        for protocol in Protocol::ALL {
            let (node, server) = (("the node", &world.here, own), (SERVER, &server.place, pod));
            arrives(protocol, server, node)?;
            // Which of its addresses the node takes to speak to a pod is its own affair.
            reaches(protocol, node, (server, PORT), SocketAddr::new(pod, PORT))?;
        }
    }
    Ok(Said::Proved(format!(
        "ping, TCP and UDP between the node and a pod, both ways, by {}",
        names(world)
    )))
}

/// A pod and somebody outside.
pub(super) fn outside(world: &mut World) -> Result<Said, Fault> {
    let client = world.pod(CLIENT)?;
    let mut seen = Vec::new();
    for family in world.families.iter().copied() {
        let own = client.address(family)?;
        let node = address(&world.here, "the node", family)?;
        let there = address(&world.outside, "the outside", family)?;
        let wanted = if world.is_hidden(family) { node } else { own };
        for protocol in Protocol::ALL {
            let at = SocketAddr::new(there, PORT);
            let what = format!("{} from {CLIENT} {own} to outside {at}", protocol.name());
            let found = ask(protocol, (&client.place, own), (&world.outside, at), at);
            let found = found.map_err(Fault::of(what.clone()))?;
            if found != wanted {
                return Err(Fault::new(format!(
                    "{what} arrives from {found}, and not from {wanted}"
                )));
            }
        }
        seen.push(format!(
            "{family} with the {} address",
            if wanted == node {
                "node's"
            } else {
                "pod's own"
            }
        ));
    }
    Ok(Said::Proved(format!(
        "TCP and UDP from a pod to the outside and back, by {}",
        seen.join(", by ")
    )))
}

/// A port of the node that leads to a pod.
pub(super) fn host_port(world: &mut World) -> Result<Said, Fault> {
    if !world.runtime.has_host_ports() {
        return Ok(Said::Skipped(format!(
            "the network configuration {} does not offer portMappings",
            world.runtime.source()
        )));
    }
    let (guest, client) = (world.pod(GUEST)?, world.pod(CLIENT)?);
    for family in world.families.iter().copied() {
        let node = address(&world.here, "the node", family)?;
        let there = address(&world.outside, "the outside", family)?;
        let port = SocketAddr::new(node, HOST_PORT);
        let behind = (GUEST, &guest.place, guest.address(family)?);
        let leads_to = (behind, GUEST_PORT);
        for protocol in Protocol::ALL {
            reaches(protocol, ("outside", &world.outside, there), leads_to, port)?;
        }
        let others = [
            ("the node", &world.here, node),
            (CLIENT, &client.place, client.address(family)?),
        ];
        for from in others {
            reaches(Protocol::Tcp, from, leads_to, port)?;
        }
    }
    Ok(Said::Proved(format!(
        "a port of the node leads to its pod: from outside by TCP and UDP, from the node and another pod, by {}",
        names(world)
    )))
}

/// Has one end ask another at its own address, and be seen with its own.
fn arrives(protocol: Protocol, from: End<'_>, to: End<'_>) -> Result<(), Fault> {
    let at = SocketAddr::new(to.2, PORT);
    match reaches(protocol, from, (to, PORT), at)? {
        seen if seen == from.2 => Ok(()),
        seen => {
            let (name, own) = (protocol.name(), from.2);
            let what = format!("{name} from {} {own} to {} {at}", from.0, to.0);
            Err(Fault::new(format!("{what} arrives from {seen}")))
        }
    }
}

/// Has one end ask whoever is behind an address; it must be the other one, at a port of its own. Whom that one saw.
fn reaches(
    protocol: Protocol,
    from: End<'_>,
    (to, port): (End<'_>, u16),
    dial: SocketAddr,
) -> Result<IpAddr, Fault> {
    let at = SocketAddr::new(to.2, port);
    let seen = ask(protocol, (from.1, from.2), (to.1, at), dial);
    seen.map_err(Fault::of(format!(
        "{} from {} {} to {} by {dial}",
        protocol.name(),
        from.0,
        from.2,
        to.0
    )))
}

fn pings((name, from): (&str, &Place), to: IpAddr) -> Result<(), Fault> {
    let what = format!("ping from {name} to {to}");
    match from
        .inside(|| Ok(ping(to)))
        .map_err(Fault::of(what.clone()))?
    {
        Echo::Answered(_) => Ok(()),
        Echo::Silence => Err(Fault::new(format!("{what}: no answer"))),
        Echo::Unasked(error) => Err(Fault::of(what)(error)),
    }
}

fn address(place: &Place, name: &str, family: Family) -> Result<IpAddr, Fault> {
    let found = place.address(family);
    found.ok_or_else(|| Fault::new(format!("{name} has no {family} address")))
}

fn names(world: &World) -> String {
    let names: Vec<_> = world.families.iter().map(ToString::to_string).collect();
    names.join(" and ")
}
