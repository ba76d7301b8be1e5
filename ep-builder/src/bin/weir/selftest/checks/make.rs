//! Templates and pods.

use ep_builder::builder::Origin;
use ep_builder::timeline::Timeline;
use ep_builder::unit::Unit;
use serde_json::{Value, json};

use super::Said;
use crate::failure::Failure;
use crate::selftest::fault::Fault;
use crate::selftest::plugin::Asked;
use crate::selftest::world::World;

/// Who asks, who answers, and somebody whom no policy names.
pub(super) const CLIENT: &str = "client";
pub(super) const SERVER: &str = "server";
pub(super) const GUEST: &str = "guest";

/// The port of the node, and that of the guest which it leads to.
pub(super) const HOST_PORT: u16 = 18_080;
pub(super) const GUEST_PORT: u16 = 80;

/// The templates of this configuration: from the bundle, or compiled.
pub(super) fn templates(world: &mut World) -> Result<Said, Fault> {
    let builder = world.node.builder()?;
    let mut told: Vec<(String, Vec<&str>)> = Vec::new();
    for unit in Unit::ALL {
        let shape = &world.node.settings.endpoint;
        let template = builder.template_of(unit, shape, &mut Timeline::default());
        let template = template.map_err(Failure::from)?;
        let origin = origin(template.origin, &template.entry.manifest.compiler);
        match told.iter_mut().find(|(known, _)| *known == origin) {
            Some((_, objects)) => objects.push(unit.object()),
            None => told.push((origin, vec![unit.object()])),
        }
    }
    let told = told.iter();
    let told: Vec<_> = told
        .map(|(origin, objects)| format!("{} {origin}", objects.join(", ")))
        .collect();
    Ok(Said::Proved(told.join("; ")))
}

fn origin(origin: Origin, compiler: &str) -> String {
    match origin {
        Origin::Compiled(_) => format!("compiled by {compiler}"),
        Origin::Bundle => format!("from the bundle, where {compiler} made them"),
        Origin::Cache => format!("from the cache, where {compiler} made them"),
    }
}

/// Three pods.
pub(super) fn pods(world: &mut World) -> Result<Said, Fault> {
    let ports = if world.runtime.has_host_ports() {
        let port = |protocol: &str| json!({ "hostPort": HOST_PORT, "containerPort": GUEST_PORT, "protocol": protocol });
        json!([port("tcp"), port("udp")])
    } else {
        Value::Null
    };
    for (name, ports) in [(CLIENT, Value::Null), (SERVER, Value::Null), (GUEST, ports)] {
        world.add(Asked {
            name,
            role: name,
            ports,
        })?;
    }
    let addresses = world.pods.iter().map(|pod| {
        let mut all = Vec::new();
        all.extend(pod.endpoint.ipv4.map(|it| it.to_string()));
        all.extend(pod.endpoint.ipv6.map(|it| it.to_string()));
        format!("{} {}", pod.asked.name, all.join(" "))
    });
    let addresses: Vec<_> = addresses.collect();
    Ok(Said::Proved(format!(
        "weir-cni made {}",
        addresses.join(", ")
    )))
}
