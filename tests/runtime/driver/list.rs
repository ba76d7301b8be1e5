//! A list of plugins as the CNI project's library reads it, and the configurations that it derives.

use serde_json::{Map, Value, json};

/// Versions of the protocol, oldest first.
const VERSIONS: [&str; 7] = [
    "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0",
];

/// A loaded list.
#[derive(Clone, Debug)]
pub(crate) struct List {
    name: Value,
    version: &'static str,
    /// In the order of the chain.
    pub(crate) plugins: Vec<Map<String, Value>>,
    disable_check: bool,
    disable_gc: bool,
}

/// What a configuration is derived for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Purpose<'a> {
    /// Arguments by the name of their capability.
    pub(crate) arguments: Option<&'a Map<String, Value>>,
    /// The result so far.
    pub(crate) previous: Option<&'a Value>,
    /// The attachments that GC shall keep, in the form of the protocol.
    pub(crate) valid: Option<&'a Value>,
}

impl List {
    /// Reads a list as a library that knows the protocol up to this version: it takes the newest that both know.
    pub(crate) fn load(list: &Value, newest: &str) -> Self {
        let known = rank(newest);
        let offered = list["cniVersions"].as_array().into_iter().flatten();
        let version = offered
            .chain([&list["cniVersion"]])
            .filter_map(Value::as_str)
            .map(rank)
            .filter(|rank| *rank <= known)
            .max()
            .expect("a list has a version that the library knows");
        let plugins = list["plugins"].as_array().expect("a list has plugins");
        let plugin = |plugin: &Value| plugin.as_object().expect("a plugin is an object").clone();
        Self {
            name: list["name"].clone(),
            version: VERSIONS[version],
            plugins: plugins.iter().map(plugin).collect(),
            disable_check: list["disableCheck"] == true,
            disable_gc: list["disableGC"] == true,
        }
    }

    /// Whether the version of the list is this one or newer.
    pub(crate) fn speaks(&self, version: &str) -> bool {
        rank(self.version) >= rank(version)
    }

    /// Whether plugins are asked for CHECK.
    pub(crate) fn checks(&self) -> bool {
        self.speaks("0.4.0") && !self.disable_check
    }

    /// Whether plugins are asked for GC.
    pub(crate) fn collects(&self) -> bool {
        self.speaks("1.1.0") && !self.disable_gc
    }

    /// What a plugin of the list gets on its standard input.
    pub(crate) fn derive(&self, plugin: &Map<String, Value>, purpose: Purpose<'_>) -> Value {
        let mut derived = plugin.clone();
        derived.insert("name".into(), self.name.clone());
        derived.insert("cniVersion".into(), self.version.into());
        let wanted = runtime_config(plugin, purpose.arguments);
        if !wanted.is_empty() {
            derived.insert("runtimeConfig".into(), wanted.into());
        }
        if let Some(previous) = purpose.previous {
            derived.insert("prevResult".into(), previous.clone());
        }
        if let Some(valid) = purpose.valid {
            // The library writes the key of the specification and the one it had before.
            derived.insert("cni.dev/valid-attachments".into(), valid.clone());
            derived.insert("cni.dev/attachments".into(), valid.clone());
        }
        derived.into()
    }
}

/// The arguments whose capabilities the plugin has switched on.
fn runtime_config(
    plugin: &Map<String, Value>,
    arguments: Option<&Map<String, Value>>,
) -> Map<String, Value> {
    let has = |name: &String| {
        let switches = plugin.get("capabilities");
        switches.is_some_and(|all| all[name.as_str()] == json!(true))
    };
    let wanted = arguments.into_iter().flatten();
    let wanted = wanted.filter(|(name, _)| has(name));
    wanted
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn rank(version: &str) -> usize {
    let found = VERSIONS.iter().position(|known| *known == version);
    found.unwrap_or_else(|| panic!("there is no CNI {version}"))
}

#[test]
fn the_newest_version_that_both_know_is_taken() {
    for (own, others, newest, expected) in [
        ("1.0.0", json!(null), "1.1.0", "1.0.0"),
        ("1.0.0", json!(["1.0.0", "1.1.0"]), "1.1.0", "1.1.0"),
        ("1.0.0", json!(["1.0.0", "1.1.0"]), "1.0.0", "1.0.0"),
        ("0.3.1", json!(["0.4.0"]), "1.1.0", "0.4.0"),
    ] {
        let list = json!({ "cniVersion": own, "cniVersions": others, "plugins": [] });
        assert_eq!(List::load(&list, newest).version, expected, "{list}");
    }
}

#[test]
fn a_plugin_gets_what_it_has_the_capability_for() {
    let plugin = json!({ "type": "x", "capabilities": { "mac": true, "ips": false }, "own": 1 });
    let list = json!({ "cniVersion": "1.0.0", "name": "n", "plugins": [plugin] });
    let list = List::load(&list, "1.0.0");
    let arguments = json!({ "mac": "02:00:00:00:00:01", "ips": ["10.0.0.2"], "dns": {} });
    let previous = json!({ "cniVersion": "1.0.0" });
    let purpose = Purpose {
        arguments: arguments.as_object(),
        previous: Some(&previous),
        valid: None,
    };
    let expected = json!({
        "type": "x", "capabilities": { "mac": true, "ips": false }, "own": 1,
        "name": "n", "cniVersion": "1.0.0", "prevResult": { "cniVersion": "1.0.0" },
        "runtimeConfig": { "mac": "02:00:00:00:00:01" },
    });
    assert_eq!(list.derive(&list.plugins[0], purpose), expected);

    let bare = list.derive(&list.plugins[0], Purpose::default());
    assert!(bare.get("runtimeConfig").is_none() && bare.get("prevResult").is_none());
}
