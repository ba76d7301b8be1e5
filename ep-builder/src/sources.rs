//! The sources of the datapath, read once: the bytes that are hashed are the bytes that are compiled.

mod includes;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use includes::included;
use sha2::{Digest, Sha256};

use crate::header::{EP_CONFIG, NODE_CONFIG, RenderError, Renderer, Texts};
use crate::unit::Unit;
use crate::whole_file::{self, FileError};

/// No source file comes near this; a file that does is not ours.
const FILE_LIMIT: u64 = 1 << 20;
/// Nor a tree this deep.
const DEPTH_LIMIT: usize = 8;

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
    digest: [u8; 32],
}

/// The sources of each unit, read when the first asks for them.
#[derive(Debug)]
pub struct Units {
    root: PathBuf,
    headers: Texts,
    read: [OnceLock<UnitSources>; Unit::ALL.len()],
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
        let mut paths: Vec<_> = list(root)?.into_iter().collect();
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
    /// Reads what the unit consists of, and nothing else. All of it, every time: a cache of digests would save less
    /// than it could get wrong.
    pub fn read(root: &Path, headers: &Texts, unit: Unit) -> Result<Self, SourceError> {
        let known = list(root)?;
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
        let units = Self {
            root: root.to_owned(),
            headers: headers.clone(),
            read: [const { OnceLock::new() }; Unit::ALL.len()],
        };
        units.of(Unit::Lxc)?;
        Ok(units)
    }

    /// The sources of a unit.
    pub fn of(&self, unit: Unit) -> Result<&UnitSources, SourceError> {
        let [lxc, host, sock] = &self.read;
        let place = match unit {
            Unit::Lxc => lxc,
            Unit::Host => host,
            Unit::Sock => sock,
        };
        if let Some(read) = place.get() {
            return Ok(read);
        }
        let read = UnitSources::read(&self.root, &self.headers, unit)?;
        Ok(place.get_or_init(|| read))
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

/// The path of every source below `root`, which is known for the folder by those of an endpoint.
fn list(root: &Path) -> Result<HashSet<String>, SourceError> {
    let mut paths = HashSet::new();
    collect(root, Path::new(""), DEPTH_LIMIT, &mut paths)?;
    if paths.contains(Unit::Lxc.source()) {
        Ok(paths)
    } else {
        Err(missing(root, Unit::Lxc))
    }
}

fn missing(root: &Path, unit: Unit) -> SourceError {
    SourceError::Missing {
        root: root.to_owned(),
        file: unit.source(),
    }
}

fn collect(
    root: &Path,
    below: &Path,
    depth: usize,
    paths: &mut HashSet<String>,
) -> Result<(), SourceError> {
    let folder = root.join(below);
    refuse_public(&folder)?;
    let wrap = |source| {
        SourceError::Read(FileError {
            op: "read folder",
            path: folder.clone(),
            source,
        })
    };
    if depth == 0 {
        return Err(SourceError::Deep { root: folder });
    }
    for entry in fs::read_dir(&folder).map_err(wrap)? {
        let entry = entry.map_err(wrap)?;
        let path = below.join(entry.file_name());
        let kind = entry.file_type().map_err(wrap)?;
        if kind.is_symlink() && (is_source(&path) || root.join(&path).is_dir()) {
            return Err(SourceError::Symlink {
                path: root.join(path),
            });
        }
        if kind.is_dir() {
            collect(root, &path, depth - 1, paths)?;
        } else if is_source(&path) {
            let path = path.into_os_string().into_string();
            paths.insert(path.map_err(|path| SourceError::Name {
                path: root.join(path),
            })?);
        }
    }
    Ok(())
}

/// What is compiled runs in the kernel: a file that anybody may write is nobody's word.
fn refuse_public(path: &Path) -> Result<(), SourceError> {
    let metadata = fs::metadata(path).map_err(FileError::of("read", path))?;
    refuse_public_of(path, &metadata)
}

fn refuse_public_of(path: &Path, metadata: &fs::Metadata) -> Result<(), SourceError> {
    if metadata.mode() & 0o002 != 0 {
        return Err(SourceError::Public {
            path: path.to_owned(),
        });
    }
    Ok(())
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

fn is_source(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_none_or(|n| n.as_bytes().starts_with(b"."));
    !hidden && path.extension().is_some_and(|e| e == "c" || e == "h")
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
