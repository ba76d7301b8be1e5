//! Who is meant by a word, and between which addresses its packets go.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use ep_builder::endpoint::{Endpoint, EndpointId};
use ep_builder::explain::Addresses;

use crate::failure::Failure;
use crate::node::{Node, record};

/// Somebody outside of whom nothing is known: addresses that nobody has (RFC 5737, RFC 3849).
const SOMEBODY: (Ipv4Addr, Ipv6Addr) = (
    Ipv4Addr::new(192, 0, 2, 1),
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
);
/// The port of the service that discards; nothing is sent there.
const DISCARD: u16 = 9;

/// One end of a packet's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// A pod of this node.
    Pod(Box<Endpoint>),
    /// This node, by one of its addresses or by the one that it takes.
    Host(Option<IpAddr>),
    /// Somebody outside, with one address or with any.
    Outside(Option<IpAddr>),
}

/// The endpoints that are live.
pub(super) fn endpoints(node: &Node) -> Result<Vec<Endpoint>, Failure> {
    let entries = node.store()?.list()?;
    let records = entries.iter().filter_map(record);
    Ok(records.map(|record| record.endpoint.clone()).collect())
}

/// Who sends.
pub(super) fn sender(text: &str, endpoints: &[Endpoint]) -> Result<End, Failure> {
    match text {
        "host" => Ok(End::Host(None)),
        "world" => Ok(End::Outside(None)),
        _ => find(text, endpoints),
    }
}

/// Who is to get it.
pub(super) fn receiver(text: &str, endpoints: &[Endpoint]) -> Result<End, Failure> {
    match text {
        "host" | "world" => Err(Failure::Input(format!(
            "--to {text} is no address: name one, since policy may tell them apart"
        ))),
        _ => find(text, endpoints),
    }
}

fn find(text: &str, endpoints: &[Endpoint]) -> Result<End, Failure> {
    let pod = |endpoint: &Endpoint| End::Pod(Box::new(endpoint.clone()));
    if let Ok(address) = text.parse::<IpAddr>() {
        let mut owners = endpoints.iter().filter(|it| has(it, address));
        return Ok(owners.next().map_or_else(|| no_pod(address), pod));
    }
    let id = EndpointId::parse(text).ok();
    if let Some(endpoint) = endpoints.iter().find(|it| Some(it.id) == id) {
        return Ok(pod(endpoint));
    }
    let meant: Vec<_> = endpoints.iter().filter(|it| is_called(it, text)).collect();
    match meant.as_slice() {
        [endpoint] => Ok(pod(endpoint)),
        [] => Err(Failure::NotFound(format!(
            "no endpoint of this node is {text:?}, by id, as namespace/name, or by container: `weir endpoint list` shows those there are"
        ))),
        several => {
            let ids: Vec<_> = several.iter().map(|it| it.id.to_string()).collect();
            Err(Failure::Input(format!(
                "{text:?} is several endpoints: name one of them by its id, {}",
                ids.join(" or ")
            )))
        }
    }
}

/// The kernel lets sockets have the addresses of the node alone.
fn no_pod(address: IpAddr) -> End {
    match UdpSocket::bind((address, 0)) {
        Ok(_) => End::Host(Some(address)),
        Err(_) => End::Outside(Some(address)),
    }
}

fn has(endpoint: &Endpoint, address: IpAddr) -> bool {
    endpoint.ipv4.map(IpAddr::V4) == Some(address) || endpoint.ipv6.map(IpAddr::V6) == Some(address)
}

fn is_called(endpoint: &Endpoint, text: &str) -> bool {
    let pod = endpoint.pod.as_ref();
    let is_pod = |name: (&str, &str)| pod.is_some_and(|p| (&*p.namespace, &*p.name) == name);
    text.split_once('/').is_some_and(is_pod)
        || endpoint.container_id.starts_with(text)
        || endpoint.container_name == text
        || endpoint.host_ifname == text
}

/// Between which addresses a packet goes: of the family that was asked for, else of the first that both have.
pub(super) fn addresses(
    (from, to): (&End, &End),
    families: &[bool],
    source: Option<IpAddr>,
) -> Result<Addresses, Failure> {
    for is_ipv6 in families {
        let Some(to) = to.address(*is_ipv6, None) else {
            continue;
        };
        let from = match source {
            Some(source) => Some(source),
            None => from.address(*is_ipv6, Some(to)),
        };
        if let Some(addresses) = from.and_then(|from| Addresses::new(from, to)) {
            return Ok(addresses);
        }
    }
    Err(Failure::Input(
        "the two ends have no address of the same family".to_owned(),
    ))
}

impl End {
    /// Its address in a family, towards somebody.
    fn address(&self, is_ipv6: bool, towards: Option<IpAddr>) -> Option<IpAddr> {
        let address = match self {
            Self::Pod(endpoint) if is_ipv6 => endpoint.ipv6.map(IpAddr::V6),
            Self::Pod(endpoint) => endpoint.ipv4.map(IpAddr::V4),
            Self::Host(None) => towards.map(own_address),
            Self::Host(Some(address)) | Self::Outside(Some(address)) => Some(*address),
            Self::Outside(None) if is_ipv6 => Some(SOMEBODY.1.into()),
            Self::Outside(None) => Some(SOMEBODY.0.into()),
        };
        address.filter(|address| address.is_ipv6() == is_ipv6)
    }
}

/// The address that the node takes towards another one, as the kernel chooses it for a socket. Nothing is sent.
fn own_address(to: IpAddr) -> IpAddr {
    let (any, itself): (IpAddr, IpAddr) = match to {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::LOCALHOST.into()),
    };
    let chosen = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((to, DISCARD))?;
        socket.local_addr()
    });
    chosen.map_or(itself, |address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"id":7,"containerId":"abc123","containerName":"web","hostIfname":"lxc7","hostIfindex":9,
        "mac":"02:00:00:00:00:07","hostMac":"02:00:00:00:01:07","ipv4":"10.0.0.7","identity":300,
        "pod":{"namespace":"shop","name":"web-0"}}"#;

    fn pods() -> Vec<Endpoint> {
        let first: Endpoint = serde_json::from_str(RECORD).unwrap();
        let mut second = first.clone();
        second.id = EndpointId::new(8).unwrap();
        second.container_id = "abd999".to_owned();
        second.ipv4 = Some([10, 0, 0, 8].into());
        second.ipv6 = Some("fd00::8".parse().unwrap());
        second.pod.as_mut().unwrap().name = "db".to_owned();
        second.container_name.clear();
        second.host_ifname = "lxc8".to_owned();
        vec![first, second]
    }

    fn id(text: &str) -> Option<u16> {
        match sender(text, &pods()) {
            Ok(End::Pod(endpoint)) => Some(endpoint.id.get()),
            _ => None,
        }
    }

    #[test]
    fn a_pod_has_many_names() {
        for text in [
            "7",
            "00007",
            "shop/web-0",
            "abc",
            "abc123",
            "web",
            "lxc7",
            "10.0.0.7",
        ] {
            assert_eq!(id(text), Some(7), "{text}");
        }
        assert_eq!(id("fd00::8"), Some(8));
        let codes =
            ["ab", "9", "shop/x", "x"].map(|text| sender(text, &pods()).unwrap_err().code());
        assert_eq!(codes, [1, 4, 4, 4]);
    }

    #[test]
    fn who_is_no_pod_is_the_node_or_outside() {
        let somebody: IpAddr = "198.51.100.7".parse().unwrap();
        for (text, end) in [
            ("host", End::Host(None)),
            ("127.0.0.1", End::Host(Some([127, 0, 0, 1].into()))),
            ("world", End::Outside(None)),
            ("198.51.100.7", End::Outside(Some(somebody))),
        ] {
            assert_eq!(sender(text, &pods()).unwrap(), end, "{text}");
        }
        assert!(receiver("host", &pods()).is_err() && receiver("world", &pods()).is_err());
    }

    #[test]
    fn the_family_is_one_that_both_have() {
        let [first, second] = pods().try_into().unwrap();
        let (first, second) = (End::Pod(Box::new(first)), End::Pod(Box::new(second)));
        let world = End::Outside(None);
        let between = |from, to, families: &[bool]| {
            let found = addresses((from, to), families, None).ok()?;
            Some((found.from().to_string(), found.to().to_string()))
        };
        let both = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(
            between(&first, &second, &[false, true]),
            both("10.0.0.7", "10.0.0.8")
        );
        assert_eq!(between(&first, &second, &[true]), None);
        assert_eq!(
            between(&world, &second, &[true]),
            both("2001:db8::1", "fd00::8")
        );
        assert_eq!(
            between(&End::Host(None), &second, &[true]).unwrap().1,
            "fd00::8"
        );
    }
}
