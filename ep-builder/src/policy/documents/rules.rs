//! Rules: who, and on which ports. The two kinds of policy share all but actions, entities, and what a selector of pods
//! means where no namespaces are selected beside it.

use super::cursor::{Cursor, Read, Reader, each};
use super::error::Problem;
use super::labels::selector;
use super::names::{PORT, is_port_name};
use super::networks::ip_block;
use crate::policy::{
    Action, Entity, Namespaces, Peer, PolicyRule, PortMatch, PortRule, Protocol, Selector, Target,
};

/// The fields of a port.
pub(super) const PORT_FIELDS: &[&str] = &["protocol", "port", "endPort"];
/// The fields of a peer in a `NetworkPolicy`.
pub(super) const PEER: &[&str] = &["podSelector", "namespaceSelector", "ipBlock"];
/// The fields of a peer in a `WeirPolicy`.
pub(super) const WEIR_PEER: &[&str] = &["podSelector", "namespaceSelector", "ipBlock", "entities"];
/// The entities; their order is that of [`entities`].
pub(super) const ENTITIES: &[&str] = &["host", "world", "all"];
/// The actions.
pub(super) const ACTIONS: &[&str] = &["allow", "deny"];
/// The protocols.
pub(super) const PROTOCOLS: &[&str] = &["TCP", "UDP", "SCTP"];

/// How rules of one direction of one kind are written.
#[derive(Clone, Debug)]
pub(super) struct Dialect {
    /// The fields of a rule.
    pub(super) rule: &'static [&'static str],
    /// The fields of a peer.
    pub(super) peer: &'static [&'static str],
    /// The field with the peers.
    pub(super) peers: &'static str,
    /// Where pods are that are selected without their namespaces.
    pub(super) home: Namespaces,
    /// Whom the rules are about.
    pub(super) owner: Owner,
}

/// Whom rules are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Pods,
    Node,
}

/// The rules of a direction. An empty list and none at all are the same.
pub(super) fn rules(
    reader: &mut Reader,
    at: Option<&Cursor<'_>>,
    dialect: &Dialect,
) -> Read<Vec<PolicyRule>> {
    let Some(at) = at else {
        return Ok(Vec::new());
    };
    let items = reader.items(at)?;
    each(items, |item| rule(reader, &item, dialect))
}

fn rule(reader: &mut Reader, at: &Cursor<'_>, dialect: &Dialect) -> Read<PolicyRule> {
    let fields = reader.fields(at, dialect.rule)?;
    let action = match fields.get("action") {
        None => Ok(0),
        Some(at) => reader.word(&at, ACTIONS),
    };
    let peers = fields.get(dialect.peers).map(|at| {
        let items = reader.items(&at)?;
        each(items, |item| peer(reader, &item, dialect))
    });
    let ports = fields.get("ports").map(|at| {
        let items = reader.items(&at)?;
        each(items, |item| port(reader, &item, dialect))
    });
    let (peers, ports) = (peers.transpose(), ports.transpose());
    Ok(PolicyRule {
        place: reader.place(at.line()),
        action: if action? == 0 {
            Action::Allow
        } else {
            Action::Deny
        },
        peers: peers?
            .map(|peers| peers.concat())
            .filter(|peers| !peers.is_empty()),
        ports: ports?.filter(|ports| !ports.is_empty()),
    })
}

/// What one item of `from` or `to` names. Only entities are several.
fn peer(reader: &mut Reader, at: &Cursor<'_>, dialect: &Dialect) -> Read<Vec<Peer>> {
    let fields = reader.fields(at, dialect.peer)?;
    let pods = fields.get("podSelector").map(|at| selector(reader, &at));
    let namespaces = fields
        .get("namespaceSelector")
        .map(|at| selector(reader, &at));
    let network = fields.get("ipBlock").map(|at| ip_block(reader, &at));
    let entities = fields.get("entities").map(|at| entities(reader, &at));
    let count = usize::from(pods.is_some() || namespaces.is_some())
        + usize::from(network.is_some())
        + usize::from(entities.is_some());
    let (pods, namespaces) = (pods.transpose(), namespaces.transpose());
    match (count, network, entities) {
        (1, Some(network), _) => Ok(vec![network?]),
        (1, _, Some(entities)) => {
            let entities = entities?;
            if dialect.owner == Owner::Node && entities.contains(&Peer::Entity(Entity::Host)) {
                reader.notice(at, "what the node says to itself is judged by nobody");
            }
            Ok(entities)
        }
        (1, ..) => {
            if dialect.owner == Owner::Node && dialect.peers == "to" {
                reader.notice(
                    at,
                    "the node reaches its own pods unjudged: their ingress is where to say it",
                );
            }
            let home = dialect.home.clone();
            Ok(vec![Peer::Pods(target(pods?, namespaces?, home))])
        }
        (0, ..) => Err(refuse_nobody(reader, at, dialect)),
        _ => {
            let alone = if dialect.peer == PEER {
                "ipBlock stands"
            } else {
                "ipBlock and entities each stand"
            };
            let text = format!("{alone} alone: make it another item of `{}`", dialect.peers);
            Err(reader.refuse(at, Problem::Contradiction(text)))
        }
    }
}

fn refuse_nobody(
    reader: &mut Reader,
    at: &Cursor<'_>,
    dialect: &Dialect,
) -> super::cursor::Refused {
    let names = dialect.peer.join(", ");
    let peers = dialect.peers;
    let text = format!("this names nobody: it takes {names}; for anybody, leave `{peers}` out");
    reader.refuse(at, Problem::Contradiction(text))
}

/// The pods that a pair of selectors means, where one that is absent selects all that the other one leaves.
pub(super) fn target(
    pods: Option<Selector>,
    namespaces: Option<Selector>,
    home: Namespaces,
) -> Target {
    Target {
        namespaces: namespaces.map_or(home, Namespaces::Labelled),
        pods: pods.unwrap_or_default(),
    }
}

fn entities(reader: &mut Reader, at: &Cursor<'_>) -> Read<Vec<Peer>> {
    let items = reader.items(at)?;
    if items.is_empty() {
        return Err(reader.refuse_value(at, "one or more of host, world, all"));
    }
    each(items, |item| {
        let entity = match reader.word(&item, ENTITIES)? {
            0 => Entity::Host,
            1 => Entity::World,
            _ => Entity::All,
        };
        Ok(Peer::Entity(entity))
    })
}

fn port(reader: &mut Reader, at: &Cursor<'_>, dialect: &Dialect) -> Read<PortRule> {
    let fields = reader.fields(at, PORT_FIELDS)?;
    let protocol = match fields.get("protocol") {
        None => Ok(0),
        Some(at) => reader.word(&at, PROTOCOLS),
    };
    let port = fields
        .get("port")
        .map(|at| port_match(reader, &at, dialect))
        .transpose();
    let end = fields
        .get("endPort")
        .map(|at| (reader.number(&at, "a number from 1 to 65535"), at));
    let matches = match (port?, end) {
        (None, None) => PortMatch::Any,
        (Some(port), None) => port,
        (Some(PortMatch::Range(first, _)), Some((last, at))) => range(reader, &at, first, last?)?,
        (port, Some((_, at))) => {
            let text = match port {
                Some(_) => "a range begins with a number: `port` is a name here",
                None => "a range needs `port`, its first number",
            };
            return Err(reader.refuse(&at, Problem::Contradiction(text.to_owned())));
        }
    };
    let protocol = match protocol? {
        0 => Protocol::Tcp,
        1 => Protocol::Udp,
        _ => Protocol::Sctp,
    };
    Ok(PortRule {
        protocol,
        port: matches,
    })
}

fn range(reader: &mut Reader, at: &Cursor<'_>, first: u16, last: u16) -> Read<PortMatch> {
    if last >= first {
        return Ok(PortMatch::Range(first, last));
    }
    let text = format!(
        "{last} is less than `port`, which is {first}: a range ends where it begins or above"
    );
    Err(reader.refuse(at, Problem::Contradiction(text)))
}

fn port_match(reader: &mut Reader, at: &Cursor<'_>, dialect: &Dialect) -> Read<PortMatch> {
    let Some(name) = at.as_text() else {
        let number = reader.number(at, PORT)?;
        return Ok(PortMatch::Range(number, number));
    };
    if is_port_name(name) && dialect.owner == Owner::Node {
        let text = "only pods have names for ports: write the number".to_owned();
        return Err(reader.refuse(at, Problem::Contradiction(text)));
    }
    if is_port_name(name) {
        return Ok(PortMatch::Named(name.to_owned()));
    }
    if name.parse::<u16>().is_ok_and(|number| number > 0) {
        let text = format!("\"{name}\" in quotes would be a name: write {name} for the number");
        return Err(reader.refuse(at, Problem::Contradiction(text)));
    }
    Err(reader.refuse_value(at, PORT))
}
