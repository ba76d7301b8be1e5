//! The pinned links: one for each hook.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::cgroup::Group;
use super::error::SockError;
use super::install::SockProgram;
use crate::bpf::{Link, Program, SockHook, replace_pin, unpin};
use crate::shape::MapPrefix;

/// In this order they come: whoever gets a pod instead of a host port must be able to ask for the host port again. In
/// the opposite one they go.
const ORDER: [SockHook; 8] = [
    SockHook::GetPeerName4,
    SockHook::GetPeerName6,
    SockHook::RecvMsg4,
    SockHook::RecvMsg6,
    SockHook::Connect4,
    SockHook::Connect6,
    SockHook::SendMsg4,
    SockHook::SendMsg6,
];

/// The links of a node.
pub(super) struct Hooks<'a> {
    folder: &'a Path,
    prefix: &'a MapPrefix,
}

impl<'a> Hooks<'a> {
    pub(super) fn new(folder: &'a Path, prefix: &'a MapPrefix) -> Self {
        Self { folder, prefix }
    }

    /// All, in the order in which they come.
    pub(super) fn order() -> impl DoubleEndedIterator<Item = SockHook> {
        ORDER.into_iter()
    }

    fn pin(&self, hook: SockHook) -> PathBuf {
        let name = self.prefix.map(&format!("sock_{}", hook.name()));
        self.folder.join(name)
    }

    /// The programs that are on the hooks of a group.
    pub(super) fn on(&self, group: &Group) -> Result<Vec<SockProgram>, SockError> {
        let mut found = Vec::new();
        for hook in SockHook::ALL {
            let Some(link) = Link::find_pin(&self.pin(hook))? else {
                continue;
            };
            let info = link.info()?;
            if info.cgroup == Some(group.number) {
                found.push(SockProgram {
                    hook,
                    id: info.program_id,
                });
            }
        }
        Ok(found)
    }

    /// Puts a program on a hook: into the link that is there, or into a new one.
    pub(super) fn put(
        &self,
        hook: SockHook,
        program: &Program,
        group: &Group,
    ) -> Result<(), SockError> {
        let path = self.pin(hook);
        let old = Link::find_pin(&path)?;
        if let Some(link) = &old
            && link.info()?.cgroup == Some(group.number)
        {
            return Ok(link.replace(program)?);
        }
        let link = Link::attach_sockets(program, group.as_fd(), hook)?;
        replace_pin(&path, |path| link.pin(path))?;
        // On a group that is gone, or is not the one that the settings name any more.
        if let Some(link) = old {
            link.detach()?;
        }
        Ok(())
    }

    /// Takes all away; returns how many there were.
    pub(super) fn remove(&self) -> Result<usize, SockError> {
        let mut removed = 0;
        for hook in Self::order().rev() {
            let path = self.pin(hook);
            if let Some(link) = Link::find_pin(&path)? {
                // Now, and not when the last descriptor goes.
                link.detach()?;
                removed += 1;
            }
            unpin(&path)?;
            forget_half_made(&path)?;
        }
        Ok(removed)
    }
}

/// What a killed replacement left.
fn forget_half_made(path: &Path) -> Result<(), SockError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push("__new");
    Ok(unpin(&path.with_file_name(name))?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_hook_has_its_turn() {
        let ordered: BTreeSet<_> = Hooks::order().collect();
        assert_eq!(ordered, BTreeSet::from(SockHook::ALL));
    }
}
