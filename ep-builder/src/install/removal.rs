//! Taking away what was installed: what the record names, as it was installed, and nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::InstallError;
use super::plan::Row;
use super::record::{RECORD, Record, Stage};
use super::root::{Present, Root};
use super::tree::DATA;
use super::{POLICY, STAGING, machine, units};

/// What a network configuration that the operator changed is called when the plugin is gone: no runtime reads it.
const SAVED: &str = ".saved";

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// Writes down that it began.
    Record(Box<Record>),
    /// Removes a file, if it is there.
    File(PathBuf),
    /// Removes what a folder of the data has of the release.
    Data(PathBuf, Vec<PathBuf>),
    /// Removes what a process left that was killed.
    Clear(PathBuf),
    /// Gives a file another name.
    Rename(PathBuf, PathBuf),
    /// Removes a folder with all that is in it.
    Tree(PathBuf),
    /// Removes a folder, if it is empty.
    Folder(PathBuf),
    /// Makes the machine as it was.
    Restore(Box<Record>),
    /// Removes the record.
    Forget,
}

/// The steps: those before weir's work on the machine is undone, and those after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// No runtime calls the plugin any more.
    pub first: Vec<Undo>,
    /// Nothing is left.
    pub rest: Vec<Undo>,
    /// What to know.
    pub notices: Vec<String>,
}

impl Undo {
    /// How it is printed.
    pub fn row(&self) -> Option<Row> {
        let row = |action, path: &Path, note: String| {
            Some(Row {
                action,
                path: path.to_owned(),
                note,
            })
        };
        match self {
            Self::Record(_) | Self::Restore(_) | Self::Clear(_) => None,
            Self::Data(folder, files) => row("remove", folder, format!("{} files", files.len())),
            Self::File(path) | Self::Tree(path) => row("remove", path, String::new()),
            Self::Rename(from, to) => row("rename", from, format!("to {}", to.display())),
            Self::Folder(path) => row("remove folder", path, "if nothing is in it".to_owned()),
            Self::Forget => row("remove", Path::new(RECORD), String::new()),
        }
    }
}

/// The plan of a removal.
pub fn removal(root: &Root, record: &Record, purge: bool) -> Result<Removal, InstallError> {
    let mut present = BTreeMap::new();
    for path in record.files.keys() {
        present.insert(path, root.present(path)?);
    }
    let (network, command) = (record.network_path(), record.places.command.join("weir"));
    let leaving = Record {
        stage: Stage::Leaving,
        ..record.clone()
    };
    let mut removal = Removal {
        first: vec![Undo::Record(Box::new(leaving))],
        rest: vec![Undo::Restore(Box::new(record.clone()))],
        notices: Vec::new(),
    };
    let (mut last, mut of_folders) = (None, BTreeMap::<_, Vec<_>>::new());
    let (links, data) = (record.links.keys(), &record.places.data);
    removal.rest.extend(links.cloned().map(Undo::File));
    for (path, present) in present {
        let is_changed = match present {
            Present::Nothing => false,
            Present::File { facts, .. } => !record.has(path, &facts),
            Present::Link(_) | Present::Other => true,
        };
        let undo = match (is_changed && !purge, *path == network) {
            (true, true) => saved(path, &mut removal.notices),
            (true, false) => {
                let notice = format!("{} was changed, and stays", path.display());
                removal.notices.push(notice);
                continue;
            }
            (false, _) => Undo::File(path.clone()),
        };
        if *path == network {
            removal.first.push(undo);
        } else if *path == command {
            // As long as it is there, it can be called to go on.
            last = Some(undo);
        } else if let (Undo::File(path), Some(folder)) = (&undo, of_data(path, data)) {
            of_folders.entry(folder).or_default().push(path.clone());
        } else {
            removal.rest.push(undo);
        }
    }
    let of_folders = of_folders.into_iter();
    let data_goes = of_folders.map(|(folder, files)| Undo::Data(folder, files));
    removal.rest.extend(data_goes);
    removal.rest.push(Undo::Clear(data.join(STAGING)));
    removal
        .rest
        .extend(purge.then(|| Undo::Tree(POLICY.into())));
    removal.rest.extend(last);
    let folders = record.folders.iter().rev();
    let folders = folders.filter(|folder| !Path::new(RECORD).starts_with(folder));
    removal.rest.extend(folders.cloned().map(Undo::Folder));
    removal.rest.push(Undo::Forget);
    Ok(removal)
}

/// The folder of the data that a file is in.
fn of_data(path: &Path, data: &Path) -> Option<PathBuf> {
    let mut folders = DATA.iter().map(|name| data.join(name));
    folders.find(|folder| path.starts_with(folder))
}

/// A network without its plugin would fail every pod.
fn saved(path: &Path, notices: &mut Vec<String>) -> Undo {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(SAVED);
    let to = path.with_file_name(name);
    let notice = format!(
        "{} was changed, and is kept as {}",
        path.display(),
        to.display()
    );
    notices.push(notice);
    Undo::Rename(path.to_owned(), to)
}

/// Carries out steps of a removal, and says what it did beyond them. Whatever stops it, the next one goes on from there.
pub fn undo(root: &Root, steps: &[Undo]) -> Result<Vec<Row>, InstallError> {
    let mut more = Vec::new();
    for step in steps {
        match step {
            Undo::Record(record) => record.write(root)?,
            Undo::File(path) => root.remove_file(path)?,
            Undo::Rename(from, to) => {
                if root.present(from)? != Present::Nothing {
                    root.rename(from, to)?;
                }
                root.clear(from)?;
            }
            Undo::Data(_, files) => files.iter().try_for_each(|path| root.remove_file(path))?,
            Undo::Tree(path) | Undo::Clear(path) => root.remove_tree(path)?,
            Undo::Folder(path) => {
                root.remove_empty(path)?;
            }
            Undo::Restore(record) => more.extend(restore(record)?),
            Undo::Forget => root.remove_file(Path::new(RECORD))?,
        }
    }
    Ok(more)
}

fn restore(record: &Record) -> Result<Vec<Row>, InstallError> {
    let Some(before) = &record.before else {
        return Ok(Vec::new());
    };
    let (link, _) = units::link();
    let restored = machine::restore(before, record.links.contains_key(&link))?;
    let row = |(action, path)| Row {
        action,
        path,
        note: "as before the installation".to_owned(),
    };
    Ok(restored.into_iter().map(row).collect())
}
