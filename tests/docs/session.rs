//! A page's commands in a shell on a node of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ep_builder::whole_file;
use tempfile::TempDir;
use weir_tests::node::repository;
use weir_tests::{binaries, process};

/// One thing that is typed.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Where it stands, for messages.
    pub(crate) place: String,
    /// What is typed.
    pub(crate) text: String,
    /// What the page says that it prints.
    pub(crate) shown: Option<String>,
}

/// The step that makes two pods and a policy.
pub(crate) fn pods() -> Step {
    Step {
        place: "tests/docs/pods.sh".to_owned(),
        text: include_str!("pods.sh").to_owned(),
        shown: None,
    }
}

/// Runs the steps in order and tells the first that fails, or what prints something else than is shown.
pub(crate) fn run(steps: &[Step]) -> Vec<String> {
    let printed = match printed(steps) {
        Ok(printed) => printed,
        Err(failure) => return vec![failure],
    };
    let both = steps.iter().zip(&printed);
    let differences = both.filter_map(|(step, printed)| {
        let difference = crate::compare::difference(step.shown.as_deref()?, printed)?;
        Some(format!("{}: {difference}", step.place))
    });
    differences.collect()
}

/// Runs the steps in order, and gives what each printed, or the first that failed.
pub(crate) fn printed(steps: &[Step]) -> Result<Vec<String>, String> {
    let work = tempfile::Builder::new()
        .prefix("weir-docs-")
        .tempdir()
        .unwrap();
    prepare(&work, steps);
    let ended = process::run(
        Command::new("unshare")
            .args(["-m", "-n", "-p", "-f", "--mount-proc", "--kill-child"])
            .arg(repository("tests/docs/node.sh"))
            .args([work.path(), &folder_of_binaries(), &repository("")])
            .stdin(Stdio::null()),
    );
    let outputs = steps.iter().enumerate().map(|(index, step)| {
        let printed = fs::read(work.path().join("printed").join(name(index))).unwrap_or_default();
        let printed = String::from_utf8_lossy(&printed).into_owned();
        if work.path().join("done").join(name(index)).exists() {
            Ok(printed)
        } else {
            let Step { place, text, .. } = step;
            Err(format!("{place}: fails:\n{text}{printed}{}", ended.stderr))
        }
    });
    outputs.collect()
}

fn prepare(work: &TempDir, steps: &[Step]) {
    for folder in ["steps", "printed", "done", "over"] {
        fs::create_dir(work.path().join(folder)).unwrap();
    }
    let session = fs::read(repository("tests/docs/session.sh")).unwrap();
    whole_file::write(&work.path().join("session.sh"), &session).unwrap();
    for (index, step) in steps.iter().enumerate() {
        let path = work.path().join("steps").join(name(index));
        whole_file::write(&path, step.text.as_bytes()).unwrap();
    }
}

/// The shell takes them in the order of their names.
fn name(index: usize) -> String {
    format!("{index:04}")
}

fn folder_of_binaries() -> PathBuf {
    let weir = binaries::weir().get_program().to_owned();
    Path::new(&weir).parent().unwrap().to_owned()
}

/// What every session needs of the machine.
#[macro_export]
macro_rules! need_session {
    () => {
        weir_tests::need!(
            weir_tests::need::Need::Root,
            weir_tests::need::Need::Tool("clang"),
            weir_tests::need::Need::Tool("ip"),
            weir_tests::need::Need::Tool("nc"),
            weir_tests::need::Need::Tool("ping"),
            weir_tests::need::Need::Tool("unshare"),
        )
    };
}
