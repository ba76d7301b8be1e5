//! Plugins, called as a runtime calls them. Who measures plugins has to speak their protocol: this file does,
//! and nothing else of the builder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use ep_builder::whole_file::{self, FileError};
use serde_json::{Value, json};

use crate::failure::Failure;

/// The pods of all plugins have such addresses; each plugin has a host of its own.
const SUBNET: &str = "10.88.0.0/16";
const INTERFACE: &str = "eth0";

/// What is asked of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verb {
    Add,
    Del,
}

impl Verb {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
        }
    }
}

/// A plugin with its configuration.
#[derive(Debug)]
pub(super) struct Plugin {
    program: PathBuf,
    configuration: PathBuf,
    /// Where it looks for plugins of its own.
    search: PathBuf,
}

/// From before the process was made until it was gone and all it said was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Called {
    pub(super) from: Instant,
    pub(super) to: Instant,
}

impl Plugin {
    /// `weir-cni` with the configuration of a node.
    pub(super) fn weir(
        program: PathBuf,
        node: &Path,
        search: &Path,
        folder: &Path,
    ) -> Result<Self, Failure> {
        let own = json!({
            "type": "weir-cni",
            "config": node,
            "ipam": { "type": "weir", "ranges": [[{ "subnet": SUBNET }]] },
        });
        Self::configured("weir", program, own, search, folder)
    }

    /// A reference plugin of this name, with `host-local`.
    pub(super) fn reference(name: &str, search: &Path, folder: &Path) -> Result<Self, Failure> {
        let mut own = json!({
            "type": name,
            "ipMasq": false,
            "ipam": {
                "type": "host-local",
                "dataDir": folder.join(format!("{name}-addresses")),
                "ranges": [[{ "subnet": SUBNET }]],
                "routes": [{ "dst": "0.0.0.0/0" }],
            },
        });
        if name == "bridge" {
            own["bridge"] = json!("bench0");
            own["isGateway"] = json!(true);
        }
        Self::configured(name, search.join(name), own, search, folder)
    }

    fn configured(
        name: &str,
        program: PathBuf,
        own: Value,
        search: &Path,
        folder: &Path,
    ) -> Result<Self, Failure> {
        let mut whole = own;
        whole["cniVersion"] = json!("1.0.0");
        whole["name"] = json!("bench");
        let configuration = folder.join(format!("{name}.json"));
        whole_file::write_scratch(&configuration, whole.to_string().as_bytes())?;
        Ok(Self {
            program,
            configuration,
            search: search.to_owned(),
        })
    }

    /// Calls it for one container, and waits for its end.
    pub(super) fn call(
        &self,
        verb: Verb,
        container: &str,
        netns: &Path,
    ) -> Result<Called, Failure> {
        let stdin = File::open(&self.configuration);
        let stdin = stdin.map_err(FileError::of("read", &self.configuration))?;
        // A path, and nothing to be done between fork and exec: so the child shares our memory until its
        // own program runs, and its start costs the same however large we are.
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "CLANG"))
            .env("CNI_COMMAND", verb.name())
            .env("CNI_CONTAINERID", container)
            .env("CNI_NETNS", netns)
            .env("CNI_IFNAME", INTERFACE)
            .env("CNI_PATH", &self.search)
            .stdin(Stdio::from(stdin));
        let from = Instant::now();
        let output = command.output();
        let to = Instant::now();
        let output = output.map_err(FileError::of("start", &self.program))?;
        self.judge(verb, &output)?;
        Ok(Called { from, to })
    }

    fn judge(&self, verb: Verb, output: &Output) -> Result<(), Failure> {
        if output.status.success() {
            return Ok(());
        }
        let said = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said));
        Err(Failure::Input(format!(
            "cannot measure: {} of {} ended with {}: {}",
            verb.name(),
            self.program.display(),
            output.status,
            said.join(" ").trim()
        )))
    }
}
