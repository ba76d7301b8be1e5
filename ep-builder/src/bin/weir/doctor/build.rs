//! What makes programs: sources, compiler, bundle, and the folder of the state.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ep_builder::builder::Builder;
use ep_builder::error::{Error, chain};
use ep_builder::sources::Sources;
use ep_builder::state::{Entry, Store};
use ep_builder::unit::Unit;
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::unistd::geteuid;

use super::finding::{Check, Finding};
use crate::node::Node;

const SOURCES: Check = Check {
    name: "sources",
    why: "a pod's programs are compiled from them, and their digest names the template",
};
const TEMPLATE: Check = Check {
    name: "template",
    why: "a pod needs the template of its options, or a compiler that makes it",
};
const STATE: Check = Check {
    name: "state",
    why: "what is known of pods is there: others must not write it, and it must not outlive the pods",
};

/// The rights of the state folder.
const PRIVATE: u32 = 0o700;
/// A pod's object and header, some generations of them, and a compile beside them.
const ROOM: u64 = 16 << 20;

/// Sources and template; the builder, where there is one.
pub(super) fn sources(node: &Node) -> (Vec<Finding>, Option<Builder>) {
    match Builder::open(node.settings.clone(), node.search()) {
        Err(error) => (vec![SOURCES.fail(chain(&error), advice(&error))], None),
        Ok(builder) => (vec![all(node), template(node, &builder)], Some(builder)),
    }
}

/// All of them, where a builder reads those of its unit.
fn all(node: &Node) -> Finding {
    let folder = &node.settings.paths.bpf_dir;
    match Sources::read(folder).map_err(Error::from) {
        Err(error) => SOURCES.fail(chain(&error), advice(&error)),
        Ok(sources) => {
            let count = sources.files().len();
            SOURCES.ok(format!("{count} files in {}", folder.display()))
        }
    }
}

fn advice(error: &Error) -> &'static str {
    let advice = error.advice();
    advice.unwrap_or("see [paths] in weir.toml; reinstall the package if they are its own")
}

fn template(node: &Node, builder: &Builder) -> Finding {
    let shape = &node.settings.endpoint;
    match builder.key_at_hand(Unit::Lxc, shape) {
        Ok(Some(key)) => TEMPLATE.ok(format!("{} is there", key.short())),
        Err(error) => TEMPLATE.fail(chain(&error), advice(&error)),
        Ok(None) => match builder.clang() {
            Ok(clang) => TEMPLATE.ok(format!(
                "none for the configuration yet: {} makes it, {}",
                clang.path.display(),
                clang.version
            )),
            Err(error) => TEMPLATE.fail(
                format!("none for the configuration, and no compiler: {}", chain(&error)),
                "install clang 14 or newer, or a package whose templates are for this configuration",
            ),
        },
    }
}

/// The folder of the state, and what does not belong into it.
pub(super) fn state(node: &Node, entries: &[Entry]) -> Vec<Finding> {
    let folder = &node.settings.paths.state_dir;
    let mut findings = vec![folder_of_state(folder)];
    let strangers: Vec<_> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Stranger(name) => Some(name.to_string_lossy().escape_debug().to_string()),
            Entry::Endpoint { .. } => None,
        })
        .collect();
    if !strangers.is_empty() {
        findings.push(STATE.warn(
            format!(
                "{} has what weir did not put there: {}",
                folder.display(),
                strangers.join(", ")
            ),
            "weir leaves it alone; move it elsewhere",
        ));
    }
    findings
}

fn folder_of_state(folder: &Path) -> Finding {
    let shown = folder.display();
    let metadata = match fs::symlink_metadata(folder) {
        Ok(metadata) => metadata,
        Err(error) => {
            return STATE.fail(
                format!("{shown}: {error}"),
                "see state_dir in [paths]; weir makes the folder where it may",
            );
        }
    };
    if metadata.uid() != geteuid().as_raw() || metadata.mode() & 0o777 != PRIVATE {
        return STATE.fail(
            format!(
                "{shown} is of user {}, with mode {:o}",
                metadata.uid(),
                metadata.mode() & 0o777
            ),
            format!("`chown root {shown}` and `chmod 700 {shown}`, and see who could write there"),
        );
    }
    let Ok(file_system) = statfs(folder) else {
        return STATE.ok(format!("{shown} is ours alone"));
    };
    let block = u64::try_from(file_system.block_size()).unwrap_or(1);
    let room = file_system.blocks_available().saturating_mul(block);
    if room < ROOM {
        return STATE.fail(
            format!("{shown} has room for {} KiB", room >> 10),
            "make room there: new pods fail when it is full",
        );
    }
    if file_system.filesystem_type() != TMPFS_MAGIC {
        return STATE.warn(
            format!("{shown} is on a disk: it outlives a reboot, and the pods do not"),
            "set state_dir in [paths] to a folder below /run",
        );
    }
    STATE.ok(format!("{shown} is ours alone, in memory"))
}

/// The endpoints on disk, or why they are not known.
pub(super) fn listed(store: &Store) -> Result<Vec<Entry>, Finding> {
    store.list().map_err(|error| {
        let advice = error.advice().unwrap_or("see that it can be read");
        STATE.fail(chain(&error), advice)
    })
}
