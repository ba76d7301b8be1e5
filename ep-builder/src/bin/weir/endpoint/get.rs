//! `weir endpoint get`

use ep_builder::endpoint::EndpointId;
use ep_builder::error::chain;
use ep_builder::options::EndpointOptions;
use ep_builder::state::Entry;
use serde::Serialize;

use super::list::Row;
use crate::failure::Failure;
use crate::map::maps;
use crate::node::{Node, record};
use crate::screen::Screen;

/// Everything about one endpoint.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole {
    #[serde(flatten)]
    row: Row,
    options: Option<EndpointOptions>,
    has_previous: bool,
    has_failed_build: bool,
    /// What is wrong with its files, looked at one by one.
    damage: Vec<String>,
}

pub(super) fn run(node: &Node, id: EndpointId, screen: &Screen) -> Result<(), Failure> {
    let store = node.store()?;
    let entries = store.list()?;
    let found = entries.iter().find_map(|entry| match entry {
        Entry::Endpoint {
            id: this,
            status,
            has_previous,
            has_failed_build,
        } if *this == id => Some((entry, status, *has_previous, *has_failed_build)),
        _ => None,
    });
    let Some((entry, status, has_previous, has_failed_build)) = found else {
        return Err(Failure::NotFound(format!(
            "there is no endpoint {id}: `weir endpoint list` shows those there are"
        )));
    };
    let record = record(entry);
    let whole = Whole {
        row: Row::new(id, status, record, &maps(node)),
        options: record.map(|r| r.endpoint.options.clone()),
        has_previous,
        has_failed_build,
        damage: store.verify(id).iter().map(|error| chain(error)).collect(),
    };
    screen.object(&whole, &lines(&whole))
}

fn lines(whole: &Whole) -> Vec<(&'static str, String)> {
    const NAMES: [&str; 16] = [
        "id",
        "state",
        "ipv4",
        "ipv6",
        "identity",
        "policy in/eg",
        "generation",
        "host interface",
        "template",
        "pod",
        "mac",
        "host mac",
        "host ifindex",
        "interface",
        "container",
        "bandwidth",
    ];
    let mut lines: Vec<_> = NAMES.into_iter().zip(whole.row.columns()).collect();
    let labels = whole.row.labels.iter().map(|l| {
        format!("{}:{}={}", l.source, l.key, l.value)
            .escape_debug()
            .to_string()
    });
    lines.extend(labels.map(|label| ("label", label)));
    let ports = whole.row.host_ports.iter();
    let ports = ports.map(|port| format!("{port} to port {}", port.container_port));
    lines.extend(ports.map(|port| ("host port", port)));
    if let Some(options) = &whole.options {
        let on = options.iter().filter(|(_, value)| *value > 0);
        lines.push((
            "options",
            on.map(|(spec, value)| format!("{}={value}", spec.name))
                .collect::<Vec<_>>()
                .join(" "),
        ));
    }
    lines.push((
        "previous generation",
        if whole.has_previous { "kept" } else { "none" }.to_owned(),
    ));
    lines.push((
        "failed build",
        if whole.has_failed_build {
            "kept, with its log"
        } else {
            "none"
        }
        .to_owned(),
    ));
    let problems = whole.row.problem.iter().chain(&whole.damage);
    lines.extend(problems.map(|problem| ("problem", problem.clone())));
    lines
}
