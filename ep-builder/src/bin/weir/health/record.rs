//! What the health endpoint was made from: one file, written before anything is made, so that whoever comes after a
//! process that was killed can take away what it made.

use std::path::{Path, PathBuf};

use ep_builder::whole_file::{self, FileError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The format written here, and the only one read.
const FORMAT: u32 = 1;
const LIMIT: u64 = 1 << 20;

/// Who wants the health endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Asker {
    /// `weir node init --health`: it stays until it is taken back.
    Command,
    /// `health` of `[node]`: it goes with that key.
    Settings,
}

/// What is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    format: u32,
    pub(super) asker: Asker,
    /// The file that somebody named; without one it is looked for each time.
    pub(super) named: Option<PathBuf>,
    /// What the plugin was sent.
    pub(super) configuration: Value,
}

impl Record {
    pub(super) fn new(asker: Asker, named: Option<PathBuf>, configuration: Value) -> Self {
        Self {
            format: FORMAT,
            asker,
            named,
            configuration,
        }
    }

    /// Reads it. One that is damaged is as good as none: weir-cni knows what it made by the container's id.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, FileError> {
        match whole_file::read(path, LIMIT) {
            Ok(bytes) => {
                let record = serde_json::from_slice::<Self>(&bytes).ok();
                Ok(record.filter(|record| record.format == FORMAT))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), FileError> {
        let failed = |error| FileError::of("encode", path)(std::io::Error::other(error));
        let via = path.with_extension("json.new");
        whole_file::write_via(path, &via, &serde_json::to_vec(self).map_err(failed)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_record_comes_back_and_a_damaged_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("health.json");
        assert_eq!(Record::read(&path).unwrap(), None);
        let record = Record::new(Asker::Command, Some("/a".into()), json!({ "name": "pods" }));
        record.write(&path).unwrap();
        assert_eq!(Record::read(&path).unwrap().as_ref(), Some(&record));
        for damage in ["", "{", "{}", "null"] {
            whole_file::write(&path, damage.as_bytes()).unwrap();
            assert_eq!(Record::read(&path).unwrap(), None, "{damage:?}");
        }
        Record {
            format: 2,
            ..record
        }
        .write(&path)
        .unwrap();
        assert_eq!(Record::read(&path).unwrap(), None);
    }
}
