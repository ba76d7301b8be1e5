//! `weir map`: the datapath's maps as the kernel has them.

mod get;
mod list;

use ep_builder::maps::{MapName, MapType, Maps, MapsError};
use serde::Serialize;

use crate::cli::Map;
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::Screen;

pub(crate) fn run(command: &Map, node: &Node, screen: &Screen) -> Result<(), Failure> {
    match command {
        Map::List => list::run(node, screen),
        Map::Get { name } => get::run(node, name, screen),
    }
}

/// The maps of this node.
pub(crate) fn maps(node: &Node) -> Maps {
    let settings = &node.settings;
    Maps::new(&settings.paths.bpffs_dir, &settings.node.map_prefix)
}

/// One map as `-o json` gives it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) map_type: String,
    pub(crate) key_size: usize,
    pub(crate) value_size: usize,
    /// Null where the map has none, or is not the datapath's.
    pub(crate) entries: Option<usize>,
    /// Bytes of a ring buffer.
    pub(crate) max_entries: u32,
    pub(crate) pinned: String,
    pub(crate) id: u32,
    pub(crate) flags: u32,
    /// Why it cannot be used, if it cannot.
    #[serde(skip)]
    pub(crate) problem: Option<MapsError>,
}

impl Row {
    pub(crate) fn of(maps: &Maps, map: MapName) -> Result<Self, MapsError> {
        let facts = maps.facts(map)?;
        let (entries, problem) = match maps.count(map) {
            Ok(entries) => (entries, None),
            Err(error) => (None, Some(error)),
        };
        Ok(Self {
            name: maps.name(map),
            map_type: facts.definition.map_type.to_string(),
            key_size: facts.definition.key_size,
            value_size: facts.definition.value_size,
            entries,
            max_entries: facts.max_entries,
            pinned: maps.pin(map).display().to_string(),
            id: facts.id,
            flags: facts.flags,
            problem,
        })
    }

    /// The limit with its unit.
    fn room(&self) -> String {
        if self.map_type == MapType::Ring.to_string() {
            format!("{} bytes", self.max_entries)
        } else {
            self.max_entries.to_string()
        }
    }

    fn entries(&self) -> String {
        self.entries.map_or("-".to_owned(), |n| n.to_string())
    }
}
