//! What there is of the node's part, what is missing of it, and what to do: changes nothing.

use serde::Serialize;

use super::error::NodeError;
use super::glance::{Glance, glance};
use super::network::Network;
use super::plan::{Facts, Plan};
use super::programs;
use super::record::{DeviceRecord, Folder, NodeAddress, PodNetwork, Record, Stage};
use crate::bpf::SockHook;
use crate::device::DeviceFacts;
use crate::settings::Settings;
use crate::sock::Sockets;

/// The node's part.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Whether all is there that pods need.
    pub ready: bool,
    /// The devices with programs of ours.
    pub devices: Vec<DeviceStatus>,
    /// The hooks of sockets, where a pod has had host ports.
    pub sockets: Vec<HookStatus>,
    /// The networks of pods.
    pub networks: Vec<PodNetwork>,
    /// The addresses at which the node is called.
    pub addresses: Vec<NodeAddress>,
    /// What is missing.
    pub missing: Vec<Missing>,
    /// What the operator should know beside that.
    pub notices: Vec<String>,
}

/// A device, and its programs as the kernel has them.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceStatus {
    /// Its facts, in the same object.
    #[serde(flatten)]
    pub facts: DeviceFacts,
    /// Each hook that should have a program, with that program's number.
    pub programs: Vec<HookStatus>,
}

/// A hook of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HookStatus {
    /// The section of its program.
    pub section: String,
    /// The program's number; none if it is not there.
    pub id: Option<u32>,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Missing {
    /// What it is.
    pub what: String,
    /// What to do.
    pub fix: String,
}

/// What puts most things right.
const INIT: &str = "weir node init";

/// Looks at the node.
pub fn status(settings: &Settings) -> Result<NodeStatus, NodeError> {
    let folder = Folder::of(settings);
    let mut network = Network::open()?;
    let (record, why) = match glance(settings, &folder, &mut network)? {
        Glance::AsMade(record) => (Some(*record), None),
        Glance::Differs(record, why) => {
            let record = record.filter(|it| it.state != Stage::Cleaned);
            (record.map(|it| *it), Some(why))
        }
    };
    let facts = Facts {
        links: network.links()?,
        addresses: network.addresses()?,
        routes: network.default_routes()?,
    };
    let devices = record.as_ref().map_or(&[][..], |it| it.devices.as_slice());
    let plan = Plan::new(settings, &facts, devices);
    let since = record.as_ref().and_then(|it| since(it, &plan));
    let missing: Vec<_> = why.into_iter().chain(since).map(missing).collect();
    let devices = devices.iter().map(|it| device(settings, it));
    Ok(NodeStatus {
        ready: missing.is_empty(),
        devices: devices.collect::<Result<_, _>>()?,
        sockets: sockets(settings, record.as_ref())?,
        networks: record.as_ref().map_or(Vec::new(), |it| it.networks.clone()),
        addresses: record.map_or(Vec::new(), |it| it.addresses),
        missing,
        notices: plan.notices,
    })
}

fn missing(what: String) -> Missing {
    Missing {
        what,
        fix: INIT.to_owned(),
    }
}

/// What has come or gone since the setup, which an ADD does not look for.
fn since(record: &Record, plan: &Plan) -> Option<String> {
    let index = |it: &DeviceRecord| it.facts.ifindex;
    let has: Vec<_> = record.natives().map(index).collect();
    let should: Vec<_> = plan.natives.iter().map(index).collect();
    let mut natives = plan.natives.iter();
    if let Some(new) = natives.find(|it| !has.contains(&index(it))) {
        return Some(format!(
            "{} leads outside, and has no programs",
            new.facts.name
        ));
    }
    let old = record.natives().find(|it| !should.contains(&index(it)));
    old.map(|old| {
        let name = &old.facts.name;
        format!("{name} has programs, and leads outside no more")
    })
}

fn sockets(settings: &Settings, record: Option<&Record>) -> Result<Vec<HookStatus>, NodeError> {
    if !record.is_some_and(|record| record.sockets) {
        return Ok(Vec::new());
    }
    let programs = Sockets::new(settings).programs()?.into_iter();
    let status = |(hook, id): (SockHook, _)| HookStatus {
        section: hook.name().to_owned(),
        id,
    };
    Ok(programs.map(status).collect())
}

fn device(settings: &Settings, device: &DeviceRecord) -> Result<DeviceStatus, NodeError> {
    let programs = programs::standing(settings, &device.facts)?;
    Ok(DeviceStatus {
        facts: device.facts.clone(),
        programs: programs
            .into_iter()
            .map(|(section, id)| HookStatus {
                section: section.to_owned(),
                id,
            })
            .collect(),
    })
}
