//! Why there is no object: each cause its own variant, because each needs something else done.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use nix::libc::SIGKILL;

use crate::elf::ElfError;
use crate::whole_file::FileError;

/// Why a compilation failed.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// No compiler.
    #[error("no clang found: looked for {searched}")]
    Missing {
        /// What was looked for, and where.
        searched: String,
    },
    /// A compiler that is too old, or no clang.
    #[error("{} says {version:?}: clang {oldest} or newer is needed", path.display())]
    Version {
        /// The compiler.
        path: PathBuf,
        /// What it says.
        version: String,
        /// What is needed.
        oldest: u32,
    },
    /// The process could not be started or waited for.
    #[error("cannot run {}", path.display())]
    Start {
        /// The compiler.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// It does not answer `--version`.
    #[error("{} does not say what it is: `--version` ended with {status}", path.display())]
    NoVersion {
        /// The compiler.
        path: PathBuf,
        /// How it ended.
        status: ExitStatus,
    },
    /// Ended by a signal.
    #[error("{} was killed by signal {signal}", path.display())]
    Killed {
        /// The compiler.
        path: PathBuf,
        /// The signal.
        signal: i32,
    },
    /// Took too long.
    #[error("{} did not finish within {} s", path.display(), limit.as_secs())]
    TimedOut {
        /// The compiler.
        path: PathBuf,
        /// The limit.
        limit: Duration,
    },
    /// Needed more memory than it may have.
    #[error("{} ran out of memory (limit {limit_mib} MiB)", path.display())]
    OutOfMemory {
        /// The compiler.
        path: PathBuf,
        /// The limit.
        limit_mib: u64,
    },
    /// Could not write.
    #[error("{} could not write its object: No space left on device", path.display())]
    DiskFull {
        /// The compiler.
        path: PathBuf,
    },
    /// The sources do not compile.
    #[error("{} refused the datapath's sources:\n{}", path.display(), diagnostics.trim_end())]
    Source {
        /// The compiler.
        path: PathBuf,
        /// What it said.
        diagnostics: String,
    },
    /// It succeeded, and what it wrote is no object.
    #[error("{} wrote no usable object", path.display())]
    Object {
        /// The compiler.
        path: PathBuf,
        /// What is wrong with it.
        source: ElfError,
    },
    /// A file around the compilation.
    #[error("the compilation's files cannot be handled")]
    File(#[from] FileError),
}

impl CompileError {
    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Missing { .. } => {
                "install clang 14 or newer, name one in [clang] path, or install the bundle of prebuilt templates"
            }
            Self::Version { .. } => "install clang 14 or newer, or name one in [clang] path",
            // It was found with root's rights, and has none itself.
            Self::Start { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "the compiler runs without capabilities: its file, and every folder above it, must be open to this user by their modes"
            }
            Self::Start { .. } => {
                "check that the file is a working compiler; [clang] path names another one"
            }
            Self::NoVersion { .. } => "name a working clang in [clang] path",
            Self::Killed { signal, .. } if *signal != SIGKILL => {
                "the compiler crashed: use another version of it; [clang] path names one"
            }
            Self::Killed { .. } => {
                "look for the kernel's out-of-memory killer in dmesg, then try again; nothing half-written was kept"
            }
            Self::TimedOut { .. } => {
                "raise [clang] timeout_seconds, or find what keeps the machine busy"
            }
            Self::OutOfMemory { .. } => "raise [clang] memory_mib",
            Self::DiskFull { .. } => "free some space on the file system of [paths] state_dir",
            Self::Source { .. } => {
                "the sources in [paths] bpf_dir were changed or do not belong to this version: reinstall them"
            }
            Self::Object { .. } => "use another clang; [clang] path names one",
            Self::File(_) => "check free space and permissions of [paths] state_dir",
        }
    }
}
