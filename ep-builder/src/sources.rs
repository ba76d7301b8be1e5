//! The sources of the datapath, read once: the bytes that are hashed are the bytes that are compiled.

mod includes;
mod remembered;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use includes::included;
use sha2::{Digest, Sha256};
use tree::{DEPTH_LIMIT, Tree, missing, refuse_public_of};

use crate::header::{EP_CONFIG, NODE_CONFIG, RenderError, Renderer, Texts};
use crate::unit::Unit;
use crate::whole_file::{self, FileError};

/// No source file comes near this; a file that does is not ours.
const FILE_LIMIT: u64 = 1 << 20;

/// Every `.c` and `.h` file below `bpf-src`, sorted by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    files: Vec<SourceFile>,
}

/// Those of them that one unit consists of, sorted by path: its C file, and what is included from there or from the
/// rendered headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitSources {
    files: Vec<SourceFile>,
    /// All folders of the tree: what comes or goes there may change what is included.
    folders: Vec<PathBuf>,
    digest: [u8; 32],
}

/// The sources of each unit, read when the first asks for them.
#[derive(Debug)]
pub struct Units {
    root: PathBuf,
    headers: Texts,
    read: [OnceLock<UnitSources>; Unit::ALL.len()],
    /// The digest of an endpoint's, if they are as they were when it was made.
    remembered: Option<[u8; 32]>,
}

/// One file of the datapath.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Relative to the root of the sources.
    pub path: PathBuf,
    /// The text.
    pub bytes: Vec<u8>,
}

impl Sources {
    /// Reads the tree.
    pub fn read(root: &Path) -> Result<Self, SourceError> {
        let mut paths: Vec<_> = Tree::list(root)?.files.into_iter().collect();
        paths.sort();
        let read = |path| read_file(root, path);
        Ok(Self {
            files: paths.into_iter().map(read).collect::<Result<_, _>>()?,
        })
    }

    /// The files, sorted by path.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }
}

impl UnitSources {
    /// Reads what the unit consists of, and nothing else.
    pub fn read(root: &Path, headers: &Texts, unit: Unit) -> Result<Self, SourceError> {
        let Tree {
            files: known,
            folders,
        } = Tree::list(root)?;
        let mut files = BTreeMap::new();
        let main = known.get(unit.source());
        let mut wanted = vec![main.ok_or_else(|| missing(root, unit))?];
        for header in [&headers.ep_config, &headers.node_config] {
            wanted.extend(included("", header.as_bytes(), &known));
        }
        while let Some(path) = wanted.pop() {
            if files.contains_key(path) {
                continue;
            }
            let file = read_file(root, path.clone())?;
            wanted.extend(included(path, &file.bytes, &known));
            files.insert(path, file);
        }
        let files: Vec<_> = files.into_values().collect();
        Ok(Self {
            digest: digest(&files),
            files,
            folders,
        })
    }

    /// The digest of all of them.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The files, sorted by path.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }
}

impl Units {
    /// Those below `root`; reads the sources of an endpoint, which everybody needs.
    pub fn open(root: &Path, headers: &Texts) -> Result<Self, SourceError> {
        let units = Self::unread(root, headers, None);
        units.of(Unit::Lxc)?;
        Ok(units)
    }

    /// As [`Self::open`], but sources of an endpoint that have not changed since their digest was kept in `memory` are
    /// read no sooner than somebody asks for their text.
    pub fn recalled(root: &Path, headers: &Texts, memory: &Path) -> Result<Self, SourceError> {
        if let Some(digest) = remembered::recall(memory, root, headers) {
            return Ok(Self::unread(root, headers, Some(digest)));
        }
        let began = SystemTime::now();
        let units = Self::open(root, headers)?;
        remembered::remember(memory, root, headers, units.of(Unit::Lxc)?, began);
        Ok(units)
    }

    fn unread(root: &Path, headers: &Texts, remembered: Option<[u8; 32]>) -> Self {
        Self {
            root: root.to_owned(),
            headers: headers.clone(),
            read: [const { OnceLock::new() }; Unit::ALL.len()],
            remembered,
        }
    }

    /// The digest of a unit's sources: of those that were read, if they were.
    pub fn digest(&self, unit: Unit) -> Result<[u8; 32], SourceError> {
        match self.remembered {
            Some(digest) if unit == Unit::Lxc && self.place(unit).get().is_none() => Ok(digest),
            _ => Ok(self.of(unit)?.digest),
        }
    }

    /// The sources of a unit.
    pub fn of(&self, unit: Unit) -> Result<&UnitSources, SourceError> {
        let place = self.place(unit);
        if let Some(read) = place.get() {
            return Ok(read);
        }
        let read = UnitSources::read(&self.root, &self.headers, unit)?;
        Ok(place.get_or_init(|| read))
    }

    fn place(&self, unit: Unit) -> &OnceLock<UnitSources> {
        let [lxc, host, sock] = &self.read;
        match unit {
            Unit::Lxc => lxc,
            Unit::Host => host,
            Unit::Sock => sock,
        }
    }
}

/// Each part is preceded by its length.
fn digest(files: &[SourceFile]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for file in files {
        for part in [file.path.as_os_str().as_encoded_bytes(), &file.bytes] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hash.finalize().into()
}

fn read_file(root: &Path, path: String) -> Result<SourceFile, SourceError> {
    let bytes = read_source(&root.join(&path))?;
    Ok(SourceFile {
        path: path.into(),
        bytes,
    })
}

fn read_source(path: &Path) -> Result<Vec<u8>, SourceError> {
    let (file, metadata) = whole_file::open_plain(path)?;
    refuse_public_of(path, &metadata)?;
    let bytes = whole_file::read_known(file, &metadata, FILE_LIMIT);
    Ok(bytes.map_err(FileError::of("read", path))?)
}

/// Reads the handlebars templates.
pub fn read_templates(root: &Path) -> Result<Texts, SourceError> {
    let read = |name: &str| -> Result<String, SourceError> {
        let path = root.join(format!("{name}.hbs"));
        let bytes = read_source(&path)?;
        String::from_utf8(bytes).map_err(|source| SourceError::Utf8 { path, source })
    };
    Ok(Texts {
        ep_config: read(EP_CONFIG)?,
        node_config: read(NODE_CONFIG)?,
    })
}

/// Reads and parses the handlebars templates.
pub fn read_renderer(root: &Path) -> Result<Renderer, SourceError> {
    let texts = read_templates(root)?;
    Ok(Renderer::new(&texts.ep_config, &texts.node_config)?)
}

/// Why the sources could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file or folder.
    #[error("the datapath's sources cannot be read: check [paths] in weir.toml")]
    Read(#[from] FileError),
    /// The folder is not the one.
    #[error("{} holds no {file}: it is not the folder of the datapath's sources ([paths] bpf_dir)", root.display())]
    Missing {
        /// The folder.
        root: PathBuf,
        /// What it should hold.
        file: &'static str,
    },
    /// A symlink would make the sources depend on what lies elsewhere.
    #[error("{} is a symbolic link: the datapath's sources must be plain files and folders", path.display())]
    Symlink {
        /// The link.
        path: PathBuf,
    },
    /// A name that no `#include` can say.
    #[error("{} has a name that is not UTF-8: the datapath's sources have none such", path.display())]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// Anybody could have written it.
    #[error("{} can be written by everybody: take that right away (chmod o-w), it is compiled into the kernel's datapath", path.display())]
    Public {
        /// The file or folder.
        path: PathBuf,
    },
    /// A loop of mounts or a wrong folder.
    #[error("{} lies {DEPTH_LIMIT} folders deep: it is not the folder of the datapath's sources ([paths] bpf_dir)", root.display())]
    Deep {
        /// The folder.
        root: PathBuf,
    },
    /// A template that is no text.
    #[error("template {} is not UTF-8", path.display())]
    Utf8 {
        /// The file.
        path: PathBuf,
        /// Where.
        source: std::string::FromUtf8Error,
    },
    /// A template that does not parse.
    #[error(transparent)]
    Template(#[from] RenderError),
}
