//! One process at a time changes what is installed.

use std::path::{Path, PathBuf};

use super::error::InstallError;
use super::record::{LOCK, RECORD};
use super::root::{Present, Root};
use crate::lock::FileLock;

/// Who has this may change what is installed.
#[derive(Debug)]
pub struct Hold<'a> {
    root: &'a Root,
    made: Vec<PathBuf>,
    _lock: FileLock,
}

impl<'a> Hold<'a> {
    /// Keeps all others away until it is let go. Makes the folder of the record, if it is missing.
    pub fn take(root: &'a Root) -> Result<Self, InstallError> {
        let mut made = Vec::new();
        let above: Vec<_> = Path::new(RECORD).ancestors().skip(1).collect();
        for folder in above.into_iter().rev() {
            if !root.has_folder(folder)? {
                root.make_folder(folder)?;
                made.push(folder.to_owned());
            }
        }
        let lock = root.lock(Path::new(LOCK))?;
        Ok(Self {
            root,
            made,
            _lock: lock,
        })
    }

    /// The folders it made.
    pub fn made(&self) -> Vec<PathBuf> {
        self.made.clone()
    }

    /// Lets others come. Where nothing is on record nothing stays: neither the record's folder, nor those above it that
    /// were made for it, now or by the `installed` one.
    pub fn release(self, installed: &[PathBuf]) -> Result<(), InstallError> {
        let record = Path::new(RECORD);
        let is_recorded = self.root.present(record)? != Present::Nothing;
        if !is_recorded {
            // What a killed write left of it, while nobody else can be at another one.
            self.root.remove_file(record)?;
        }
        // Who waits for a lock sees that its file is gone, and makes a new one.
        self.root.remove_file(Path::new(LOCK))?;
        if is_recorded {
            return Ok(());
        }
        let made = |folder: &Path| self.made.iter().chain(installed).any(|it| it == folder);
        for folder in record.ancestors().skip(1) {
            if Some(folder) == record.parent() || made(folder) {
                self.root.remove_empty(folder)?;
            }
        }
        Ok(())
    }
}
