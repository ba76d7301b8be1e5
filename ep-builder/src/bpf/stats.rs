//! How often and how long programs ran, and which there are.
#![expect(unsafe_code, reason = "two commands of bpf(2)")]

use std::os::fd::OwnedFd;

use nix::errno::Errno;

use super::error::{BpfError, Operation};
use super::sys::{self, Command};

/// `BPF_STATS_RUN_TIME`
const RUN_TIME: u32 = 0;

#[repr(C)]
struct EnableAttribute {
    kind: u32,
}

#[repr(C)]
struct NextIdAttribute {
    start: u32,
    next: u32,
    flags: u32,
}

/// While one of these exists, the kernel measures every run of every program, which costs each two looks at
/// the clock.
#[derive(Debug)]
pub struct RunStatistics(#[expect(dead_code, reason = "it is there to be closed")] OwnedFd);

impl RunStatistics {
    /// Begins to measure.
    pub fn enable() -> Result<Self, BpfError> {
        let mut attribute = EnableAttribute { kind: RUN_TIME };
        // SAFETY: the attribute is one number and holds no address; the command returns a new descriptor.
        unsafe { sys::bpf_fd(Command::EnableStats, &mut attribute) }
            .map(Self)
            .map_err(BpfError::kernel(Operation::Measure, "the runs of programs"))
    }
}

/// The kernel's numbers of all programs there are, in order.
pub fn program_ids() -> Result<Vec<u32>, BpfError> {
    let mut ids = Vec::new();
    let mut attribute = NextIdAttribute {
        start: 0,
        next: 0,
        flags: 0,
    };
    loop {
        // SAFETY: the attribute is numbers and holds no address.
        match unsafe { sys::bpf(Command::ProgramNextId, &mut attribute) } {
            Ok(_) => ids.push(attribute.next),
            Err(Errno::ENOENT) => return Ok(ids),
            Err(errno) => {
                return Err(BpfError::kernel(Operation::Inspect, "the list of programs")(errno));
            }
        }
        attribute.start = attribute.next;
    }
}
