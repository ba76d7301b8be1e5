//! `weir template build`

use std::path::Path;

use ep_builder::builder::{Builder, Obtained, Origin};
use ep_builder::cache::Bundle;
use ep_builder::error::Error;
use ep_builder::pairwise::{Shape, neighbours, shapes};
use ep_builder::shape::summary;
use ep_builder::timeline::Timeline;
use ep_builder::unit::Unit;
use indicatif::ProgressBar;
use serde::Serialize;

use super::parallel::{in_parallel, processors};
use crate::cli::TemplateBuild;
use crate::failure::Failure;
use crate::node::Node;
use crate::progress::bar;
use crate::screen::{Columns, Screen, talk};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    key: String,
    unit: Unit,
    origin: &'static str,
    cpu_ms: Option<u128>,
    object_size: u64,
    shape: Vec<String>,
}

pub(super) fn run(node: &Node, arguments: &TemplateBuild, screen: &Screen) -> Result<(), Failure> {
    if let Some(folder) = &arguments.bundle {
        refuse_other_compiler(node, folder)?;
    }
    let base = (node.settings.node.clone(), node.settings.endpoint.clone());
    let wanted = with_units(&match arguments.changes {
        _ if arguments.all => shapes(&base),
        changes => neighbours(&base, changes.into()),
    });
    let jobs = arguments.jobs.map_or_else(processors, usize::from);
    let bar = bar(wanted.len());
    let bundle = arguments.bundle.as_deref();
    let results = in_parallel(&wanted, jobs, |template| {
        let result = build(node, template, bundle, &bar);
        if let Err(failure) = &result
            && wanted.len() > Unit::ALL.len()
        {
            bar.suspend(|| report(template, failure));
        }
        bar.inc(1);
        result
    });
    bar.finish_and_clear();

    let all = results.len();
    let (rows, failures): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let rows: Vec<Row> = rows.into_iter().flatten().collect();
    match failures.into_iter().find_map(Result::err) {
        Some(failure) if all == Unit::ALL.len() => return Err(failure),
        failure => {
            show(&rows, screen)?;
            failure.map_or(Ok(()), |_| {
                Err(Failure::Some {
                    failed: all - rows.len(),
                    all,
                })
            })?;
        }
    }
    bundle.map_or(Ok(()), |bundle| write_index(node, bundle))
}

/// What is compiled, and in which shape.
type Wanted = (Unit, Shape);

/// The templates that shapes have: those of the node's own units are fewer, since less of a shape counts there.
fn with_units(shapes: &[Shape]) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for unit in Unit::ALL {
        for (of_node, of_endpoint) in shapes {
            let shape = (of_node.clone(), of_endpoint.of_unit(unit));
            if !wanted.contains(&(unit, shape.clone())) {
                wanted.push((unit, shape));
            }
        }
    }
    wanted
}

/// A bundle has one compiler, which stands for all its templates in their keys.
fn refuse_other_compiler(node: &Node, folder: &Path) -> Result<(), Failure> {
    let made_by = Bundle::open(folder)
        .map_err(Error::from)?
        .map(|bundle| bundle.compiler);
    let ours = node.builder()?.clang()?.version;
    match made_by {
        Some(theirs) if theirs != ours => Err(Failure::Input(format!(
            "{} holds a bundle made by {theirs}, and the compiler here is {ours}: name an empty folder",
            folder.display()
        ))),
        _ => Ok(()),
    }
}

/// Says which of many templates failed, and why.
fn report((unit, shape): &Wanted, failure: &Failure) {
    let words = summary(&shape.0, &shape.1).join(" ");
    talk(&format!("{unit} in shape {words}:"));
    failure.say();
}

fn build(
    node: &Node,
    wanted: &Wanted,
    bundle: Option<&Path>,
    bar: &ProgressBar,
) -> Result<Row, Failure> {
    let obtained = template(node, wanted, bundle)?;
    for notice in &obtained.notices {
        bar.suspend(|| talk(&format!("note: {notice}")));
    }
    let (origin, cpu_ms) = match obtained.origin {
        Origin::Cache => ("cache", None),
        Origin::Bundle => ("bundle", None),
        Origin::Compiled(cpu) => ("compiled", Some(cpu.as_millis())),
    };
    Ok(Row {
        key: obtained.key.to_string(),
        unit: obtained.entry.manifest.unit,
        origin,
        cpu_ms,
        object_size: obtained.entry.manifest.object_size(),
        shape: obtained.entry.manifest.shape,
    })
}

fn template(
    node: &Node,
    (unit, (of_node, of_endpoint)): &Wanted,
    bundle: Option<&Path>,
) -> Result<Obtained, Failure> {
    let mut settings = node.settings.clone();
    settings.node = of_node.clone();
    settings.endpoint = of_endpoint.clone();
    let builder = match bundle {
        None => Builder::open(settings, node.search())?,
        Some(folder) => Builder::open_bundle(settings, node.search(), folder)?,
    };
    Ok(builder.template_of(*unit, of_endpoint, &mut Timeline::default())?)
}

fn write_index(node: &Node, bundle: &Path) -> Result<(), Failure> {
    let compiler = node.builder()?.clang()?.version;
    Bundle::write_index(bundle, &compiler).map_err(|error| Error::from(error).into())
}

fn show(rows: &[Row], screen: &Screen) -> Result<(), Failure> {
    let text = rows
        .iter()
        .map(|row| {
            vec![
                row.key.chars().take(8).collect(),
                row.unit.to_string(),
                row.origin.to_owned(),
                row.cpu_ms.map_or("-".to_owned(), |ms| ms.to_string()),
                row.object_size.to_string(),
                row.key.clone(),
                row.shape.join(" "),
            ]
        })
        .collect();
    screen.list(
        rows,
        &Columns {
            headings: &[
                "TEMPLATE", "UNIT", "FROM", "CPU MS", "BYTES", "KEY", "SHAPE",
            ],
            plain: 5,
            rows: text,
            empty: "nothing was built",
        },
    )
}
