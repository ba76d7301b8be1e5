//! Putting loaded programs in force.

use std::path::PathBuf;

use super::cgroup::Group;
use super::error::SockError;
use super::hooks::Hooks;
use crate::bpf::{Program, SockHook};

/// A program in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SockProgram {
    /// Its hook.
    pub hook: SockHook,
    /// Its number in the kernel.
    pub id: u32,
}

/// The programs in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Each, with its hook.
    pub programs: Vec<SockProgram>,
    /// The control group: sockets of its processes, and of those of all groups below it, meet them.
    pub cgroup: PathBuf,
}

/// The loaded programs of an object.
pub(super) struct Programs(pub(super) Vec<(SockHook, Program)>);

impl Programs {
    fn of(&self, hook: SockHook) -> Result<&Program, SockError> {
        let found = self.0.iter().find(|(known, _)| *known == hook);
        let missing = || SockError::Missing(section(hook));
        found.map(|(_, program)| program).ok_or_else(missing)
    }
}

/// The section that a hook's program is in.
pub(super) fn section(hook: SockHook) -> String {
    format!("cgroup/{}", hook.name())
}

/// Puts every program on its hook.
pub(super) fn put_in_force(
    programs: &Programs,
    group: &Group,
    hooks: &Hooks<'_>,
) -> Result<Installed, SockError> {
    for hook in Hooks::order() {
        hooks.put(hook, programs.of(hook)?, group)?;
    }
    Ok(Installed {
        programs: hooks.on(group)?,
        cgroup: group.path.clone(),
    })
}
