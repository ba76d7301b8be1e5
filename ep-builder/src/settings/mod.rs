//! `weir.toml`: from the text an operator wrote to values that everything else can trust.
//!
//! Two stages. [`raw`] holds what was written: names checked, every key optional, each value with its
//! place in the text. [`resolve`] holds what was decided: every field set, every range checked, the whole
//! accepted by [`crate::shape::validate`]. One table, [`keys`], knows the keys; a new one is a row there,
//! a field here and a commented line in `conf/weir.toml`, which a test compares with the other two.

mod error;
mod file;
mod keys;
mod node;
mod raw;
mod reference;
mod resolve;
mod suggest;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::{Excerpt, Hint, Mistake, Problem, SettingsError};
pub use node::{FirewallSettings, NodeSettings, ServicePort};
pub use reference::{KeyText, TableText, reference};
pub(crate) use suggest::closest;

use crate::attach::AttachMode;
use crate::shape::{EndpointConfig, NodeConfig};
use error::Source;

/// Where the configuration is read when no path is given.
pub const DEFAULT_PATH: &str = "/etc/weir/weir.toml";

/// The largest configuration that is read.
pub const MAX_BYTES: u64 = 1 << 20;

/// Everything that `weir.toml` decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The half of the shape that all endpoints share.
    pub node: NodeConfig,
    /// The half of the shape that an endpoint may change: its options start from here.
    pub endpoint: EndpointConfig,
    /// How programs are attached.
    pub attach: AttachMode,
    /// The folders.
    pub paths: Paths,
    /// The compiler.
    pub clang: ClangSettings,
    /// The template cache.
    pub cache: CacheSettings,
    /// Policy.
    pub policy: PolicySettings,
    /// What the node itself gets, where pods need it.
    pub host: NodeSettings,
}

/// The folders, and the log; all absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Endpoints, template cache and addresses.
    pub state_dir: PathBuf,
    /// The sources of the datapath.
    pub bpf_dir: PathBuf,
    /// The templates of the headers.
    pub bpf_templates_dir: PathBuf,
    /// The prebuilt templates of the package.
    pub bundle_dir: PathBuf,
    /// The pins of maps and links, in a BPF file system.
    pub bpffs_dir: PathBuf,
    /// The operator's policy documents.
    pub policy_dir: PathBuf,
    /// Where `weir-cni` tells of each call; nowhere if there is none.
    pub log_file: Option<PathBuf>,
    /// Where the tree of control groups is mounted, at whose root programs meet the node's sockets.
    pub cgroup_dir: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            state_dir: "/run/weir/state".into(),
            bpf_dir: "/usr/lib/weir/bpf".into(),
            bpf_templates_dir: "/usr/lib/weir/bpf-templates".into(),
            bundle_dir: "/usr/lib/weir/templates".into(),
            bpffs_dir: "/sys/fs/bpf/tc/globals".into(),
            policy_dir: "/etc/weir/policy.d".into(),
            log_file: Some("/var/log/weir/weir-cni.log".into()),
            cgroup_dir: "/sys/fs/cgroup".into(),
        }
    }
}

/// Which compiler, and what it may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClangSettings {
    /// The program; without it the variable `CLANG` decides, then `PATH`.
    pub path: Option<PathBuf>,
    /// How long one compile may take.
    pub timeout: Duration,
    /// How much address space one compile may use.
    pub memory_mib: u64,
}

impl Default for ClangSettings {
    fn default() -> Self {
        Self {
            path: None,
            timeout: Duration::from_mins(1),
            memory_mib: 2_048,
        }
    }
}

/// How the template cache behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// How long to wait for another process that compiles the same template.
    pub lock_timeout: Duration,
    /// How long a template that nobody uses is kept.
    pub keep_unused: Duration,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            lock_timeout: Duration::from_mins(2),
            keep_unused: Duration::from_hours(7 * 24),
        }
    }
}

/// What holds beyond the policy documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicySettings {
    /// Whether the node reaches its pods, whatever isolates them.
    pub allow_localhost: AllowLocalhost,
}

/// Whether the node reaches its pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AllowLocalhost {
    /// Always, unless a rule denies it: the probes of a runtime come from the node.
    #[default]
    Always,
    /// As policy says of everybody else.
    Policy,
}

impl AllowLocalhost {
    /// Its name in `weir.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Policy => "policy",
        }
    }
}

impl Settings {
    /// Reads settings from text; `path` stands in the messages only.
    pub fn from_toml(text: &str, path: &Path) -> Result<Self, SettingsError> {
        let source = Source::new(text, path);
        let raw = raw::Raw::parse(&source)?;
        resolve::resolve(&raw, &source)
    }

    /// Reads the file at `path`, which must exist; without a path [`DEFAULT_PATH`] if it exists, and the
    /// defaults if it does not.
    pub fn load(path: Option<&Path>) -> Result<Self, SettingsError> {
        Self::load_or(path, Path::new(DEFAULT_PATH))
    }

    fn load_or(explicit: Option<&Path>, default: &Path) -> Result<Self, SettingsError> {
        let (path, bytes) = match explicit {
            Some(path) => (path, file::read(path, MAX_BYTES)?),
            None => match file::read_if_present(default, MAX_BYTES)? {
                Some(bytes) => (default, bytes),
                None => return Ok(Self::default()),
            },
        };
        match str::from_utf8(&bytes) {
            Ok(text) => Self::from_toml(text, path),
            Err(broken) => Err(error::not_utf8(&bytes, broken.valid_up_to(), path)),
        }
    }
}
