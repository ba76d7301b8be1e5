//! One ADD by phase: what our plugin's log says of it.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use ep_builder::whole_file;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::Alone;
use crate::failure::Failure;
use crate::progress::readable;

/// More than the plugin keeps of a log.
const LIMIT: u64 = 64 << 20;
const WIDTH: f64 = 50.0;

/// The middle one of those that ran alone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Waterfall {
    /// As who called saw it.
    wall_us: f64,
    phases: Vec<Phase>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Phase {
    name: String,
    us: f64,
}

/// What interests here of a line.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    command: String,
    container_id: String,
    phases_ms: Phases,
}

/// In the order in which they are written.
struct Phases(Vec<(String, f64)>);

impl<'de> Deserialize<'de> for Phases {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Phases;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("phases with their milliseconds")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Phases, A::Error> {
        let mut phases = Vec::new();
        while let Some(phase) = map.next_entry()? {
            phases.push(phase);
        }
        Ok(Phases(phases))
    }
}

/// The middle one of `alone`, with what `log` says of it; nothing if the log says nothing.
pub(super) fn read(log: &Path, alone: &[Alone]) -> Result<Option<Waterfall>, Failure> {
    let text = whole_file::read(log, LIMIT)?;
    let text = String::from_utf8_lossy(&text);
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let adds: HashMap<String, Phases> = lines
        .filter(|line: &Line| line.command == "ADD")
        .map(|line| (line.container_id, line.phases_ms))
        .collect();
    let mut known: Vec<_> = alone
        .iter()
        .filter_map(|one| Some((one.took, adds.get(&one.container)?)))
        .collect();
    known.sort_by_key(|(took, _)| *took);
    let middle = known.get(known.len() / 2);
    Ok(middle.map(|(took, phases)| Waterfall::new(*took, phases)))
}

impl Waterfall {
    fn new(took: Duration, logged: &Phases) -> Self {
        let wall_us = took.as_secs_f64() * 1e6;
        let mut phases: Vec<_> = logged
            .0
            .iter()
            .map(|(name, ms)| Phase {
                name: name.clone(),
                us: ms * 1e3,
            })
            .collect();
        let inside: f64 = phases.iter().map(|phase| phase.us).sum();
        phases.push(Phase {
            name: "start and end of the process".to_owned(),
            us: (wall_us - inside).max(0.0),
        });
        Self { wall_us, phases }
    }

    /// Bars, each where the one before it ends.
    pub(super) fn text(&self) -> String {
        let time = |us: f64| readable(Duration::from_secs_f64(us / 1e6));
        let width = self.phases.iter().map(|phase| phase.name.len()).max();
        let width = width.unwrap_or(0);
        let mut text = format!(
            "\none ADD by phase, the middle one: {}\n",
            time(self.wall_us)
        );
        let mut before = 0.0;
        for phase in &self.phases {
            let (from, to) = (self.column(before), self.column(before + phase.us));
            before += phase.us;
            let bar = if from == to {
                "|".to_owned()
            } else {
                "#".repeat(to - from)
            };
            let line = format!(
                "{:width$}  {:>9}  {}{bar}",
                phase.name,
                time(phase.us),
                " ".repeat(from)
            );
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a small width"
    )]
    fn column(&self, us: f64) -> usize {
        (us / self.wall_us.max(1.0) * WIDTH)
            .round()
            .clamp(0.0, WIDTH) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_one_is_told_in_the_order_of_its_phases() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let line = |container: &str, command: &str| {
            format!(
                "{{\"command\":\"{command}\",\"containerId\":\"{container}\",\"phasesMs\":{{\"node\":1,\"find\":2.5}}}}\n"
            )
        };
        let text = ["a", "b", "c"]
            .map(|container| line(container, "ADD"))
            .concat();
        let text = text + "no JSON\n" + &line("d", "DEL");
        whole_file::write(&log, text.as_bytes()).unwrap();
        let alone = [("a", 9), ("b", 5), ("c", 6), ("d", 7), ("e", 7)];
        let alone = alone.map(|(container, ms)| Alone {
            container: container.to_owned(),
            took: Duration::from_millis(ms),
        });
        let waterfall = read(&log, &alone).unwrap().unwrap();
        let names: Vec<_> = waterfall.phases.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["node", "find", "start and end of the process"]);
        let total: f64 = waterfall.phases.iter().map(|phase| phase.us).sum();
        assert!((total - 6_000.0).abs() < 1e-6, "{waterfall:?}");
        let text = waterfall.text();
        assert!(
            text.contains("node") && text.contains("   2.50 ms          #####"),
            "{text}"
        );
        assert!(read(&log, &alone[3..]).unwrap().is_none());
    }
}
