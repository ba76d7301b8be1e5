//! `weir template verify`

use std::process::ExitCode;

use ep_builder::builder::Builder;
use ep_builder::error::chain;
use ep_builder::unit::Unit;
use ep_builder::verify::Verified;
use serde::Serialize;

use super::list::{Found, find_all};
use super::parallel::{in_parallel, processors};
use crate::failure::Failure;
use crate::node::Node;
use crate::progress::bar;
use crate::screen::{Columns, Screen};

#[derive(Serialize)]
struct Row {
    key: String,
    unit: Option<Unit>,
    place: &'static str,
    sound: bool,
    result: String,
}

/// Exit code 1 when a template is not what it should be.
pub(super) fn run(node: &Node, rebuild: bool, screen: &Screen) -> Result<ExitCode, Failure> {
    let builder = node.builder()?;
    let all = find_all(node)?;
    let bar = bar(all.len());
    let rows: Vec<Row> = in_parallel(&all, processors(), |found| {
        let row = verify(&builder, found, rebuild);
        bar.inc(1);
        row
    });
    bar.finish_and_clear();
    let text = rows
        .iter()
        .map(|r| {
            vec![
                r.key.chars().take(8).collect(),
                r.unit.map_or("-".to_owned(), |unit| unit.to_string()),
                r.place.to_owned(),
                r.result.clone(),
                r.key.clone(),
            ]
        })
        .collect();
    screen.list(
        &rows,
        &Columns {
            headings: &["TEMPLATE", "UNIT", "PLACE", "RESULT", "KEY"],
            plain: 4,
            rows: text,
            empty: "no templates to verify",
        },
    )?;
    Ok(ExitCode::from(u8::from(rows.iter().any(|row| !row.sound))))
}

fn verify(builder: &Builder, found: &Found, rebuild: bool) -> Row {
    let (sound, result) = match &found.entry {
        Err(poison) => (false, chain(poison)),
        Ok(entry) => match builder.verify(entry, rebuild) {
            Ok(Verified::Whole) => (true, "whole".to_owned()),
            Ok(Verified::Identical) => (true, "whole, and identical to a new compile".to_owned()),
            Ok(Verified::OtherSources) => (
                true,
                "whole, but of other sources: this weir will not use it".to_owned(),
            ),
            Ok(Verified::OtherCompiler(clang)) => (
                true,
                format!("whole; not rebuilt: the compiler here is {clang}"),
            ),
            Ok(Verified::Different) => (false, "a new compile gives other bytes".to_owned()),
            Err(error) => (false, chain(&error)),
        },
    };
    Row {
        key: found.key.to_string(),
        unit: found.entry.as_ref().ok().map(|entry| entry.manifest.unit),
        place: found.place,
        sound,
        result,
    }
}
