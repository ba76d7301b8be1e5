//! The command line of `weir bpf`.

use std::net::IpAddr;

use clap::{Args, Subcommand, ValueEnum};
use ep_builder::endpoint::EndpointId;
use ep_builder::maps::{Ports, Prefix, Traffic};
use ep_builder::policy::Holder;

#[derive(Subcommand)]
pub(crate) enum Bpf {
    /// The rules that endpoints enforce
    #[command(subcommand)]
    Policy(BpfPolicy),
    /// The connections that are tracked
    #[command(subcommand)]
    Ct(BpfCt),
    /// Who is behind an address
    #[command(subcommand)]
    Ipcache(BpfIpcache),
    /// The addresses of this node's endpoints
    #[command(subcommand)]
    Endpoint(BpfEndpoint),
    /// The counters of packets passed on and dropped
    #[command(subcommand)]
    Metrics(BpfMetrics),
    /// The connections whose addresses are translated between pods and the outside
    #[command(subcommand)]
    Nat(BpfNat),
    /// The ports of this node that lead to pods
    #[command(subcommand)]
    Ports(BpfPorts),
}

#[derive(Subcommand)]
pub(crate) enum BpfPolicy {
    /// List the rules of all endpoints, and of the node
    List,
    /// List the rules of one endpoint, or of the node
    Get {
        /// The endpoint's id, or `node`
        #[arg(value_parser = Holder::parse)]
        id: Holder,
    },
    /// Set a rule of an endpoint by hand; connections that it judges otherwise feel it at their next packet
    Set {
        #[command(flatten)]
        rule: RuleArguments,
        /// Deny what the rule is about, in place of allowing it
        #[arg(long)]
        deny: bool,
    },
    /// Remove a rule of an endpoint by hand
    Unset {
        #[command(flatten)]
        rule: RuleArguments,
    },
}

/// What a rule is about. What is left out, the rule leaves open.
#[derive(Args)]
pub(crate) struct RuleArguments {
    /// The endpoint's id
    #[arg(value_parser = EndpointId::parse)]
    pub(crate) id: EndpointId,
    /// What comes to the pod (ingress), or what leaves it (egress)
    #[arg(value_enum)]
    pub(crate) direction: RuleDirection,
    /// The identity at the other end; without it anybody
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) identity: u32,
    /// A protocol, or a port of one: tcp, 80/tcp, 53/udp
    #[arg(long, value_name = "PORT/PROTOCOL", value_parser = traffic, default_value = "any")]
    pub(crate) traffic: Traffic,
}

/// The direction of a rule, as the pod sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuleDirection {
    /// To the pod
    Ingress,
    /// From the pod
    Egress,
}

/// Reads `any`, `tcp` or `80/tcp`.
fn traffic(text: &str) -> Result<Traffic, String> {
    if text == "any" {
        return Ok(Traffic::Any);
    }
    let (port, name) = text
        .split_once('/')
        .map_or((None, text), |(port, name)| (Some(port), name));
    let protocol = match name {
        "tcp" => 6,
        "udp" => 17,
        "sctp" => 132,
        "icmp" => 1,
        "icmpv6" => 58,
        _ => return Err(format!("{name:?} is none of tcp, udp, sctp, icmp, icmpv6")),
    };
    match port.map(str::parse::<u16>) {
        None => Ok(Traffic::Protocol(protocol)),
        Some(Ok(port)) => Ok(Traffic::Ports(Ports::one(protocol, port))),
        Some(Err(error)) => Err(format!("no port: {error}")),
    }
}

#[derive(Subcommand)]
pub(crate) enum BpfCt {
    /// List the connections
    List {
        /// Only those that this address began
        #[arg(long, value_name = "ADDRESS")]
        from: Option<IpAddr>,
        /// Only those to this address
        #[arg(long, value_name = "ADDRESS")]
        to: Option<IpAddr>,
    },
}

#[derive(Subcommand)]
pub(crate) enum BpfIpcache {
    /// List the prefixes and their identities
    List,
    /// Show who the datapath takes an address or a network for
    Get {
        /// An address, or a network like 10.1.0.0/16
        prefix: Prefix,
    },
}

#[derive(Subcommand)]
pub(crate) enum BpfEndpoint {
    /// List the addresses and who has them
    List,
    /// Show who has an address
    Get {
        /// The address
        address: IpAddr,
    },
}

#[derive(Subcommand)]
pub(crate) enum BpfMetrics {
    /// List the counters
    List,
}

#[derive(Subcommand)]
pub(crate) enum BpfNat {
    /// List both halves of each connection
    List {
        /// Only those of this pod
        #[arg(long, value_name = "ADDRESS")]
        pod: Option<IpAddr>,
    },
    /// Forget connections: their next packet from a pod begins anew, under another port perhaps
    Flush {
        /// Only those of this pod
        #[arg(long, value_name = "ADDRESS")]
        pod: Option<IpAddr>,
    },
}

#[derive(Subcommand)]
pub(crate) enum BpfPorts {
    /// List the ports and the pods that they lead to
    List,
}
