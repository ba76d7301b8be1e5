//! The files of policy documents.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::SourceFile;
use super::error::{DocumentError, Mistake, Problem, place};
use crate::whole_file::{self, FileError};

/// The largest file.
pub(super) const MAX_FILE: u64 = 4 << 20;
/// The most that all files together may have.
pub(super) const MAX_TOTAL: usize = 64 << 20;

const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// The documents of a folder, in the order of their names: those that end as documents do and are neither hidden
/// nor some editor's. A folder that is not there has none.
pub(super) fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, DocumentError> {
    let error = |e| DocumentError::Folder(FileError::of("list", folder)(e));
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(error(e)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(error)?.path();
        if is_document(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Editors keep what was there before as `a.yaml~`, `#a.yaml#`, `.a.yaml.swp` and the like: with another ending, or
/// hidden. `.#a.yaml` is both a document's ending and hidden.
fn is_document(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let is_set_aside = name.starts_with(b".") || name.starts_with(b"#");
    let ending = path.extension().and_then(|ending| ending.to_str());
    !is_set_aside && ending.is_some_and(|ending| ENDINGS.contains(&ending))
}

/// Files that could be read, and what is wrong with the others.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) files: Vec<SourceFile>,
    pub(super) mistakes: Vec<Mistake>,
    total: usize,
}

/// Reads files; of a folder, those in it.
pub(super) fn read(paths: &[PathBuf]) -> Result<Loaded, DocumentError> {
    let mut loaded = Loaded::default();
    for path in paths {
        if is_folder(path)? {
            for inner in in_folder(path)? {
                loaded.add(inner)?;
            }
        } else {
            loaded.add(path.clone())?;
        }
    }
    Ok(loaded)
}

/// Nothing there is told by whoever reads it.
fn is_folder(path: &Path) -> Result<bool, DocumentError> {
    match fs::metadata(path) {
        Ok(there) => Ok(there.is_dir()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(DocumentError::File(FileError::of("look at", path)(error))),
    }
}

impl Loaded {
    /// Files that have been read already.
    pub(super) fn of(files: Vec<SourceFile>) -> Self {
        Self {
            files,
            ..Self::default()
        }
    }

    fn add(&mut self, path: PathBuf) -> Result<(), DocumentError> {
        let bytes = whole_file::read_named(&path, MAX_FILE).map_err(DocumentError::File)?;
        self.total += bytes.len();
        if self.total > MAX_TOTAL {
            let text = "all documents together have more than 64 MiB";
            let cause = io::Error::new(io::ErrorKind::FileTooLarge, text);
            return Err(DocumentError::File(FileError::of("read", &path)(cause)));
        }
        match String::from_utf8(bytes) {
            Ok(text) => self.files.push(SourceFile {
                path,
                text: text.into(),
            }),
            Err(e) => {
                let valid = e.utf8_error().valid_up_to();
                self.mistakes.push(not_text(&path, e.as_bytes(), valid));
            }
        }
        Ok(())
    }
}

fn not_text(path: &Path, bytes: &[u8], at: usize) -> Mistake {
    let before = bytes.get(..at).unwrap_or_default();
    let lines = before.split(|byte| *byte == b'\n');
    let column = before
        .rsplit(|byte| *byte == b'\n')
        .next()
        .map_or(0, |line| String::from_utf8_lossy(line).chars().count());
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Mistake {
        place: place(&path.display().to_string().into(), number(lines.count())),
        column: number(column + 1),
        field: String::new(),
        problem: Problem::NotUtf8,
    }
}
