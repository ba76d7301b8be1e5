//! Filters of classic tc: list, add, replace, remove; and clsact, below which they stand.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{
    TcAttribute, TcBpfFlags, TcFilterBpf, TcFilterBpfOption, TcHandle, TcMessage, TcOption,
};
use nix::errno::Errno;

use super::Hook;
use super::bytes::{attributes, text, word};
use super::device::Device;
use super::error::{AttachError, Request};
use super::netlink::{Failure, Refusal, Rtnl};
use crate::bpf::Program;

/// `struct tcmsg`: after family and device the handle, the parent, and protocol and priority in one word.
const HEADER: usize = 20;
const HANDLE: usize = 8;
const INFO: usize = 16;
/// Attributes of a filter, and of its BPF options.
const KIND: u16 = 1;
const OPTIONS: u16 = 2;
const BPF_NAME: u16 = 7;
const BPF_FLAGS: u16 = 8;
const BPF_TAG: u16 = 10;
const BPF_ID: u16 = 11;
const DIRECT_ACTION: u32 = 1;
const CLSACT: &str = "clsact";
/// Every protocol, in network order.
const ALL_PROTOCOLS: u16 = 0x0003_u16.to_be();

/// A filter on a hook of a device, whoever put it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The hook.
    pub hook: Hook,
    /// The lower, the earlier it is asked.
    pub priority: u16,
    /// Its number below that priority; 0 is the priority's own entry.
    pub handle: u32,
    /// `bpf`, `flower` and so on.
    pub kind: String,
    /// Its name, if it is one of BPF.
    pub name: String,
    /// The number of its program, if it has one.
    pub program_id: Option<u32>,
    /// The digest of its program, if it has one.
    pub tag: Option<[u8; 8]>,
    /// Whether the program's answer is the verdict.
    pub direct_action: bool,
}

impl Filter {
    /// Whether it is the endpoint's own program on this hook, by our loader or by stock tc.
    pub fn is_ours(&self) -> bool {
        self.kind == TcFilterBpf::KIND && self.name == self.hook.filter_name()
    }

    fn read(answer: &[u8], hook: Hook) -> Option<Self> {
        let info = word(answer, INFO)?;
        let mut filter = Self {
            hook,
            priority: u16::try_from(info >> 16).ok()?,
            handle: word(answer, HANDLE)?,
            kind: String::new(),
            name: String::new(),
            program_id: None,
            tag: None,
            direct_action: false,
        };
        for (kind, value) in attributes(answer, HEADER) {
            match kind {
                KIND => filter.kind = text(value),
                OPTIONS if filter.kind == TcFilterBpf::KIND => filter.read_options(value),
                _ => {}
            }
        }
        Some(filter)
    }

    fn read_options(&mut self, options: &[u8]) {
        for (kind, value) in attributes(options, 0) {
            match kind {
                BPF_NAME => self.name = text(value),
                BPF_FLAGS => {
                    self.direct_action = word(value, 0).is_some_and(|f| f & DIRECT_ACTION != 0);
                }
                BPF_TAG => self.tag = value.first_chunk().copied(),
                BPF_ID => self.program_id = word(value, 0),
                _ => {}
            }
        }
    }
}

/// Whether a filter may be there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// It must not be there.
    Add,
    /// It is replaced in one step, between two packets.
    Replace,
}

impl Rtnl {
    /// The filters of a hook, in the order they are asked. None without clsact.
    pub fn filters(&mut self, device: &Device, hook: Hook) -> Result<Vec<Filter>, AttachError> {
        let message = RouteNetlinkMessage::GetTrafficFilter(message(device, hook, 0, 0));
        let answers = match self.list(&message) {
            Ok(answers) => answers,
            Err(Failure::Refused(Refusal {
                errno: Errno::ENODEV | Errno::ENOENT,
                ..
            })) => Vec::new(),
            Err(failure) => return Err(failure.of(Request::ListFilters, &device.name)),
        };
        let filters = answers
            .iter()
            .filter_map(|answer| Filter::read(answer, hook));
        Ok(filters.collect())
    }

    /// Whether clsact is on a device, whoever put it there.
    pub fn has_clsact(&mut self, device: &Device) -> Result<bool, AttachError> {
        let mut message = TcMessage::with_index(device.signed_index());
        message.header.parent = TcHandle::CLSACT;
        // Ingress alone answers to the same parent, and is another kind.
        let is_clsact = |answer: &Vec<u8>| {
            attributes(answer, HEADER).any(|(kind, value)| kind == KIND && text(value) == CLSACT)
        };
        // Without the flag those hear the answer who listen to changes, and not whoever asked.
        match self.request(RouteNetlinkMessage::GetQueueDiscipline(message), NLM_F_ECHO) {
            Ok(answers) => Ok(answers.iter().any(is_clsact)),
            Err(Failure::Refused(Refusal {
                errno: Errno::ENOENT | Errno::ENODEV,
                ..
            })) => Ok(false),
            Err(failure) => Err(failure.of(Request::FindClsact, &device.name)),
        }
    }

    /// Adds clsact; one that is there stays as it is. Says whether it is new.
    pub(super) fn add_clsact(&mut self, device: &Device) -> Result<bool, AttachError> {
        let message = || RouteNetlinkMessage::NewQueueDiscipline(clsact(device));
        match self.request(message(), NLM_F_CREATE | NLM_F_EXCL) {
            Ok(_) => return Ok(true),
            // Something is there: only without the flag the kernel says whether it is another kind's.
            Err(Failure::Refused(Refusal {
                errno: Errno::EEXIST,
                ..
            })) => {}
            Err(failure) => return Err(failure.of(Request::AddClsact, &device.name)),
        }
        self.request(message(), NLM_F_CREATE)
            .map_err(|failure| failure.of(Request::AddClsact, &device.name))?;
        Ok(false)
    }

    pub(super) fn remove_clsact(&mut self, device: &Device) -> Result<(), AttachError> {
        let message = RouteNetlinkMessage::DelQueueDiscipline(clsact(device));
        absent_is_fine(self.request(message, 0), Request::RemoveClsact, device).map(drop)
    }

    /// Writes our filter of a hook.
    pub(super) fn write_filter(
        &mut self,
        device: &Device,
        hook: Hook,
        (priority, handle): (u16, u32),
        program: &Program,
        write: Write,
    ) -> Result<(), AttachError> {
        use std::os::fd::{AsFd, AsRawFd};
        let options = [
            TcFilterBpfOption::ProgFd(program.as_fd().as_raw_fd().cast_unsigned()),
            TcFilterBpfOption::ProgName(hook.filter_name()),
            TcFilterBpfOption::Flags(TcBpfFlags::DirectAction),
        ];
        let mut message = message(device, hook, priority, handle);
        message.attributes = vec![
            TcAttribute::Kind(TcFilterBpf::KIND.to_owned()),
            TcAttribute::Options(options.into_iter().map(TcOption::Bpf).collect()),
        ];
        let (flags, request) = match write {
            Write::Add => (NLM_F_CREATE | NLM_F_EXCL, Request::AddFilter),
            Write::Replace => (NLM_F_CREATE | NLM_F_REPLACE, Request::ReplaceFilter),
        };
        self.request(RouteNetlinkMessage::NewTrafficFilter(message), flags)
            .map_err(|failure| failure.of(request, &device.name))?;
        Ok(())
    }

    /// Removes a filter; says whether it was there.
    pub(super) fn remove_filter(
        &mut self,
        device: &Device,
        filter: &Filter,
    ) -> Result<bool, AttachError> {
        let mut message = message(device, filter.hook, filter.priority, filter.handle);
        message.attributes = vec![TcAttribute::Kind(filter.kind.clone())];
        let removed = self.request(RouteNetlinkMessage::DelTrafficFilter(message), 0);
        absent_is_fine(removed, Request::RemoveFilter, device)
    }
}

fn absent_is_fine(
    result: Result<Vec<Vec<u8>>, Failure>,
    request: Request,
    device: &Device,
) -> Result<bool, AttachError> {
    match result {
        Ok(_) => Ok(true),
        Err(Failure::Refused(Refusal {
            errno: Errno::ENOENT | Errno::ENODEV,
            ..
        })) => Ok(false),
        Err(failure) => Err(failure.of(request, &device.name)),
    }
}

fn message(device: &Device, hook: Hook, priority: u16, handle: u32) -> TcMessage {
    let mut message = TcMessage::with_index(device.signed_index());
    message.header.handle = TcHandle::from(handle);
    message.header.parent = TcHandle {
        major: u16::MAX,
        minor: hook.minor(),
    };
    if priority != 0 {
        message.header.info = u32::from(priority) << 16 | u32::from(ALL_PROTOCOLS);
    }
    message
}

fn clsact(device: &Device) -> TcMessage {
    let mut message = TcMessage::with_index(device.signed_index());
    message.header.handle = TcHandle {
        major: u16::MAX,
        minor: 0,
    };
    message.header.parent = TcHandle::CLSACT;
    message.attributes = vec![TcAttribute::Kind(CLSACT.to_owned())];
    message
}
