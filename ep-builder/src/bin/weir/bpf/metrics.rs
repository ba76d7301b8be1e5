//! `weir bpf metrics list`

use ep_builder::events::Vocabulary;
use ep_builder::maps::{Counter, Direction};
use serde::Serialize;

use super::names::{or_dash, vocabulary};
use crate::failure::Failure;
use crate::map::maps;
use crate::node::Node;
use crate::screen::{Columns, Screen};

/// One counter, summed over the processors.
#[derive(Serialize)]
struct Row {
    reason: String,
    code: u8,
    direction: Option<Direction>,
    packets: u64,
    bytes: u64,
    meaning: String,
}

impl Row {
    fn new(counter: &Counter, names: &Vocabulary) -> Self {
        let reason = names.counted(counter.reason);
        Self {
            reason: reason.name,
            code: counter.reason,
            direction: Direction::of(counter.direction),
            packets: counter.packets,
            bytes: counter.bytes,
            meaning: reason.meaning,
        }
    }

    fn columns(&self) -> Vec<String> {
        vec![
            self.reason.clone(),
            or_dash(self.direction),
            self.packets.to_string(),
            self.bytes.to_string(),
            self.meaning.clone(),
            self.code.to_string(),
        ]
    }
}

pub(super) fn list(node: &Node, screen: &Screen) -> Result<(), Failure> {
    let mut counters = maps(node).metrics()?.counters()?;
    counters.sort_by_key(|counter| (counter.reason, counter.direction));
    let names = vocabulary(node);
    let rows: Vec<_> = counters
        .iter()
        .map(|counter| Row::new(counter, &names))
        .collect();
    screen.list(
        &rows,
        &Columns {
            headings: &["REASON", "DIRECTION", "PACKETS", "BYTES", "MEANING", "CODE"],
            plain: 5,
            rows: rows.iter().map(Row::columns).collect(),
            empty: "nothing counted: no packet has met an endpoint's programs yet",
        },
    )
}
