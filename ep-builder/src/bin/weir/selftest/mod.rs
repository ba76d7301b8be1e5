//! `weir selftest`: proves on this machine that pods get their network and nothing that they should not get.
//!
//! A node of its own is made in namespaces that nobody else sees ([`room`]), with the plugin, the sources or the bundle
//! and the options of this one. Pods come and go there, and talk. Nothing of the real node is met or changed, and
//! nothing stays, however this process ends: `docs/decisions/0039-a-selftest-in-namespaces-of-its-own.md`.

mod checks;
mod fault;
mod place;
mod plugin;
mod report;
mod room;
mod talk;
mod wire;
mod world;

use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use crate::cli::Selftest;
use crate::failure::Failure;
use crate::node::Node;
use crate::progress::bar;
use crate::screen::Screen;
use checks::{CHECKS, Check, Said};
use plugin::Runtime;
pub(crate) use report::Report;
use report::{Outcome, Row};
use room::Room;
use world::World;

/// Exit code 1 if a check fails.
pub(crate) fn run(arguments: &Selftest, node: &Node, screen: &Screen) -> Result<ExitCode, Failure> {
    let report = prove(arguments, node)?;
    report.show(screen)?;
    Ok(ExitCode::from(u8::from(!report.is_passed())))
}

/// All checks, on a thread that leaves the node: who calls stays where he is.
pub(crate) fn prove(arguments: &Selftest, node: &Node) -> Result<Report, Failure> {
    let ended = thread::scope(|scope| scope.spawn(|| prove_here(arguments, node)).join());
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn prove_here(arguments: &Selftest, node: &Node) -> Result<Report, Failure> {
    let start = Instant::now();
    let (plugin, found) = Runtime::find(arguments, &node.settings)?;
    let room = Room::enter()?;
    let node = world::configure(node, &room)?;
    let families = world::families(&node.settings);
    let runtime = Runtime::new(plugin, found, room, &families);
    let world = World::new(node, runtime, families);
    let mut world = world.map_err(|fault| Failure::Input(fault.why))?;
    let rows = all(&mut world);
    Ok(Report::new(
        world.runtime.program(),
        world.runtime.source(),
        &world.families,
        rows,
        start.elapsed(),
    ))
}

/// One after the other; those that need what failed are not tried.
fn all(world: &mut World) -> Vec<Row> {
    let progress = bar(CHECKS.len());
    let mut rows: Vec<Row> = Vec::new();
    for check in &CHECKS {
        progress.set_message(check.name);
        let row = match failed_need(check, &rows) {
            Some(needed) => Row::not_run(check.name, needed),
            None => one(check, world),
        };
        rows.push(row);
        progress.inc(1);
    }
    progress.finish_and_clear();
    rows
}

/// The first of what a check needs that did not pass.
fn failed_need(check: &Check, rows: &[Row]) -> Option<&'static str> {
    let is_bad = |row: &&Row| matches!(row.result, Outcome::Failed | Outcome::NotRun);
    let mut bad = rows.iter().filter(is_bad).map(|row| row.check);
    bad.find(|name| check.needs.contains(name))
}

fn one(check: &Check, world: &mut World) -> Row {
    let (start, before) = (Instant::now(), world.drops());
    let ended = (check.run)(world);
    let time = start.elapsed();
    match ended {
        Ok(Said::Proved(what)) => Row::passed(check.name, what, time),
        Ok(Said::Skipped(why)) => Row::skipped(check.name, why, time),
        Err(mut fault) => {
            // Why packets did not come the counters know best, where packets were sent.
            if fault.fix.is_none() {
                fault.why += &checks::dropped_since(world, &before.unwrap_or_default());
            }
            Row::failed(check.name, fault, check.fix, time)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::fault::Fault;
    use super::*;

    fn check(rows: &[Row], name: &str) -> Option<&'static str> {
        let found = CHECKS.iter().find(|check| check.name == name).unwrap();
        failed_need(found, rows)
    }

    #[test]
    fn what_needs_a_check_that_failed_is_not_run() {
        let bad = |name| Row::failed(name, Fault::new("no"), "", Duration::ZERO);
        assert_eq!(check(&[], "pods"), None);
        assert_eq!(check(&[bad("add")], "pods"), Some("add"));
        assert_eq!(
            check(&[Row::not_run("add", "template")], "pods"),
            Some("add")
        );
        assert_eq!(check(&[bad("node")], "pods"), None);
        let skipped = Row::skipped("policy", String::new(), Duration::ZERO);
        assert_eq!(check(&[skipped], "established"), None);
    }

    #[test]
    fn every_check_needs_only_what_comes_before_it() {
        for (index, check) in CHECKS.iter().enumerate() {
            let before = &CHECKS[..index];
            for needed in check.needs {
                assert!(before.iter().any(|it| it.name == *needed), "{needed}");
            }
            assert!(!check.fix.is_empty(), "{}", check.name);
        }
    }
}
