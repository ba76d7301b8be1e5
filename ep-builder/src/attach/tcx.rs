//! tcx links, known by their pins.

use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::Hook;
use super::device::Device;
use super::error::AttachError;
use crate::bpf::{Link, Program, replace_pin, unpin};

/// A link on a hook, and what it takes to undo it.
#[derive(Debug)]
pub struct LinkPin {
    /// Its hook.
    pub hook: Hook,
    path: PathBuf,
    replaced: Option<Program>,
}

/// Puts a program on a hook: into the link pinned at `path`, or into a new one.
pub fn attach_link(
    device: &Device,
    hook: Hook,
    program: &Program,
    path: &Path,
) -> Result<LinkPin, AttachError> {
    let mut pinned = LinkPin {
        hook,
        path: path.to_owned(),
        replaced: None,
    };
    if let Some(link) = Link::find_pin(path)? {
        let info = link.info()?;
        let is_there = info.ifindex == device.index && info.hook == Some(hook.tcx());
        if is_there {
            pinned.replaced = Some(Program::open_id(info.program_id)?);
            match link.replace(program) {
                Ok(()) => return Ok(pinned),
                // The device went away and another has its number: the link is dead.
                Err(error) if error.errno() == Some(Errno::ENOLINK) => pinned.replaced = None,
                Err(error) => return Err(error.into()),
            }
        }
    }
    let link = Link::attach_tcx(program, device.index, hook.tcx())?;
    replace_pin(path, |path| link.pin(path))?;
    Ok(pinned)
}

/// The program of the link pinned at `path`, if there is one on a device.
pub fn linked_program(path: &Path) -> Result<Option<Program>, AttachError> {
    let Some(link) = Link::find_pin(path)? else {
        return Ok(None);
    };
    let info = link.info()?;
    let program = (info.ifindex != 0).then(|| Program::open_id(info.program_id));
    Ok(program.transpose()?)
}

/// The number of the program of the link pinned at `path`, if it is on this device.
pub fn linked_program_id(path: &Path, device: &Device) -> Result<Option<u32>, AttachError> {
    let Some(link) = Link::find_pin(path)? else {
        return Ok(None);
    };
    let info = link.info()?;
    Ok((info.ifindex == device.index).then_some(info.program_id))
}

/// Detaches and unpins the link at `path`; says whether there was one.
pub fn detach_link(path: &Path) -> Result<bool, AttachError> {
    let Some(link) = Link::find_pin(path)? else {
        return Ok(false);
    };
    match link.detach() {
        Ok(()) => {}
        // Its device is gone.
        Err(error) if error.errno() == Some(Errno::ENOLINK) => {}
        Err(error) => return Err(error.into()),
    }
    unpin(path)?;
    Ok(true)
}

impl LinkPin {
    /// Puts back what was there before.
    pub fn undo(self) -> Result<(), AttachError> {
        match (&self.replaced, Link::find_pin(&self.path)?) {
            (Some(program), Some(link)) => Ok(link.replace(program)?),
            _ => detach_link(&self.path).map(drop),
        }
    }
}
