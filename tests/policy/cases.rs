//! The cases: each file of `cases/` on one node after the other, so that each is also a change of the one before.

use std::fs;
use std::path::{Path, PathBuf};

use weir_tests::node::repository;

use crate::cluster::Cluster;
use crate::grid::{Case, Stage, Step};
use crate::probe::mistakes;

/// The folders of cases. Each is one test on one cluster.
const GROUPS: [&str; 7] = [
    "changes",
    "deny",
    "isolation",
    "networks",
    "node",
    "peers",
    "ports",
];
/// How many mistakes of a grid are told: the first ones say it all.
const TOLD: usize = 12;

/// What every test here needs.
macro_rules! needs {
    () => {
        weir_tests::need!(
            weir_tests::need::Need::Root,
            weir_tests::need::Need::Templates,
            weir_tests::need::Need::Tool("ip")
        )
    };
}
pub(crate) use needs;

macro_rules! groups {
    ($($group:ident)*) => { $(
        #[test]
        fn $group() {
            needs!();
            check(stringify!($group));
        }
    )* };
}

groups!(changes deny isolation networks node peers ports);

#[track_caller]
fn check(group: &str) {
    let cluster = Cluster::new();
    let found: Vec<_> = files(group)
        .into_iter()
        .flat_map(|file| run(&cluster, &file))
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Puts a case in force, goes through its stages, and says where it is not as it is written.
fn run(cluster: &Cluster, file: &Path) -> Vec<String> {
    let name = file.file_name().unwrap().to_string_lossy();
    let mut case = Case::read(&fs::read_to_string(file).unwrap());
    let mut found = Vec::new();
    for (number, stage) in case.stages.iter().enumerate() {
        step(cluster, stage, &mut case.documents);
        let all = mistakes(cluster, |from, to, service| {
            stage.is_open(from, to, service)
        });
        let more = all.len().saturating_sub(TOLD);
        let told = all.into_iter().take(TOLD);
        found.extend(told.map(|it| format!("{name}, stage {number}: {it}")));
        if more > 0 {
            found.push(format!("{name}, stage {number}: and {more} more"));
        }
    }
    if case.stages.iter().any(Stage::configures) {
        cluster.configure("");
    }
    found
}

fn step(cluster: &Cluster, stage: &Stage, documents: &mut String) {
    match &stage.step {
        None => cluster.apply(documents),
        Some(Step::Label { pod, changes }) => {
            let changes: Vec<_> = changes.iter().map(String::as_str).collect();
            cluster.label(pod, &changes);
        }
        Some(Step::Delete { name }) => {
            cluster.policy(&["delete", name]).expect_success();
        }
        Some(Step::Replace { old, new }) => {
            assert!(documents.contains(old), "there is no {old:?} to replace");
            // The step itself names it, too.
            let replaced = documents.lines().map(|line| {
                if line.starts_with("# > ") {
                    line.to_owned()
                } else {
                    line.replace(old, new)
                }
            });
            *documents = replaced.collect::<Vec<_>>().join("\n");
            cluster.apply(documents);
        }
        Some(Step::Configure { line }) => {
            cluster.configure(line);
            cluster.apply(documents);
        }
    }
}

fn files(group: &str) -> Vec<PathBuf> {
    let mut files = list(&repository("tests/policy/cases").join(group));
    files.sort();
    assert!(!files.is_empty(), "there are no cases in {group}");
    files
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn every_case_belongs_to_a_group_and_can_be_read() {
    let mut groups = list(&repository("tests/policy/cases"));
    groups.sort();
    let names = groups.iter().map(|group| group.file_name().unwrap());
    assert!(names.eq(GROUPS), "{groups:?}");
    for file in GROUPS.into_iter().flat_map(files) {
        Case::read(&fs::read_to_string(file).unwrap());
    }
}
