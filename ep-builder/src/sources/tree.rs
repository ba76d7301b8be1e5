//! What lies below the folder of the sources, without a look into the files.

use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::SourceError;
use crate::unit::Unit;
use crate::whole_file::FileError;

/// No tree of ours is this deep.
pub(super) const DEPTH_LIMIT: usize = 8;

/// The names below a root, relative to it.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Every `.c` and `.h` file.
    pub(super) files: HashSet<String>,
    /// Every folder, the root among them: what comes, goes or gets another name changes one of them.
    pub(super) folders: Vec<PathBuf>,
}

impl Tree {
    /// Lists what is there; the folder is known by the sources of an endpoint.
    pub(super) fn list(root: &Path) -> Result<Self, SourceError> {
        let mut tree = Self::default();
        tree.collect(root, Path::new(""), DEPTH_LIMIT)?;
        if tree.files.contains(Unit::Lxc.source()) {
            Ok(tree)
        } else {
            Err(missing(root, Unit::Lxc))
        }
    }

    fn collect(&mut self, root: &Path, below: &Path, depth: usize) -> Result<(), SourceError> {
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
        self.folders.push(below.to_owned());
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
                self.collect(root, &path, depth - 1)?;
            } else if is_source(&path) {
                let path = path.into_os_string().into_string();
                self.files.insert(path.map_err(|path| SourceError::Name {
                    path: root.join(path),
                })?);
            }
        }
        Ok(())
    }
}

/// The error of a tree without the C file of a unit.
pub(super) fn missing(root: &Path, unit: Unit) -> SourceError {
    SourceError::Missing {
        root: root.to_owned(),
        file: unit.source(),
    }
}

fn is_source(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_none_or(|n| n.as_bytes().starts_with(b"."));
    !hidden && path.extension().is_some_and(|e| e == "c" || e == "h")
}

/// What is compiled runs in the kernel: a file that anybody may write is nobody's word.
fn refuse_public(path: &Path) -> Result<(), SourceError> {
    let metadata = fs::metadata(path).map_err(FileError::of("read", path))?;
    refuse_public_of(path, &metadata)
}

/// The same of a file whose facts are known.
pub(super) fn refuse_public_of(path: &Path, metadata: &fs::Metadata) -> Result<(), SourceError> {
    if metadata.mode() & 0o002 != 0 {
        return Err(SourceError::Public {
            path: path.to_owned(),
        });
    }
    Ok(())
}
