//! The command line of `weir explain`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

/// A packet, described.
#[derive(Args)]
pub(crate) struct Explain {
    /// Who sends: a pod, by its endpoint's id, as namespace/name, by (the beginning of) its container's id or by its
    /// address; `host` for this node; `world`, or an address, for somebody outside
    #[arg(long, value_name = "POD|IP|host|world")]
    pub(crate) from: String,
    /// Who is to get it: a pod, or an address, of the node too. Without a port the packet is an echo request; the protocol of a port is
    /// tcp (the default), udp or sctp. An IPv6 address with a port stands in brackets
    #[arg(long, value_name = "POD|IP[:PORT[/PROTOCOL]]")]
    pub(crate) to: Destination,
    /// What these policy documents would do, in place of those in force
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) policy: Vec<PathBuf>,
    /// By IPv4, where both ends have both
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub(crate) ipv4: bool,
    /// By IPv6
    #[arg(short = '6', long)]
    pub(crate) ipv6: bool,
    /// A packet of another protocol, by its number: policy sees no ports of it
    #[arg(long, value_name = "NUMBER")]
    pub(crate) protocol: Option<u8>,
    /// From this address in place of the sender's own
    #[arg(long, value_name = "IP")]
    pub(crate) source: Option<IpAddr>,
    /// From this port
    #[arg(long, value_name = "PORT")]
    pub(crate) source_port: Option<u16>,
    /// With this hop limit
    #[arg(long, value_name = "HOPS", default_value_t = 64)]
    pub(crate) ttl: u8,
    /// The next packet of a connection that is tracked now, in place of the first one of a new connection. With
    /// --source-port also that of a session of the node that stood before it had a policy
    #[arg(long)]
    pub(crate) established: bool,
}

/// A receiver, and what it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    /// The pod or address, as it was written.
    pub(crate) who: String,
    /// The port with its protocol; none for an echo request.
    pub(crate) port: Option<(u16, PortProtocol)>,
}

/// A protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortProtocol {
    /// 6
    Tcp,
    /// 17
    Udp,
    /// 132
    Sctp,
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let whole = |who: &str| Self {
            who: who.to_owned(),
            port: None,
        };
        if text.parse::<IpAddr>().is_ok() {
            return Ok(whole(text));
        }
        let (who, rest) = match text.strip_prefix('[') {
            Some(inner) => inner.split_once(']').ok_or("the bracket is not closed")?,
            None => text.split_at(text.rfind(':').unwrap_or(text.len())),
        };
        if who.is_empty() {
            return Err("it names nobody".to_owned());
        }
        match rest.strip_prefix(':') {
            Some(port) => Ok(Self {
                port: Some(parse_port(port)?),
                ..whole(who)
            }),
            None if rest.is_empty() => Ok(whole(who)),
            None => Err(format!("{rest:?} behind the bracket is no port")),
        }
    }
}

fn parse_port(text: &str) -> Result<(u16, PortProtocol), String> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let number = port.parse().map_err(|_| {
        format!("{port:?} is no port: a number from 0 to 65535 stands behind the colon")
    })?;
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "tcp" => PortProtocol::Tcp,
        "udp" => PortProtocol::Udp,
        "sctp" => PortProtocol::Sctp,
        _ => {
            return Err(format!(
                "{protocol:?} has no ports here: tcp, udp and sctp have; for others leave the port out and say --protocol"
            ));
        }
    };
    Ok((number, protocol))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_read() {
        use PortProtocol::{Sctp, Tcp, Udp};
        for (text, who, port) in [
            ("12", "12", None),
            ("shop/db", "shop/db", None),
            ("shop/db:5432", "shop/db", Some((5432, Tcp))),
            ("shop/db:53/udp", "shop/db", Some((53, Udp))),
            ("12:9/SCTP", "12", Some((9, Sctp))),
            ("10.0.0.1:80/tcp", "10.0.0.1", Some((80, Tcp))),
            ("fd00::1", "fd00::1", None),
            ("fd00::1:80", "fd00::1:80", None),
            ("[fd00::1]:80", "fd00::1", Some((80, Tcp))),
            ("[fd00::1]", "fd00::1", None),
        ] {
            let who = who.to_owned();
            assert_eq!(text.parse(), Ok(Destination { who, port }), "{text}");
        }
    }

    #[test]
    fn what_is_no_receiver_is_refused() {
        for (text, says) in [
            ("", "nobody"),
            (":80", "nobody"),
            ("db:http", "no port"),
            ("db:65536", "no port"),
            ("db:80/icmp", "no ports here"),
            ("[fd00::1", "not closed"),
            ("[fd00::1]80", "behind the bracket"),
        ] {
            let error = text.parse::<Destination>().unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
