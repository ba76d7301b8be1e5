//! The network configuration that a runtime takes for weir-cni, and what of it the plugin is sent.

use std::fs;
use std::path::{Path, PathBuf};

use ep_builder::install::{PLUGIN, is_read};
use ep_builder::whole_file;
use serde_json::{Value, json};

use super::error::HealthError;

/// Where runtimes look for configurations.
pub(crate) const FOLDER: &str = "/etc/cni/net.d";
/// Far more than any configuration has.
const LIMIT: u64 = 1 << 20;
/// The newest version that the plugin speaks: a runtime takes the newest that both do.
const NEWEST: [u32; 3] = [1, 1, 0];

/// The configuration of weir-cni in a file, as a runtime sends it.
pub(crate) fn read(path: &Path) -> Result<Option<Value>, HealthError> {
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
    let called = |path: PathBuf| {
        let configuration = read(&path).ok()??;
        Some((path, configuration))
    };
    let found = files.into_iter().filter(|it| is_read(it)).find_map(called);
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
