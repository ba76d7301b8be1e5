//! From what should be there and what is, to the steps between them. Pure.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::advice::{notices, refusals};
use super::error::InstallError;
use super::fate::{Fate, fate};
use super::machine::BPFFS;
use super::record::{Installed, RECORD, Record, Stage};
use super::root::Present;
use super::survey::{Item, Role, Survey};
use super::tree::DATA;
use super::{POLICY, STAGING, units};
use crate::digest::FileFacts;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Writes down what is about to be there, or what is.
    Record(Box<Record>),
    /// Makes a folder.
    Folder(PathBuf),
    /// Replaces a folder of the data at once by one with these files and what is somebody else's in it.
    Swap {
        /// The folder.
        folder: PathBuf,
        /// What belongs there.
        items: Vec<Item>,
        /// What is kept of what is there.
        kept: Vec<PathBuf>,
        /// Whether it is there.
        is_there: bool,
    },
    /// Writes a file in the place of whatever is there.
    Write {
        /// The file.
        item: Item,
        /// Whether there is one.
        is_there: bool,
    },
    /// Makes a symbolic link.
    Link {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// Mounts a BPF file system.
    Mount,
    /// Removes a file of an older release.
    Remove(PathBuf),
    /// Removes what a process left that was killed: a folder, and files on their way to these paths.
    Clear(PathBuf, Vec<PathBuf>),
    /// Has runtimes notice a file.
    Announce(PathBuf),
}

/// A step as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What is done.
    pub action: &'static str,
    /// To what.
    pub path: PathBuf,
    /// More about it.
    pub note: String,
}

/// The steps, and what the operator should know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In their order.
    pub steps: Vec<Step>,
    /// What to know.
    pub notices: Vec<String>,
}

impl Step {
    /// How it is printed; the record is nothing to see.
    pub fn row(&self) -> Option<Row> {
        let row = |action, path: &Path, note: &str| {
            Some(Row {
                action,
                path: path.to_owned(),
                note: note.to_owned(),
            })
        };
        let verb = |is_there: &bool| if *is_there { "replace" } else { "write" };
        match self {
            Self::Record(_) | Self::Clear(..) | Self::Announce(_) => None,
            Self::Folder(path) => row("make folder", path, ""),
            Self::Swap {
                folder,
                items,
                is_there,
                ..
            } => row(verb(is_there), folder, &format!("{} files", items.len())),
            Self::Write { item, is_there } => row(verb(is_there), &item.path, ""),
            Self::Link { path, target } => {
                row("link", path, &format!("leads to {}", target.display()))
            }
            Self::Mount => row("mount", Path::new(BPFFS), "a BPF file system"),
            Self::Remove(path) => row("remove", path, "of an older release"),
        }
    }
}

/// The plan of an installation. Refused with every reason there is, unless all can be put aside and `force` is set.
pub fn plan(survey: &Survey, force: bool) -> Result<Plan, InstallError> {
    let refusals = refusals(survey);
    let counts = refusals.iter().filter(|it| it.is_final || !force);
    let reasons: Vec<_> = counts.map(|it| it.reason.clone()).collect();
    if !reasons.is_empty() {
        return Err(InstallError::Refused {
            what: "install",
            reasons,
        });
    }
    let mut changes = Changes::default();
    changes.steps.extend(leftovers(survey));
    swaps(survey, &mut changes);
    let singles = survey.items.iter().filter(|it| it.role != Role::Data);
    let (networks, others): (Vec<_>, Vec<_>) = singles.partition(|it| it.role == Role::Network);
    for item in others {
        changes.write(survey, item);
    }
    unit_link(survey, &mut changes);
    changes.need(survey, Some(Path::new(POLICY)));
    if survey.wants_bpffs {
        changes.steps.push(Step::Mount);
    }
    let network = survey.record.as_ref().map(Record::network_path);
    let is_network = |path: &PathBuf| network.as_ref() == Some(path);
    let (old_network, gone): (Vec<_>, Vec<_>) = gone(survey).into_iter().partition(is_network);
    changes.steps.extend(gone.into_iter().map(Step::Remove));
    // Last: its presence tells runtimes that the node is ready.
    for item in networks {
        let steps = changes.steps.len();
        changes.write(survey, item);
        // Behind a link is nothing that was written here.
        let is_link = matches!(survey.present.get(&item.path), Some(Present::Link(_)));
        if changes.steps.len() > steps || (is_unfinished(survey) && !is_link) {
            changes.steps.push(Step::Announce(item.path.clone()));
        }
    }
    changes
        .steps
        .extend(old_network.into_iter().map(Step::Remove));
    Ok(Plan {
        steps: framed(survey, changes),
        notices: notices(survey),
    })
}

/// The steps, and the folders they need.
#[derive(Default)]
struct Changes {
    steps: Vec<Step>,
    folders: BTreeSet<PathBuf>,
}

impl Changes {
    fn write(&mut self, survey: &Survey, item: &Item) {
        let fate = fate(survey, item);
        if matches!(fate, Fate::Stays | Fate::Kept) {
            return;
        }
        self.need(survey, item.path.parent());
        self.steps.push(Step::Write {
            item: item.clone(),
            is_there: fate != Fate::New,
        });
    }

    fn need(&mut self, survey: &Survey, folder: Option<&Path>) {
        let above = folder.into_iter().flat_map(Path::ancestors);
        let missing = above.filter(|it| !survey.folders.contains(*it));
        self.folders.extend(missing.map(Path::to_owned));
    }
}

/// The folders of the data in which anything is not as it should be.
fn swaps(survey: &Survey, changes: &mut Changes) {
    for name in DATA {
        let folder = survey.places.data.join(name);
        let items = survey
            .items
            .iter()
            .filter(|it| it.path.starts_with(&folder));
        let items: Vec<_> = items.cloned().collect();
        let is_whole = items.iter().all(|item| fate(survey, item) == Fate::Stays);
        let is_old = obsolete(survey).any(|path| path.starts_with(&folder));
        if items.is_empty() || (is_whole && !is_old) {
            continue;
        }
        changes.need(survey, Some(&survey.places.data));
        changes.steps.push(Step::Swap {
            is_there: survey.folders.contains(&folder),
            kept: survey.strangers.get(&folder).cloned().unwrap_or_default(),
            folder,
            items,
        });
    }
}

fn unit_link(survey: &Survey, changes: &mut Changes) {
    let (path, target) = units::link();
    let is_there = survey.present.get(&path) == Some(&Present::Link(target.clone()));
    let has_unit = survey.items.iter().any(|item| item.role == Role::Unit);
    if has_unit && !is_there {
        changes.need(survey, path.parent());
        changes.steps.push(Step::Link { path, target });
    }
}

/// Whether whoever changed what is installed did not come to an end.
fn is_unfinished(survey: &Survey) -> bool {
    let record = survey.record.as_ref();
    record.is_some_and(|record| record.stage != Stage::Installed)
}

fn leftovers(survey: &Survey) -> Option<Step> {
    let recorded = survey
        .record
        .iter()
        .flat_map(|it| it.files.keys().chain(it.links.keys()));
    is_unfinished(survey).then(|| {
        Step::Clear(
            survey.places.data.join(STAGING),
            recorded.cloned().collect(),
        )
    })
}

/// What is on record, was not changed, and is not of this release.
fn obsolete(survey: &Survey) -> impl Iterator<Item = &PathBuf> {
    let recorded = survey.record.iter().flat_map(|record| record.files.keys());
    recorded.filter(|path| survey.items.iter().all(|item| item.path != **path))
}

/// The files of an older release that stand alone and can go; those in the folders of the data go with these.
fn gone(survey: &Survey) -> Vec<PathBuf> {
    let swapped = |path: &Path| {
        let mut folders = DATA.iter().map(|name| survey.places.data.join(name));
        folders.any(|folder| {
            let mut items = survey.items.iter();
            path.starts_with(&folder) && items.any(|item| item.path.starts_with(&folder))
        })
    };
    let can_go = |path: &&PathBuf| match (survey.present.get(*path), &survey.record) {
        (Some(Present::File { facts, .. }), Some(record)) => {
            // What the operator made of it is in the one that takes its place.
            record.network_path() == **path || record.has(path, facts)
        }
        _ => false,
    };
    // A package that stands there now has put its own in their place.
    let has_data = survey.items.iter().any(|item| item.role == Role::Data);
    let is_handed_over = |path: &Path| !has_data && path.starts_with(&survey.places.data);
    let gone = obsolete(survey).filter(|path| !swapped(path) && !is_handed_over(path));
    gone.filter(can_go).cloned().collect()
}

/// The steps between a record that it began and one that it is done; nothing, if nothing is to be done.
fn framed(survey: &Survey, changes: Changes) -> Vec<Step> {
    let Changes { steps, folders } = changes;
    let home = Path::new(RECORD).parent();
    let mut of_record = Changes::default();
    of_record.need(survey, home);
    let all_folders = folders.union(&of_record.folders).cloned().collect();
    let done = record(survey, Stage::Installed, &all_folders);
    let is_done = survey.record.as_ref() == Some(&done);
    if steps.is_empty() && folders.is_empty() && is_done {
        return Vec::new();
    }
    let begun = record(survey, Stage::Begun, &all_folders);
    let others = folders.difference(&of_record.folders);
    let others: Vec<_> = others.cloned().map(Step::Folder).collect();
    let mut all: Vec<_> = of_record.folders.into_iter().map(Step::Folder).collect();
    all.push(Step::Record(Box::new(begun)));
    all.extend(others);
    all.extend(steps);
    all.push(Step::Record(Box::new(done)));
    all
}

/// What is on record at a stage.
fn record(survey: &Survey, stage: Stage, folders: &BTreeSet<PathBuf>) -> Record {
    let mut record = Record::new(survey.places.clone(), survey.network.clone());
    let old = survey.record.as_ref();
    record.stage = stage;
    record.ranges.clone_from(&survey.ranges);
    record.before.clone_from(&survey.before);
    record.folders.clone_from(folders);
    record.folders.extend(survey.made.iter().cloned());
    record.folders.extend(below_data(survey));
    if let Some(old) = old {
        record.folders.extend(old.folders.iter().cloned());
        record.links.clone_from(&old.links);
        if stage == Stage::Begun {
            record.files.clone_from(&old.files);
        }
    }
    // It goes with the record itself, and may be there before there is one.
    record
        .folders
        .retain(|folder| Some(folder.as_path()) != Path::new(RECORD).parent());
    for item in &survey.items {
        let was = old.and_then(|old| old.files.get(&item.path));
        let is_ours = match fate(survey, item) {
            Fate::Stays => was.is_some(),
            Fate::Kept => {
                record
                    .files
                    .extend(was.map(|was| (item.path.clone(), was.clone())));
                false
            }
            _ => true,
        };
        if !is_ours {
            continue;
        }
        let installed = Installed {
            contents: contents(survey, item, stage),
        };
        record.files.insert(item.path.clone(), installed);
        if item.role == Role::Unit {
            record.links.extend([units::link()]);
        }
    }
    record
}

/// What a file may hold that was not changed by somebody else.
fn contents(survey: &Survey, item: &Item, stage: Stage) -> Vec<FileFacts> {
    let old = survey.record.as_ref();
    let was = |path: &Path| {
        let was = old.and_then(|old| old.files.get(path));
        was.map_or_else(Vec::new, |was| was.contents.clone())
    };
    if item.role == Role::Network && survey.is_network_changed {
        // It has new ranges, or a new name, and is what the operator made of it as before.
        return was(&old.map(Record::network_path).unwrap_or_default());
    }
    let mut contents = vec![item.facts.clone()];
    if stage == Stage::Begun {
        let before = was(&item.path).into_iter();
        contents.extend(before.filter(|facts| *facts != item.facts));
    }
    contents
}

/// The folders that a swap brings, where they are not somebody else's.
fn below_data(survey: &Survey) -> impl Iterator<Item = PathBuf> {
    let data = survey.items.iter().filter(|it| it.role == Role::Data);
    let above = data.flat_map(|item| item.path.ancestors().skip(1));
    let below = above.filter(|it| it.starts_with(&survey.places.data));
    let new = below.filter(|it| !survey.folders.contains(*it));
    new.map(Path::to_owned)
}

#[cfg(test)]
mod tests;
