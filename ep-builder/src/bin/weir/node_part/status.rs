//! `weir node status`

use std::process::ExitCode;

use ep_builder::device::{DeviceFacts, DeviceKind};
use ep_builder::node::{DeviceStatus, HookStatus, NodeStatus, status};

use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Columns, Format, Screen, talk};

/// Exit code 1 if something is missing.
pub(super) fn run(node: &Node, screen: &Screen) -> Result<ExitCode, Failure> {
    let status = status(&node.settings)?;
    show(&status, screen)?;
    Ok(ExitCode::from(u8::from(!status.ready)))
}

/// Shows the devices as data, and says the rest.
pub(super) fn show(status: &NodeStatus, screen: &Screen) -> Result<(), Failure> {
    if matches!(screen.format(), Format::Json | Format::Yaml) {
        return screen.value(status);
    }
    screen.list(
        &status.devices,
        &Columns {
            headings: &["DEVICE", "KIND", "IPV4", "IPV6", "PROGRAMS", "INDEX", "MAC"],
            plain: 5,
            rows: rows(status),
            empty: "no device has programs of the node",
        },
    )?;
    for missing in &status.missing {
        talk(&format!("missing: {}\nfix: {}", missing.what, missing.fix));
    }
    for notice in &status.notices {
        talk(&format!("note: {notice}"));
    }
    Ok(())
}

/// The devices, and the sockets where they have programs.
fn rows(status: &NodeStatus) -> Vec<Vec<String>> {
    let devices = status.devices.iter().map(|it| columns(status, it));
    let programs = (!status.sockets.is_empty()).then(|| hooks(&status.sockets));
    let sockets = programs.map(|programs| {
        ["-", "sockets", "-", "-", &programs, "-", "-"]
            .map(str::to_owned)
            .into()
    });
    devices.chain(sockets).collect()
}

fn columns(status: &NodeStatus, device: &DeviceStatus) -> Vec<String> {
    let facts = &device.facts;
    let [ipv4, ipv6] = addresses(status, facts);
    vec![
        facts.name.clone(),
        kind(facts.kind).to_owned(),
        ipv4,
        ipv6,
        hooks(&device.programs),
        facts.ifindex.to_string(),
        facts.mac.to_string(),
    ]
}

fn hooks(hooks: &[HookStatus]) -> String {
    let each = hooks.iter().map(|hook| {
        let id = hook.id.map_or("missing".to_owned(), |id| id.to_string());
        format!("{} {id}", hook.section)
    });
    each.collect::<Vec<_>>().join(", ")
}

fn kind(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Native => "native",
        DeviceKind::Host => "host",
    }
}

/// What packets of pods leave a native device with; of the node's own device, what pods call the node.
fn addresses(status: &NodeStatus, facts: &DeviceFacts) -> [String; 2] {
    let shown = |all: Vec<String>| {
        if all.is_empty() {
            "-".to_owned()
        } else {
            all.join(",")
        }
    };
    match facts.kind {
        DeviceKind::Native => {
            let ipv4 = facts.ipv4_masquerade.map(|it| it.to_string());
            let ipv6 = facts.ipv6_masquerade.map(|it| it.to_string());
            [ipv4, ipv6].map(|it| shown(it.into_iter().collect()))
        }
        DeviceKind::Host => [true, false].map(|is_ipv4| {
            let own = status
                .addresses
                .iter()
                .filter(|it| it.ifindex == facts.ifindex && it.address.is_ipv4() == is_ipv4);
            shown(own.map(|it| it.address.to_string()).collect())
        }),
    }
}
