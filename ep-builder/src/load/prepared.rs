//! The first half of a load: what needs no device and no address.
//!
//! Whoever wires a pod knows its id before it has made a link, and the kernel takes its time for that. Meanwhile
//! the object is read, its types are loaded and the maps of the node are opened. Nothing that is made here bears
//! the endpoint's name, so nothing has to be undone: without the second half only the node's own maps stay.

use super::Target;
use super::bpffs;
use super::constants;
use super::datapath::{Datapath, usable};
use super::error::LoadError;
use super::maps::MapSet;
use super::tails;
use crate::attach::Device;
use crate::beside::beside;
use crate::bpf::LoadedBtf;
use crate::object::Loadable;
use crate::patch::EndpointObject;
use crate::timeline::Timeline;

/// An object whose constants are still the template's.
#[derive(Debug)]
pub struct Prepared {
    object: Loadable,
    btf: LoadedBtf,
    shared: MapSet,
    /// Where its tail programs are, if others may have them, too.
    tails: Option<String>,
}

impl Prepared {
    /// Reads `bytes`, a template that has the endpoint's id in its names, and opens what it shares with others.
    pub fn new(bytes: &[u8], target: &Target, timeline: &mut Timeline) -> Result<Self, LoadError> {
        let owner = target.owner;
        let object =
            Loadable::parse(bytes).map_err(|source| LoadError::Object { owner, source })?;
        usable(&object, &target.pins())?;
        timeline.mark("parse");
        let btf = LoadedBtf::load(&object.types)?;
        timeline.mark("types");
        bpffs::ready(&target.bpffs_dir)?;
        let shared = MapSet::shared(&object, &target.pins())?;
        timeline.mark("maps");
        // Constants are in none of them.
        let tails = tails::shared_pin(&object, &shared, &target.pins())?;
        timeline.mark("tails");
        Ok(Self {
            object,
            btf,
            shared,
            tails,
        })
    }

    /// The second half: loads `finished`, the same object with the endpoint's constants, for its device. The endpoint's
    /// maps are there for what is done `meanwhile`.
    pub fn load<R: Send>(
        self,
        finished: &EndpointObject,
        target: &Target,
        device: &Device,
        meanwhile: impl FnOnce() -> R + Send,
        timeline: &mut Timeline,
    ) -> Result<(Datapath, R), LoadError> {
        let owner = target.owner;
        let bytes = finished.bytes();
        let object = self.object.with_data_of(bytes);
        let object = object.map_err(|source| LoadError::Object { owner, source })?;
        debug_assert_eq!(Loadable::parse(bytes).ok().as_ref(), Some(&object));
        constants::check(bytes, &object, target, Some(device))?;
        let pins = target.pins();
        let maps = self.shared.with_own(&object, &pins)?;
        let mut datapath = Datapath::of(maps, pins);
        let (done, filled) = beside(meanwhile, || {
            datapath.fill_with(&object, &self.btf, self.tails.as_deref(), timeline)
        });
        match filled {
            Ok(()) => {
                datapath.pass_over_shared();
                Ok((datapath, done))
            }
            Err(error) => {
                datapath.abandon();
                Err(error)
            }
        }
    }
}
