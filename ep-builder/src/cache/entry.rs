//! Reading a template folder without trusting it.
//!
//! The programs in it run in the kernel for every pod that shares the shape. So each file must be a plain
//! file of one name, owned by whom we trust and writable by nobody else, and the object must have the
//! digest that its manifest says.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::manifest::Manifest;
use crate::digest::FileFacts;
use crate::elf::ElfError;
use crate::header::{EP_CONFIG, Headers, NODE_CONFIG};
use crate::key::TemplateKey;
use crate::patch::Template;
use crate::unit::Unit;
use crate::whole_file::{self, FileError};

/// The manifest's file name.
pub const MANIFEST: &str = "manifest.json";

const MANIFEST_LIMIT: u64 = 64 << 10;
const FILE_LIMIT: u64 = 64 << 20;

/// A template that was read and found whole.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The headers it was compiled with.
    pub headers: Headers,
    /// The object.
    pub template: Template,
}

/// Whose files are used.
#[derive(Clone, Debug)]
pub struct Trust {
    owners: Vec<u32>,
    /// Whether a file may have other names: on image-based systems all of `/usr` is hard-linked.
    links: bool,
}

impl Trust {
    /// Ourselves only: the node's own cache.
    pub fn ours() -> Self {
        Self {
            owners: vec![nix::unistd::geteuid().as_raw()],
            links: false,
        }
    }

    /// Ourselves and root: what a package installed.
    pub fn installed() -> Self {
        Self {
            owners: vec![0, nix::unistd::geteuid().as_raw()],
            links: true,
        }
    }

    /// Refuses a file or folder that is not of a trusted owner, or that others could change.
    pub(super) fn check(&self, name: &'static str, metadata: &Metadata) -> Result<(), Poison> {
        if !self.owners.contains(&metadata.uid()) {
            return Err(Poison::Owner {
                name,
                uid: metadata.uid(),
            });
        }
        if metadata.mode() & 0o022 != 0 {
            return Err(Poison::Writable {
                name,
                mode: metadata.mode() & 0o7777,
            });
        }
        if !self.links && metadata.is_file() && metadata.nlink() != 1 {
            return Err(Poison::HardLinked { name });
        }
        Ok(())
    }
}

/// Reads the template of `key` in `folder`. Nothing there is `None`.
pub(super) fn read(
    folder: &Path,
    key: TemplateKey,
    trust: &Trust,
) -> Result<Option<Entry>, Poison> {
    let metadata = match fs::symlink_metadata(folder) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::of("read", folder)(error).into()),
    };
    if !metadata.is_dir() {
        return Err(Poison::NoFolder);
    }
    trust.check("the folder", &metadata)?;
    let manifest = read_file(folder, MANIFEST, MANIFEST_LIMIT, trust)?;
    let manifest: Manifest = serde_json::from_slice(&manifest).map_err(Poison::Manifest)?;
    if manifest.key != key {
        return Err(Poison::Key { says: manifest.key });
    }
    let checked = |name| {
        let bytes = read_file(folder, name, FILE_LIMIT, trust)?;
        let was = manifest.files.get(name).ok_or(Poison::Unlisted { name })?;
        let is = FileFacts::of(&bytes);
        match () {
            () if is.size != was.size => Err(Poison::Size {
                name,
                is: is.size,
                was: was.size,
            }),
            () if is.sha256 != was.sha256 => Err(Poison::Digest { name }),
            () => Ok(bytes),
        }
    };
    let headers = Headers {
        ep_config: text(&checked(EP_CONFIG)?),
        node_config: text(&checked(NODE_CONFIG)?),
    };
    let unit = manifest.unit;
    let template = Template::read(unit, checked(unit.object())?)
        .map_err(|source| Poison::Object { unit, source })?;
    Ok(Some(Entry {
        manifest,
        headers,
        template,
    }))
}

/// Headers were written from text; their digest holds, so nothing is lost here.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn read_file(
    folder: &Path,
    name: &'static str,
    limit: u64,
    trust: &Trust,
) -> Result<Vec<u8>, Poison> {
    let path = folder.join(name);
    let opened = whole_file::open_plain(&path);
    if opened.is_err()
        && let Ok(metadata) = fs::symlink_metadata(&path)
        && metadata.is_file()
    {
        // Somebody else's file that we may not read is theirs first, and unreadable second.
        trust.check(name, &metadata)?;
    }
    let (file, metadata) = opened?;
    trust.check(name, &metadata)?;
    Ok(whole_file::read_known(file, &metadata, limit).map_err(FileError::of("read", &path))?)
}

/// Why a template folder must not be used.
#[derive(Debug, thiserror::Error)]
pub enum Poison {
    /// A symlink or a file in its place.
    #[error("it is not a folder")]
    NoFolder,
    /// A file is missing, a symlink, or unreadable.
    #[error(transparent)]
    File(#[from] FileError),
    /// Somebody else's.
    #[error("{name} belongs to user {uid}")]
    Owner {
        /// Which.
        name: &'static str,
        /// Whose.
        uid: u32,
    },
    /// Others could change it.
    #[error("{name} can be written by others (mode {mode:o})")]
    Writable {
        /// Which.
        name: &'static str,
        /// How.
        mode: u32,
    },
    /// Somebody may hold another name of it.
    #[error("{name} has more than one hard link")]
    HardLinked {
        /// Which.
        name: &'static str,
    },
    /// The manifest is damaged.
    #[error("its {MANIFEST} is damaged")]
    Manifest(#[source] serde_json::Error),
    /// The manifest is another template's.
    #[error("its {MANIFEST} is of template {says}")]
    Key {
        /// Whose.
        says: TemplateKey,
    },
    /// The manifest does not know the file.
    #[error("its {MANIFEST} does not list {name}")]
    Unlisted {
        /// Which.
        name: &'static str,
    },
    /// Cut, or grown.
    #[error("its {name} has {is} bytes, {was} were written")]
    Size {
        /// Which.
        name: &'static str,
        /// Now.
        is: u64,
        /// Then.
        was: u64,
    },
    /// Altered.
    #[error("its {name} was altered: the digest is another")]
    Digest {
        /// Which.
        name: &'static str,
    },
    /// The digest holds, and it still is no template.
    #[error("its {} is no template", unit.object())]
    Object {
        /// What it should be one of.
        unit: Unit,
        /// Why.
        source: ElfError,
    },
}
