//! Templates on disk: `templates/<key>/`, shared by all processes of the node.
//!
//! An entry appears by one rename and is never changed. One process compiles a key; the others wait for
//! its lock and use what it made. A process that dies leaves a lock the kernel releases and a
//! `.building` folder the next holder removes.

mod bundle;
mod entry;
mod gc;
mod manifest;

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use bundle::{Bundle, BundleError};
pub use entry::{Entry, MANIFEST, Poison, Trust};
pub use gc::{Collected, Collection, Why};
pub use manifest::Manifest;

use crate::compile::{CompileError, Compiled};
use crate::header::{EP_CONFIG, Headers, NODE_CONFIG};
use crate::key::TemplateKey;
use crate::lock::{FileLock, LockError};
use crate::unit::Unit;
use crate::whole_file::{self, FileError};

const BUILDING: &str = ".building";
const LOCK: &str = ".lock";
const BAD: &str = ".bad-";

/// The node's own templates.
#[derive(Debug)]
pub struct TemplateCache {
    root: PathBuf,
    lock_timeout: Duration,
    trust: Trust,
    /// Whether two who make the same templates get the same files.
    reproducible: bool,
}

/// What is needed to make a template that is not there.
#[derive(Debug)]
pub struct Recipe<'a> {
    /// The key of all that follows.
    pub key: TemplateKey,
    /// What is compiled.
    pub unit: Unit,
    /// The template's headers.
    pub headers: &'a Headers,
    /// The compiler's version line.
    pub compiler: &'a str,
    /// What is switched on, for the manifest.
    pub shape: Vec<String>,
}

/// A template and what happened on the way to it.
#[derive(Debug)]
pub struct Obtained {
    /// The template.
    pub entry: Entry,
    /// Whether this process compiled it.
    pub compiled: bool,
    /// What the operator should know: entries that were put aside.
    pub notices: Vec<String>,
}

impl TemplateCache {
    /// Opens the cache below `root`, and makes the folder when it is missing.
    pub fn open(root: &Path, lock_timeout: Duration) -> Result<Self, CacheError> {
        whole_file::private_folder(root)?;
        Ok(Self {
            root: root.to_owned(),
            lock_timeout,
            trust: Trust::ours(),
            reproducible: false,
        })
    }

    /// The same for templates that go to other nodes.
    #[must_use]
    pub fn reproducible(self) -> Self {
        Self {
            reproducible: true,
            ..self
        }
    }

    /// The folder of a key.
    pub fn folder(&self, key: TemplateKey) -> PathBuf {
        self.root.join(key.to_string())
    }

    /// The folder of all templates.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Reads a template; a poisoned one is an error and stays where it is.
    pub fn read(&self, key: TemplateKey) -> Result<Option<Entry>, Poison> {
        entry::read(&self.folder(key), key, &self.trust)
    }

    /// The template of `key` if it is there; a poisoned one is put aside and reported in `notices`.
    pub fn get(
        &self,
        key: TemplateKey,
        notices: &mut Vec<String>,
    ) -> Result<Option<Entry>, CacheError> {
        match self.read(key) {
            Ok(Some(entry)) => {
                self.touch(key);
                Ok(Some(entry))
            }
            Ok(None) => Ok(None),
            Err(poison) => {
                our_trouble(poison)?;
                self.quarantine_locked(key, notices).map(|()| None)
            }
        }
    }

    /// The template of the recipe: found, waited for, or compiled by `compile` in the folder it is given.
    pub fn get_or_build(
        &self,
        recipe: &Recipe<'_>,
        compile: impl FnOnce(&Path) -> Result<Compiled, CompileError>,
    ) -> Result<Obtained, CacheError> {
        let mut notices = Vec::new();
        let key = recipe.key;
        if let Some(entry) = self.get(key, &mut notices)? {
            return Ok(Obtained {
                entry,
                compiled: false,
                notices,
            });
        }
        let lock = FileLock::acquire(&self.beside(key, LOCK), self.lock_timeout)?;
        let obtained = self.build_locked(recipe, compile, notices);
        lock.remove()?;
        obtained
    }

    fn build_locked(
        &self,
        recipe: &Recipe<'_>,
        compile: impl FnOnce(&Path) -> Result<Compiled, CompileError>,
        mut notices: Vec<String>,
    ) -> Result<Obtained, CacheError> {
        let key = recipe.key;
        // Another process may have finished it while this one waited.
        match self.read(key) {
            Ok(Some(entry)) => {
                return Ok(Obtained {
                    entry,
                    compiled: false,
                    notices,
                });
            }
            Ok(None) => {}
            Err(poison) => notices.push(self.quarantine(key, &our_trouble(poison)?)?),
        }
        self.build(recipe, compile)?;
        let entry = self
            .read(key)
            .map_err(|poison| CacheError::Unusable { key, poison })?;
        let entry = entry.ok_or(CacheError::Vanished { key })?;
        Ok(Obtained {
            entry,
            compiled: true,
            notices,
        })
    }

    /// Compiles and puts the entry in place. The caller holds the lock.
    fn build(
        &self,
        recipe: &Recipe<'_>,
        compile: impl FnOnce(&Path) -> Result<Compiled, CompileError>,
    ) -> Result<(), CacheError> {
        let building = Building::new(self.beside(recipe.key, BUILDING))?;
        let compiled = compile(&building.folder("work")?)?;
        let finished = building.folder("finished")?;
        let manifest = Manifest::new(recipe, &compiled);
        let manifest = if self.reproducible {
            manifest.reproducible()
        } else {
            manifest
        };
        let json = serde_json::to_vec_pretty(&manifest).map_err(CacheError::Manifest)?;
        whole_file::write(
            &finished.join(EP_CONFIG),
            recipe.headers.ep_config.as_bytes(),
        )?;
        whole_file::write(
            &finished.join(NODE_CONFIG),
            recipe.headers.node_config.as_bytes(),
        )?;
        whole_file::write(&finished.join(recipe.unit.object()), &compiled.object)?;
        whole_file::write(&finished.join(MANIFEST), &json)?;
        whole_file::rename(&finished, &self.folder(recipe.key))?;
        Ok(whole_file::sync_folder(&self.root)?)
    }

    /// Puts a poisoned entry aside, unless somebody else already did.
    fn quarantine_locked(
        &self,
        key: TemplateKey,
        notices: &mut Vec<String>,
    ) -> Result<(), CacheError> {
        let lock = FileLock::acquire(&self.beside(key, LOCK), self.lock_timeout)?;
        if let Err(poison) = self.read(key) {
            notices.push(self.quarantine(key, &our_trouble(poison)?)?);
        }
        Ok(lock.remove()?)
    }

    fn quarantine(&self, key: TemplateKey, poison: &Poison) -> Result<String, CacheError> {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let aside = self.beside(key, &format!("{BAD}{}", since.as_nanos()));
        whole_file::rename(&self.folder(key), &aside)?;
        Ok(format!(
            "template {key} was not used because {}; it was put aside as {} and is built anew",
            crate::error::chain(poison),
            aside.display()
        ))
    }

    fn beside(&self, key: TemplateKey, suffix: &str) -> PathBuf {
        self.root.join(format!("{key}{suffix}"))
    }

    /// Marks the entry as used now, for the collector. On a read-only system nothing is collected either.
    fn touch(&self, key: TemplateKey) {
        let manifest = self.folder(key).join(MANIFEST);
        File::open(manifest)
            .and_then(|file| file.set_modified(SystemTime::now()))
            .unwrap_or_default();
    }
}

/// Gives the poison back, unless the file could not be read because of the state this process or machine is
/// in: no reason to throw away an entry that may be sound.
fn our_trouble(poison: Poison) -> Result<Poison, CacheError> {
    use nix::libc::{EACCES, EIO, EMFILE, ENFILE, ENOMEM, EPERM};
    let trouble = |error: &FileError| {
        let code = error.source.raw_os_error();
        code.is_some_and(|code| [EACCES, EIO, EMFILE, ENFILE, ENOMEM, EPERM].contains(&code))
    };
    match poison {
        Poison::File(error) if trouble(&error) => Err(error.into()),
        poison => Ok(poison),
    }
}

/// The folder in which an entry is made; gone when dropped, whatever happened.
struct Building(PathBuf);

impl Building {
    fn new(path: PathBuf) -> Result<Self, FileError> {
        whole_file::remove(&path)?;
        make_folder(&path)?;
        Ok(Self(path))
    }

    fn folder(&self, name: &str) -> Result<PathBuf, FileError> {
        let path = self.0.join(name);
        make_folder(&path)?;
        Ok(path)
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next builder of this key, or by the collector.
        whole_file::remove(&self.0).unwrap_or_default();
    }
}

fn make_folder(path: &Path) -> Result<(), FileError> {
    DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(FileError::of("make folder", path))
}

/// Why there is no template.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// A file or folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// The lock of a key: busy, or not to be had.
    #[error("cannot get hold of the template's lock")]
    Lock(#[from] LockError),
    /// The compilation.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The manifest could not be written.
    #[error("the template's {MANIFEST} cannot be written")]
    Manifest(#[source] serde_json::Error),
    /// It was just written and cannot be used.
    #[error("template {key} was compiled and cannot be used")]
    Unusable {
        /// Its key.
        key: TemplateKey,
        /// Why.
        #[source]
        poison: Poison,
    },
    /// It was just written and is gone.
    #[error("template {key} was compiled and removed by somebody at once: try again")]
    Vanished {
        /// Its key.
        key: TemplateKey,
    },
}
