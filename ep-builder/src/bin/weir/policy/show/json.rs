//! The same as JSON: everybody by number, and rows of numbers.

use ep_builder::endpoint::{EndpointId, Labels};
use ep_builder::events::packet::protocol;
use ep_builder::maps::Prefix;
use ep_builder::policy::Origin;
use serde::Serialize;

use super::super::reach::{Actor, Kind, Only, Relations, Row, What, ports};

/// Who may reach whom.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report<'a> {
    /// Null where no policy is in force, and for documents that are not.
    revision: Option<u32>,
    actors: Vec<Party<'a>>,
    /// All of `from` may open this to all of `to`, except what does not meet here: two outside, and the node and itself.
    /// What no row says is dropped.
    reach: Vec<Line<'a>>,
    /// The numbers of pods that nobody reaches, or only the node: `reach` says which.
    not_reached: Vec<usize>,
    /// Those of pods that reach nobody, or only the node.
    not_reaching: Vec<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Party<'a> {
    number: usize,
    kind: &'static str,
    name: String,
    namespace: Option<&'a str>,
    identity: u32,
    labels: &'a Labels,
    endpoints: &'a [EndpointId],
    /// Of one outside: the addresses, without networks within that are listed, too.
    network: Option<Prefix>,
    isolated_ingress: bool,
    isolated_egress: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    from: &'a [usize],
    to: &'a [usize],
    /// In words.
    text: String,
    /// In numbers: what is named by none of these passes if `others` does.
    traffic: Vec<Part>,
    /// Between which addresses; empty for all of both.
    only: Vec<Between>,
    /// By which rules; none where nothing isolates.
    rules: Vec<&'a Origin>,
    /// Rules that take something out of it.
    less: Vec<&'a Origin>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    /// Null for all protocols that have no part of their own.
    protocol: Option<String>,
    first: u16,
    last: u16,
}

/// Some of the addresses of two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Between {
    family: &'static str,
    /// Where the sender's address is, without networks within that are named, too; null: in no network that policy names.
    from: Option<Prefix>,
    /// Where the receiver's address is, likewise.
    to: Option<Prefix>,
}

pub(super) fn report<'a>(relations: &'a Relations, rows: &'a [Row]) -> Report<'a> {
    let [not_reached, not_reaching] = relations.closed(rows);
    let actors = relations.actors.iter().enumerate();
    let lines = rows.iter().filter_map(|row| {
        let what = relations.whats.get(row.what)?;
        Some(line(relations, row, what))
    });
    Report {
        revision: relations.revision,
        actors: actors.map(|(number, actor)| party(number, actor)).collect(),
        reach: lines.collect(),
        not_reached,
        not_reaching,
    }
}

fn party(number: usize, actor: &Actor) -> Party<'_> {
    let (kind, network) = match actor.kind {
        Kind::Pods => ("pods", None),
        Kind::Node => ("node", None),
        Kind::World => ("world", None),
        Kind::Network(network) => ("network", Some(network)),
    };
    Party {
        number,
        kind,
        name: actor.full_name(),
        namespace: Some(actor.namespace.as_str()).filter(|it| !it.is_empty()),
        identity: actor.identity,
        labels: &actor.labels,
        endpoints: &actor.endpoints,
        network,
        isolated_ingress: actor.isolates[0],
        isolated_egress: actor.isolates[1],
    }
}

fn line<'a>(relations: &'a Relations, row: &'a Row, what: &'a What) -> Line<'a> {
    let origins = |numbers: &[u32]| {
        let origins = numbers
            .iter()
            .filter_map(|number| relations.origin(*number));
        origins.collect()
    };
    let parts = what.traffic.passes.iter();
    Line {
        from: &row.from,
        to: &row.to,
        text: ports(&what.traffic),
        traffic: parts
            .map(|part| Part {
                protocol: part.protocol.map(protocol),
                first: part.first,
                last: part.last,
            })
            .collect(),
        only: between(what),
        rules: origins(&what.rules),
        less: origins(&what.against),
    }
}

/// Between which addresses something may pass; empty for all of both.
pub(crate) fn between(what: &What) -> Vec<Between> {
    let between = |only: &Only| Between {
        family: if only.is_v6 { "IPv6" } else { "IPv4" },
        from: only.from,
        to: only.to,
    };
    what.only.iter().map(between).collect()
}
