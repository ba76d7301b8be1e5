//! Links: programs on the tcx hooks of a device, the other way to attach where classic tc is taken; and programs on
//! the hooks of a control group's sockets, which have no other way that outlives their loader.
#![expect(
    unsafe_code,
    reason = "the kernel writes the list of attached programs"
)]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use super::error::{BpfError, Operation};
use super::info::{self, KernelInfo};
use super::object::{self, Pinned, absent_as_none};
use super::program::Program;
use super::sock_hook::SockHook;
use super::sys::{self, Command};

/// Which packets of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcxHook {
    /// Those that come in.
    Ingress,
    /// Those that go out.
    Egress,
}

impl TcxHook {
    fn number(self) -> u32 {
        match self {
            Self::Ingress => 46,
            Self::Egress => 47,
        }
    }
}

/// A program on a hook of a device or control group; it stays while the link has a descriptor or a pin, and the device or
/// group is there.
#[derive(Debug)]
pub struct Link {
    fd: OwnedFd,
    label: String,
}

/// The facts of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkInfo {
    /// Its number in the kernel.
    pub id: u32,
    /// Its program's number.
    pub program_id: u32,
    /// The device; 0 once it is gone.
    pub ifindex: u32,
    /// The hook, if it is one of tcx.
    pub hook: Option<TcxHook>,
    /// The number of the control group, which is that of its folder, while it is attached to one.
    pub cgroup: Option<u64>,
}

#[repr(C)]
#[derive(Default)]
struct CreateAttribute {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
    relative: u32,
    pad: u32,
    revision: u64,
}

#[repr(C)]
#[derive(Default)]
struct QueryAttribute {
    target: u32,
    attach_type: u32,
    flags: u32,
    attach_flags: u32,
    programs: u64,
    count: u32,
    pad: u32,
    program_attach_flags: u64,
    links: u64,
    link_attach_flags: u64,
    revision: u64,
}

/// `struct bpf_link_info` of a tcx link. One of a control group has the number of the group where this has device and
/// hook, the lower half first.
#[repr(C)]
#[derive(Default)]
struct RawLink {
    kind: u32,
    id: u32,
    program_id: u32,
    pad: u32,
    ifindex: u32,
    attach_type: u32,
    rest: [u64; 4],
}

// SAFETY: integers only, in the kernel's order. The kinds of links that take addresses here are not
// opened: `Link` is made by `attach_tcx` or `attach_sockets`, or checked to be of such a kind before anything else
// is believed, and zero addresses with zero counts are none.
unsafe impl KernelInfo for RawLink {}

/// `BPF_LINK_TYPE_CGROUP`.
const CGROUP: u32 = 3;
/// `BPF_LINK_TYPE_TCX`.
const TCX: u32 = 11;

impl RawLink {
    fn cgroup(&self) -> Option<u64> {
        let number = u64::from(self.ifindex) | u64::from(self.attach_type) << 32;
        (self.kind == CGROUP && number != 0).then_some(number)
    }
}

impl Link {
    /// Attaches a program behind those that are on the hook already.
    pub fn attach_tcx(program: &Program, ifindex: u32, hook: TcxHook) -> Result<Self, BpfError> {
        let label = format!(
            "{} to the {hook:?} hook of device {ifindex}",
            program.label()
        );
        Self::attach(program, ifindex, hook.number(), label)
    }

    /// Attaches a program to the sockets of all processes in a control group and below, behind those that are there
    /// already. `group` is open on its folder.
    pub fn attach_sockets(
        program: &Program,
        group: BorrowedFd<'_>,
        hook: SockHook,
    ) -> Result<Self, BpfError> {
        let label = format!("{} to the control group", program.label());
        Self::attach(program, sys::number(group), hook.number(), label)
    }

    fn attach(
        program: &Program,
        target: u32,
        attach_type: u32,
        label: String,
    ) -> Result<Self, BpfError> {
        let mut attribute = CreateAttribute {
            program: sys::number(program),
            target,
            attach_type,
            ..CreateAttribute::default()
        };
        // SAFETY: the attribute holds no addresses, and the command returns a new descriptor.
        let fd = unsafe { sys::bpf_fd(Command::LinkCreate, &mut attribute) }
            .map_err(BpfError::kernel(Operation::Attach, &label))?;
        Ok(Self { fd, label })
    }

    /// Replaces its program atomically. `ENOLINK`: the device is gone, and the link is of no more use.
    pub fn replace(&self, program: &Program) -> Result<(), BpfError> {
        let mut attribute = [sys::number(self), sys::number(program), 0, 0];
        // SAFETY: the attribute is two descriptors and two words of flags, and holds no addresses.
        unsafe { sys::bpf(Command::LinkUpdate, &mut attribute) }
            .map_err(BpfError::kernel(Operation::Replace, &self.label))?;
        Ok(())
    }

    /// Detaches the program now, whoever else holds the link.
    pub fn detach(&self) -> Result<(), BpfError> {
        let mut attribute = [sys::number(self)];
        // SAFETY: the attribute is one descriptor and holds no addresses.
        unsafe { sys::bpf(Command::LinkDetach, &mut attribute) }
            .map_err(BpfError::kernel(Operation::Detach, &self.label))?;
        Ok(())
    }

    /// Opens the link pinned at `path`.
    pub fn open_pin(path: &Path) -> Result<Self, BpfError> {
        let fd = object::open_pin(path, Pinned::Link)?;
        Ok(Self {
            fd,
            label: format!("link {}", path.display()),
        })
    }

    /// As [`Link::open_pin`]; nothing there is none.
    pub fn find_pin(path: &Path) -> Result<Option<Self>, BpfError> {
        absent_as_none(Self::open_pin(path))
    }

    /// Pins it at `path`, where nothing may be.
    pub fn pin(&self, path: &Path) -> Result<(), BpfError> {
        object::pin(self.fd.as_fd(), &self.label, path)
    }

    /// The facts the kernel has.
    pub fn info(&self) -> Result<LinkInfo, BpfError> {
        let mut raw = RawLink::default();
        info::fill(self.fd.as_fd(), &self.label, &mut raw)?;
        let hooks = [TcxHook::Ingress, TcxHook::Egress];
        let hook = hooks
            .into_iter()
            .find(|hook| hook.number() == raw.attach_type);
        Ok(LinkInfo {
            id: raw.id,
            program_id: raw.program_id,
            ifindex: if raw.kind == TCX { raw.ifindex } else { 0 },
            hook: hook.filter(|_| raw.kind == TCX),
            cgroup: raw.cgroup(),
        })
    }

    /// The numbers of the programs on a hook, in the order they run.
    pub fn programs_on(ifindex: u32, hook: TcxHook) -> Result<Vec<u32>, BpfError> {
        // The kernel allows no more than 64 programs on a hook.
        let mut programs = [0; 64];
        let mut attribute = QueryAttribute {
            target: ifindex,
            attach_type: hook.number(),
            programs: sys::address_of_mut(&mut programs),
            count: sys::length(&programs),
            ..QueryAttribute::default()
        };
        // SAFETY: the kernel writes at most `count` numbers to `programs`, which lives until the call
        // returns; the other addresses are none.
        unsafe { sys::bpf(Command::Query, &mut attribute) }.map_err(BpfError::kernel(
            Operation::Query,
            format!("the {hook:?} hook of device {ifindex}"),
        ))?;
        let count = usize::try_from(attribute.count).unwrap_or(0);
        Ok(programs.into_iter().take(count).collect())
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
