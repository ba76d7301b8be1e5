//! `weir install`: a release onto this node, or into an image.

mod proof;

use std::path::Path;
use std::process::ExitCode;

use ep_builder::install::{
    Hold, InstallError, Options, Plan, Root, Row, Step, Survey, Tree, carry_out, plan, survey,
};
use ep_builder::settings::Paths;
use ep_builder::whole_file::FileError;

use crate::cli::{Install, Where};
use crate::doctor::faults_of_machine;
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Columns, Screen, talk};

/// `node` reads the configuration, if there is one. Exit code 1 if all is in place and a check of the selftest fails.
pub(crate) fn run(
    arguments: &Install,
    node: impl Fn() -> Result<Node, Failure>,
    screen: &Screen,
) -> Result<ExitCode, Failure> {
    let root = root(&arguments.place)?;
    let tree = match &arguments.from {
        Some(folder) => Tree::read(folder)?,
        None => Tree::around(&this_program()?)?,
    };
    tree.fits(&root)?;
    let paths = if root.is_live() {
        paths_of_machine(&node()?, arguments.force)?
    } else {
        Paths::default()
    };
    let look = |made| -> Result<(Survey, Plan), InstallError> {
        let survey = survey(&root, &tree, &options(arguments), &paths, made)?;
        let plan = plan(&survey, arguments.force)?;
        Ok((survey, plan))
    };
    if arguments.place.dry_run {
        let (_, plan) = look(Vec::new())?;
        let empty = "nothing would change: all of this release is installed";
        show(&plan, empty, screen)?;
        return Ok(ExitCode::SUCCESS);
    }
    let hold = Hold::take(&root)?;
    let made = hold.made();
    let done = look(made.clone()).and_then(|(survey, plan)| {
        carry_out(&root, &tree, &plan.steps)?;
        Ok((survey, plan))
    });
    // A refusal leaves nothing behind; of what was begun the record tells.
    let released = hold.release(&[]);
    // Why nothing was installed says more than why the lock is still there.
    let (survey, mut plan) = done?;
    released?;
    // Of these the plan knows nothing: they were there when it was made.
    plan.steps.splice(0..0, made.into_iter().map(Step::Folder));
    show(
        &plan,
        "nothing changes: all of this release is installed",
        screen,
    )?;
    next(&survey, &plan);
    if arguments.no_selftest || !survey.is_live {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(proof::prove(&survey, node))
}

/// The file system that is meant.
pub(crate) fn root(place: &Where) -> Result<Root, Failure> {
    match &place.root {
        Some(folder) if folder != Path::new("/") => {
            Ok(Root::image(folder).map_err(InstallError::from)?)
        }
        _ => Ok(Root::Live),
    }
}

fn this_program() -> Result<std::path::PathBuf, InstallError> {
    let program = std::env::current_exe();
    Ok(program.map_err(FileError::of(
        "find the program",
        Path::new("/proc/self/exe"),
    ))?)
}

fn options(arguments: &Install) -> Options {
    Options {
        prefix: arguments.place.prefix.clone(),
        plugins: arguments.cni_bin_dir.clone(),
        networks: arguments.cni_conf_dir.clone(),
        ranges: arguments.ranges.clone(),
        is_first: arguments.first,
        force: arguments.force,
    }
}

/// Refuses a machine on which no pod could be wired.
fn paths_of_machine(node: &Node, force: bool) -> Result<Paths, Failure> {
    let faults = faults_of_machine(&node.settings);
    if faults.is_empty() || force {
        for fault in &faults {
            talk(&format!("note: {fault}"));
        }
        return Ok(node.settings.paths.clone());
    }
    let refused = InstallError::Refused {
        what: "install",
        reasons: faults,
    };
    Err(refused.into())
}

fn show(plan: &Plan, empty: &'static str, screen: &Screen) -> Result<(), Failure> {
    let rows: Vec<_> = plan.steps.iter().filter_map(Step::row).collect();
    list(&rows, empty, screen)?;
    for notice in &plan.notices {
        talk(&format!("note: {notice}"));
    }
    Ok(())
}

/// Prints changes.
pub(crate) fn list(rows: &[Row], empty: &'static str, screen: &Screen) -> Result<(), Failure> {
    let cells = |row: &Row| {
        let path = row.path.display().to_string();
        vec![row.action.to_owned(), path, row.note.clone()]
    };
    screen.list(
        rows,
        &Columns {
            headings: &["ACTION", "PATH", "NOTE"],
            plain: 3,
            rows: rows.iter().map(cells).collect(),
            empty,
        },
    )
}

/// What the operator may want to do now.
fn next(survey: &Survey, plan: &Plan) {
    let is_new = |step: &Step| matches!(step, Step::Swap { is_there: true, .. });
    if !survey.is_live || plan.steps.is_empty() {
        return;
    }
    match survey.record {
        Some(_) if plan.steps.iter().any(is_new) => talk(
            "next: `weir endpoint regenerate --all` puts the new datapath in force in pods that are there, `weir node init` in the node's part",
        ),
        Some(_) => {}
        None => talk(
            "next: `weir doctor` looks at the node; pods that a runtime makes from now on are weir's",
        ),
    }
}
