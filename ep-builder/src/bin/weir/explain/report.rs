//! An explanation as `-o json` gives it.

use std::net::IpAddr;

use ep_builder::endpoint::{Endpoint, EndpointId, Labels, Pod};
use ep_builder::events::packet::protocol;
use ep_builder::explain::{About, Content, Found, Judgement, LookUp, Packet};
use ep_builder::maps::{Direction, Ports, Traffic};
use ep_builder::policy::{Action, Holder, Origin, PolicyKind};
use serde::Serialize;

use super::ends::End;

/// All that is said.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Explanation {
    pub(super) verdict: Verdict,
    /// The pod that gets it.
    pub(super) delivered_to: Option<EndpointId>,
    pub(super) drop: Option<Dropped>,
    pub(super) from: Party,
    pub(super) to: Party,
    pub(super) packet: Described,
    pub(super) steps: Vec<Step>,
    /// The rule that decided, where one did.
    pub(super) rule: Option<Rule>,
    /// Where no rule allows it: the documents that ask for one.
    pub(super) isolated_by: Vec<Policy>,
    /// What to do about it.
    pub(super) advice: Option<String>,
    /// With other documents than those in force: what becomes of it now.
    pub(super) now: Option<Now>,
}

/// What becomes of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// A pod gets it.
    Delivered,
    /// The host's stack gets it.
    Stack,
    /// It leaves the node.
    Sent,
    /// The datapath answers it.
    Answered,
    /// It is dropped.
    Dropped,
}

/// What becomes of it now.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Now {
    pub(super) verdict: Verdict,
    /// The code of the reason.
    pub(super) reason: Option<u8>,
    /// Whether the documents make a difference.
    pub(super) changes: bool,
}

/// Why and where it is dropped.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Dropped {
    /// 0 is the node.
    pub(super) endpoint: Holder,
    pub(super) reason: u8,
    pub(super) name: String,
    pub(super) meaning: String,
    pub(super) direction: Option<Direction>,
    pub(super) file: Option<String>,
    pub(super) line: Option<u16>,
    pub(super) detail: u8,
    /// Whether the pod gets an error message of ICMP.
    pub(super) answered: bool,
}

/// An end.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Party {
    pub(super) kind: &'static str,
    pub(super) address: IpAddr,
    pub(super) id: Option<EndpointId>,
    pub(super) pod: Option<Pod>,
    pub(super) identity: Option<u32>,
    pub(super) labels: Labels,
}

/// The packet.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Described {
    pub(super) protocol: String,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) sport: Option<u16>,
    pub(super) dport: Option<u16>,
    pub(super) hop_limit: u8,
}

/// What the programs of one endpoint, or of the node, do with it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Step {
    /// 0 is the node.
    pub(super) endpoint: Holder,
    /// The device of the node at which the program stands; null at a pod's.
    pub(super) device: Option<String>,
    /// The program's section.
    pub(super) program: &'static str,
    /// Whether policy was asked, or a connection was known.
    pub(super) connection: &'static str,
    pub(super) judgements: Vec<Judged>,
    /// Where it goes from there.
    pub(super) end: String,
}

/// What a policy was asked.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Judged {
    pub(super) direction: Direction,
    pub(super) identity: u32,
    /// The network that its address is in; null for none that policy names.
    pub(super) network: Option<u32>,
    pub(super) protocol: String,
    pub(super) dport: u16,
    pub(super) revision: u32,
    pub(super) allowed: bool,
    /// Not allowed, and audit mode lets it pass.
    pub(super) audited: bool,
    /// Not allowed, and the node lets it pass all the same.
    pub(super) excuse: Option<Excuse>,
    pub(super) look_ups: Vec<LookedUp>,
}

/// Why the node lets pass what its policy does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Excuse {
    /// The port is always open.
    OpenPort,
    /// A server tells the node which address it has.
    Dhcp,
    /// The kernel has a socket for its session.
    Session,
}

/// One key, and what was found.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LookedUp {
    pub(super) about: &'static str,
    pub(super) key: Key,
    pub(super) found: Option<Entry>,
}

/// `policy_key`
#[derive(Serialize)]
pub(super) struct Key {
    prefixlen: u32,
    revision: u32,
    pub(super) identity: u32,
    direction: u8,
    protocol: u8,
    dport: u16,
}

/// The entry with the longest prefix of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    /// What it fixes of the protocol and the port; null what it leaves open.
    pub(super) protocol: Option<String>,
    pub(super) dport: Option<u16>,
    pub(super) dport_last: Option<u16>,
    pub(super) deny: bool,
    pub(super) rule: u32,
    pub(super) match_bits: u8,
    /// Whether it decided.
    pub(super) decided: bool,
}

/// A rule in its document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule {
    #[serde(rename = "rule")]
    pub(super) number: u32,
    pub(super) direction: Direction,
    pub(super) action: Action,
    #[serde(flatten)]
    pub(super) policy: Policy,
}

/// A document, or a place in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Policy {
    pub(super) kind: PolicyKind,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) file: String,
    pub(super) line: u32,
}

impl Rule {
    pub(super) fn new(number: u32, origin: &Origin) -> Self {
        Self {
            number,
            direction: origin.direction,
            action: origin.action,
            policy: Policy {
                kind: origin.kind,
                namespace: origin.namespace.clone(),
                name: origin.name.clone(),
                file: origin.place.file.to_string(),
                line: origin.place.line,
            },
        }
    }
}

impl Party {
    pub(super) fn new(end: &End, address: IpAddr) -> Self {
        let none = |kind| Self {
            kind,
            address,
            id: None,
            pod: None,
            identity: None,
            labels: Labels::default(),
        };
        match end {
            End::Pod(endpoint) => Self::pod(endpoint, address),
            End::Host(_) => none("host"),
            End::Outside(_) => none("outside"),
        }
    }

    fn pod(endpoint: &Endpoint, address: IpAddr) -> Self {
        Self {
            kind: "pod",
            address,
            id: Some(endpoint.id),
            pod: endpoint.pod.clone(),
            identity: Some(endpoint.identity),
            labels: endpoint.labels.clone(),
        }
    }
}

impl Described {
    pub(super) fn new(packet: &Packet) -> Self {
        let ports = packet.content.ports();
        Self {
            protocol: match packet.content {
                Content::Echo { .. } => "echo".to_owned(),
                _ => protocol(packet.protocol()),
            },
            source: packet.addresses.from(),
            destination: packet.addresses.to(),
            sport: ports.map(|ports| ports.0),
            dport: ports.map(|ports| ports.1),
            hop_limit: packet.hop_limit,
        }
    }
}

impl Judged {
    pub(super) fn new(judgement: &Judgement, has_passed: bool, excuse: Option<Excuse>) -> Self {
        let is_excused = has_passed && !judgement.allows();
        Self {
            direction: judgement.direction,
            identity: judgement.identity,
            network: (judgement.network != 0).then_some(judgement.network),
            protocol: protocol(judgement.protocol),
            dport: judgement.port,
            revision: judgement.revision,
            allowed: judgement.allows(),
            audited: is_excused && excuse.is_none(),
            excuse: excuse.filter(|_| is_excused),
            look_ups: judgement.look_ups.iter().map(LookedUp::new).collect(),
        }
    }
}

impl LookedUp {
    fn new(look_up: &LookUp) -> Self {
        let key = look_up.key;
        Self {
            about: match look_up.about {
                About::Identity => "identity",
                About::Network => "network",
                About::Anybody => "anybody",
            },
            key: Key {
                prefixlen: key.prefixlen,
                revision: key.revision,
                identity: key.identity,
                direction: key.direction,
                protocol: key.protocol,
                dport: u16::from_be(key.dport),
            },
            found: look_up.found.as_ref().map(Entry::new),
        }
    }
}

impl Entry {
    fn new(found: &Found) -> Self {
        let (number, ports) = match found.rule.traffic {
            Traffic::Any => (None, None),
            Traffic::Protocol(number) => (Some(number), None),
            Traffic::Ports(ports) => (Some(ports.protocol), Some(ports)),
        };
        Self {
            protocol: number.map(protocol),
            dport: ports.map(|ports| ports.first & ports.last()),
            dport_last: ports.map(Ports::last),
            deny: found.decision.deny,
            rule: found.decision.rule,
            match_bits: found.rule.traffic.match_bits(),
            decided: found.decided,
        }
    }
}
