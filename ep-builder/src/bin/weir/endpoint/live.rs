//! The verbs that change what the kernel runs, but for `regenerate`: `attach`, `rollback`, `delete`; and `log`.

use ep_builder::endpoint::EndpointId;
use ep_builder::key::TemplateKey;
use ep_builder::lifecycle::{Endpoints, InForce, Removal};
use ep_builder::load::Retired;
use ep_builder::timeline::Timeline;
use serde::Serialize;

use super::source;
use crate::failure::Failure;
use crate::node::Node;
use crate::progress::readable;
use crate::screen::{Columns, Screen, talk};

/// A generation that came into force.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: EndpointId,
    generation: u64,
    device: String,
    template: Option<String>,
    programs: usize,
    verified_instructions: u64,
    total_us: u128,
    stages: Vec<(&'static str, u128)>,
}

impl Row {
    fn new(in_force: &InForce, timeline: &Timeline) -> Self {
        let InForce {
            record, installed, ..
        } = in_force;
        Self {
            id: record.endpoint.id,
            generation: record.generation,
            device: record.endpoint.host_ifname.clone(),
            template: record.template.map(TemplateKey::short),
            programs: installed.programs.len(),
            verified_instructions: installed.verified_instructions(),
            total_us: timeline.total().as_micros(),
            stages: timeline
                .stages()
                .iter()
                .map(|(stage, time)| (*stage, time.as_micros()))
                .collect(),
        }
    }

    fn columns(&self) -> Vec<String> {
        let time = |us: u128| {
            readable(std::time::Duration::from_micros(
                u64::try_from(us).unwrap_or(u64::MAX),
            ))
        };
        let stages: Vec<_> = self
            .stages
            .iter()
            .map(|(stage, us)| format!("{stage} {}", time(*us)))
            .collect();
        vec![
            self.id.to_string(),
            self.generation.to_string(),
            self.device.clone(),
            self.template.clone().unwrap_or_else(|| "-".to_owned()),
            self.programs.to_string(),
            self.verified_instructions.to_string(),
            time(self.total_us),
            stages.join(", "),
        ]
    }
}

const HEADINGS: &[&str] = &[
    "ID",
    "GEN",
    "IFACE",
    "TEMPLATE",
    "PROGRAMS",
    "VERIFIED INSNS",
    "TIME",
    "STAGES",
];

fn show(row: &Row, screen: &Screen) -> Result<(), Failure> {
    let columns = Columns {
        headings: HEADINGS,
        plain: 7,
        rows: vec![row.columns()],
        empty: "",
    };
    screen.list(&[row], &columns)
}

pub(super) fn attach(node: &Node, from: &str, screen: &Screen) -> Result<(), Failure> {
    let endpoint = source::read(node, from)?;
    let (builder, store) = (node.builder()?, node.store()?);
    let mut timeline = Timeline::default();
    let endpoints = Endpoints::new(&builder, &store);
    super::see_to_policy(&endpoints);
    let in_force = endpoints.attach(&endpoint, &mut timeline)?;
    notes(&in_force);
    show(&Row::new(&in_force, &timeline), screen)?;
    Retired::after_grace([in_force.installed.retired]);
    Ok(())
}

fn notes(in_force: &InForce) {
    for notice in &in_force.notices {
        talk(&format!("note: {notice}"));
    }
}

pub(super) fn roll_back(node: &Node, id: EndpointId, screen: &Screen) -> Result<(), Failure> {
    let (builder, store) = (node.builder()?, node.store()?);
    let mut timeline = Timeline::default();
    let endpoints = Endpoints::new(&builder, &store);
    super::see_to_policy(&endpoints);
    let generation = endpoints.roll_back(id, &mut timeline)?;
    let report = serde_json::json!({ "id": id, "generation": generation });
    screen.object(
        &report,
        &[
            ("endpoint", id.to_string()),
            ("generation", generation.to_string()),
        ],
    )
}

pub(super) fn delete(node: &Node, id: EndpointId, screen: &Screen) -> Result<(), Failure> {
    let deleted = Removal::new(&node.settings, &node.store()?).delete(id)?;
    let pins: Vec<_> = deleted
        .kernel
        .pins
        .iter()
        .map(|pin| pin.display().to_string())
        .collect();
    let report = serde_json::json!({
        "id": id,
        "programs": deleted.kernel.programs,
        "addresses": deleted.kernel.addresses,
        "connections": deleted.connections,
        "pins": pins,
    });
    let lines = [
        ("deleted", format!("endpoint {id}")),
        ("filters", deleted.kernel.programs.to_string()),
        ("addresses", deleted.kernel.addresses.to_string()),
        ("connections", deleted.connections.to_string()),
        ("pins", pins.join(" ")),
    ];
    screen.object(&report, &lines)
}

pub(super) fn log(node: &Node, id: EndpointId, screen: &Screen) -> Result<(), Failure> {
    if let Some(log) = node.store()?.read_log(id)? {
        return screen.data(&(log.trim_end().to_owned() + "\n"));
    }
    talk(&format!("the last build of endpoint {id} did not fail"));
    Ok(())
}
