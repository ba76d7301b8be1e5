//! `weir show`: what stands where on this node, as a picture, a page, a table or data.

mod arcs;
mod columns;
mod fill;
mod gather;
mod group;
mod hooks;
mod layout;
mod page;
mod scene;
#[cfg(test)]
mod tests;
mod text;

use std::process::ExitCode;

use ep_builder::endpoint::EndpointId;
use ep_builder::maps::MapsError;
use ep_builder::policy::Holder;
use serde::Serialize;

use crate::bpf::{RuleRow, rules_of};
use crate::cli::Show;
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Columns, Format, Picture, Screen, talk};
use crate::status::Unseen;
use scene::Scene;

/// One endpoint in depth.
#[derive(Serialize)]
struct Depth {
    #[serde(flatten)]
    scene: Scene,
    /// The entries of its policy map.
    rules: Vec<RuleRow>,
}

/// Exit code 1 if something could not be looked at.
pub(crate) fn run(arguments: &Show, node: &Node, screen: &Screen) -> Result<ExitCode, Failure> {
    let scene = gather::gather(node);
    let depth = match arguments.id {
        Some(id) => of_endpoint(node, scene, id)?,
        None => Depth {
            scene,
            rules: Vec::new(),
        },
    };
    let scene = &depth.scene;
    match (screen.picture(), screen.format()) {
        (Some(Picture::Svg), _) => screen.data(&layout::draw(scene).svg())?,
        (Some(Picture::Html), _) => {
            let rules: Vec<_> = depth.rules.iter().map(RuleRow::columns).collect();
            screen.data(&page::html(scene, arguments.id, &rules))?;
        }
        (None, Format::Json | Format::Yaml) if arguments.id.is_some() => screen.value(&depth)?,
        (None, Format::Json | Format::Yaml) => screen.value(scene)?,
        (None, Format::Table | Format::Wide) => table(scene, screen)?,
    }
    for unseen in &scene.unseen {
        talk(&format!("weir: {}: {}", unseen.part, unseen.why));
    }
    Ok(ExitCode::from(u8::from(!scene.unseen.is_empty())))
}

fn of_endpoint(node: &Node, scene: Scene, id: EndpointId) -> Result<Depth, Failure> {
    let mut scene = scene.of(id).ok_or_else(|| {
        Failure::NotFound(format!(
            "there is no endpoint {id}: `weir endpoint list` shows those there are"
        ))
    })?;
    let rules = match rules_of(node, Holder::Endpoint(id)) {
        Ok(rules) => rules,
        // An endpoint without programs has no map of policy, which the scene tells already.
        Err(MapsError::Missing { .. }) => Vec::new(),
        Err(error) => {
            let why = Failure::from(error).text();
            let part = "entries of its policy";
            scene.unseen.push(Unseen { part, why });
            Vec::new()
        }
    };
    Ok(Depth { scene, rules })
}

fn table(scene: &Scene, screen: &Screen) -> Result<(), Failure> {
    let rows = text::rows(scene);
    screen.list::<()>(
        &[],
        &Columns {
            headings: &text::HEADINGS,
            plain: text::PLAIN,
            rows,
            empty: "nothing to show: no endpoint is attached, and the node has no programs of weir",
        },
    )
}
