//! `weir endpoint label`: other labels for an endpoint that runs.

use ep_builder::endpoint::EndpointId;
use ep_builder::lifecycle::{Endpoints, LabelChange};
use ep_builder::load::Retired;
use ep_builder::timeline::Timeline;

use super::get;
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Screen, talk};

pub(super) fn run(
    node: &Node,
    id: EndpointId,
    changes: &[LabelChange],
    screen: &Screen,
) -> Result<(), Failure> {
    let (builder, store) = (node.builder()?, node.store()?);
    let endpoints = Endpoints::new(&builder, &store);
    super::see_to_policy(&endpoints);
    match endpoints.label(id, changes, &mut Timeline::default())? {
        None => talk("note: the endpoint has these labels already"),
        Some(in_force) => {
            for notice in &in_force.notices {
                talk(&format!("note: {notice}"));
            }
            talk(&format!(
                "endpoint {id} has identity {} now",
                in_force.record.endpoint.identity
            ));
            Retired::after_grace([in_force.installed.retired]);
        }
    }
    get::run(node, id, screen)
}
