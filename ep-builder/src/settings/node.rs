//! What the node itself gets: `[node]` of `weir.toml`.

use std::fmt;

use crate::maps::Prefix;
use crate::policy;

/// What is decided about the node's own devices and networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSettings {
    /// The devices that lead outside, by name; those of the default routes if there are none.
    pub devices: Vec<String>,
    /// Where pods keep their address: nothing is masqueraded on its way there.
    pub native_cidrs: Vec<Prefix>,
    /// The networks of the pods on this node; those that ADDs bring if there are none.
    pub pod_cidrs: Vec<Prefix>,
    /// Whether the node has a health endpoint.
    pub health: bool,
    /// The labels by which policy documents select the node, besides that of its name.
    pub labels: Vec<(String, String)>,
    /// What no policy of the node closes.
    pub firewall: FirewallSettings,
}

/// Ports that stay open whatever policy says of the node: whoever forgets one of these has lost the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirewallSettings {
    /// Ports of the node, for whoever asks.
    pub always_open_ingress: Vec<ServicePort>,
    /// Ports of others, for the node that asks.
    pub always_open_egress: Vec<ServicePort>,
}

impl Default for FirewallSettings {
    fn default() -> Self {
        let ports = |all: &[(u16, u8)]| {
            all.iter()
                .map(|&(port, protocol)| ServicePort { port, protocol })
                .collect()
        };
        Self {
            always_open_ingress: ports(&[
                (22, TCP),
                (179, TCP),
                (2_379, TCP),
                (2_380, TCP),
                (6_443, TCP),
                (10_250, TCP),
            ]),
            always_open_egress: ports(&[
                (53, UDP),
                (53, TCP),
                (67, UDP),
                (547, UDP),
                (179, TCP),
                (2_379, TCP),
                (2_380, TCP),
                (6_443, TCP),
            ]),
        }
    }
}

const TCP: u8 = 6;
const UDP: u8 = 17;
/// The protocols with ports that policy knows by name.
const PROTOCOLS: [(u8, &str); 3] = [(TCP, "tcp"), (UDP, "udp"), (132, "sctp")];

/// A port of the side that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServicePort {
    /// The port.
    pub port: u16,
    /// The number of the protocol.
    pub protocol: u8,
}

impl ServicePort {
    /// Reads it as `22/tcp`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (port, name) = text.split_once('/')?;
        let is_plain = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
        let (protocol, _) = PROTOCOLS.iter().find(|(_, known)| *known == name)?;
        Some(Self {
            port: port.parse().ok().filter(|_| is_plain)?,
            protocol: *protocol,
        })
    }
}

impl fmt::Display for ServicePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = PROTOCOLS
            .iter()
            .find(|(number, _)| *number == self.protocol);
        match known {
            Some((_, name)) => write!(f, "{}/{name}", self.port),
            None => write!(f, "{}/{}", self.port, self.protocol),
        }
    }
}

/// Reads a label as `key=value`.
pub(super) fn label(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    let is_one = policy::is_label_key(key) && policy::is_label_value(value);
    (is_one && key != policy::HOSTNAME_LABEL).then(|| (key.to_owned(), value.to_owned()))
}

/// The longest name of a device, as the kernel counts without the zero.
const LONGEST_NAME: usize = 15;

/// Whether the kernel would take this for the name of a device.
pub(super) fn is_device_name(name: &str) -> bool {
    let bad = |byte: u8| byte == b'/' || byte == b':' || byte == 0 || byte.is_ascii_whitespace();
    !matches!(name, "" | "." | "..") && name.len() <= LONGEST_NAME && !name.bytes().any(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_they_are_shown() {
        let of = FirewallSettings::default();
        for port in of.always_open_ingress.iter().chain(&of.always_open_egress) {
            assert_eq!(ServicePort::parse(&port.to_string()), Some(*port));
        }
        for (text, is_one) in [
            ("1/sctp", true),
            ("65535/udp", true),
            ("65536/udp", false),
            ("0/tcp", false),
            ("022/tcp", false),
            ("+22/tcp", false),
            ("22", false),
            ("22/TCP", false),
            ("22/icmp", false),
            ("ssh/tcp", false),
            ("/tcp", false),
        ] {
            assert_eq!(ServicePort::parse(text).is_some(), is_one, "{text}");
        }
    }

    #[test]
    fn labels_are_those_of_documents_and_the_name_is_nobodys_to_give() {
        for (text, is_one) in [
            ("role=edge", true),
            ("weir.dev/role=", true),
            ("role", false),
            ("=edge", false),
            ("role=a b", false),
            ("a/b/c=d", false),
            ("kubernetes.io/hostname=a", false),
        ] {
            assert_eq!(label(text).is_some(), is_one, "{text}");
        }
    }

    #[test]
    fn names_are_those_of_the_kernel() {
        for (name, is_one) in [
            ("eth0", true),
            ("bond0.4094", true),
            ("br-3f2a1c0d9e8b", true),
            ("br-3f2a1c0d9e8b7", false),
            ("", false),
            (".", false),
            ("..", false),
            ("a/b", false),
            ("a b", false),
            ("eth0:1", false),
            ("a\0b", false),
            ("a\tb", false),
        ] {
            assert_eq!(is_device_name(name), is_one, "{name:?}");
        }
    }
}
