//! Every path under the state root, and back from a folder's name to what it is. No I/O.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::endpoint::EndpointId;
use crate::whole_file::TEMPORARY;

/// The patched object: exactly what is loaded.
pub const OBJECT: &str = "bpf_lxc.o";
/// The endpoint's own header, with a copy of its facts in a comment line.
pub const EP_CONFIG_H: &str = crate::header::EP_CONFIG;
/// The record.
pub const RECORD: &str = "endpoint.json";
/// Why a build failed; only in a folder of [`Place::Failed`].
pub const BUILD_LOG: &str = "build.log";

/// Which of an endpoint's folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// `02665`: what is attached.
    Live,
    /// `02665_next`: being built.
    Next,
    /// `02665_next_fail`: the last build that failed.
    Failed,
    /// `02665_prev`: the last good generation before the live one.
    Previous,
}

impl Place {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Live, Self::Next, Self::Failed, Self::Previous];

    /// What follows the five digits.
    fn suffix(self) -> &'static str {
        match self {
            Self::Live => "",
            Self::Next => "_next",
            Self::Failed => "_next_fail",
            Self::Previous => "_prev",
        }
    }
}

/// What the name of something in the state root says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderName {
    /// A folder of an endpoint.
    Endpoint(EndpointId, Place),
    /// A folder that other parts of weir keep there.
    Shared,
    /// A file being written or a folder being compiled in; old ones were left by killed processes.
    Temporary,
    /// Nothing that weir names so.
    Stranger,
}

impl FolderName {
    /// Reads a name. Strict: only what [`StateLayout`] itself writes is an endpoint's, so `5`,
    /// `00005.bak` or `00005_next_fail_next` are strangers.
    pub fn parse(name: &OsStr) -> Self {
        let Some(name) = name.to_str() else {
            return Self::Stranger;
        };
        if SHARED.contains(&name) {
            return Self::Shared;
        }
        if name.starts_with(TEMPORARY) {
            return Self::Temporary;
        }
        endpoint_folder(name).map_or(Self::Stranger, |(id, place)| Self::Endpoint(id, place))
    }
}

fn endpoint_folder(name: &str) -> Option<(EndpointId, Place)> {
    let (digits, suffix) = name.split_at_checked(5)?;
    let id = EndpointId::parse(digits).ok()?;
    let place = Place::ALL.into_iter().find(|p| p.suffix() == suffix)?;
    Some((id, place))
}

const LOCKS: &str = "locks";
const TEMPLATES: &str = "templates";
const IPAM: &str = "ipam";
const IDENTITIES: &str = "identities";
const ATTACHMENTS: &str = "attachments";
const POLICY: &str = "policy";
const NODE: &str = "node";
const HEALTH: &str = "health";
const CLANG: &str = "clang.json";
const HEADERS: &str = "headers.json";
const SOURCES: &str = "sources.json";

/// What is no endpoint's.
const SHARED: [&str; 11] = [
    LOCKS,
    TEMPLATES,
    IPAM,
    IDENTITIES,
    ATTACHMENTS,
    POLICY,
    NODE,
    HEALTH,
    CLANG,
    HEADERS,
    SOURCES,
];

/// The state root and what lies where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateLayout {
    root: PathBuf,
}

impl StateLayout {
    /// The layout under `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The state root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A folder of an endpoint.
    pub fn folder(&self, id: EndpointId, place: Place) -> PathBuf {
        self.root.join(id.five_digits() + place.suffix())
    }

    /// A file in a folder of an endpoint.
    pub fn file(&self, id: EndpointId, place: Place, name: &str) -> PathBuf {
        self.folder(id, place).join(name)
    }

    /// Where the lock files lie.
    pub fn locks(&self) -> PathBuf {
        self.root.join(LOCKS)
    }

    /// The lock file of an endpoint.
    pub fn lock(&self, id: EndpointId) -> PathBuf {
        self.locks().join(id.five_digits())
    }

    /// The template cache.
    pub fn templates(&self) -> PathBuf {
        self.root.join(TEMPLATES)
    }

    /// The file that remembers the compiler's version.
    pub fn clang(&self) -> PathBuf {
        self.root.join(CLANG)
    }

    /// The file that remembers how the headers of the node's own shape are rendered.
    pub fn headers(&self) -> PathBuf {
        self.root.join(HEADERS)
    }

    /// Where the digest of the sources is remembered.
    pub fn sources(&self) -> PathBuf {
        self.root.join(SOURCES)
    }

    /// What `weir-cni` keeps of each interface that it wired, or began to.
    pub fn attachments(&self) -> PathBuf {
        self.root.join(ATTACHMENTS)
    }

    /// The address allocator's folder.
    pub fn ipam(&self) -> PathBuf {
        self.root.join(IPAM)
    }

    /// The policy in force.
    pub fn policy(&self) -> PathBuf {
        self.root.join(POLICY)
    }

    /// What is known of the node's own part.
    pub fn node(&self) -> PathBuf {
        self.root.join(NODE)
    }

    /// The health endpoint: what it was made from, and its network namespace.
    pub fn health(&self) -> PathBuf {
        self.root.join(HEALTH)
    }

    /// The file that keeps the health endpoint's network namespace alive.
    pub fn health_netns(&self) -> PathBuf {
        self.health().join("netns")
    }

    /// The numbers of label sets.
    pub fn identities(&self) -> PathBuf {
        self.root.join(IDENTITIES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn every_folder_name_reads_back() {
        let layout = StateLayout::new("/s");
        for id in [1, 7, 2665, 65_534].map(|id| EndpointId::new(id).unwrap()) {
            for place in Place::ALL {
                let path = layout.folder(id, place);
                assert_eq!(
                    FolderName::parse(path.file_name().unwrap()),
                    FolderName::Endpoint(id, place)
                );
            }
        }
    }

    #[test]
    fn what_we_do_not_write_is_a_stranger() {
        for name in [
            "",
            "5",
            "0005",
            "00000",
            "65535",
            "99999",
            "000005",
            "00005.bak",
            "00005_",
            "00005_nex",
            "00005_next ",
            "00005_next_fail_",
            "00005_stale",
            "_next",
            "+0005",
            "0000５",
            "x0005",
            "..",
        ] {
            assert_eq!(
                FolderName::parse(OsStr::new(name)),
                FolderName::Stranger,
                "{name:?}"
            );
        }
        let bytes = OsStr::from_bytes(b"00005\xff");
        assert_eq!(FolderName::parse(bytes), FolderName::Stranger);
        for path in [
            StateLayout::locks,
            StateLayout::templates,
            StateLayout::ipam,
            StateLayout::identities,
            StateLayout::policy,
            StateLayout::node,
            StateLayout::health,
            StateLayout::clang,
        ] {
            let path = path(&StateLayout::new("/s"));
            assert_eq!(
                FolderName::parse(path.file_name().unwrap()),
                FolderName::Shared
            );
        }
    }
}
