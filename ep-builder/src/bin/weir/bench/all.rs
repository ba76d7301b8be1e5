//! `weir bench all`: every benchmark as one table, which can be kept and compared.

use std::path::Path;

use ep_builder::error::chain;
use ep_builder::whole_file::{self, FileError};
use serde::{Deserialize, Serialize};

use super::figures::Figure;
use super::{cni, datapath, load, policy, template};
use crate::cli::{BenchAll, BenchCni, BenchPolicy};
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Columns, Format, Screen, talk};

/// A table has some hundred lines.
const LIMIT: u64 = 4 << 20;

/// What was measured, as it is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Table {
    /// Weir's.
    version: String,
    /// The kernel's name, version and machine.
    machine: String,
    /// The table of a few rounds is one of its kind.
    quick: bool,
    figures: Vec<Figure>,
    /// What could not be measured here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    missing: Vec<Missing>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Missing {
    part: String,
    why: String,
}

/// How much of each is measured.
struct Extent {
    template: u32,
    load: u16,
    datapath: u32,
    policy: BenchPolicy,
    cni: BenchCni,
}

impl Extent {
    fn of(asked: &BenchAll) -> Self {
        let cni = |rounds, at_once, pods| BenchCni {
            rounds,
            at_once,
            pods,
            plugin: asked.plugin.clone(),
            reference: asked.reference.clone(),
        };
        let policy = |endpoints, policies, rounds| BenchPolicy {
            endpoints,
            policies,
            rounds,
        };
        if asked.quick {
            return Self {
                template: 10,
                load: 3,
                datapath: 3,
                policy: policy(3, 10, 3),
                cni: cni(1, vec![1], 0),
            };
        }
        Self {
            template: 500,
            load: 100,
            datapath: 301,
            policy: policy(250, 1_000, 51),
            cni: cni(96, vec![1, 8, 64], 250),
        }
    }
}

pub(super) fn run(node: &Node, asked: &BenchAll, screen: &Screen) -> Result<(), Failure> {
    // A file that cannot be compared with is said before minutes are spent.
    let before = asked.compare.as_deref().map(kept).transpose()?;
    let table = measure(node, asked)?;
    if let Some(path) = &asked.save {
        let text = serde_json::to_vec_pretty(&table)
            .map_err(|error| FileError::of("write", path)(error.into()))?;
        whole_file::write(path, &text)?;
    }
    for missing in &table.missing {
        talk(&format!(
            "{} was not measured: {}",
            missing.part, missing.why
        ));
    }
    show(&table, before.as_ref(), screen)
}

fn kept(path: &Path) -> Result<Table, Failure> {
    let bytes = whole_file::read_named(path, LIMIT)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::Input(format!(
            "{} is no table of `weir bench all --save`: {error}",
            path.display()
        ))
    })
}

fn measure(node: &Node, asked: &BenchAll) -> Result<Table, Failure> {
    let extent = Extent::of(asked);
    let mut table = Table {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        machine: machine()?,
        quick: asked.quick,
        ..Table::default()
    };
    table.take("template", template::figures(node, extent.template));
    table.take("load", load::figures(node, extent.load));
    table.take("datapath", datapath::figures(node, extent.datapath));
    table.take("policy", policy::figures(node, &extent.policy));
    table.take("cni", cni::figures(node, &extent.cni));
    table.take("size", sizes(&extent.cni));
    Ok(table)
}

impl Table {
    fn take(&mut self, part: &str, figures: Result<Vec<Figure>, Failure>) {
        match figures {
            Ok(figures) => self.figures.extend(figures),
            Err(failure) => self.missing.push(Missing {
                part: part.to_owned(),
                why: chain(&failure),
            }),
        }
    }
}

/// Of the programs themselves.
fn sizes(asked: &BenchCni) -> Result<Vec<Figure>, Failure> {
    let weir = std::env::current_exe();
    let weir = weir.map_err(FileError::of("find", Path::new("/proc/self/exe")))?;
    let files = [
        ("weir-cni", cni::plugin(asked)?, 6_000_000.0),
        ("weir", weir, 12_000_000.0),
    ];
    let figure = |(name, path, limit): &(&str, std::path::PathBuf, f64)| {
        let size = std::fs::metadata(path).map_err(FileError::of("look at", path))?;
        Ok(Figure::bytes("size", name, size.len()).with_target(Some(*limit)))
    };
    files.iter().map(figure).collect()
}

fn machine() -> Result<String, Failure> {
    let facts = nix::sys::utsname::uname()
        .map_err(|errno| Failure::Input(format!("cannot ask the kernel its name: {errno}")))?;
    let words = [facts.sysname(), facts.release(), facts.machine()];
    let words = words.map(|word| word.to_string_lossy().into_owned());
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    Ok(format!("{}, {processors} processors", words.join(" ")))
}

fn show(table: &Table, before: Option<&Table>, screen: &Screen) -> Result<(), Failure> {
    if matches!(screen.format(), Format::Json | Format::Yaml) {
        return screen.value(table);
    }
    if let Some(before) = before
        && (&before.machine, before.quick) != (&table.machine, table.quick)
    {
        talk(&format!(
            "note: compared with a run of {} on {}; only ratios can be",
            if before.quick {
                "a few rounds"
            } else {
                "all rounds"
            },
            before.machine
        ));
    }
    let columns = Columns {
        headings: &["PART", "WHAT", "VALUE", "TARGET", "BEFORE", "CHANGE"],
        plain: if before.is_some() { 6 } else { 4 },
        rows: lines(&table.figures, before),
        empty: "nothing could be measured",
    };
    screen.list(&table.figures, &columns)
}

/// A line for each figure: with what it was, and how that has changed.
fn lines(figures: &[Figure], before: Option<&Table>) -> Vec<Vec<String>> {
    let old = |figure: &Figure| {
        let mut known = before?.figures.iter();
        known
            .find(|known| figure.is_of(known))
            .map(|known| known.value)
    };
    let line = |figure: &Figure| {
        let old = old(figure);
        let text = |value: Option<f64>| value.map(|value| figure.text(value)).unwrap_or_default();
        let change = old
            .filter(|old| *old > 0.0)
            .map(|old| figure.value / old - 1.0);
        vec![
            figure.part.clone(),
            figure.what.clone(),
            figure.text(figure.value),
            text(figure.target),
            text(old),
            change.map_or(String::new(), |part| format!("{:+.0} %", part * 100.0)),
        ]
    };
    figures.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_and_what_is_stand_side_by_side() {
        let figure = |what: &str, value| Figure::ratio("cni", what, value);
        let before = Table {
            figures: vec![figure("ADD", 0.8), figure("gone", 1.0), figure("none", 0.0)],
            ..Table::default()
        };
        let now = [
            figure("ADD", 0.6).with_target(Some(0.6)),
            figure("new", 2.0),
            figure("none", 1.0),
        ];
        let lines = lines(&now, Some(&before));
        assert_eq!(
            lines,
            [
                ["cni", "ADD", "0.60 x", "0.60 x", "0.80 x", "-25 %"],
                ["cni", "new", "2.00 x", "", "", ""],
                ["cni", "none", "1.00 x", "", "0.00 x", ""],
            ]
        );
    }

    #[test]
    fn a_file_that_is_no_table_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.json");
        whole_file::write(&path, b"[1]").unwrap();
        let error = kept(&path).unwrap_err();
        assert!(chain(&error).contains("other.json"), "{error}");
    }
}
