//! `weir-cni`, called as a runtime calls it, with the configuration that the runtime would send.

use std::fs;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ep_builder::health::{CONTAINER, INTERFACE};
use ep_builder::whole_file::{self, FileError};
use serde_json::{Value, json};

use super::error::HealthError;

/// Where runtimes look for configurations.
pub(crate) const CONFIGURATIONS: &str = "/etc/cni/net.d";
/// The endings of files that they read there.
const ENDINGS: [&str; 3] = ["conf", "conflist", "json"];
/// Far more than any configuration has.
const LIMIT: u64 = 1 << 20;
pub(crate) const PLUGIN: &str = "weir-cni";
/// Where plugins are, besides beside this program.
const FOLDERS: [&str; 3] = ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"];
/// The newest version that the plugin speaks: a runtime takes the newest that both do.
const NEWEST: [u32; 3] = [1, 1, 0];

/// What is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Add,
    Del,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
        }
    }
}

/// The configuration of weir-cni in a file, as a runtime sends it.
pub(crate) fn configuration(path: &Path) -> Result<Option<Value>, HealthError> {
    let bytes = whole_file::read_named(path, LIMIT)?;
    let document = serde_json::from_slice(&bytes);
    let document = document.map_err(|source| HealthError::Configuration {
        path: path.to_owned(),
        source,
    })?;
    Ok(sent(&document))
}

/// The first file of the folder, by name, that calls weir-cni: the one a runtime would choose, unless somebody else's
/// comes before it. Files that cannot be read are passed over, as runtimes do.
pub(crate) fn first_in(folder: &Path) -> Result<(PathBuf, Value), HealthError> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<_> = entries.filter_map(|it| Some(it.ok()?.path())).collect();
    files.sort();
    let is_read = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| ENDINGS.contains(&ending))
    };
    let read = |path: PathBuf| {
        let configuration = configuration(&path).ok()??;
        Some((path, configuration))
    };
    let found = files.into_iter().filter(is_read).find_map(read);
    found.ok_or_else(|| HealthError::NoConfiguration(folder.to_owned()))
}

/// What of a document a runtime sends to weir-cni: its own part, with the name and the version of the whole.
fn sent(document: &Value) -> Option<Value> {
    let is_ours = |part: &&Value| part.get("type").and_then(Value::as_str) == Some(PLUGIN);
    let own = match document.get("plugins").and_then(Value::as_array) {
        Some(plugins) => plugins.iter().find(is_ours)?,
        None => Some(document).filter(is_ours)?,
    };
    let mut own = own.clone();
    if let Some(name) = document.get("name") {
        own["name"] = name.clone();
    }
    if let Some(version) = version(document) {
        own["cniVersion"] = json!(version);
    }
    if let Some(fields) = own.as_object_mut() {
        fields.remove("cniVersions");
    }
    Some(own)
}

fn version(document: &Value) -> Option<&str> {
    let listed = document.get("cniVersions").and_then(Value::as_array);
    let listed = listed.into_iter().flatten().filter_map(Value::as_str);
    let own = document.get("cniVersion").and_then(Value::as_str);
    let spoken = listed.chain(own).filter(|it| numbers(it) <= NEWEST);
    spoken.max_by_key(|it| numbers(it)).or(own)
}

fn numbers(version: &str) -> [u32; 3] {
    let mut numbers = version.split('.').map(|it| it.parse().unwrap_or(u32::MAX));
    [(); 3].map(|()| numbers.next().unwrap_or_default())
}

/// A call, as a runtime makes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// What is asked.
    pub(crate) verb: &'a str,
    /// The container and its network namespace; none where the whole network is meant.
    pub(crate) about: Option<(&'a str, &'a Path)>,
    /// What a runtime says of the pod beside the configuration.
    pub(crate) arguments: &'a str,
    /// What the plugin is sent.
    pub(crate) configuration: &'a Value,
    /// Where a temporary file may be made: the image has no folder for them.
    pub(crate) folder: &'a Path,
}

/// The plugin.
#[derive(Debug)]
pub(crate) struct Plugin {
    program: PathBuf,
    /// Where it looks for plugins of its own.
    search: Vec<PathBuf>,
}

impl Plugin {
    /// The one beside this program, else the one in the folders of plugins.
    pub(crate) fn find() -> Result<Self, HealthError> {
        let own = std::env::current_exe().ok();
        let beside = own.as_deref().and_then(Path::parent).map(Path::to_owned);
        let search: Vec<_> = beside
            .into_iter()
            .chain(FOLDERS.map(PathBuf::from))
            .collect();
        let programs = search.iter().map(|folder| folder.join(PLUGIN));
        match programs.into_iter().find(|program| program.is_file()) {
            Some(program) => Ok(Self { program, search }),
            None => Err(HealthError::NoPlugin(search)),
        }
    }

    /// The one at this path.
    pub(crate) fn at(program: &Path) -> Self {
        let beside = program.parent().map(Path::to_owned).into_iter();
        Self {
            program: program.to_owned(),
            search: beside.chain(FOLDERS.map(PathBuf::from)).collect(),
        }
    }

    /// Where it is.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Calls it for the health endpoint, and waits for its end.
    pub(super) fn call(
        &self,
        verb: Verb,
        configuration: &Value,
        netns: &Path,
    ) -> Result<(), HealthError> {
        let output = self.ask(&Call {
            verb: verb.name(),
            about: Some((CONTAINER, netns)),
            arguments: "",
            configuration,
            // The folder of the namespace is there in any case.
            folder: netns.parent().unwrap_or(netns),
        })?;
        self.judge(verb, &output)
    }

    /// Calls it, and waits for its end.
    pub(crate) fn ask(&self, call: &Call<'_>) -> Result<Output, HealthError> {
        let search: Vec<_> = self
            .search
            .iter()
            .map(|it| it.display().to_string())
            .collect();
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "CLANG"))
            .env("CNI_COMMAND", call.verb)
            .env("CNI_PATH", search.join(":"));
        if let Some((container, netns)) = call.about {
            command
                .env("CNI_CONTAINERID", container)
                .env("CNI_NETNS", netns)
                .env("CNI_IFNAME", INTERFACE);
        }
        if !call.arguments.is_empty() {
            command.env("CNI_ARGS", call.arguments);
        }
        let stdin = stdin(call.configuration, call.folder);
        let stdin = stdin.map_err(FileError::of("write a temporary file in", call.folder))?;
        let output = command.stdin(stdin).output();
        Ok(output.map_err(FileError::of("start", &self.program))?)
    }

    fn judge(&self, verb: Verb, output: &Output) -> Result<(), HealthError> {
        if output.status.success() {
            return Ok(());
        }
        Err(HealthError::Plugin {
            verb: verb.name(),
            plugin: self.program.clone(),
            said: said(output),
        })
    }
}

/// A file, which takes however much there is before anybody reads.
fn stdin(configuration: &Value, folder: &Path) -> std::io::Result<Stdio> {
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(configuration.to_string().as_bytes())?;
    file.rewind()?;
    Ok(file.into())
}

/// The text of the answer, or what else there is.
pub(crate) fn said(output: &Output) -> String {
    let answer: Option<Value> = serde_json::from_slice(&output.stdout).ok();
    let text = answer.as_ref().and_then(|it| it.get("msg")?.as_str());
    let stderr = String::from_utf8_lossy(&output.stderr);
    match text {
        Some(text) => text.to_owned(),
        None => format!("{} {}", output.status, stderr.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(document: &str, expected: Option<&str>) {
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(sent(&parse(document)), expected.map(parse), "{document}");
    }

    #[test]
    fn a_runtime_sends_the_plugins_own_part() {
        let plugins =
            r#"[{"type": "loopback"}, {"type": "weir-cni", "mtu": 0}, {"type": "portmap"}]"#;
        for (versions, chosen) in [
            (r#""cniVersion": "1.0.0""#, "1.0.0"),
            (
                r#""cniVersion": "0.4.0", "cniVersions": ["1.0.0", "1.1.0"]"#,
                "1.1.0",
            ),
            (
                r#""cniVersion": "1.0.0", "cniVersions": ["1.1.0", "2.0.0", "0.3.1"]"#,
                "1.1.0",
            ),
            (r#""cniVersion": "9.0.0""#, "9.0.0"),
        ] {
            check(
                &format!(r#"{{{versions}, "name": "pods", "plugins": {plugins}}}"#),
                Some(&format!(
                    r#"{{"type": "weir-cni", "mtu": 0, "name": "pods", "cniVersion": "{chosen}"}}"#
                )),
            );
        }
        let alone = r#"{"type": "weir-cni", "name": "pods", "cniVersion": "1.0.0"}"#;
        check(alone, Some(alone));
    }

    #[test]
    fn a_document_that_does_not_call_weir_is_none() {
        for document in [
            "{}",
            "[]",
            "null",
            r#"{"type": "bridge", "name": "pods"}"#,
            r#"{"name": "pods", "plugins": [{"type": "bridge"}, null, 7]}"#,
            r#"{"name": "pods", "plugins": []}"#,
        ] {
            check(document, None);
        }
    }

    #[test]
    fn the_first_file_that_calls_weir_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            whole_file::write(&folder.path().join(name), text.as_bytes()).unwrap();
        };
        assert!(first_in(folder.path()).is_err());
        let ours = r#"{"type": "weir-cni", "name": "ours"}"#;
        write("00-other.conflist", r#"{"plugins": [{"type": "bridge"}]}"#);
        write("05-broken.conf", "{");
        write("06-note.txt", ours);
        assert!(first_in(folder.path()).is_err());
        write("10-weir.conflist", ours);
        write("20-weir.json", ours);
        let (path, _) = first_in(folder.path()).unwrap();
        assert_eq!(path, folder.path().join("10-weir.conflist"));
        assert!(first_in(&folder.path().join("none")).is_err());
    }
}
