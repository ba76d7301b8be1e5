//! All endpoints at a glance: one that is damaged hides none of the others.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;

use super::error::StateError;
use super::layout::{FolderName, Place};
use super::lock;
use super::read::{self, Loaded, Origin};
use super::record::EndpointRecord;
use super::store::Store;
use crate::endpoint::EndpointId;
use crate::whole_file::FileError;

/// Something in the state root.
#[derive(Debug)]
pub enum Entry {
    /// An endpoint, or what is left of one.
    Endpoint {
        /// Its id.
        id: EndpointId,
        /// How it is.
        status: Box<Status>,
        /// Whether there is a generation to roll back to.
        has_previous: bool,
        /// Whether the last build failed; [`Store::read_log`] says why.
        has_failed_build: bool,
    },
    /// Something that weir did not put there, and leaves alone.
    Stranger(OsString),
}

/// How an endpoint is, as far as its record and the lengths of its files tell.
#[derive(Debug)]
pub enum Status {
    /// All is there.
    Ok(EndpointRecord),
    /// The record is lost; these facts are from the header.
    Restored {
        /// What the header holds.
        record: EndpointRecord,
        /// What is wrong with the record.
        reason: StateError,
    },
    /// Something is missing or wrong.
    Damaged {
        /// The record, if that is not what is wrong.
        record: Option<EndpointRecord>,
        /// What is wrong.
        reason: StateError,
    },
    /// The id is claimed, but nothing has been built.
    Claimed {
        /// Whether a process is at it; if not, it was killed.
        in_progress: bool,
    },
    /// No endpoint any more: only folders that do not matter without the live one.
    Leftover,
}

/// Which folders each endpoint has.
type Folders = BTreeMap<EndpointId, Vec<Place>>;

impl Store {
    /// Lists the state root: endpoints by id, then strangers by name.
    pub fn list(&self) -> Result<Vec<Entry>, StateError> {
        let (endpoints, mut strangers) = self.names()?;
        strangers.sort();
        let endpoints = endpoints
            .into_iter()
            .filter_map(|(id, places)| self.entry(id, &places));
        Ok(endpoints
            .chain(strangers.into_iter().map(Entry::Stranger))
            .collect())
    }

    fn names(&self) -> Result<(Folders, Vec<OsString>), StateError> {
        let root = self.layout.root();
        let list = || -> io::Result<_> {
            let mut endpoints = Folders::new();
            let mut strangers = Vec::new();
            for entry in fs::read_dir(root)? {
                let name = entry?.file_name();
                match FolderName::parse(&name) {
                    FolderName::Endpoint(id, place) => endpoints.entry(id).or_default().push(place),
                    FolderName::Shared | FolderName::Temporary => {}
                    FolderName::Stranger => strangers.push(name),
                }
            }
            Ok((endpoints, strangers))
        };
        Ok(list().map_err(FileError::of("list", root))?)
    }

    /// None: the endpoint went away while the list was made.
    fn entry(&self, id: EndpointId, places: &[Place]) -> Option<Entry> {
        let has = |place| places.contains(&place);
        if has(Place::Next) {
            self.recover_if_idle(id);
        }
        let status = if has(Place::Live) {
            self.status(id)?
        } else {
            Status::Leftover
        };
        Some(Entry::Endpoint {
            id,
            status: Box::new(status),
            has_previous: has(Place::Previous),
            has_failed_build: has(Place::Failed),
        })
    }

    /// A list is asked for in the worst of times, so a recovery that fails must not spoil it: the entry
    /// shows what there is.
    fn recover_if_idle(&self, id: EndpointId) {
        if let Ok(Some(_lock)) = lock::try_acquire(&self.layout, id) {
            self.settle(id).ok();
        }
    }

    fn status(&self, id: EndpointId) -> Option<Status> {
        let status = self.stable(
            id,
            |folder| {
                let Loaded { record, origin } = read::load(folder, id)?;
                Ok(match origin {
                    Origin::Header { reason } => Status::Restored {
                        record,
                        reason: *reason,
                    },
                    Origin::Record { files } => match read::check_sizes(folder, &files) {
                        Ok(()) => Status::Ok(record),
                        Err(reason) => Status::Damaged {
                            record: Some(record),
                            reason,
                        },
                    },
                })
            },
            |status| matches!(status, Status::Ok(_)),
        );
        match status {
            Ok(status) => Some(status),
            Err(StateError::Missing { .. }) => None,
            Err(StateError::NotBuilt { .. }) => Some(Status::Claimed {
                in_progress: lock::is_held(&self.layout, id),
            }),
            Err(reason) => Some(Status::Damaged {
                record: None,
                reason,
            }),
        }
    }
}
