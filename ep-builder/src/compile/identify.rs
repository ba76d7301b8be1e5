//! Knowing the compiler's version without running it each time.
//!
//! `clang --version` takes 10 to 30 ms, more than the rest of an endpoint. So the answer is kept beside the
//! facts of the file that gave it (device, inode, size, times): if any differs, the compiler is asked
//! again. A wrapper script is asked every time: its own file says nothing of what it runs.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::CompileError;
use super::find::{OLDEST, Search};
use super::sandbox::{self, Limits};
use crate::whole_file;

/// A compiler and what it says it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clang {
    /// The file that is run.
    pub path: PathBuf,
    /// The first line of `clang --version`: part of every key.
    pub version: String,
}

/// What must be the same for a remembered version to hold.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FileFacts {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<&Metadata> for FileFacts {
    fn from(m: &Metadata) -> Self {
        Self {
            device: m.dev(),
            inode: m.ino(),
            size: m.size(),
            modified: (m.mtime(), m.mtime_nsec()),
            changed: (m.ctime(), m.ctime_nsec()),
        }
    }
}

/// The file that remembers.
#[derive(Serialize, Deserialize)]
struct Remembered {
    clang: Clang,
    facts: FileFacts,
}

impl Remembered {
    /// Whether the compiler is the file it was.
    fn holds(&self) -> bool {
        fs::metadata(&self.clang.path)
            .is_ok_and(|metadata| FileFacts::from(&metadata) == self.facts)
    }
}

impl Clang {
    /// The first compiler of the search that is new enough; its version from `memory` (a file) while
    /// nothing about the compiler changed, else from itself.
    pub fn identify(search: &Search, memory: &Path, limits: &Limits) -> Result<Self, CompileError> {
        let mut refused = None;
        for path in search.candidates()? {
            match Self::identify_one(path, memory, limits) {
                // An old clang must not hide a newer one further down.
                Err(error @ CompileError::Version { .. }) => drop(refused.get_or_insert(error)),
                result => return result,
            }
        }
        Err(refused.unwrap_or(CompileError::Missing {
            searched: "nothing".to_owned(),
        }))
    }

    /// The compiler if it is known without starting a process: the one that was identified last, while its
    /// file is the same or there is no compiler at all. A compiler that is gone has left its templates.
    pub fn known(search: &Search, memory: &Path) -> Option<Self> {
        let known = remembered(memory)?;
        if search.leads_to(&known.clang.path) && known.holds() {
            return Some(known.clang);
        }
        match search.candidates() {
            Ok(_others) => None,
            Err(_) => Some(known.clang),
        }
    }

    fn identify_one(path: PathBuf, memory: &Path, limits: &Limits) -> Result<Self, CompileError> {
        let wrap = |source| CompileError::Start {
            path: path.clone(),
            source,
        };
        let facts = FileFacts::from(&fs::metadata(&path).map_err(wrap)?);
        if let Some(known) = remembered(memory)
            && known.clang.path == path
            && known.facts == facts
        {
            return Ok(known.clang);
        }
        let version = ask_version(&path, memory.parent().unwrap_or(Path::new("/")), limits)?;
        let clang = Self { path, version };
        clang.check_version()?;
        if is_elf(&clang.path) {
            let known = Remembered { clang, facts };
            // Not remembering costs time only.
            if let Ok(json) = serde_json::to_vec(&known) {
                whole_file::write(memory, &json).unwrap_or_default();
            }
            return Ok(known.clang);
        }
        Ok(clang)
    }

    fn check_version(&self) -> Result<(), CompileError> {
        let major = self
            .version
            .split("clang version ")
            .nth(1)
            .and_then(|rest| rest.split('.').next());
        match major.and_then(|text| text.parse::<u32>().ok()) {
            Some(major) if major >= OLDEST => Ok(()),
            _ => Err(CompileError::Version {
                path: self.path.clone(),
                version: self.version.clone(),
                oldest: OLDEST,
            }),
        }
    }
}

/// A compiler that works says its version at once.
const ANSWER: Duration = Duration::from_secs(10);

/// Asks the compiler for the first line of its version.
fn ask_version(path: &Path, folder: &Path, limits: &Limits) -> Result<String, CompileError> {
    let limits = Limits {
        time: limits.time.min(ANSWER),
        ..*limits
    };
    let outcome = sandbox::run(path, &["--version"], folder, &limits)?;
    if outcome.status.success() {
        let line = outcome.stdout.lines().next().unwrap_or_default();
        return Ok(line.trim().to_owned());
    }
    let status = outcome.status;
    match super::classify(path, outcome, &limits) {
        CompileError::Source { path, .. } => Err(CompileError::NoVersion { path, status }),
        error => Err(error),
    }
}

fn remembered(memory: &Path) -> Option<Remembered> {
    serde_json::from_slice(&whole_file::read(memory, 1 << 16).ok()?).ok()
}

fn is_elf(path: &Path) -> bool {
    use std::io::Read;
    let mut magic = [0; 4];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == *b"\x7fELF"
}
