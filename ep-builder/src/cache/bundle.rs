//! The read-only bundle of prebuilt templates that a package installs: a node with it needs no clang.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::entry::{self, Entry, Poison, Trust};
use super::gc;
use crate::key::TemplateKey;
use crate::whole_file::{self, FileError};

/// The file that says who compiled the bundle.
const INDEX: &str = "bundle.json";
const INDEX_LIMIT: u64 = 64 << 10;

/// A bundle that is there.
#[derive(Clone, Debug)]
pub struct Bundle {
    root: PathBuf,
    /// The version line of the compiler of all its templates: it stands in for the node's own in the key.
    pub compiler: String,
}

#[derive(Serialize, Deserialize)]
struct Index {
    compiler: String,
}

impl Bundle {
    /// Opens the bundle; none there is `None`.
    pub fn open(root: &Path) -> Result<Option<Self>, BundleError> {
        let path = root.join(INDEX);
        let (file, metadata) = match whole_file::open_plain(&path) {
            Ok(opened) => opened,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Trust::installed()
            .check(INDEX, &metadata)
            .map_err(BundleError::Untrusted)?;
        let json =
            whole_file::read_open(file, INDEX_LIMIT).map_err(FileError::of("read", &path))?;
        let Index { compiler } =
            serde_json::from_slice(&json).map_err(|source| BundleError::Index { path, source })?;
        Ok(Some(Self {
            root: root.to_owned(),
            compiler,
        }))
    }

    /// Writes the index of a bundle whose templates `compiler` made.
    pub fn write_index(root: &Path, compiler: &str) -> Result<(), BundleError> {
        let path = root.join(INDEX);
        let json = serde_json::to_vec_pretty(&Index {
            compiler: compiler.to_owned(),
        })
        .map_err(|source| BundleError::Index {
            path: path.clone(),
            source,
        })?;
        Ok(whole_file::write(&path, &json)?)
    }

    /// The template of `key` if the bundle has it. A poisoned one is an error: it cannot be put aside.
    pub fn get(&self, key: TemplateKey) -> Result<Option<Entry>, Poison> {
        entry::read(&self.folder(key), key, &Trust::installed())
    }

    /// The keys of all its templates, sorted.
    pub fn keys(&self) -> Result<Vec<TemplateKey>, BundleError> {
        Ok(gc::keys(&self.root)?)
    }

    /// The folder of a key.
    pub fn folder(&self, key: TemplateKey) -> PathBuf {
        self.root.join(key.to_string())
    }

    /// The folder of the bundle.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// Why the bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file.
    #[error("the bundle of prebuilt templates cannot be used")]
    File(#[from] FileError),
    /// Its index could be somebody else's.
    #[error("the bundle of prebuilt templates is not trusted: reinstall it")]
    Untrusted(#[source] Poison),
    /// Its index is damaged.
    #[error("the bundle's index {} is damaged: reinstall it", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}
