//! An object into the kernel, and onto its device: an endpoint's or one of the node's, first or in another's place,
//! by the same code.
//!
//! The order is what makes a replacement lose no packet and let none pass unjudged: shared maps by their
//! pins, frozen constants, the tail programs of the template (`tails`), the owner's own programs; only then
//! what packets meet: the programs that others call, one atomic write for each hook, the pin of the calls
//! map. The old generation is let go last. A step that fails undoes those before it: the old one goes on.

mod bpffs;
mod collect;
mod constants;
mod datapath;
mod error;
mod fits;
mod maps;
mod owner;
mod prepared;
mod programs;
mod remove;
mod switch;
mod tails;
mod twin;
mod verifier;

use std::path::PathBuf;

pub(crate) use bpffs::ready;
pub use bpffs::{Pins, check_bpffs};
pub use collect::collect_tails;
pub use datapath::{Datapath, LoadedProgram};
pub use error::LoadError;
pub(crate) use maps::find_or_make;
pub use owner::Owner;
pub use prepared::Prepared;
pub use remove::{Removed, detach, forget, forget_called, uninstall};
pub use switch::{Attachment, Retired};
pub use twin::load_twin;
pub use verifier::Refusal;

use datapath::Tails;

use crate::attach::{AttachMode, Device, Rtnl};
use crate::patch::EndpointObject;
use crate::shape::MapPrefix;
use crate::timeline::Timeline;

/// Whose programs, and where they go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whose they are.
    pub owner: Owner,
    /// The device on which they stand: of an endpoint the host end of its veth pair.
    pub device: String,
    /// How programs are attached.
    pub mode: AttachMode,
    /// The folder of the pins, in a BPF file system.
    pub bpffs_dir: PathBuf,
    /// How the names of maps begin.
    pub prefix: MapPrefix,
}

impl Target {
    /// Where the owner's pins are.
    pub fn pins(&self) -> Pins {
        Pins::new(&self.bpffs_dir, &self.prefix, self.owner)
    }
}

/// A generation in force.
#[derive(Debug)]
pub struct Installed {
    /// Its programs; of one that was [`Prepared`] those alone that are its own.
    pub programs: Vec<LoadedProgram>,
    /// The device and the hooks.
    pub attachment: Attachment,
    /// What is left of the generation before.
    pub retired: Retired,
}

impl Installed {
    /// Instructions the verifier walked through, in the owner's own programs.
    pub fn verified_instructions(&self) -> u64 {
        let own = self.programs.iter().filter(|program| !program.is_shared);
        own.map(|program| u64::from(program.verified_instructions))
            .sum()
    }

    /// What the operator should know.
    pub fn notices(&self) -> &[String] {
        &self.attachment.notices
    }
}

/// Loads an object and puts it in force, in place of the generation that is there. Whoever calls it holds the
/// owner's lock.
pub fn install(
    object: &EndpointObject,
    target: &Target,
    timeline: &mut Timeline,
) -> Result<Installed, LoadError> {
    let mut rtnl = Rtnl::open()?;
    let device = rtnl.device(&target.device)?;
    timeline.mark("device");
    let datapath = load(object, target, &device, timeline)?;
    datapath.put_in_force(target, device, &mut rtnl, timeline)
}

/// Loads an object for a device, and changes nothing that packets meet.
pub fn load(
    object: &EndpointObject,
    target: &Target,
    device: &Device,
    timeline: &mut Timeline,
) -> Result<Datapath, LoadError> {
    Datapath::load(object, target, Some(device), Tails::Shared, timeline)
}

/// As [`load`], for no device in particular: for a verifier's opinion and for test runs. Nothing is shared with
/// others, so the verifier sees every program.
pub fn load_detached(
    object: &EndpointObject,
    target: &Target,
    timeline: &mut Timeline,
) -> Result<Datapath, LoadError> {
    Datapath::load(object, target, None, Tails::Own, timeline)
}
