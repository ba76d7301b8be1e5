//! Everything that a pod may leave on its node, as lines that can be compared: before and after must be the
//! same. It asks the kernel itself, not the code under test, and starts no process: tests take thousands.

mod files;
mod kernel;
mod network;

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};

use ep_builder::endpoint::EndpointId;

use crate::pods::{Lab, inside};

/// What a node has because of pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot(BTreeSet<String>);

impl Snapshot {
    /// As it is now, on a node and in the network namespaces of its pods. `ids` are the endpoints whose places
    /// in the kernel's arrays are looked at; see [`ids_on`].
    pub fn of(lab: &Lab, pods: &[&File], ids: &BTreeSet<EndpointId>) -> Self {
        let mut lines = BTreeSet::new();
        let mut add = |what: &str, found: Vec<String>| {
            lines.extend(found.into_iter().map(|line| format!("{what}: {line}")));
        };
        add("host", network::lines());
        for (number, pod) in pods.iter().enumerate() {
            add(&format!("pod {number}"), inside(pod, network::lines));
        }
        add("state", files::lines(&lab.node().state()));
        add("bpf", kernel::lines(&lab.maps(), ids));
        Self(lines)
    }

    /// As [`Self::of`], of every endpoint there could be.
    pub fn thorough(lab: &Lab, pods: &[&File]) -> Self {
        Self::of(lab, pods, &kernel::every_id(&lab.maps()))
    }

    /// What has come and gone since another one; nothing if they are equal.
    pub fn since(&self, before: &Self) -> Option<Change> {
        let change = Change {
            come: self.0.difference(&before.0).cloned().collect(),
            gone: before.0.difference(&self.0).cloned().collect(),
        };
        (self != before).then_some(change)
    }
}

/// The difference of two snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    come: Vec<String>,
    gone: Vec<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let come = self.come.iter().map(|line| ("+", line));
        for (sign, line) in come.chain(self.gone.iter().map(|line| ("-", line))) {
            writeln!(f, "  {sign} {line}")?;
        }
        Ok(())
    }
}

/// The endpoints that have a folder on a node, in whatever state it is. An endpoint has one before it has
/// anything else.
pub fn ids_on(lab: &Lab) -> BTreeSet<EndpointId> {
    let entries = fs::read_dir(lab.node().state()).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .filter_map(|name| EndpointId::parse(name.get(..5)?).ok())
        .collect()
}
