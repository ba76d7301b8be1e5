//! Why the kernel, or we ourselves, refused an operation.

use std::fmt;

use nix::errno::Errno;

/// A failed operation: what was attempted on what, and why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BpfError {
    /// The kernel refused.
    #[error("cannot {operation} {object}")]
    Kernel {
        /// What was attempted.
        operation: Operation,
        /// On what.
        object: String,
        /// The kernel's answer.
        source: Errno,
    },
    /// The request made no sense, and the kernel was not asked.
    #[error("cannot {operation} {object}: {problem}")]
    Misuse {
        /// What was attempted.
        operation: Operation,
        /// On what.
        object: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A program or its BTF was refused by the verifier.
    #[error("the kernel's verifier refused {object}")]
    Refused {
        /// The program or BTF.
        object: String,
        /// The verifier's log; empty where it said nothing.
        log: String,
        /// The kernel's answer.
        source: Errno,
    },
}

impl BpfError {
    pub(super) fn kernel(
        operation: Operation,
        object: impl Into<String>,
    ) -> impl FnOnce(Errno) -> Self {
        move |source| Self::Kernel {
            operation,
            object: object.into(),
            source,
        }
    }

    pub(super) fn misuse(
        operation: Operation,
        object: impl Into<String>,
        problem: impl Into<String>,
    ) -> Self {
        Self::Misuse {
            operation,
            object: object.into(),
            problem: problem.into(),
        }
    }

    /// The kernel's answer, where it was asked.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Kernel { source, .. } | Self::Refused { source, .. } => Some(*source),
            Self::Misuse { .. } => None,
        }
    }

    /// Whether what was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        self.errno() == Some(Errno::ENOENT)
    }

    /// What to do, where the kernel's answer alone does not say it.
    pub fn advice(&self) -> Option<&'static str> {
        match (self.errno()?, self) {
            (Errno::EPERM | Errno::EACCES, Self::Kernel { .. }) => Some(
                "run as root: CAP_BPF, CAP_NET_ADMIN and, to open objects by number, CAP_SYS_ADMIN are needed in the first user namespace; a lockdown or security module may forbid it, too",
            ),
            (Errno::EPERM, Self::Refused { .. }) => {
                Some("run as root, or with CAP_BPF and CAP_NET_ADMIN in the first user namespace")
            }
            (Errno::ENOMEM, _) => Some(
                "the kernel has no memory for it: lower the sizes in [maps], or raise the memory limit of this process's cgroup",
            ),
            (Errno::ENOSYS, _) => Some(
                "this kernel has no bpf(2): Linux 6.1 or newer with CONFIG_BPF_SYSCALL is needed",
            ),
            (
                Errno::E2BIG,
                Self::Kernel {
                    operation: Operation::Update,
                    ..
                },
            ) => Some("the map is full: raise its size in [maps]"),
            (Errno::EROFS, _) => {
                Some("the BPF file system is mounted read-only: mount -o remount,rw /sys/fs/bpf")
            }
            (Errno::ENFILE | Errno::EMFILE, _) => {
                Some("too many files are open: raise the limit (ulimit -n)")
            }
            _ => None,
        }
    }
}

/// What was attempted; displayed as a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Creating a map.
    Create,
    /// Looking up an entry.
    LookUp,
    /// Writing an entry.
    Update,
    /// Deleting an entry.
    Delete,
    /// Going through the keys.
    NextKey,
    /// Making a map read-only.
    Freeze,
    /// Giving an object a name in bpffs.
    Pin,
    /// Taking such a name away.
    Unpin,
    /// Opening an object by its pin or number.
    Open,
    /// Asking for the facts of an object.
    Inspect,
    /// Loading a program.
    Load,
    /// Running a program on given bytes.
    TestRun,
    /// Attaching by a link.
    Attach,
    /// Replacing the program of a link.
    Replace,
    /// Detaching a link.
    Detach,
    /// Listing what is attached.
    Query,
    /// Having the kernel measure.
    Measure,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::LookUp => "look up an entry of",
            Self::Update => "write an entry of",
            Self::Delete => "delete an entry of",
            Self::NextKey => "go through the keys of",
            Self::Freeze => "freeze",
            Self::Pin => "pin",
            Self::Unpin => "remove the pin",
            Self::Open => "open",
            Self::Inspect => "inspect",
            Self::Load => "load",
            Self::TestRun => "run",
            Self::Attach => "attach",
            Self::Replace => "replace the program of",
            Self::Detach => "detach",
            Self::Query => "list what is attached to",
            Self::Measure => "measure",
        })
    }
}
