//! Finding the compiler, and knowing its version without running it each time.
//!
//! `clang --version` takes 10 to 30 ms, more than the rest of an endpoint. So the answer is kept beside the
//! facts of the file that gave it (device, inode, size, times): if any differs, the compiler is asked
//! again. A wrapper script is asked every time: its own file says nothing of what it runs.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::CompileError;
use super::sandbox::{self, Limits};
use crate::whole_file;

/// The oldest clang that knows decl tags on functions.
const OLDEST: u32 = 14;
/// The newest one tried by its own name when there is no plain `clang`.
const NEWEST: u32 = 22;
/// Where to look when there is no PATH: runtimes start plugins with bare environments.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A compiler and what it says it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clang {
    /// The file that is run.
    pub path: PathBuf,
    /// The first line of `clang --version`: part of every key.
    pub version: String,
}

/// Where to look: `[clang] path`, then `CLANG`, then `PATH`.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// `[clang] path` of `weir.toml`.
    pub configured: Option<PathBuf>,
    /// The variable `CLANG`.
    pub variable: Option<OsString>,
    /// The variable `PATH`.
    pub path: Option<OsString>,
}

impl Search {
    /// A search with the variables of this process.
    pub fn from_environment(configured: Option<PathBuf>) -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            configured,
            variable: variable("CLANG"),
            path: variable("PATH"),
        }
    }

    /// The compiler's file. A path that was named and is not there is an error, not a reason to look on.
    pub fn find(&self) -> Result<PathBuf, CompileError> {
        if let Some(path) = &self.configured {
            return named(path, "[clang] path in weir.toml");
        }
        match self.variable.as_deref() {
            Some(name) if name.as_encoded_bytes().contains(&b'/') => {
                named(Path::new(name), "the variable CLANG")
            }
            Some(name) => self.on_path(&[name.to_owned()]),
            None => self.on_path(&default_names()),
        }
    }

    fn on_path(&self, names: &[OsString]) -> Result<PathBuf, CompileError> {
        let path = self.path.as_deref().unwrap_or(OsStr::new(DEFAULT_PATH));
        let folders: Vec<_> = std::env::split_paths(path)
            .filter(|p| p.is_absolute())
            .collect();
        names
            .iter()
            .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
            .find(|file| is_executable(file))
            .ok_or_else(|| CompileError::Missing {
                searched: format!(
                    "{} in {}",
                    names
                        .first()
                        .map(|n| n.to_string_lossy())
                        .unwrap_or_default(),
                    path.to_string_lossy()
                ),
            })
    }
}

fn default_names() -> Vec<OsString> {
    let versioned = (OLDEST..=NEWEST)
        .rev()
        .map(|major| format!("clang-{major}").into());
    std::iter::once("clang".into()).chain(versioned).collect()
}

fn named(path: &Path, by: &str) -> Result<PathBuf, CompileError> {
    if is_executable(path) {
        Ok(path.to_owned())
    } else {
        Err(CompileError::Missing {
            searched: format!("{} as {by} says", path.display()),
        })
    }
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.mode() & 0o111 != 0)
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

impl Clang {
    /// The compiler at `path`; its version from `memory` (a file) while nothing changed, else from itself.
    pub fn identify(path: PathBuf, memory: &Path, limits: &Limits) -> Result<Self, CompileError> {
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

    /// The last compiler that was identified, whether or not it is still there: its templates are.
    pub fn last_known(memory: &Path) -> Option<Self> {
        remembered(memory).map(|known| known.clang)
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

/// Asks the compiler for the first line of its version.
fn ask_version(path: &Path, folder: &Path, limits: &Limits) -> Result<String, CompileError> {
    let outcome = sandbox::run(path, &["--version"], folder, limits)?;
    let line = outcome
        .stdout
        .lines()
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned();
    if !outcome.status.success() {
        return Err(super::classify(path, outcome, limits));
    }
    Ok(line)
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
