//! The folder of the identities: every name in it, and reading what lies under one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, DirEntry, File};
use std::io;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

use super::error::{Damage, IdentityError};
use super::file::{self, LIMIT, Stored};
use super::number::{self, FIRST, LAST};
use crate::whole_file::{self, FileError, TEMPORARY};

const LOCK: &str = "lock";
const LAST_GIVEN: &str = "last";

/// Where everything lies.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Held by who changes anything.
    pub(super) fn lock(&self) -> PathBuf {
        self.0.join(LOCK)
    }

    /// A third name of the identity that was given last: it says where to go on.
    pub(super) fn last_given(&self) -> PathBuf {
        self.0.join(LAST_GIVEN)
    }

    /// A file in the making.
    pub(super) fn new_file(&self) -> PathBuf {
        self.0.join(format!("{TEMPORARY}new"))
    }

    pub(super) fn number(&self, number: u32) -> PathBuf {
        self.0.join(number.to_string())
    }

    pub(super) fn digest(&self, digest: &str) -> PathBuf {
        self.0.join(digest)
    }

    /// Reads an identity by its number.
    pub(super) fn read_number(&self, number: u32) -> Result<Stored, IdentityError> {
        let path = self.number(number);
        let (stored, _) = read(&path)?;
        if stored.number == number {
            Ok(stored)
        } else {
            Err(IdentityError::damaged(
                &path,
                Damage::OtherNumber(stored.number),
            ))
        }
    }

    /// Reads an identity by the digest of its set.
    pub(super) fn read_digest(&self, digest: &str) -> Result<(Stored, File), IdentityError> {
        let path = self.digest(digest);
        let (stored, file) = read(&path)?;
        if !(FIRST..=LAST).contains(&stored.number) {
            return Err(IdentityError::damaged(
                &path,
                Damage::OtherNumber(stored.number),
            ));
        }
        if file::digest(&stored.labels) == digest {
            Ok((stored, file))
        } else {
            Err(IdentityError::damaged(&path, Damage::OtherLabels))
        }
    }
}

/// Reads an identity. What is no file of ours is damage; what the system refuses for reasons of its own,
/// for example for want of file descriptors, is not.
fn read(path: &Path) -> Result<(Stored, File), IdentityError> {
    let bytes = whole_file::open_plain(path).and_then(|(file, _)| {
        let bytes = whole_file::read_open(&file, LIMIT);
        Ok((bytes.map_err(FileError::of("read", path))?, file))
    });
    let is_odd = |error: &FileError| {
        let is_other_kind = || fs::symlink_metadata(path).is_ok_and(|there| !there.is_file());
        error.source.kind() == io::ErrorKind::FileTooLarge || is_other_kind()
    };
    match bytes {
        Ok((bytes, file)) => Ok((Stored::decode(path, &bytes)?, file)),
        Err(error) if is_odd(&error) => {
            Err(IdentityError::damaged(path, Damage::NoFile(error.source)))
        }
        Err(error) => Err(error.into()),
    }
}

/// The names in the folder, each with the number of the file that it leads to.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) numbers: BTreeMap<u32, u64>,
    pub(super) digests: BTreeMap<String, u64>,
    /// What nobody needs, for who has the lock.
    pub(super) litter: Vec<PathBuf>,
}

impl Listing {
    /// Reads the names; a folder that is missing has none.
    pub(super) fn read(folder: &Folder) -> Result<Self, FileError> {
        let list = || -> io::Result<Self> {
            let mut listing = Self::default();
            for entry in fs::read_dir(folder.path())? {
                listing.add(&entry?);
            }
            Ok(listing)
        };
        match list() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            other => other.map_err(FileError::of("list", folder.path())),
        }
    }

    fn add(&mut self, entry: &DirEntry) {
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return;
        };
        if let Some(number) = number::parse(name) {
            self.numbers.insert(number, entry.ino());
        } else if is_digest(name) {
            self.digests.insert(name.to_owned(), entry.ino());
        } else if name.starts_with(TEMPORARY) || is_folder(entry, LAST_GIVEN) {
            self.litter.push(entry.path());
        }
    }

    /// Whether no identity has a name.
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.digests.is_empty()
    }

    /// The numbers that no digest leads to.
    pub(super) fn lone_numbers(&self) -> Vec<u32> {
        let files: HashSet<&u64> = self.digests.values().collect();
        let lone = self
            .numbers
            .iter()
            .filter(|(_, file)| !files.contains(file));
        lone.map(|(number, _)| *number).collect()
    }

    /// The digests that lead to no number.
    pub(super) fn lone_digests(&self) -> Vec<String> {
        let files: HashSet<&u64> = self.numbers.values().collect();
        let lone = self
            .digests
            .iter()
            .filter(|(_, file)| !files.contains(file));
        lone.map(|(digest, _)| digest.clone()).collect()
    }

    /// The number that a digest leads to.
    pub(super) fn number_of(&self, digest: &str) -> Option<u32> {
        let file = self.digests.get(digest)?;
        let mut numbers = self.numbers.iter();
        numbers.find_map(|(number, this)| (this == file).then_some(*number))
    }

    /// The digest that leads to each file.
    pub(super) fn digests_by_file(&self) -> HashMap<u64, &str> {
        let digests = self.digests.iter();
        digests
            .map(|(digest, file)| (*file, digest.as_str()))
            .collect()
    }
}

fn is_digest(name: &str) -> bool {
    name.len() == 64
        && name
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// A rename puts a file in the place of anything but a folder.
fn is_folder(entry: &DirEntry, name: &str) -> bool {
    entry.file_name() == OsStr::new(name) && entry.file_type().is_ok_and(|kind| kind.is_dir())
}
