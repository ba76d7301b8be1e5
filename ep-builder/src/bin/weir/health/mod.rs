//! The health endpoint: a pod of the node's own that runs nothing and answers ping. It is made by an ADD of weir-cni as
//! every pod is, so who reaches it reaches pods; `docs/decisions/0034-health-endpoint.md` has the reasons.
//!
//! What is wanted is on disk before anything is made. Whoever comes after a process that was killed finds that it is
//! not as it was to be, has the plugin take everything away, and makes it again.

pub(crate) mod configuration;
mod error;
mod namespace;
mod ping;
pub(crate) mod plugin;
mod record;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ep_builder::endpoint::Endpoint;
use ep_builder::health::is_health;
use ep_builder::lifecycle::first_fault;
use ep_builder::lock::FileLock;
use ep_builder::state::{Entry, StateLayout, Store};
use ep_builder::whole_file::{self, FileError, is_absent};
use serde_json::Value;

use crate::failure::Failure;
use crate::node::Node;
use configuration::FOLDER;
pub(crate) use error::HealthError;
pub(crate) use ping::{Echo, ping};
use plugin::{Plugin, Verb};
use record::{Asker, Record};

/// An ADD with a cold template compiles first.
const PATIENCE: Duration = Duration::from_mins(1);

/// What an operator says about it in one command.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Said<'a> {
    /// Whether there is to be one; if nothing is said, what was said before holds.
    pub(crate) health: Option<bool>,
    /// The network configuration it is made from.
    pub(crate) conflist: Option<&'a Path>,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// Nothing had to be.
    Nothing,
    /// It was made, from this file.
    Made(PathBuf),
    /// It was taken away.
    Removed,
}

/// Where everything of it is.
struct Place {
    folder: PathBuf,
    record: PathBuf,
    netns: PathBuf,
    lock: PathBuf,
}

impl Place {
    fn of(node: &Node) -> Self {
        let layout = StateLayout::new(&node.settings.paths.state_dir);
        Self {
            folder: layout.health(),
            record: layout.health().join("health.json"),
            netns: layout.health_netns(),
            lock: layout.locks().join("health"),
        }
    }

    fn lock(&self) -> Result<FileLock, HealthError> {
        for folder in [self.lock.parent(), Some(self.folder.as_path())] {
            whole_file::private_folder(folder.unwrap_or(Path::new("/")))?;
        }
        FileLock::acquire(&self.lock, PATIENCE).map_err(HealthError::Locked)
    }
}

/// Whether there is to be a health endpoint: as the configuration says, or as an operator said.
pub(crate) fn is_wanted(node: &Node) -> Result<bool, Failure> {
    Ok(asker(node, None)?.is_some())
}

/// Who wants it; none: nobody.
fn asker(node: &Node, said: Option<bool>) -> Result<Option<Asker>, Failure> {
    let by_settings = node.settings.host.health.then_some(Asker::Settings);
    Ok(match said {
        Some(true) => by_settings.or(Some(Asker::Command)),
        Some(false) => None,
        None => {
            let known = Record::read(&Place::of(node).record)?.map(|record| record.asker);
            by_settings.or(known.filter(|asker| *asker == Asker::Command))
        }
    })
}

/// Makes it, mends it or takes it away, as is wanted.
pub(crate) fn settle(node: &Node, said: Said<'_>) -> Result<Done, Failure> {
    match asker(node, said.health)? {
        Some(asker) => make(node, asker, said.conflist),
        None => remove(node),
    }
}

fn make(node: &Node, asker: Asker, named: Option<&Path>) -> Result<Done, Failure> {
    let (place, store) = (Place::of(node), node.store()?);
    let _lock = place.lock()?;
    let known = Record::read(&place.record)?;
    let before = known.as_ref().and_then(|record| record.named.as_deref());
    let named = named.or(before);
    let (path, configuration) = source(node, named)?;
    let wanted = Record::new(asker, named.map(Path::to_owned), configuration);
    let is_same = known.as_ref() == Some(&wanted);
    if is_same && is_well(node, &place, &store)? {
        return Ok(Done::Nothing);
    }
    let plugin = Plugin::find(&node.settings)?;
    // What was made from another configuration is given back to where it came from.
    let old = known.as_ref().unwrap_or(&wanted);
    plugin.call(Verb::Del, &old.configuration, &place.netns)?;
    namespace::remove(&place.netns)?;
    wanted.write(&place.record)?;
    namespace::make(&place.netns)?;
    plugin.call(Verb::Add, &wanted.configuration, &place.netns)?;
    Ok(Done::Made(path))
}

/// Takes it away, whatever there is of it.
pub(crate) fn remove(node: &Node) -> Result<Done, Failure> {
    let place = Place::of(node);
    // Who never had one makes no folder for it.
    if is_absent(&node.settings.paths.state_dir) {
        return Ok(Done::Nothing);
    }
    let store = node.store()?;
    let has_endpoint = of(&store.list()?).is_some();
    if !has_endpoint && is_absent(&place.folder) {
        return Ok(Done::Nothing);
    }
    let _lock = place.lock()?;
    let known = Record::read(&place.record)?;
    let configuration = match known {
        Some(record) => Some(record.configuration),
        None if has_endpoint => Some(source(node, None)?.1),
        None => None,
    };
    if let Some(configuration) = configuration {
        Plugin::find(&node.settings)?.call(Verb::Del, &configuration, &place.netns)?;
    }
    namespace::remove(&place.netns)?;
    whole_file::remove(&place.record)?;
    std::fs::remove_dir_all(&place.folder).map_err(FileError::of("remove", &place.folder))?;
    Ok(Done::Removed)
}

/// The configuration that weir-cni is sent, for the node of this command, and where it stands.
fn source(node: &Node, named: Option<&Path>) -> Result<(PathBuf, Value), HealthError> {
    let (path, mut configuration) = match named {
        Some(path) => {
            let found = configuration::read(path)?;
            let found = found.ok_or_else(|| HealthError::OtherConfiguration(path.to_owned()))?;
            (path.to_owned(), found)
        }
        None => configuration::first_in(Path::new(FOLDER))?,
    };
    if let Some(config) = &node.config {
        let whole = std::path::absolute(config).map_err(FileError::of("find", config))?;
        configuration["config"] = whole.display().to_string().into();
    }
    Ok((path, configuration))
}

/// The health endpoint among those on disk.
pub(crate) fn of(entries: &[Entry]) -> Option<&Endpoint> {
    let records = entries.iter().filter_map(crate::node::record);
    records.map(|it| &it.endpoint).find(|it| is_health(it))
}

/// Its addresses.
pub(crate) fn addresses(endpoint: &Endpoint) -> impl Iterator<Item = IpAddr> + use<> {
    let (ipv4, ipv6) = (endpoint.ipv4, endpoint.ipv6);
    ipv4.map(IpAddr::V4).into_iter().chain(ipv6.map(IpAddr::V6))
}

/// Whether nothing has to be done: it is as it was made, and it answers.
fn is_well(node: &Node, place: &Place, store: &Store) -> Result<bool, Failure> {
    let entries = store.list()?;
    let Some(endpoint) = of(&entries).filter(|_| namespace::is_kept(&place.netns)) else {
        return Ok(false);
    };
    let answers = |address| matches!(ping(address), Echo::Answered(_));
    Ok(matches!(first_fault(&node.settings, endpoint), Ok(None))
        && addresses(endpoint).all(answers))
}
