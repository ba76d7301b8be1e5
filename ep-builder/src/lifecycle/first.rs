//! The first generation of an endpoint, in the order in which a pod is wired: the template and an id, each without the
//! other, and the programs once there is a device.

use super::switch::{Early, Past};
use super::{Endpoints, InForce, LifecycleError, target};
use crate::attach::Device;
use crate::builder::Obtained;
use crate::endpoint::{Endpoint, EndpointId};
use crate::load::{self, Prepared, Target};
use crate::maps::Maps;
use crate::options::EndpointOptions;
use crate::patch::EndpointObject;
use crate::settings::Settings;
use crate::state::{Claim, Store};
use crate::timeline::Timeline;
use crate::whole_file;

/// As many ids with pins of the dead in a row mean that something else is wrong.
const CLAIMS: usize = 16;

/// Claims an id. One whose maps are pinned is not free, whatever the disk says: a state folder that was
/// wiped forgets endpoints that still run, and a new one must not begin with the policy of another.
pub fn claim(settings: &Settings, store: &Store) -> Result<Claim, LifecycleError> {
    let maps = Maps::new(&settings.paths.bpffs_dir, &settings.node.map_prefix);
    // Held while others are tried, or the same one could come again.
    let mut passed_over = Vec::new();
    for _ in 0..CLAIMS {
        let claim = store.claim()?;
        if !has_pins(&maps, claim.id()) {
            return Ok(claim);
        }
        passed_over.push(claim);
    }
    Err(LifecycleError::Haunted {
        folder: maps.folder().to_owned(),
        tried: CLAIMS,
    })
}

fn has_pins(maps: &Maps, id: EndpointId) -> bool {
    use crate::maps::MapName::{Calls, Policy};
    [Policy(id), Calls(id)]
        .into_iter()
        .any(|map| !whole_file::is_absent(&maps.pin(map)))
}

/// A template with all of the load that needs no device.
#[derive(Debug)]
pub struct Ready {
    template: Obtained,
    prepared: Prepared,
}

impl Endpoints<'_> {
    /// The template for endpoints with these options: the one step that may take long, and may fail for
    /// reasons that have nothing to do with a pod.
    pub fn template(
        &self,
        options: &EndpointOptions,
        timeline: &mut Timeline,
    ) -> Result<Obtained, LifecycleError> {
        let shape = self.builder.shape_of(options);
        Ok(self.builder.template(&shape, timeline)?)
    }

    /// The same if it is there; none if it would have to be compiled.
    pub fn template_at_hand(
        &self,
        options: &EndpointOptions,
        timeline: &mut Timeline,
    ) -> Result<Option<Obtained>, LifecycleError> {
        let shape = self.builder.shape_of(options);
        Ok(self.builder.template_at_hand(&shape, timeline)?)
    }

    /// Whether an endpoint with these options could be attached now, as far as that can be told without
    /// doing anything.
    pub fn ready(&self, options: &EndpointOptions) -> Result<(), LifecycleError> {
        load::check_bpffs(self.maps.folder())?;
        Ok(self.builder.ready(&self.builder.shape_of(options))?)
    }

    /// Prepares the first generation of an endpoint, while its device is in the making. It changes nothing of
    /// the endpoint's.
    pub fn prepare(
        &self,
        mut template: Obtained,
        id: EndpointId,
        timeline: &mut Timeline,
    ) -> Result<Ready, LifecycleError> {
        template.entry.template.name(id);
        let target = target(self.builder.settings(), id, "");
        let prepared = Prepared::new(template.entry.template.bytes(), &target, timeline)?;
        Ok(Ready { template, prepared })
    }

    /// Loads and attaches the first generation of an endpoint whose id was claimed, and whose device the kernel has just
    /// made. If anything refuses, the id is given back and the kernel is as before, but for the word of the revision that belongs to
    /// the id: whoever deletes what is left clears it.
    pub fn attach_first(
        &self,
        claim: Claim,
        ready: Ready,
        endpoint: &Endpoint,
        timeline: &mut Timeline,
    ) -> Result<InForce, LifecycleError> {
        let built = self.builder.assemble(ready.template, endpoint, timeline)?;
        let load = |object: &EndpointObject,
                    target: &Target,
                    device: &Device,
                    early: Early<'_>,
                    timeline: &mut Timeline| {
            ready.prepared.load(object, target, device, early, timeline)
        };
        self.switch_by(claim.begin()?, endpoint, built, Past::None, load, timeline)
    }
}
