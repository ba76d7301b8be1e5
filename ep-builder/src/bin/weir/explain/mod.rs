//! `weir explain`: what would become of a packet, and why.

mod answer;
mod book;
mod cast;
mod ends;
mod excuse;
mod host_port;
mod report;
mod scene;
mod text;

use ep_builder::endpoint::Endpoint;
use ep_builder::explain::{Addresses, Content, Packet, SYN, Sender};
use serde_json::Value;

use answer::{Answer, Case};
use book::Books;
use cast::Cast;
use report::{Described, Explanation, Now, Party};
use scene::Scene;

use crate::bpf::names::vocabulary;
use crate::cli::{Explain, PortProtocol};
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::Screen;

/// The identifier of an echo request.
const ECHO: u16 = 1;
/// A port of those that systems take for connections of their own (RFC 6335, 6).
const SOURCE_PORT: u16 = 49_152;

pub(crate) fn run(arguments: &Explain, node: &Node, screen: &Screen) -> Result<(), Failure> {
    let explanation = explain(arguments, node)?;
    screen.object(&explanation, &text::lines(&explanation))
}

/// The same, for who asks on behalf of another command.
pub(crate) fn explain_as_json(arguments: &Explain, node: &Node) -> Result<Value, Failure> {
    let explanation = explain(arguments, node)?;
    serde_json::to_value(&explanation).map_err(|error| Failure::Print(error.into()))
}

fn explain(arguments: &Explain, node: &Node) -> Result<Explanation, Failure> {
    let endpoints = ends::endpoints(node)?;
    let from = ends::sender(&arguments.from, &endpoints)?;
    let to = ends::receiver(&arguments.to.who, &endpoints)?;
    let addresses = ends::addresses((&from, &to), &families(arguments), arguments.source)?;
    let mut packet = packet(arguments, addresses)?;
    let is_tried = !arguments.policy.is_empty();
    let cast = Cast::of(node, &endpoints, (&from, &to), &packet, is_tried)?;
    let scene = Scene::set(node, &cast, is_tried)?;
    if arguments.established {
        packet = scene.recall(&packet, arguments.source_port)?;
    }
    let (answer, now) = answers(arguments, &scene, &endpoints, cast.sender, &packet)?;
    Ok(Explanation {
        now,
        verdict: answer.verdict,
        delivered_to: answer.delivered_to,
        drop: answer.drop,
        from: Party::new(&from, addresses.from()),
        to: Party::new(&to, addresses.to()),
        packet: Described::new(&packet),
        steps: answer.steps,
        rule: answer.rule,
        isolated_by: answer.isolated_by,
        advice: answer.advice,
    })
}

/// What becomes of the packet under the policy in question; under another one than that in force, with what
/// becomes of it now.
fn answers(
    arguments: &Explain,
    scene: &Scene<'_>,
    endpoints: &[Endpoint],
    sender: Sender,
    packet: &Packet,
) -> Result<(Answer, Option<Now>), Failure> {
    let vocabulary = vocabulary(scene.node());
    let case = Case {
        packet,
        is_established: arguments.established,
    };
    let answer = |books: &Books| -> Result<Answer, Failure> {
        let way = scene.twins.send(sender, packet)?;
        Answer::new(case, &way, scene, books, &vocabulary)
    };
    let now = answer(&scene.books()?)?;
    if arguments.policy.is_empty() {
        return Ok((now, None));
    }
    let books = scene.change_policy(&arguments.policy, endpoints)?;
    scene.twins.forget()?;
    if arguments.established {
        scene.recall(packet, packet.content.ports().map(|ports| ports.0))?;
    }
    let then = answer(&books)?;
    let now = Now {
        changes: differs(&now, &then),
        verdict: now.verdict,
        reason: now.drop.map(|drop| drop.reason),
    };
    Ok((then, Some(now)))
}

fn differs(now: &Answer, then: &Answer) -> bool {
    let outcome = |answer: &Answer| {
        let reason = answer.drop.as_ref().map(|drop| drop.reason);
        (answer.verdict, answer.delivered_to, reason)
    };
    outcome(now) != outcome(then)
}

/// The families in question, the first one first; true is IPv6.
fn families(arguments: &Explain) -> Vec<bool> {
    match (arguments.ipv4, arguments.ipv6) {
        (true, _) => vec![false],
        (_, true) => vec![true],
        _ => vec![false, true],
    }
}

fn packet(arguments: &Explain, addresses: Addresses) -> Result<Packet, Failure> {
    let sport = arguments.source_port.unwrap_or(SOURCE_PORT);
    let content = match (arguments.to.port, arguments.protocol) {
        (Some(_), Some(_)) => {
            return Err(Failure::Input(
                "--protocol is for protocols without ports: say tcp, udp or sctp behind the port"
                    .to_owned(),
            ));
        }
        (Some((dport, PortProtocol::Tcp)), None) => Content::Tcp {
            sport,
            dport,
            flags: SYN,
        },
        (Some((dport, PortProtocol::Udp)), None) => Content::Udp { sport, dport },
        (Some((dport, PortProtocol::Sctp)), None) => Content::Sctp { sport, dport },
        (None, Some(number)) => Content::Other(number),
        (None, None) => Content::Echo {
            identifier: ECHO,
            is_reply: false,
        },
    };
    Ok(Packet {
        addresses,
        hop_limit: arguments.ttl,
        content,
    })
}
