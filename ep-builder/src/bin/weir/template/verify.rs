//! `weir template verify`

use std::process::ExitCode;

use ep_builder::builder::Builder;
use ep_builder::error::chain;
use ep_builder::verify::Verified;
use serde::Serialize;

use super::list::{Found, find_all};
use crate::failure::Failure;
use crate::node::Node;
use crate::progress::bar;
use crate::screen::{Columns, Screen};

#[derive(Serialize)]
struct Row {
    key: String,
    place: &'static str,
    sound: bool,
    result: String,
}

/// Exit code 1 when a template is not what it should be.
pub(super) fn run(node: &Node, rebuild: bool, screen: &Screen) -> Result<ExitCode, Failure> {
    let builder = node.builder()?;
    let all = find_all(node)?;
    let bar = bar(all.len());
    let rows: Vec<Row> = all
        .into_iter()
        .map(|found| {
            let row = verify(&builder, found, rebuild);
            bar.inc(1);
            row
        })
        .collect();
    bar.finish_and_clear();
    let text = rows
        .iter()
        .map(|r| {
            vec![
                r.key.chars().take(8).collect(),
                r.place.to_owned(),
                r.result.clone(),
                r.key.clone(),
            ]
        })
        .collect();
    screen.list(
        &rows,
        &Columns {
            headings: &["TEMPLATE", "PLACE", "RESULT", "KEY"],
            plain: 3,
            rows: text,
            empty: "no templates to verify",
        },
    )?;
    Ok(ExitCode::from(u8::from(rows.iter().any(|row| !row.sound))))
}

fn verify(builder: &Builder, found: Found, rebuild: bool) -> Row {
    let Found {
        key, place, entry, ..
    } = found;
    let (sound, result) = match entry {
        Err(poison) => (false, chain(&poison)),
        Ok(entry) => match builder.verify(&entry, rebuild) {
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
        key: key.to_string(),
        place,
        sound,
        result,
    }
}
