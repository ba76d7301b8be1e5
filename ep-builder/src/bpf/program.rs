//! Programs.
#![expect(
    unsafe_code,
    reason = "the kernel reads code and debug information from our memory"
)]

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;

use super::btf::LoadedBtf;
use super::error::BpfError;
use super::info::{self, ProgramInfo};
use super::object::{self, Pinned, absent_as_none};
use super::sock_hook::SockHook;
use super::sys::{self, Command};

/// A tc classifier (`BPF_PROG_TYPE_SCHED_CLS`).
const CLASSIFIER: u32 = 3;
/// What sees the addresses that sockets are given (`BPF_PROG_TYPE_CGROUP_SOCK_ADDR`).
const SOCKET_ADDRESS: u32 = 18;
/// Room for the verifier's log: the second is enough for any program it walks through.
const LOGS: [usize; 2] = [1 << 20, 1 << 24];
/// The verifier gives up when a signal comes; it is asked again.
const TRIES: u32 = 5;

/// A program to load, with all references resolved.
#[derive(Clone, Copy, Debug)]
pub struct ProgramSpec<'a> {
    /// Its name; the kernel keeps 15 characters.
    pub name: &'a str,
    /// Its instructions.
    pub code: &'a [[u8; 8]],
    /// Its licence.
    pub license: &'a CStr,
    /// The types that the records below refer to.
    pub btf: Option<&'a LoadedBtf>,
    /// Which function begins at which instruction (`struct bpf_func_info`).
    pub func_info: &'a [[u32; 2]],
    /// Which source line an instruction comes from (`struct bpf_line_info`).
    pub line_info: &'a [[u32; 4]],
}

/// A loaded program.
#[derive(Debug)]
pub struct Program {
    fd: OwnedFd,
    label: String,
}

#[repr(C)]
#[derive(Default)]
struct LoadAttribute {
    program_type: u32,
    code_count: u32,
    code: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    ifindex: u32,
    expected_attach_type: u32,
    btf_fd: u32,
    func_info_size: u32,
    func_info: u64,
    func_info_count: u32,
    line_info_size: u32,
    line_info: u64,
    line_info_count: u32,
    attach_btf_id: u32,
}

impl LoadAttribute {
    /// `expected_attach_type` stays 0 for a classifier, for tcx, too: Linux 6.18 refuses programs of different
    /// ones in one program array, without a word in the log. A program of a socket hook is of that hook alone.
    fn of(spec: &ProgramSpec<'_>, hook: Option<SockHook>) -> Self {
        let mut attribute = Self {
            program_type: hook.map_or(CLASSIFIER, |_| SOCKET_ADDRESS),
            expected_attach_type: hook.map_or(0, SockHook::number),
            code_count: sys::length(spec.code),
            code: sys::address_of(spec.code),
            license: sys::address_of(spec.license.to_bytes_with_nul()),
            name: sys::name(spec.name),
            ..Self::default()
        };
        if let Some(btf) = spec.btf {
            attribute.btf_fd = sys::number(btf);
            attribute.func_info_size = 8;
            attribute.func_info = sys::address_of(spec.func_info);
            attribute.func_info_count = sys::length(spec.func_info);
            attribute.line_info_size = 16;
            attribute.line_info = sys::address_of(spec.line_info);
            attribute.line_info_count = sys::length(spec.line_info);
        }
        attribute
    }
}

impl Program {
    /// Loads a tc program. Only a refused one costs a log: it is loaded a second time for it.
    pub fn load(spec: &ProgramSpec<'_>) -> Result<Self, BpfError> {
        Self::load_as(spec, None)
    }

    /// Likewise a program for a hook of sockets.
    pub fn load_for_sockets(spec: &ProgramSpec<'_>, hook: SockHook) -> Result<Self, BpfError> {
        Self::load_as(spec, Some(hook))
    }

    fn load_as(spec: &ProgramSpec<'_>, hook: Option<SockHook>) -> Result<Self, BpfError> {
        let label = format!("program {}", spec.name);
        let source = match load(spec, hook, &mut []) {
            Ok(fd) => return Ok(Self { fd, label }),
            Err(source) => source,
        };
        for room in LOGS {
            let mut log = vec![0; room];
            match load(spec, hook, &mut log) {
                Ok(fd) => return Ok(Self { fd, label }),
                Err(Errno::ENOSPC) if Some(&room) != LOGS.last() => {}
                Err(_) => {
                    let log = sys::text(&log);
                    return Err(BpfError::Refused {
                        object: label,
                        log,
                        source,
                    });
                }
            }
        }
        Err(BpfError::Refused {
            object: label,
            log: String::new(),
            source,
        })
    }

    /// Opens the program pinned at `path`.
    pub fn open_pin(path: &Path) -> Result<Self, BpfError> {
        let fd = object::open_pin(path, Pinned::Program)?;
        Ok(Self {
            fd,
            label: format!("program {}", path.display()),
        })
    }

    /// As [`Program::open_pin`]; nothing there is none.
    pub fn find_pin(path: &Path) -> Result<Option<Self>, BpfError> {
        absent_as_none(Self::open_pin(path))
    }

    /// Opens a program by its number in the kernel.
    pub fn open_id(id: u32) -> Result<Self, BpfError> {
        let fd = object::open_id(id, Pinned::Program)?;
        Ok(Self {
            fd,
            label: format!("program {id}"),
        })
    }

    /// Its name in messages.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The facts the kernel has.
    pub fn info(&self) -> Result<ProgramInfo, BpfError> {
        info::program(self.fd.as_fd(), &self.label)
    }

    /// Pins it at `path`, where nothing may be.
    pub fn pin(&self, path: &Path) -> Result<(), BpfError> {
        object::pin(self.fd.as_fd(), &self.label, path)
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Loads once; an empty `log` asks for none.
fn load(spec: &ProgramSpec<'_>, hook: Option<SockHook>, log: &mut [u8]) -> Result<OwnedFd, Errno> {
    let mut attribute = LoadAttribute::of(spec, hook);
    if !log.is_empty() {
        attribute.log_level = 1;
        attribute.log_size = sys::length(log);
        attribute.log = sys::address_of_mut(log);
    }
    let mut tries = TRIES;
    loop {
        tries -= 1;
        // SAFETY: each address is that of a slice whose length stands beside it, or of a string that ends
        // in a zero; `spec` and `log` live until the call returns, which gives a new descriptor.
        match unsafe { sys::bpf_fd(Command::ProgramLoad, &mut attribute) } {
            Err(Errno::EAGAIN) if tries > 0 => {}
            result => return result,
        }
    }
}
