//! weir-cni, called as a runtime calls it, with what a runtime of this node would send, but for addresses: the pods
//! here have some of their own.

use std::path::Path;

use ep_builder::install::{PLUGIN, Record, Root};
use ep_builder::settings::Settings;
use ep_builder::whole_file::FileError;
use serde_json::{Value, json};

use super::fault::Fault;
use super::place::{Family, Place};
use super::room::Room;
use crate::cli::Selftest;
use crate::failure::Failure;
use crate::health::HealthError;
use crate::health::configuration::{self, FOLDER};
use crate::health::plugin::{Call, Plugin, said};

/// Whose pods they are; no runtime has such a namespace.
pub(super) const NAMESPACE: &str = "weir-selftest";
/// The networks of the pods: of the block for tests of devices (RFC 2544), and unique local ones (RFC 4193).
pub(super) const NETWORKS: [&str; 2] = ["198.18.88.0/24", "fd77:6569:7273::/64"];
/// What GC needs.
const VERSION: &str = "1.1.0";

/// What runtimes of this node call.
pub(super) struct Runtime {
    plugin: Plugin,
    /// What is sent, where nothing is asked for one pod.
    configuration: Value,
    room: Room,
    /// Where the configuration comes from.
    source: String,
}

/// What is asked for one pod.
pub(super) struct Asked {
    /// Its name.
    pub(super) name: &'static str,
    /// What policies know it by.
    pub(super) role: &'static str,
    /// Ports of the node that lead to it.
    pub(super) ports: Value,
}

impl Runtime {
    /// The plugin and the configuration of this node. Before the node is left: both are looked for there.
    pub(super) fn find(
        asked: &Selftest,
        settings: &Settings,
    ) -> Result<(Plugin, Option<(String, Value)>), Failure> {
        // What `weir install` has on record is what runtimes call, whatever stands beside this program.
        let record = Record::read(&Root::Live)?;
        let installed = record.as_ref().map(|it| it.places.plugins.join(PLUGIN));
        let plugin = match asked.plugin.as_ref().or(installed.as_ref()) {
            Some(path) => named(path, settings)?,
            None => Plugin::find(settings).map_err(absent)?,
        };
        let network = record.as_ref().map(Record::network_path);
        let network = network.filter(|path| path.exists());
        let found = match asked.conflist.as_ref().or(network.as_ref()) {
            Some(path) => {
                let found = configuration::read(path)?;
                let found = found.ok_or_else(|| {
                    Failure::Input(format!("{} does not call weir-cni", path.display()))
                })?;
                Some((path.display().to_string(), found))
            }
            // A node that no runtime knows of yet has none.
            None => configuration::first_in(Path::new(FOLDER))
                .ok()
                .map(|(path, found)| (path.display().to_string(), found)),
        };
        Ok((plugin, found))
    }

    /// With the node of this room, and addresses of these families.
    pub(super) fn new(
        plugin: Plugin,
        found: Option<(String, Value)>,
        room: Room,
        families: &[Family],
    ) -> Self {
        let (source, mut configuration) = found.unwrap_or_else(shipped);
        let has = |family| families.contains(&family);
        let networks = Family::ALL.into_iter().zip(NETWORKS);
        let ranges: Vec<_> = networks
            .filter(|(family, _)| has(*family))
            .map(|(_, network)| json!([{ "subnet": network }]))
            .collect();
        configuration["ipam"] = json!({ "type": "weir", "ranges": ranges });
        configuration["config"] = json!(room.config());
        configuration["cniVersion"] = json!(VERSION);
        Self {
            plugin,
            configuration,
            room,
            source,
        }
    }

    /// The plugin.
    pub(super) fn program(&self) -> &Path {
        self.plugin.program()
    }

    /// Where the configuration comes from.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// The folders of the node.
    pub(super) fn room(&self) -> &Room {
        &self.room
    }

    /// Whether pods leave with the node's address.
    pub(super) fn is_masquerading(&self) -> bool {
        self.configuration["ipMasq"] == true
    }

    /// Whether runtimes ask for ports of the node.
    pub(super) fn has_host_ports(&self) -> bool {
        self.configuration["capabilities"]["portMappings"] == true
    }

    /// Makes a pod; the result.
    pub(super) fn add(&self, pod: &Asked, place: &Place) -> Result<Value, Fault> {
        self.about("ADD", pod, place, &self.sent(pod))
    }

    /// Asks whether a pod is as it was made.
    pub(super) fn check(&self, pod: &Asked, place: &Place, result: &Value) -> Result<(), Fault> {
        let mut configuration = self.sent(pod);
        configuration["prevResult"] = result.clone();
        self.about("CHECK", pod, place, &configuration).map(drop)
    }

    /// Takes a pod away.
    pub(super) fn del(&self, pod: &Asked, place: &Place) -> Result<(), Fault> {
        self.about("DEL", pod, place, &self.sent(pod)).map(drop)
    }

    /// Has everything removed but these pods.
    pub(super) fn gc(&self, valid: &[&Asked]) -> Result<(), Fault> {
        let valid: Vec<_> = valid
            .iter()
            .map(|pod| json!({ "containerID": container(pod), "ifname": "eth0" }))
            .collect();
        let mut configuration = self.configuration.clone();
        configuration["cni.dev/valid-attachments"] = valid.into();
        self.call("GC", None, "", &configuration).map(drop)
    }

    fn sent(&self, pod: &Asked) -> Value {
        let mut configuration = self.configuration.clone();
        let label = json!([{ "key": "role", "value": pod.role }]);
        configuration["args"] = json!({ "cni": { "labels": label } });
        if !pod.ports.is_null() {
            configuration["runtimeConfig"] = json!({ "portMappings": pod.ports });
        }
        configuration
    }

    fn about(
        &self,
        verb: &str,
        pod: &Asked,
        place: &Place,
        configuration: &Value,
    ) -> Result<Value, Fault> {
        let arguments = format!(
            "IgnoreUnknown=1;K8S_POD_NAMESPACE={NAMESPACE};K8S_POD_NAME={}",
            pod.name
        );
        let path = place.path();
        let about = (container(pod), path.as_path());
        let answer = self.call(verb, Some((&about.0, about.1)), &arguments, configuration);
        answer.map_err(|why| Fault::new(format!("{verb} of pod {}: {}", pod.name, why.why)))
    }

    fn call(
        &self,
        verb: &str,
        about: Option<(&str, &Path)>,
        arguments: &str,
        configuration: &Value,
    ) -> Result<Value, Fault> {
        let output = self.plugin.ask(&Call {
            verb,
            about,
            arguments,
            configuration,
            folder: self.room.folder(),
        })?;
        if !output.status.success() {
            return Err(Fault::new(said(&output)));
        }
        if output.stdout.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| Fault::new(format!("an answer that is no JSON: {error}")))
    }
}

/// Its container: an id like a runtime's.
pub(super) fn container(pod: &Asked) -> String {
    format!("{NAMESPACE}-{}", pod.name)
}

/// What the shipped one says, of what matters here.
fn shipped() -> (String, Value) {
    let configuration = json!({
        "name": "weir",
        "type": "weir-cni",
        "ipMasq": true,
        "capabilities": { "portMappings": true },
    });
    ("as shipped".to_owned(), configuration)
}

fn named(path: &Path, settings: &Settings) -> Result<Plugin, Failure> {
    if !path.is_file() {
        return Err(Failure::NotFound(format!(
            "there is no plugin {}: name weir-cni with --plugin",
            path.display()
        )));
    }
    // A name without a folder would be looked for on PATH.
    let whole = path.canonicalize().map_err(FileError::of("find", path))?;
    Ok(Plugin::at(&whole, settings))
}

fn absent(error: HealthError) -> Failure {
    match error {
        HealthError::NoPlugin(folders) => {
            let folders: Vec<_> = folders.iter().map(|it| it.display().to_string()).collect();
            Failure::NotFound(format!(
                "weir-cni is in none of {}: install the package again, or name it with --plugin",
                folders.join(", ")
            ))
        }
        error => error.into(),
    }
}
