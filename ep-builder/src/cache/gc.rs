//! Listing and collecting what lies in the cache's folder.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{BAD, BUILDING, CacheError, LOCK, MANIFEST, TemplateCache};
use crate::key::TemplateKey;
use crate::lock::{FileLock, LockError};
use crate::whole_file::{self, FileError};

/// Why something was collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A template no endpoint uses, for longer than the configured time.
    Unused,
    /// An entry that had been put aside.
    Quarantined,
    /// What a killed process left.
    Leftover,
}

/// One thing that was, or would be, removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    pub why: Why,
}

/// What a collection has found.
#[derive(Debug, Default)]
pub struct Collection {
    /// What was, or would be, removed.
    pub removed: Vec<Collected>,
    /// Why something is left alone that nobody needs: of each key once.
    pub left: Vec<LockError>,
}

/// What a name in the cache's folder means.
enum Kind {
    Entry(TemplateKey),
    Building(TemplateKey),
    Lock(TemplateKey),
    Quarantined(TemplateKey),
    Stranger,
}

impl Kind {
    fn key(&self) -> Option<TemplateKey> {
        match self {
            Self::Entry(key) | Self::Building(key) | Self::Lock(key) | Self::Quarantined(key) => {
                Some(*key)
            }
            Self::Stranger => None,
        }
    }
}

fn kind(name: &str) -> Kind {
    let Some((key, suffix)) = name.split_at_checked(64) else {
        return Kind::Stranger;
    };
    let Ok(key) = key.parse() else {
        return Kind::Stranger;
    };
    match suffix {
        "" => Kind::Entry(key),
        BUILDING => Kind::Building(key),
        LOCK => Kind::Lock(key),
        _ if suffix.starts_with(BAD) => Kind::Quarantined(key),
        _ => Kind::Stranger,
    }
}

/// The keys of all entries in a folder of templates, sorted; whether each is sound, reading it tells.
pub(super) fn keys(root: &Path) -> Result<Vec<TemplateKey>, FileError> {
    let entries = |name: &String| match kind(name) {
        Kind::Entry(key) => Some(key),
        _ => None,
    };
    Ok(names(root)?.iter().filter_map(entries).collect())
}

fn names(root: &Path) -> Result<Vec<String>, FileError> {
    let wrap = |source| FileError {
        op: "list",
        path: root.to_owned(),
        source,
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(root).map_err(wrap)? {
        if let Ok(name) = entry.map_err(wrap)?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

impl TemplateCache {
    /// The keys of all entries, sorted; whether each is sound, [`TemplateCache::read`] tells.
    pub fn keys(&self) -> Result<Vec<TemplateKey>, CacheError> {
        Ok(keys(&self.root)?)
    }

    /// Removes what nobody needs: templates outside `in_use` that were not used for `keep`, entries put
    /// aside as long ago, and leftovers. What another process is working on is left alone, and so is
    /// every name that is not ours. So is what has a lock that is none, as one that has a second name. With `dry_run` it
    /// only says what it would remove.
    pub fn collect(
        &self,
        in_use: &HashSet<TemplateKey>,
        keep: Duration,
        dry_run: bool,
    ) -> Result<Collection, CacheError> {
        let (mut found, mut odd) = (Collection::default(), HashSet::new());
        for name in names(&self.root)? {
            let kind = kind(&name);
            let Some(key) = kind.key().filter(|key| !odd.contains(key)) else {
                continue;
            };
            let needless = || self.needless(&kind, &name, in_use, keep);
            if needless().is_none() {
                continue;
            }
            let lock = self.beside(key, LOCK);
            let stays = dry_run && lock.exists();
            // Held: somebody builds, or looks at, this very key.
            let lock = match FileLock::try_acquire(&lock) {
                Ok(Some(lock)) => lock,
                Ok(None) => continue,
                Err(error) => {
                    odd.insert(key);
                    found.left.push(error);
                    continue;
                }
            };
            // Again, now that nobody can use it meanwhile.
            if let Some(why) = needless() {
                let path = self.root.join(&name);
                // A lock goes with the handle, below: by its name somebody else's would go, who has made it meanwhile.
                if !dry_run && !matches!(kind, Kind::Lock(_)) {
                    self.discard(key, &path)?;
                }
                found.removed.push(Collected { path, why });
            }
            if !stays {
                lock.remove()?;
            }
        }
        Ok(found)
    }

    fn needless(
        &self,
        kind: &Kind,
        name: &str,
        in_use: &HashSet<TemplateKey>,
        keep: Duration,
    ) -> Option<Why> {
        let old = || self.idle(name) >= keep;
        match kind {
            Kind::Entry(key) => (!in_use.contains(key) && old()).then_some(Why::Unused),
            Kind::Quarantined(_) => old().then_some(Why::Quarantined),
            // A lock goes with its holder; one that nobody holds was left by the dead.
            Kind::Building(_) | Kind::Lock(_) => Some(Why::Leftover),
            Kind::Stranger => None,
        }
    }

    /// Under another name first: one that is killed while removing must not leave half an entry.
    fn discard(&self, key: TemplateKey, path: &Path) -> Result<(), FileError> {
        let aside = self.beside(key, &format!("{BAD}collected"));
        if path.is_dir() && *path != aside {
            whole_file::remove(&aside)?;
            whole_file::rename(path, &aside)?;
            return whole_file::remove(&aside);
        }
        whole_file::remove(path)
    }

    /// How long an entry was not used; something unreadable counts as old.
    fn idle(&self, name: &str) -> Duration {
        let path = self.root.join(name);
        let used = fs::symlink_metadata(path.join(MANIFEST))
            .or_else(|_| fs::symlink_metadata(&path))
            .and_then(|metadata| metadata.modified());
        used.map_or(Duration::MAX, |used| {
            SystemTime::now().duration_since(used).unwrap_or_default()
        })
    }
}
