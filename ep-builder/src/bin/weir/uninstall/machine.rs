//! What weir made on the running machine while it worked, taken away: pods' endpoints, the node's part, pins, state, log.

use std::fs;
use std::path::{Path, PathBuf};

use ep_builder::bpf::unpin;
use ep_builder::endpoint::Endpoint;
use ep_builder::health::is_health;
use ep_builder::install::{InstallError, Row};
use ep_builder::lifecycle::{Removal, Traces};
use ep_builder::load::LoadError;
use ep_builder::maps::Maps;
use ep_builder::node::{cleanup, remove_pod_link};
use ep_builder::state::{Entry, Store};
use ep_builder::whole_file::{self, FileError, is_there};

use crate::failure::Failure;
use crate::health;
use crate::node::{Node, record};
use crate::screen::talk;

/// So many pods say enough.
const NAMED: usize = 8;

/// How the name of a pin ends that is on its way.
const NEW: &str = "__new";

/// Refuses while pods are wired: without weir they have no network, and nobody would take away what they have.
pub(super) fn refuse_pods(node: &Node) -> Result<(), Failure> {
    let pods: Vec<_> = endpoints(node)?
        .into_iter()
        .filter(|it| !is_health(it))
        .collect();
    if pods.is_empty() {
        return Ok(());
    }
    let name = |it: &Endpoint| format!("{} ({})", it.id, it.container_id);
    let mut named: Vec<_> = pods.iter().take(NAMED).map(name).collect();
    if pods.len() > NAMED {
        named.push("...".to_owned());
    }
    let reason = format!(
        "{}, {}: remove what is wired with its runtime, or have --force take its network away; `weir endpoint list` shows it",
        match pods.len() {
            1 => "1 pod is wired".to_owned(),
            count => format!("{count} pods are wired"),
        },
        named.join(", ")
    );
    let refused = InstallError::Refused {
        what: "uninstall",
        reasons: vec![reason],
    };
    Err(refused.into())
}

/// The store, where there is one: who only looks makes none.
fn store(node: &Node) -> Result<Option<Store>, Failure> {
    let has_state = is_there(&node.settings.paths.state_dir)?;
    has_state.then(|| node.store()).transpose()
}

fn endpoints(node: &Node) -> Result<Vec<Endpoint>, Failure> {
    let Some(store) = store(node)? else {
        return Ok(Vec::new());
    };
    let entries = store.list()?;
    let records = entries.iter().filter_map(record);
    Ok(records.map(|record| record.endpoint.clone()).collect())
}

fn row(action: &'static str, path: impl Into<PathBuf>, note: impl Into<String>) -> Row {
    Row {
        action,
        path: path.into(),
        note: note.into(),
    }
}

/// What [`remove`] would remove, as far as it can be seen.
pub(super) fn would_remove(node: &Node) -> Result<Vec<Row>, Failure> {
    let endpoints = endpoints(node)?.into_iter();
    let mut rows: Vec<_> = endpoints
        .map(|it| {
            row(
                "remove",
                it.host_ifname.clone(),
                format!("endpoint {}", it.id),
            )
        })
        .collect();
    rows.extend(pins(node)?.into_iter().map(|pin| row("remove", pin, "pin")));
    let state = &node.settings.paths.state_dir;
    rows.extend(is_there(state)?.then(|| row("remove", state, "all of the state")));
    rows.extend(logs(node).into_iter().map(|log| row("remove", log, "log")));
    Ok(rows)
}

/// Removes it, in an order that can be stopped and begun again.
pub(super) fn remove(node: &Node) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    if let Some(store) = store(node)? {
        health::remove(node)?;
        rows.extend(of_endpoints(node, &store)?);
        let cleaned = cleanup(&node.settings, &store, true)?;
        for notice in &cleaned.notices {
            talk(&format!("note: {notice}"));
        }
        let devices = cleaned.devices.iter();
        rows.extend(devices.map(|name| row("remove", name, "programs of the node")));
        let pair = cleaned.pair.then_some(ep_builder::node::HOST);
        rows.extend(pair.map(|name| row("remove", name, "the node's own pair")));
        let settings = cleaned.settings.iter();
        rows.extend(settings.map(|it| row("put back", Path::new("/proc/sys/net").join(it), "")));
        let pins = cleaned.pins.iter();
        let dir = &node.settings.paths.bpffs_dir;
        rows.extend(pins.map(|name| row("remove", dir.join(name), "pin")));
    }
    for pin in pins(node)? {
        unpin(&pin).map_err(LoadError::from)?;
        rows.push(row("remove", pin, "pin"));
    }
    rows.extend(of_state(node)?);
    for log in logs(node) {
        whole_file::remove(&log)?;
        rows.push(row("remove", log, "log"));
    }
    Ok(rows)
}

/// Links first: from then on no packet of a pod goes anywhere.
fn of_endpoints(node: &Node, store: &Store) -> Result<Vec<Row>, Failure> {
    let removal = Removal::new(&node.settings, store);
    let mut rows = Vec::new();
    for entry in store.list()? {
        let Entry::Endpoint { id, .. } = &entry else {
            continue;
        };
        let Some(record) = record(&entry) else {
            store.remove(*id)?;
            continue;
        };
        remove_pod_link(&record.endpoint)?;
        removal.delete_traces(&Traces::of(&record.endpoint))?;
        let name = record.endpoint.host_ifname.clone();
        rows.push(row("remove", name, format!("endpoint {id}")));
    }
    removal.remove_orphans()?;
    Ok(rows)
}

/// The pins of this set of endpoints, also those that are on their way.
fn pins(node: &Node) -> Result<Vec<PathBuf>, Failure> {
    let settings = &node.settings;
    let (dir, prefix) = (&settings.paths.bpffs_dir, &settings.node.map_prefix);
    let maps = Maps::new(dir, prefix);
    let is_ours = |name: &str| {
        let name = name.strip_suffix(NEW).unwrap_or(name);
        name.starts_with(&prefix.map("")) && maps.find(name).is_some()
    };
    let names = names(dir)?.into_iter().filter(|name| is_ours(name));
    Ok(names.map(|name| dir.join(name)).collect())
}

fn names(folder: &Path) -> Result<Vec<String>, FileError> {
    let listed = match fs::read_dir(folder) {
        Ok(entries) => entries.collect::<Result<Vec<_>, _>>(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let entries = listed.map_err(FileError::of("list", folder))?;
    let names = entries
        .iter()
        .map(|it| it.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.collect();
    names.sort();
    Ok(names)
}

/// All of the state folder but what is not weir's.
fn of_state(node: &Node) -> Result<Vec<Row>, Failure> {
    let folder = &node.settings.paths.state_dir;
    let Some(store) = store(node)? else {
        return Ok(Vec::new());
    };
    let strangers = store.list()?.into_iter().filter_map(|entry| match entry {
        Entry::Stranger(name) => Some(name.to_string_lossy().into_owned()),
        Entry::Endpoint { .. } => None,
    });
    let strangers: Vec<_> = strangers.collect();
    for name in names(folder)? {
        if !strangers.contains(&name) {
            whole_file::remove(&folder.join(name))?;
        }
    }
    for name in &strangers {
        talk(&format!(
            "note: {}/{name} is not weir's, and stays",
            folder.display()
        ));
    }
    Ok(vec![row("remove", folder, "all of the state")])
}

/// The log, and the full one before it.
fn logs(node: &Node) -> Vec<PathBuf> {
    let Some(log) = &node.settings.paths.log_file else {
        return Vec::new();
    };
    let mut full = log.clone().into_os_string();
    full.push(".1");
    let both = [log.clone(), full.into()];
    both.into_iter().filter(|path| path.exists()).collect()
}
