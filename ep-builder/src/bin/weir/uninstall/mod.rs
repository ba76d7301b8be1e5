//! `weir uninstall`: the node, or an image, as before `weir install`.

mod machine;

use std::path::PathBuf;

use ep_builder::install::{Hold, InstallError, Record, Removal, Root, Row, Undo, removal, undo};

use crate::cli::Uninstall;
use crate::failure::Failure;
use crate::install::{list, root};
use crate::node::Node;
use crate::screen::{Screen, talk};

/// `node` reads the configuration, if there is one.
pub(crate) fn run(
    arguments: &Uninstall,
    node: impl FnOnce() -> Result<Node, Failure>,
    screen: &Screen,
) -> Result<(), Failure> {
    let root = root(&arguments.place)?;
    if arguments.place.dry_run {
        let Some((_, plan)) = planned(arguments, &root)? else {
            nothing();
            return Ok(());
        };
        let node = root.is_live().then(node).transpose()?;
        let machine = node.as_ref().map(machine::would_remove).transpose()?;
        let rows = of_steps(&plan.first)
            .chain(machine.into_iter().flatten())
            .chain(of_steps(&plan.rest));
        return show(&rows.collect::<Vec<_>>(), &plan, screen);
    }
    let hold = Hold::take(&root).map_err(Failure::from)?;
    let done = carried_out(arguments, &root, node);
    let folders = done.as_ref().map_or(&[][..], |done| match done {
        Some(done) => done.folders.as_slice(),
        None => &[],
    });
    let released = hold.release(folders);
    let Some(done) = done? else {
        released?;
        nothing();
        return Ok(());
    };
    released?;
    show(&done.rows, &done.plan, screen)
}

/// What was done.
struct Done {
    rows: Vec<Row>,
    plan: Removal,
    /// The folders that the installation had made.
    folders: Vec<PathBuf>,
}

fn planned(arguments: &Uninstall, root: &Root) -> Result<Option<(Record, Removal)>, InstallError> {
    let Some(record) = Record::read(root)? else {
        return Ok(None);
    };
    let prefix = arguments.place.prefix.as_ref();
    if prefix.is_some_and(|prefix| prefix.join("lib/weir") != record.places.data) {
        return Err(InstallError::Refused {
            what: "uninstall",
            reasons: vec![format!(
                "the data of what is installed is in {}: leave --prefix out",
                record.places.data.display()
            )],
        });
    }
    let plan = removal(root, &record, arguments.purge)?;
    Ok(Some((record, plan)))
}

fn carried_out(
    arguments: &Uninstall,
    root: &Root,
    node: impl FnOnce() -> Result<Node, Failure>,
) -> Result<Option<Done>, Failure> {
    let Some((record, plan)) = planned(arguments, root)? else {
        return Ok(None);
    };
    let node = root.is_live().then(node).transpose()?;
    let refuse_pods = || {
        let asked = node.as_ref().filter(|_| !arguments.force);
        asked.map_or(Ok(()), machine::refuse_pods)
    };
    refuse_pods()?;
    let mut rows: Vec<_> = of_steps(&plan.first).collect();
    undo(root, &plan.first)?;
    // No runtime begins an ADD from now on, but one may have come since they were counted.
    refuse_pods()?;
    if let Some(node) = &node {
        rows.extend(machine::remove(node)?);
    }
    rows.extend(of_steps(&plan.rest));
    rows.extend(undo(root, &plan.rest)?);
    Ok(Some(Done {
        rows,
        plan,
        folders: record.folders.into_iter().collect(),
    }))
}

fn of_steps(steps: &[Undo]) -> impl Iterator<Item = Row> {
    steps.iter().filter_map(Undo::row)
}

fn nothing() {
    talk("nothing is installed here that `weir install` has a record of");
}

fn show(rows: &[Row], plan: &Removal, screen: &Screen) -> Result<(), Failure> {
    list(rows, "nothing to remove", screen)?;
    for notice in &plan.notices {
        talk(&format!("note: {notice}"));
    }
    Ok(())
}
