//! Ports of the node that lead to pods: what goes there is none of the node's own, so no policy of the node judges it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ep_builder::endpoint::Endpoint;
use ep_builder::events::packet::protocol;
use ep_builder::explain::Packet;
use ep_builder::maps::{HostPortsMap, Lead, MapsError, NodePort};
use ep_builder::sock::{NetnsMap, Owner, Sockets};

use super::ends::End;
use crate::failure::Failure;
use crate::map::maps;
use crate::node::Node;

/// The protocols whose sockets are led (`bpf-src/lib/sock_port.h`); packets from outside are in any with ports.
const OF_SOCKETS: [u8; 2] = [6, 17];

/// Refuses a packet to the node that a host port leads to a pod, with the question to ask instead.
pub(super) fn refuse_host_port(
    node: &Node,
    endpoints: &[Endpoint],
    from: &End,
    packet: &Packet,
) -> Result<(), Failure> {
    let Some((_, port)) = packet.content.ports() else {
        return Ok(());
    };
    let ports = match maps(node).host_ports() {
        Ok(ports) => ports,
        Err(MapsError::Missing { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let host = SocketAddr::new(asked(from, packet.addresses.to()), port);
    let Some((port, lead)) = lead(&ports, host, packet.protocol())? else {
        return Ok(());
    };
    let is_led = match from {
        End::Outside(_) => has_address(node, host.ip())?,
        End::Host(_) | End::Pod(_) => {
            OF_SOCKETS.contains(&packet.protocol())
                && is_ours(node, from, host.ip())?
                && are_led(node, endpoints, from)?
        }
    };
    if !is_led {
        return Ok(());
    }
    Err(Failure::Input(format!(
        "{port} is a host port: it leads to {} of endpoint {}, whose policy judges: ask with --to {}/{}",
        lead.pod,
        lead.id,
        lead.pod,
        protocol(port.protocol)
    )))
}

/// To connect to no address is to connect to the loopback one; only sockets do.
fn asked(from: &End, to: IpAddr) -> IpAddr {
    match (from, to) {
        (End::Outside(_), _) => to,
        (_, IpAddr::V4(Ipv4Addr::UNSPECIFIED)) => Ipv4Addr::LOCALHOST.into(),
        (_, IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => Ipv6Addr::LOCALHOST.into(),
        _ => to,
    }
}

/// The port that names the address, else the one that names none: their order in the datapath.
fn candidates(host: SocketAddr, protocol: u8) -> [NodePort; 2] {
    let every: IpAddr = match host {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    [host.ip(), every].map(|address| NodePort {
        host: SocketAddr::new(address, host.port()),
        protocol,
    })
}

fn lead(
    ports: &HostPortsMap,
    host: SocketAddr,
    protocol: u8,
) -> Result<Option<(NodePort, Lead)>, MapsError> {
    for port in candidates(host, protocol) {
        if let Some(lead) = ports.get(&port)? {
            return Ok(Some((port, lead)));
        }
    }
    Ok(None)
}

/// Whether who sends means this node by the address: by a loopback one a pod means itself.
fn is_ours(node: &Node, from: &End, address: IpAddr) -> Result<bool, Failure> {
    if address.is_loopback() {
        return Ok(matches!(from, End::Host(_)));
    }
    has_address(node, address)
}

/// Whether the programs know an address as the node's.
pub(super) fn has_address(node: &Node, address: IpAddr) -> Result<bool, Failure> {
    match maps(node).node_addresses() {
        Ok(addresses) => Ok(addresses.entries()?.contains_key(&address)),
        Err(MapsError::Missing { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether there are programs that lead the sender's sockets. Those of a pod that was attached by hand go where they ask.
fn are_led(node: &Node, endpoints: &[Endpoint], from: &End) -> Result<bool, Failure> {
    let programs = Sockets::new(&node.settings).programs()?;
    let Some(namespaces) = NetnsMap::find(&maps(node))? else {
        return Ok(false);
    };
    let owners = namespaces.entries()?;
    let is_known = owners.iter().any(|(_, owner)| match (from, owner) {
        (End::Pod(pod), Owner::Pod(id)) => {
            // A pod with several interfaces is known by one of them.
            let mut known = endpoints.iter().filter(|it| it.id == *id);
            known.any(|it| it.id == pod.id || it.container_id == pod.container_id)
        }
        (End::Host(_), Owner::Node) => true,
        _ => false,
    });
    Ok(is_known && programs.iter().any(|(_, id)| id.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_names_its_address_goes_first() {
        for (host, every) in [
            ("192.0.2.1:8080", "0.0.0.0:8080"),
            ("[2001:db8::1]:8080", "[::]:8080"),
        ] {
            let order = candidates(host.parse().unwrap(), 6).map(|port| port.to_string());
            assert_eq!(order, [host, every].map(|text| format!("{text}/tcp")));
        }
    }

    #[test]
    fn sockets_that_name_no_address_mean_the_loopback_one() {
        let somebody = End::Outside(None);
        for (from, to, meant) in [
            (&End::Host(None), "0.0.0.0", "127.0.0.1"),
            (&End::Host(None), "::", "::1"),
            (&End::Host(None), "192.0.2.1", "192.0.2.1"),
            (&somebody, "0.0.0.0", "0.0.0.0"),
        ] {
            let meant: IpAddr = meant.parse().unwrap();
            assert_eq!(asked(from, to.parse().unwrap()), meant, "{from:?} {to}");
        }
    }
}
