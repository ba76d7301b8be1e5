//! `weir endpoint compile`: the pipeline offline, with what each stage took.

use std::process::ExitCode;

use ep_builder::builder::{Built, Origin};
use ep_builder::elf::Content;
use ep_builder::endpoint::{Endpoint, EndpointId};
use ep_builder::patch::EndpointObject;
use ep_builder::state::{EndpointRecord, PolicyState, StateError};
use ep_builder::timeline::Timeline;
use ep_builder::whole_file;
use serde::Serialize;

use super::source;
use crate::cli::EndpointCompile;
use crate::failure::Failure;
use crate::node::Node;
use crate::progress::readable;
use crate::screen::{Screen, talk};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    id: EndpointId,
    template: String,
    origin: &'static str,
    object_size: usize,
    /// The generation it was kept as.
    generation: Option<u64>,
    /// With `--direct`: what differs from the patched template; empty when nothing does.
    differences: Option<Vec<String>>,
    stages: Vec<Stage>,
    total_us: u128,
}

#[derive(Serialize)]
struct Stage {
    stage: &'static str,
    us: u128,
}

/// Exit code 1 when the direct object is not equivalent to the patched one.
pub(super) fn run(
    node: &Node,
    arguments: &EndpointCompile,
    screen: &Screen,
) -> Result<ExitCode, Failure> {
    let mut timeline = Timeline::default();
    let endpoint = source::read(node, &arguments.endpoint)?;
    timeline.mark("endpoint");
    let builder = node.builder()?;
    timeline.mark("sources");
    let (built, direct) = if arguments.direct {
        let direct = builder.build_direct(&endpoint, &mut timeline)?;
        // The comparison is not what is timed.
        (
            builder.build(&endpoint, &mut Timeline::default())?,
            Some(direct),
        )
    } else {
        (builder.build(&endpoint, &mut timeline)?, None)
    };
    for notice in &built.notices {
        talk(&format!("note: {notice}"));
    }
    let object = direct.as_ref().unwrap_or(&built.object);
    if let Some(path) = &arguments.object {
        whole_file::write_output(path, object.bytes())?;
        timeline.mark("write object");
    }
    let mut generation = None;
    if arguments.save {
        generation = Some(save(node, endpoint.clone(), &built)?);
        timeline.mark("state");
    }
    let differences = direct
        .as_ref()
        .map(|direct| compare(&built.object, direct))
        .transpose()?;
    let equivalent = differences.as_ref().is_none_or(Vec::is_empty);
    let report = Report {
        id: endpoint.id,
        template: built.key.to_string(),
        origin: origin(&built.origin, arguments.direct),
        object_size: object.bytes().len(),
        generation,
        differences,
        stages: timeline
            .stages()
            .iter()
            .map(|(stage, time)| Stage {
                stage,
                us: time.as_micros(),
            })
            .collect(),
        total_us: timeline.total().as_micros(),
    };
    screen.object(&report, &lines(&report, &timeline))?;
    Ok(ExitCode::from(u8::from(!equivalent)))
}

fn origin(origin: &Origin, direct: bool) -> &'static str {
    match origin {
        _ if direct => "direct",
        Origin::Cache => "cache",
        Origin::Bundle => "bundle",
        Origin::Compiled(_) => "compiled",
    }
}

fn compare(patched: &EndpointObject, direct: &EndpointObject) -> Result<Vec<String>, Failure> {
    let content = |object: &EndpointObject| {
        Content::read(object.bytes())
            .map_err(|error| Failure::Input(format!("the object cannot be read: {error}")))
    };
    Ok(content(patched)?.differences(&content(direct)?))
}

/// Keeps the object as the endpoint's next generation; a new endpoint claims the id it was described with.
fn save(node: &Node, endpoint: Endpoint, built: &Built) -> Result<u64, Failure> {
    let store = node.store()?;
    if let Ok(live) = store.read(endpoint.id) {
        let live = live.record.endpoint;
        if (&live.container_id, &live.ifname) != (&endpoint.container_id, &endpoint.ifname) {
            return Err(Failure::Input(format!(
                "endpoint {} belongs to interface {:?} of container {:?}: describe the new one with a free id",
                endpoint.id, live.ifname, live.container_id
            )));
        }
    }
    let next = match store.begin(endpoint.id) {
        Err(StateError::Missing { .. }) => store.claim_id(endpoint.id)?.begin()?,
        begun => begun?,
    };
    let record = EndpointRecord::new(endpoint, Some(built.key), PolicyState::default());
    let committed = next
        .write(built.object.bytes(), &built.header, record)?
        .commit()?;
    Ok(committed.record.generation)
}

fn lines(report: &Report, timeline: &Timeline) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("endpoint", report.id.to_string()),
        (
            "template",
            format!("{} ({})", report.template, report.origin),
        ),
        ("object", format!("{} bytes", report.object_size)),
    ];
    if let Some(generation) = report.generation {
        lines.push(("generation", generation.to_string()));
    }
    match report.differences.as_deref() {
        None => {}
        Some([]) => lines.push((
            "equivalent",
            "yes: the patched template does the same".to_owned(),
        )),
        Some(differences) => {
            lines.extend(differences.iter().map(|line| ("DIFFERENT", line.clone())));
        }
    }
    lines.extend(
        timeline
            .stages()
            .iter()
            .map(|(stage, time)| (*stage, readable(*time))),
    );
    lines.push(("total", readable(timeline.total())));
    lines
}
