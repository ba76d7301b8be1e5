//! A node of a test's own: state, configuration, and the command that uses them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ep_builder::whole_file;
use tempfile::TempDir;

use crate::{Finished, binaries, bundle, process};

/// A folder with a state root and a `weir.toml` that points at it and at the repository's sources. It is
/// removed with the value.
#[derive(Debug)]
pub struct Node {
    root: TempDir,
}

impl Node {
    /// A node with the default configuration.
    pub fn new() -> Self {
        Self::with("")
    }

    /// A node with more lines in its `weir.toml`. They stand before the tables: top-level keys first.
    pub fn with(lines: &str) -> Self {
        let root = tempfile::Builder::new()
            .prefix("weir-node-")
            .tempdir()
            .expect("a temporary folder can be made");
        let node = Self { root };
        node.configure(lines);
        node
    }

    /// Writes its `weir.toml` anew, with these lines.
    pub fn configure(&self, lines: &str) {
        let text = format!("{lines}\n{}", self.paths_table());
        whole_file::write(&self.config(), text.as_bytes()).expect("a file can be written");
    }

    /// The state root. The command makes it.
    pub fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }

    /// The folder of prebuilt templates, which is not there unless a test makes it. Where one is given for all tests
    /// ([`bundle::given`]), the configuration names that one instead.
    pub fn bundle(&self) -> PathBuf {
        self.root.path().join("bundle")
    }

    /// The folder of policy documents, which is not there unless a test makes it.
    pub fn policy_dir(&self) -> PathBuf {
        self.root.path().join("policy.d")
    }

    /// Writes a file of policy documents. It is in force when `weir policy apply` has run.
    pub fn write_policy(&self, name: &str, text: &str) {
        let folder = self.policy_dir();
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        whole_file::write(&folder.join(name), text.as_bytes()).expect("a file can be written");
    }

    /// Where the plugin writes a line for each call.
    pub fn log(&self) -> PathBuf {
        self.root.path().join("weir-cni.log")
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.root.path().join("weir.toml")
    }

    /// The operator's command with this node's configuration, and nothing of ours in its environment.
    pub fn command(&self) -> Command {
        let mut command = binaries::weir();
        command
            .arg("--config")
            .arg(self.config())
            .stdin(Stdio::null());
        for variable in ["WEIR_CONFIG", "CLANG"] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs `weir` with these arguments to its end.
    pub fn weir(&self, arguments: &[&str]) -> Finished {
        process::run(self.command().args(arguments))
    }

    fn paths_table(&self) -> String {
        let row = |key: &str, path: &Path| format!("{key} = {:?}\n", path.display().to_string());
        let bundle = bundle::given().unwrap_or_else(|| self.bundle());
        let rows = [
            row("state_dir", &self.state()),
            row("bundle_dir", &bundle),
            row("policy_dir", &self.policy_dir()),
            row("log_file", &self.log()),
            row("bpf_dir", &repository("bpf-src")),
            row("bpf_templates_dir", &repository("bpf-templates")),
        ];
        format!("[paths]\n{}", rows.concat())
    }
}

impl Default for Node {
    fn default() -> Self {
        Self::new()
    }
}

/// The root of the repository, or what is below it.
pub fn repository(below: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests/ has a parent").join(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_points_at_itself_and_at_the_repository_and_goes_away() {
        let node = Node::with("map_prefix = \"mine\"");
        let text = std::fs::read_to_string(node.config()).unwrap();
        let config: toml::Table = text.parse().unwrap();
        assert_eq!(config["map_prefix"].as_str(), Some("mine"));
        let paths = config["paths"].as_table().unwrap();
        assert_eq!(paths["state_dir"].as_str(), node.state().to_str());
        assert!(Path::new(paths["bpf_dir"].as_str().unwrap()).is_absolute());

        let config = node.config();
        drop(node);
        assert!(!config.exists());
    }
}
