//! What is to be installed, and what is there: all that a plan is made from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::{FsFlags, statvfs};

use super::error::InstallError;
use super::networks::{self, List, Taken};
use super::options::{Options, configuration};
use super::record::{Before, Places, RECORD, Record};
use super::root::{Present, Root};
use super::tree::{DATA, PLAIN, Tree};
use super::{POLICY, machine, units};
use crate::digest::FileFacts;
use crate::maps::Prefix;
use crate::settings::{DEFAULT_PATH, Paths};

/// The network configuration of a release.
const NETWORK: &str = "conf/10-weir.conflist";

/// What a file is for, which says what becomes of one that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Of sources, templates and bundle: replaced with its whole folder.
    Data,
    /// A page of the manual or the like.
    Share,
    /// `weir.toml`, which is the operator's.
    Config,
    /// A unit of systemd.
    Unit,
    /// The command.
    Command,
    /// The plugin.
    Plugin,
    /// The network configuration, which is the operator's too.
    Network,
}

/// Where the content of a file comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A file of the release.
    Release(PathBuf),
    /// Made here.
    Text(Vec<u8>),
}

/// A file that should be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where.
    pub path: PathBuf,
    /// What for.
    pub role: Role,
    /// Length and digest of its content.
    pub facts: FileFacts,
    /// The content.
    pub content: Content,
    /// Its rights.
    pub mode: u32,
}

/// The file system of a folder, or of the deepest one above it that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its number.
    pub device: u64,
    /// Whether nobody may write to it.
    pub is_read_only: bool,
    /// Whether nothing may be run from it.
    pub is_noexec: bool,
    /// How many bytes fit yet.
    pub room: u64,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Whether it is this node's own file system.
    pub is_live: bool,
    /// What is installed.
    pub record: Option<Record>,
    /// Where things go.
    pub places: Places,
    /// The ranges that were asked for, now or before.
    pub ranges: Vec<Prefix>,
    /// What should be there.
    pub items: Vec<Item>,
    /// What is at those paths, and at those on record.
    pub present: BTreeMap<PathBuf, Present>,
    /// The folders above them that are there.
    pub folders: BTreeSet<PathBuf>,
    /// Files in the folders of the data that are nobody's, by folder.
    pub strangers: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// The file systems, by the folders that are written to.
    pub volumes: BTreeMap<PathBuf, Volume>,
    /// The other network configurations.
    pub lists: Vec<List>,
    /// The file name of ours.
    pub network: String,
    /// Whether the operator changed what ours says.
    pub is_network_changed: bool,
    /// Networks that are taken.
    pub taken: Vec<Taken>,
    /// Whether to mount a BPF file system.
    pub wants_bpffs: bool,
    /// Folders that were made to look at all this.
    pub made: Vec<PathBuf>,
    /// What `weir.toml` says.
    pub paths: Paths,
    /// The machine before.
    pub before: Option<Before>,
    /// `weir.toml` as it is.
    pub kept_config: Option<String>,
    /// `weir.toml` as shipped.
    pub shipped_config: String,
}

/// Looks at everything; changes nothing. `made` are folders that were made for that alone.
pub fn survey(
    root: &Root,
    tree: &Tree,
    options: &Options,
    paths: &Paths,
    made: Vec<PathBuf>,
) -> Result<Survey, InstallError> {
    let record = Record::read(root)?;
    let places = Places::wanted(options, record.as_ref())?;
    let lists = other_lists(root, &places.networks, record.as_ref())?;
    let network = network_name(options, record.as_ref(), &lists)?;
    let ranges = match (&record, options.ranges.as_slice()) {
        (Some(record), []) => record.ranges.clone(),
        (_, asked) => asked.to_owned(),
    };
    let mut items = of_release(root, tree, &places)?;
    items.extend(units::wanted(root, record.as_ref(), paths)?);
    let changed = changed_network(root, record.as_ref())?;
    let text = match &changed {
        Some(text) => networks::with_ranges(text, &options.ranges),
        None => networks::with_ranges(&tree.bytes(Path::new(NETWORK))?, &ranges),
    };
    let text = text.map_err(|reason| InstallError::Source {
        path: NETWORK.into(),
        reason,
    })?;
    items.push(text_item(
        places.networks.join(&network),
        Role::Network,
        text,
    ));
    items.sort_by(|a, b| (a.role, &a.path).cmp(&(b.role, &b.path)));
    let mut survey = Survey {
        is_live: root.is_live(),
        taken: taken(root, &lists),
        before: machine::before(root, record.as_ref(), paths),
        wants_bpffs: machine::wants_bpffs(root, paths),
        kept_config: operators(root, Path::new(DEFAULT_PATH))?.map(|it| as_text(&it)),
        shipped_config: as_text(&tree.bytes(Path::new("conf/weir.toml"))?),
        is_network_changed: changed.is_some(),
        made,
        paths: paths.clone(),
        record,
        places,
        ranges,
        items,
        lists,
        network,
        present: BTreeMap::new(),
        folders: BTreeSet::new(),
        strangers: BTreeMap::new(),
        volumes: BTreeMap::new(),
    };
    look(root, &mut survey)?;
    Ok(survey)
}

fn as_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn text_item(path: PathBuf, role: Role, text: Vec<u8>) -> Item {
    Item {
        path,
        role,
        facts: FileFacts::of(&text),
        content: Content::Text(text),
        mode: PLAIN,
    }
}

/// The files of a release at their places. One that stands where its data belongs is a package's: what it has there,
/// and its command, are installed already.
fn of_release(root: &Root, tree: &Tree, places: &Places) -> Result<Vec<Item>, InstallError> {
    let is_in_place =
        root.is_live() && places.data.canonicalize().ok().as_ref() == Some(&tree.folder);
    let mut items = Vec::new();
    for source in &tree.files {
        let path = source.path.as_path();
        let below = |folder: &str| path.strip_prefix(folder).ok();
        let (role, path) = if path == Path::new("conf/weir.toml") {
            let text = configuration(&tree.bytes(path)?, &places.data);
            items.push(text_item(DEFAULT_PATH.into(), Role::Config, text));
            continue;
        } else if let Some(name) = below("bin") {
            match name.to_str() {
                Some("weir") => (Role::Command, places.command.join(name)),
                _ => (Role::Plugin, places.plugins.join(name)),
            }
        } else if let Some(name) = below("share") {
            (Role::Share, places.share.join(name))
        } else if DATA.iter().any(|folder| path.starts_with(folder)) {
            (Role::Data, places.data.join(path))
        } else {
            continue;
        };
        if is_in_place && matches!(role, Role::Command | Role::Share | Role::Data) {
            continue;
        }
        items.push(Item {
            path,
            role,
            facts: source.facts.clone(),
            content: Content::Release(source.path.clone()),
            mode: source.mode,
        });
    }
    Ok(items)
}

fn other_lists(
    root: &Root,
    folder: &Path,
    record: Option<&Record>,
) -> Result<Vec<List>, InstallError> {
    let mut lists = Vec::new();
    for name in root.names(folder)? {
        let Some(name) = name.to_str().filter(|name| networks::is_read(name)) else {
            continue;
        };
        let is_recorded = record.is_some_and(|record| record.network == name);
        if is_recorded || (record.is_none() && name == networks::NAME) {
            continue;
        }
        // One that cannot be read is somebody's all the same.
        let text = root.read(&folder.join(name)).ok().flatten();
        lists.push(networks::list(name, &text.unwrap_or_default()));
    }
    Ok(lists)
}

fn network_name(
    options: &Options,
    record: Option<&Record>,
    lists: &[List],
) -> Result<String, InstallError> {
    let installed = record.map_or(networks::NAME, |record| &record.network);
    let others: Vec<_> = lists.iter().map(|list| list.name.as_str()).collect();
    let is_first = others.iter().all(|other| installed < *other);
    if !options.is_first || is_first {
        return Ok(installed.to_owned());
    }
    match networks::first_name(&others) {
        Some(name) => Ok(name.to_owned()),
        None => Err(InstallError::Refused {
            what: "be the first network",
            reasons: vec![format!(
                "no name comes before {}: give that file another name",
                others.first().unwrap_or(&"")
            )],
        }),
    }
}

/// The content of a file that the operator may change. A link is the operator's, and is kept whatever it says.
fn operators(root: &Root, path: &Path) -> Result<Option<Vec<u8>>, InstallError> {
    match root.present(path)? {
        Present::Link(_) => Ok(None),
        _ => Ok(root.read(path)?),
    }
}

/// Our network configuration, if the operator made something else of it.
fn changed_network(root: &Root, record: Option<&Record>) -> Result<Option<Vec<u8>>, InstallError> {
    let Some(record) = record else {
        return Ok(None);
    };
    let path = record.network_path();
    let text = operators(root, &path)?;
    Ok(text.filter(|text| !record.has(&path, &FileFacts::of(text))))
}

fn taken(root: &Root, lists: &[List]) -> Vec<Taken> {
    let others = lists.iter().filter(|list| !list.is_ours);
    let of_lists = others.flat_map(|list| {
        let taken = |network: &Prefix| Taken {
            network: *network,
            by: format!("the network configuration {}", list.name),
        };
        list.networks.iter().map(taken)
    });
    let mut taken: Vec<_> = of_lists.collect();
    if root.is_live() {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        taken.extend(networks::routes_ipv4(&text("/proc/net/route")));
        taken.extend(networks::routes_ipv6(&text("/proc/net/ipv6_route")));
    }
    taken
}

/// Fills in what is there.
fn look(root: &Root, survey: &mut Survey) -> Result<(), InstallError> {
    let recorded = survey.record.iter().flat_map(|record| record.files.keys());
    let mut paths: BTreeSet<PathBuf> = recorded.cloned().collect();
    paths.extend(survey.items.iter().map(|item| item.path.clone()));
    paths.insert(units::link().0);
    let ends = [Path::new(RECORD), Path::new(POLICY)];
    let above = paths.iter().map(PathBuf::as_path).chain(ends);
    let above = above.flat_map(|path| path.ancestors().skip(1));
    let above: BTreeSet<&Path> = above.chain([Path::new(POLICY)]).collect();
    for folder in above {
        if root.has_folder(folder)? {
            survey.folders.insert(folder.to_owned());
        }
    }
    for path in &paths {
        survey.present.insert(path.clone(), root.present(path)?);
    }
    for name in DATA {
        let folder = survey.places.data.join(name);
        if survey
            .items
            .iter()
            .any(|item| item.path.starts_with(&folder))
        {
            let mut found = Vec::new();
            strangers(root, survey, &folder, &mut found)?;
            survey.strangers.insert(folder, found);
        }
    }
    let written: BTreeSet<_> = survey
        .items
        .iter()
        .filter_map(|it| it.path.parent())
        .collect();
    let mut volumes = BTreeMap::new();
    for folder in written {
        let there = folder.ancestors().find(|it| survey.folders.contains(*it));
        let volume = root.with_folder(there.unwrap_or(Path::new("/")), volume)?;
        volumes.insert(folder.to_owned(), volume);
    }
    survey.volumes = volumes;
    Ok(())
}

/// The files below a folder that are neither to be installed nor as they were installed.
fn strangers(
    root: &Root,
    survey: &Survey,
    folder: &Path,
    found: &mut Vec<PathBuf>,
) -> Result<(), InstallError> {
    for name in root.names(folder)? {
        let path = folder.join(name);
        match root.present(&path)? {
            Present::Other => strangers(root, survey, &path, found)?,
            Present::File { facts, .. } => {
                let record = survey.record.as_ref();
                let is_ours = record.is_some_and(|record| record.has(&path, &facts))
                    || survey.items.iter().any(|item| item.path == path);
                found.extend((!is_ours).then_some(path));
            }
            Present::Link(_) | Present::Nothing => found.push(path),
        }
    }
    Ok(())
}

fn volume(path: &Path) -> std::io::Result<Volume> {
    let facts = statvfs(path)?;
    let has = |flag| facts.flags().contains(flag);
    Ok(Volume {
        device: fs::metadata(path)?.dev(),
        is_read_only: has(FsFlags::ST_RDONLY),
        is_noexec: has(FsFlags::ST_NOEXEC),
        room: facts.blocks_available() * facts.fragment_size(),
    })
}
