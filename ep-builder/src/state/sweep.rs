//! What killed processes left in the state root under names of their own.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::error::StateError;
use super::layout::{FolderName, Place};
use super::list::{Entry, Status};
use super::store::Store;
use crate::endpoint::EndpointId;
use crate::whole_file::{self, FileError, is_absent};

/// Longer than any compile may take (`[clang] timeout_seconds` is an hour at most).
const OLD: Duration = Duration::from_hours(2);

impl Store {
    /// Removes temporary files and folders that no running process can still be using, and says which.
    /// With `dry_run` it only says which.
    pub fn sweep(&self, dry_run: bool) -> Result<Vec<PathBuf>, StateError> {
        let root = self.layout().root();
        let wrap = |source| FileError {
            op: "list",
            path: root.to_owned(),
            source,
        };
        let mut swept = Vec::new();
        for entry in fs::read_dir(root).map_err(wrap)? {
            let entry = entry.map_err(wrap)?;
            if !matches!(FolderName::parse(&entry.file_name()), FolderName::Temporary) {
                continue;
            }
            // One that vanishes now was in use until now.
            let changed = entry.metadata().and_then(|metadata| metadata.modified());
            let age = changed
                .ok()
                .and_then(|time| SystemTime::now().duration_since(time).ok());
            if age.is_some_and(|age| age >= OLD) {
                if !dry_run {
                    whole_file::remove(&entry.path())?;
                }
                swept.push(entry.path());
            }
        }
        if !dry_run {
            self.sweep_locks()?;
        }
        swept.sort_unstable();
        Ok(swept)
    }

    /// Gives back the ids of processes that died while they made or removed an endpoint, and says of each why
    /// it is dead. With `dry_run` it only says which those are.
    pub fn reap_dead(&self, dry_run: bool) -> Result<Vec<(EndpointId, &'static str)>, StateError> {
        let mut reaped = Vec::new();
        for entry in self.list()? {
            let Entry::Endpoint { id, status, .. } = entry else {
                continue;
            };
            let why = match *status {
                Status::Claimed { in_progress: false } => "claimed by a process that died",
                Status::Leftover => "left of an endpoint that is gone",
                _ => continue,
            };
            if dry_run || self.reap(id)? {
                reaped.push((id, why));
            }
        }
        Ok(reaped)
    }

    /// Removes the lock files of ids that nobody has and nobody works on: a process that is killed leaves
    /// its own, and no later one need ever come to that id.
    pub fn sweep_locks(&self) -> Result<(), StateError> {
        for id in self.locked_ids()? {
            let live = self.layout().folder(id, Place::Live);
            if is_absent(&live) {
                self.reap(id)?;
            }
        }
        Ok(())
    }

    fn locked_ids(&self) -> Result<Vec<EndpointId>, StateError> {
        let folder = self.layout().locks();
        let list = || -> io::Result<Vec<EndpointId>> {
            let mut ids = Vec::new();
            for entry in fs::read_dir(&folder)? {
                let name = entry?.file_name();
                ids.extend(name.to_str().and_then(|name| EndpointId::parse(name).ok()));
            }
            Ok(ids)
        };
        match list() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            listed => Ok(listed.map_err(FileError::of("list", &folder))?),
        }
    }
}
