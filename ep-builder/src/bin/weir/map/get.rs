//! `weir map get`

use ep_builder::error::chain;
use ep_builder::maps::{MapName, Maps};
use serde::Serialize;

use super::{Row, maps};
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Screen, talk};

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    row: Row,
    /// The places of a program array that are filled; null for other maps.
    programs: Option<Vec<Place>>,
}

/// A place of a program array.
#[derive(Serialize)]
struct Place {
    place: u32,
    /// The kernel's number for the program.
    program: u32,
}

pub(super) fn run(node: &Node, name: &str, screen: &Screen) -> Result<(), Failure> {
    let maps = maps(node);
    let map = maps.find(name).ok_or_else(|| {
        Failure::NotFound(format!(
            "the datapath has no map {name:?}: `weir map list` shows those there are"
        ))
    })?;
    let shown = Shown {
        row: Row::of(&maps, map)?,
        programs: programs(&maps, map)?,
    };
    screen.object(&shown, &lines(&shown, map))?;
    if let Some(problem) = &shown.row.problem {
        talk(&format!("note: {}", chain(problem)));
    }
    Ok(())
}

fn programs(maps: &Maps, map: MapName) -> Result<Option<Vec<Place>>, Failure> {
    let array = match map {
        MapName::Calls(id) => maps.calls(id)?,
        MapName::DeviceCalls(id) => maps.device_calls(id)?,
        MapName::Tails(digest) => maps.tails(digest)?,
        MapName::CallPolicy => maps.call_policy()?,
        MapName::Verdict => maps.verdicts()?,
        _ => return Ok(None),
    };
    let place = |(place, program)| Place { place, program };
    Ok(Some(array.filled()?.into_iter().map(place).collect()))
}

fn lines(shown: &Shown, map: MapName) -> Vec<(&'static str, String)> {
    let row = &shown.row;
    let mut lines = vec![
        ("name", row.name.clone()),
        ("type", row.map_type.clone()),
        ("key", format!("{} bytes", row.key_size)),
        ("value", format!("{} bytes", row.value_size)),
        ("entries", row.entries()),
        ("max", row.room()),
        ("id", row.id.to_string()),
        ("flags", format!("{:#x}", row.flags)),
        ("pinned", row.pinned.clone()),
    ];
    let places = shown.programs.iter().flatten();
    lines.extend(places.map(|p| ("program", format!("{} at {}", p.program, p.place))));
    if let Some(command) = shows(map) {
        lines.push(("contents", command));
    }
    lines
}

/// The command that shows what stands in a map.
fn shows(map: MapName) -> Option<String> {
    Some(match map {
        MapName::Policy(id) => format!("weir bpf policy get {id}"),
        MapName::Endpoints => "weir bpf endpoint list".to_owned(),
        MapName::Ipcache => "weir bpf ipcache list".to_owned(),
        MapName::Metrics => "weir bpf metrics list".to_owned(),
        MapName::Conntrack(_) => "weir bpf ct list".to_owned(),
        MapName::Snat(_) => "weir bpf nat list".to_owned(),
        MapName::HostPorts => "weir bpf ports list".to_owned(),
        MapName::Events => "weir monitor".to_owned(),
        MapName::Calls(_)
        | MapName::DeviceCalls(_)
        | MapName::Tails(_)
        | MapName::CallPolicy
        | MapName::Verdict
        | MapName::Running
        | MapName::PolicyRevision
        | MapName::Frag4
        | MapName::Frag6
        | MapName::NodePolicy
        | MapName::NodeOpen
        | MapName::NodeAddresses
        | MapName::NativeCidrs
        | MapName::Netns
        | MapName::SockAsked => return None,
    })
}
