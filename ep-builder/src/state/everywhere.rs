//! Every record there is: of what is live, and of what may become live again.

use super::error::StateError;
use super::folder::Folder;
use super::layout::Place;
use super::list::{Entry, Status};
use super::read;
use super::record::EndpointRecord;
use super::store::Store;
use crate::endpoint::EndpointId;

/// The records of all endpoints, in whichever folder.
#[derive(Debug, Default)]
pub struct Records {
    /// What could be read, live ones first. One that changed places meanwhile can be there twice.
    pub kept: Vec<(Place, EndpointRecord)>,
    /// Why a live or a previous one could not be read: what it uses is not known.
    pub unreadable: Vec<StateError>,
}

impl Store {
    /// Reads the facts of an endpoint's next generation, while it is being made.
    pub fn read_next(&self, id: EndpointId) -> Result<read::Loaded, StateError> {
        let folder = Folder::open(self.layout.folder(id, Place::Next))?;
        read::load(&folder, id)
    }

    /// Reads all records.
    pub fn records(&self) -> Result<Records, StateError> {
        let mut records = Records::default();
        let mut ids = Vec::new();
        for entry in self.list()? {
            let Entry::Endpoint { id, status, .. } = entry else {
                continue;
            };
            ids.push(id);
            match *status {
                Status::Ok(record)
                | Status::Restored { record, .. }
                | Status::Damaged {
                    record: Some(record),
                    ..
                } => records.kept.push((Place::Live, record)),
                Status::Damaged {
                    record: None,
                    reason,
                } => records.unreadable.push(reason),
                Status::Claimed { .. } | Status::Leftover => {}
            }
        }
        // The live one once more, and last: a rollback exchanges two folders, and without this could bring
        // each of them to where the other one has just been read.
        let places = [Place::Next, Place::Failed, Place::Previous, Place::Live];
        for (id, place) in ids.iter().flat_map(|id| places.map(|place| (*id, place))) {
            self.add(&mut records, id, place);
        }
        Ok(records)
    }

    /// A build under way or failed may have no record yet, and then nothing of it comes back.
    fn add(&self, records: &mut Records, id: EndpointId, place: Place) {
        let folder = Folder::open(self.layout.folder(id, place)).map_err(StateError::from);
        match folder.and_then(|folder| read::load(&folder, id)) {
            Ok(loaded) => records.kept.push((place, loaded.record)),
            Err(StateError::NotBuilt { .. }) => {}
            Err(StateError::File(error)) if error.is_not_found() => {}
            Err(reason) if place == Place::Previous => records.unreadable.push(reason),
            Err(_) => {}
        }
    }
}
