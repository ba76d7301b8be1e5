//! A node of the benchmark's own, that goes away with it.

use std::path::Path;

use ep_builder::endpoint::{Endpoint, EndpointId, MacAddr};
use ep_builder::options::EndpointOptions;
use ep_builder::settings::Settings;
use ep_builder::whole_file::{FileError, TEMPORARY};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};
use tempfile::TempDir;

use crate::failure::Failure;

/// The settings of a node, but its endpoints and pins.
pub(super) struct Scratch {
    pub(super) settings: Settings,
    folder: TempDir,
    /// Removed with the value, and all maps in it.
    pins: Option<TempDir>,
}

impl Scratch {
    /// An empty state folder beside the real one: on the same file system.
    pub(super) fn new(settings: &Settings) -> Result<Self, Failure> {
        let state = &settings.paths.state_dir;
        std::fs::create_dir_all(state).map_err(FileError::of("make folder", state))?;
        let folder = temporary(TEMPORARY, state)?;
        let mut settings = settings.clone();
        folder.path().clone_into(&mut settings.paths.state_dir);
        Ok(Self {
            settings,
            folder,
            pins: None,
        })
    }

    /// Likewise with an empty folder of pins in the same BPF file system.
    pub(super) fn with_pins(settings: &Settings) -> Result<Self, Failure> {
        let wanted = &settings.paths.bpffs_dir;
        let there = wanted.ancestors().find(|folder| folder.exists());
        let there = there.unwrap_or(Path::new("/"));
        let kind = statfs(there).map_err(|e| FileError::of("look at", there)(e.into()))?;
        if kind.filesystem_type() != BPF_FS_MAGIC {
            return Err(Failure::Input(format!(
                "maps cannot be pinned below {}, which is in no BPF file system: mount one, with `mount -t bpf bpf /sys/fs/bpf` for the default folder",
                wanted.display()
            )));
        }
        // No dots: a BPF file system takes none.
        let pins = temporary("weir_bench_", there)?;
        let mut scratch = Self::new(settings)?;
        pins.path()
            .clone_into(&mut scratch.settings.paths.bpffs_dir);
        scratch.pins = Some(pins);
        Ok(scratch)
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn temporary(prefix: &str, parent: &Path) -> Result<TempDir, Failure> {
    let made = tempfile::Builder::new().prefix(prefix).tempdir_in(parent);
    Ok(made.map_err(FileError::of("make a temporary folder in", parent))?)
}

/// An endpoint like any other: its addresses are of the networks for benchmarks (RFC 2544, RFC 5180).
pub(super) fn endpoint(number: u16, options: &EndpointOptions) -> Result<Endpoint, Failure> {
    let id = EndpointId::new(number).map_err(|error| Failure::Input(error.to_string()))?;
    let [high, low] = number.to_be_bytes();
    Ok(Endpoint {
        container_id: format!("bench-{number}"),
        ifname: "eth0".to_owned(),
        host_ifname: "lxc000000002665".to_owned(),
        host_ifindex: 19,
        mac: MacAddr([2, 0, 0, 0, high, low]),
        host_mac: MacAddr([2, 0, 0, 1, high, low]),
        ipv4: Some([198, 18, high, low].into()),
        ipv6: Some([0x2001, 2, 0, 0, 0, 0, 0, number].into()),
        identity: 10_000 + u32::from(number),
        options: options.clone(),
        ..Endpoint::bare(id)
    })
}
