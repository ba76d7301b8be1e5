//! The sources of the datapath, read once: the bytes that are hashed are the bytes that are compiled.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::header::{EP_CONFIG, NODE_CONFIG, RenderError, Renderer, Texts};
use crate::whole_file::{self, FileError};

/// No source file comes near this; a file that does is not ours.
const FILE_LIMIT: u64 = 1 << 20;
/// Nor a tree this deep.
const DEPTH_LIMIT: usize = 8;

/// Every `.c` and `.h` file below `bpf-src`, sorted by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    files: Vec<SourceFile>,
    digest: OnceLock<[u8; 32]>,
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
    /// Reads the tree. All of it, every time: measured at 0.2 ms, a cache of digests would save less
    /// than it could get wrong.
    pub fn read(root: &Path) -> Result<Self, SourceError> {
        let mut files = Vec::new();
        collect(root, Path::new(""), DEPTH_LIMIT, &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        if !files.iter().any(|f| f.path == Path::new(MAIN)) {
            return Err(SourceError::NoMain {
                root: root.to_owned(),
            });
        }
        Ok(Self {
            files,
            digest: OnceLock::new(),
        })
    }

    /// The digest of all of them: hashed once for the keys of all units. Each part is preceded by its length.
    pub fn digest(&self) -> &[u8; 32] {
        self.digest.get_or_init(|| {
            let mut hash = Sha256::new();
            for file in &self.files {
                for part in [file.path.as_os_str().as_encoded_bytes(), &file.bytes] {
                    hash.update((part.len() as u64).to_le_bytes());
                    hash.update(part);
                }
            }
            hash.finalize().into()
        })
    }

    /// The files, sorted by path.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }
}

/// The one by which the folder is known.
const MAIN: &str = "bpf_lxc.c";

fn collect(
    root: &Path,
    below: &Path,
    depth: usize,
    files: &mut Vec<SourceFile>,
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
            collect(root, &path, depth - 1, files)?;
        } else if is_source(&path) {
            let bytes = read_source(&root.join(&path))?;
            files.push(SourceFile { path, bytes });
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
    #[error("{} holds no {MAIN}: it is not the folder of the datapath's sources ([paths] bpf_dir)", root.display())]
    NoMain {
        /// The folder.
        root: PathBuf,
    },
    /// A symlink would make the sources depend on what lies elsewhere.
    #[error("{} is a symbolic link: the datapath's sources must be plain files and folders", path.display())]
    Symlink {
        /// The link.
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
