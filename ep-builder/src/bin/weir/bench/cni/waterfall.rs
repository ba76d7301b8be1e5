//! One ADD by phase: what our plugin's log says of it.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use ep_builder::whole_file;
use serde::Serialize;

use super::Alone;
use crate::calls::{Call, Phases, bars, time};
use crate::failure::Failure;

/// More than the plugin keeps of a log.
const LIMIT: u64 = 64 << 20;

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

/// The middle one of `alone`, with what `log` says of it; nothing if the log says nothing.
pub(super) fn read(log: &Path, alone: &[Alone]) -> Result<Option<Waterfall>, Failure> {
    let text = whole_file::read(log, LIMIT)?;
    let lines = text.split(|byte| *byte == b'\n').filter_map(Call::parse);
    let adds = lines.filter(|call| call.command.as_deref() == Some("ADD"));
    let adds: HashMap<String, Phases> = adds
        .filter_map(|call| Some((call.container_id?, call.phases_ms)))
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
        let phases = self.phases.iter().map(|it| (it.name.as_str(), it.us));
        format!(
            "\none ADD by phase, the middle one: {}\n{}",
            time(self.wall_us),
            bars(phases, self.wall_us)
        )
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
                "{{\"command\":\"{command}\",\"containerId\":\"{container}\",\"totalMs\":3.5,\"phasesMs\":{{\"node\":1,\"find\":2.5}}}}\n"
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
