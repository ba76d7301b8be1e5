//! Reading an endpoint: bounded, never blocking, always of one generation.

use super::error::{Damage, StateError};
use super::folder::Folder;
use super::layout::{BUILD_LOG, EP_CONFIG_H, OBJECT, Place, RECORD};
use super::record::{EndpointRecord, FORMAT, Files, RecordError};
use super::store::Store;
use crate::digest::FileFacts;
use crate::endpoint::{Endpoint, EndpointId};
use crate::header::envelope;

/// What is read at most; what is larger is not ours. The labels of a pod end up in record and header.
pub(super) const RECORD_LIMIT: u64 = 4 << 20;
pub(super) const HEADER_LIMIT: u64 = 8 << 20;
pub(super) const OBJECT_LIMIT: u64 = 64 << 20;
pub(super) const LOG_LIMIT: usize = 4 << 20;

/// How often a reader follows an endpoint that is replaced under its hands.
const ATTEMPTS: usize = 16;

/// A record, and where it came from.
#[derive(Debug)]
pub struct Loaded {
    /// The record.
    pub record: EndpointRecord,
    /// Where it came from.
    pub origin: Origin,
}

/// A generation with its files, each of which is what was written.
#[derive(Debug)]
pub struct Whole {
    /// The record.
    pub record: EndpointRecord,
    /// The endpoint's header.
    pub header: String,
    /// Its object.
    pub object: Vec<u8>,
}

/// Where the facts of an endpoint came from.
#[derive(Debug)]
pub enum Origin {
    /// From `endpoint.json`.
    Record {
        /// What the other files must be.
        files: Files,
    },
    /// From the comment line of `ep_config.h`. It knows the endpoint's facts; generation, policy,
    /// template and the digests of the files are lost, and stand at 0 and none.
    Header {
        /// What is wrong with `endpoint.json`.
        reason: Box<StateError>,
    },
}

impl Store {
    /// Reads the facts of an endpoint.
    pub fn read(&self, id: EndpointId) -> Result<Loaded, StateError> {
        self.stable(
            id,
            |folder| load(folder, id),
            |loaded| matches!(loaded.origin, Origin::Record { .. }),
        )
    }

    /// Reads the object of an endpoint and checks that it is what was written.
    pub fn read_object(&self, id: EndpointId) -> Result<Vec<u8>, StateError> {
        self.stable(id, |folder| trusted_file(folder, id, object), |_| true)
    }

    /// Reads the header of an endpoint and checks that it is what was written.
    pub fn read_header(&self, id: EndpointId) -> Result<String, StateError> {
        let bytes = self.stable(id, |folder| trusted_file(folder, id, header), |_| true)?;
        String::from_utf8(bytes).map_err(|e| {
            let path = self.layout.file(id, Place::Live, EP_CONFIG_H);
            StateError::damaged(path)(Damage::Utf8(e.utf8_error()))
        })
    }

    /// The previous generation, whole; none if there is none.
    pub fn read_previous(&self, id: EndpointId) -> Result<Option<Whole>, StateError> {
        match Folder::open(self.layout.folder(id, Place::Previous)) {
            Ok(folder) => whole(&folder, id).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The generation in force, whole.
    pub fn read_whole(&self, id: EndpointId) -> Result<Whole, StateError> {
        self.stable(id, |folder| whole(folder, id), |_| true)
    }

    /// The log of the last build, if it failed. Bytes that are no UTF-8 are replaced.
    pub fn read_log(&self, id: EndpointId) -> Result<Option<String>, StateError> {
        let read = || {
            Folder::open(self.layout.folder(id, Place::Failed))?
                .read(BUILD_LOG, 2 * LOG_LIMIT as u64)
        };
        match read() {
            Ok(log) => Ok(Some(String::from_utf8_lossy(&log).into_owned())),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Reads every file of the live generation and returns all that is wrong. Nothing: it is whole.
    pub fn verify(&self, id: EndpointId) -> Vec<StateError> {
        let faults = self.stable(id, |folder| Ok(faults(folder, id)), Vec::is_empty);
        faults.unwrap_or_else(|error| vec![error])
    }

    /// Reads through the live folder. A result that is an error or not `clean` may be due to a swap
    /// that took the folder away while it was read: then the new one is read.
    pub(super) fn stable<T>(
        &self,
        id: EndpointId,
        read: impl Fn(&Folder) -> Result<T, StateError>,
        clean: impl Fn(&T) -> bool,
    ) -> Result<T, StateError> {
        let mut attempts = 0;
        loop {
            let folder = Folder::open(self.layout.folder(id, Place::Live)).map_err(|e| {
                if e.is_not_found() {
                    StateError::Missing { id }
                } else {
                    e.into()
                }
            })?;
            let result = read(&folder);
            attempts += 1;
            let done = result.as_ref().is_ok_and(&clean);
            if done || attempts == ATTEMPTS || folder.is_still_at_its_path() {
                return result;
            }
        }
    }
}

/// Reads the facts from a folder.
pub(super) fn load(folder: &Folder, id: EndpointId) -> Result<Loaded, StateError> {
    let reason = match read_record(folder, id) {
        Ok((record, files)) => {
            return Ok(Loaded {
                record,
                origin: Origin::Record { files },
            });
        }
        Err(newer @ StateError::NewerFormat { .. }) => return Err(newer),
        Err(reason) => Box::new(reason),
    };
    match restore_from_header(folder, id) {
        Ok(endpoint) => Ok(Loaded {
            record: EndpointRecord::restored(endpoint),
            origin: Origin::Header { reason },
        }),
        Err(_) if folder.is_empty() => Err(StateError::NotBuilt { id }),
        Err(header) => Err(StateError::Unrestorable {
            id,
            header: Box::new(header),
            source: reason,
        }),
    }
}

fn read_record(folder: &Folder, id: EndpointId) -> Result<(EndpointRecord, Files), StateError> {
    let path = || folder.path_of(RECORD);
    let text = folder.read(RECORD, RECORD_LIMIT)?;
    let (record, files) = EndpointRecord::decode(&text).map_err(|error| match error {
        RecordError::Newer(found) => StateError::NewerFormat {
            path: path(),
            found,
            known: FORMAT,
        },
        RecordError::Damage(damage) => StateError::damaged(path())(damage),
    })?;
    same_endpoint(&record.endpoint, id).map_err(StateError::damaged(path()))?;
    Ok((record, files))
}

fn restore_from_header(folder: &Folder, id: EndpointId) -> Result<Endpoint, StateError> {
    let bytes = folder.read(EP_CONFIG_H, HEADER_LIMIT)?;
    decode_header(&bytes, id).map_err(StateError::damaged(folder.path_of(EP_CONFIG_H)))
}

fn decode_header(bytes: &[u8], id: EndpointId) -> Result<Endpoint, Damage> {
    let text = std::str::from_utf8(bytes).map_err(Damage::Utf8)?;
    let endpoint = envelope::decode(text).map_err(Damage::Envelope)?;
    same_endpoint(&endpoint, id)?;
    Ok(endpoint)
}

fn same_endpoint(endpoint: &Endpoint, id: EndpointId) -> Result<(), Damage> {
    if endpoint.id == id {
        Ok(())
    } else {
        Err(Damage::OtherEndpoint(endpoint.id))
    }
}

/// A file beside the record: its name, what it must be, and the most that is read of it.
type Beside<'a> = (&'static str, &'a FileFacts, u64);

fn object(files: &Files) -> Beside<'_> {
    (OBJECT, &files.object, OBJECT_LIMIT)
}

fn header(files: &Files) -> Beside<'_> {
    (EP_CONFIG_H, &files.header, HEADER_LIMIT)
}

fn beside(files: &Files) -> [Beside<'_>; 2] {
    [object(files), header(files)]
}

/// Whether the files beside the record are there at their length. A cut file is found at the price of
/// two system calls; [`Store::verify`] reads them.
pub(super) fn check_sizes(folder: &Folder, files: &Files) -> Result<(), StateError> {
    for (name, facts, _) in beside(files) {
        let found = folder.size(name)?;
        facts
            .check_size(found)
            .map_err(StateError::damaged(folder.path_of(name)))?;
    }
    Ok(())
}

fn whole(folder: &Folder, id: EndpointId) -> Result<Whole, StateError> {
    let record = load(folder, id)?.record;
    let header = trusted_file(folder, id, header)?;
    let header = String::from_utf8(header).map_err(|e| {
        StateError::damaged(folder.path_of(EP_CONFIG_H))(Damage::Utf8(e.utf8_error()))
    })?;
    Ok(Whole {
        record,
        header,
        object: trusted_file(folder, id, object)?,
    })
}

/// Reads a file beside the record that must be what the record says.
fn trusted_file(
    folder: &Folder,
    id: EndpointId,
    pick: impl Fn(&Files) -> Beside<'_>,
) -> Result<Vec<u8>, StateError> {
    match load(folder, id)?.origin {
        Origin::Record { files } => checked_file(folder, pick(&files)),
        Origin::Header { reason } => Err(StateError::Unverified { id, source: reason }),
    }
}

fn checked_file(folder: &Folder, (name, facts, limit): Beside<'_>) -> Result<Vec<u8>, StateError> {
    let bytes = folder.read(name, limit)?;
    facts
        .check(&bytes)
        .map_err(StateError::damaged(folder.path_of(name)))?;
    Ok(bytes)
}

/// All that is wrong with the generation in a folder.
pub(super) fn faults(folder: &Folder, id: EndpointId) -> Vec<StateError> {
    match load(folder, id).map(|loaded| loaded.origin) {
        Ok(Origin::Record { files }) => beside(&files)
            .into_iter()
            .filter_map(|file| checked_file(folder, file).err())
            .collect(),
        Ok(Origin::Header { reason }) => vec![*reason],
        Err(error) => vec![error],
    }
}
