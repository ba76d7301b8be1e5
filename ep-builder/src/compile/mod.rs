//! From headers and sources to an object: one clang process, confined.

mod error;
mod find;
mod flags;
mod identify;
mod sandbox;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

pub use error::CompileError;
pub use find::Search;
pub use flags::FLAGS;
pub use identify::Clang;
pub use sandbox::Limits;

use crate::elf::slim;
use crate::header::{EP_CONFIG, Headers, NODE_CONFIG};
use crate::sources::UnitSources;
use crate::unit::Unit;
use crate::whole_file::{self, FileError};
use flags::SOURCE_FOLDER;
use sandbox::Outcome;

/// The largest object that is taken.
const OBJECT_LIMIT: u64 = 64 << 20;

/// A fresh object and what it cost.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The object without DWARF.
    pub object: Vec<u8>,
    /// Processor time of the compiler.
    pub cpu: Duration,
}

/// Compiles in `folder`, a private and empty one; what it leaves there is the caller's to remove.
///
/// The sources are written out from memory, so the bytes that were hashed are the bytes that are
/// compiled, and every path the compiler sees is relative.
pub fn compile(
    clang: &Clang,
    unit: Unit,
    headers: &Headers,
    sources: &UnitSources,
    limits: &Limits,
    folder: &Path,
) -> Result<Compiled, CompileError> {
    lay_out(headers, sources, folder)?;
    let input = format!("{SOURCE_FOLDER}/{}", unit.source());
    let prefix_map = format!("-ffile-prefix-map={}=.", folder.display());
    let arguments: Vec<&str> = FLAGS
        .iter()
        .copied()
        .chain([
            prefix_map.as_str(),
            "-c",
            input.as_str(),
            "-o",
            unit.object(),
        ])
        .collect();
    let outcome = sandbox::run(&clang.path, &arguments, folder, limits)?;
    if !outcome.status.success() {
        return Err(classify(&clang.path, outcome, limits));
    }
    let object = whole_file::read(&folder.join(unit.object()), OBJECT_LIMIT)?;
    let object = slim(&object).map_err(|source| CompileError::Object {
        path: clang.path.clone(),
        source,
    })?;
    Ok(Compiled {
        object,
        cpu: outcome.cpu,
    })
}

fn lay_out(headers: &Headers, sources: &UnitSources, folder: &Path) -> Result<(), CompileError> {
    // No fsync: these files live as long as the compiler runs.
    let put = |path: &Path, bytes: &[u8]| -> Result<(), FileError> {
        let parent = path.parent().unwrap_or(folder);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(FileError::of("make folder", parent))?;
        whole_file::write_scratch(path, bytes)
    };
    put(&folder.join(EP_CONFIG), headers.ep_config.as_bytes())?;
    put(&folder.join(NODE_CONFIG), headers.node_config.as_bytes())?;
    for file in sources.files() {
        put(&folder.join(SOURCE_FOLDER).join(&file.path), &file.bytes)?;
    }
    Ok(())
}

/// What memory exhaustion looks like in the words of clang, its allocator and the dynamic loader.
const OUT_OF_MEMORY: [&str; 4] = [
    "out of memory",
    "std::bad_alloc",
    "Cannot allocate memory",
    "failed to map segment",
];

fn classify(path: &Path, outcome: Outcome, limits: &Limits) -> CompileError {
    let path = path.to_owned();
    if outcome.timed_out {
        return CompileError::TimedOut {
            path,
            limit: limits.time,
        };
    }
    let says = |words: &str| about_itself(&outcome.stderr).any(|line| line.contains(words));
    if OUT_OF_MEMORY.into_iter().any(says) {
        return CompileError::OutOfMemory {
            path,
            limit_mib: limits.memory_mib,
        };
    }
    if says("No space left on device") {
        return CompileError::DiskFull { path };
    }
    match outcome.status.signal() {
        Some(signal) => CompileError::Killed { path, signal },
        None => CompileError::Source {
            path,
            diagnostics: outcome.stderr,
        },
    }
}

/// The lines in which a compiler speaks of its own trouble. Lines about the source begin with a file's name
/// or quote the source, and may hold any words.
fn about_itself(stderr: &str) -> impl Iterator<Item = &str> {
    const BEGINNINGS: [&str; 5] = [
        "error: ",
        "fatal error: ",
        "LLVM ERROR",
        "terminate called",
        "  what():",
    ];
    stderr.lines().filter(|line| {
        BEGINNINGS.iter().any(|start| line.starts_with(start))
            || line.contains("error while loading shared libraries")
    })
}
