//! The way of a new generation from its bytes to the live folder.

use super::introduce::introduce;
use super::{Endpoints, InForce, LifecycleError, log_of};
use crate::attach::{Device, Rtnl};
use crate::beside::beside;
use crate::builder::Built;
use crate::endpoint::Endpoint;
use crate::error::chain;
use crate::load::{self, Datapath, Installed, LoadError, Target};
use crate::patch::EndpointObject;
use crate::state::{EndpointRecord, Next, StateError, Written};
use crate::timeline::Timeline;

/// A generation in the kernel that packets do not meet yet, and where it will be met.
struct Loaded {
    datapath: Datapath,
    device: Device,
    rtnl: Rtnl,
    /// Whether it is the first that has a policy.
    is_new: bool,
}

impl Endpoints<'_> {
    pub(super) fn switch(
        &self,
        next: Next,
        endpoint: &Endpoint,
        built: Built,
        timeline: &mut Timeline,
    ) -> Result<InForce, LifecycleError> {
        self.switch_by(next, endpoint, built, load::load, timeline)
    }

    /// As [`Self::switch`], with `load` to bring the object into the kernel.
    ///
    /// Disk and verifier work side by side: neither is seen by anybody before both have done their part, and
    /// what one leaves when the process dies does not depend on how far the other came.
    pub(super) fn switch_by(
        &self,
        next: Next,
        endpoint: &Endpoint,
        built: Built,
        load: impl FnOnce(
            &EndpointObject,
            &Target,
            &Device,
            &mut Timeline,
        ) -> Result<Datapath, LoadError>,
        timeline: &mut Timeline,
    ) -> Result<InForce, LifecycleError> {
        // Of a new one nothing is in force yet; `policy::state_of` knows what is.
        let policy = self.enforcement().state_of(endpoint.id);
        let policy = policy.unwrap_or_default().unwrap_or_default();
        let record = EndpointRecord::new(endpoint.clone(), Some(built.key), policy);
        let target = self.target(endpoint);
        let (written, loaded) = beside(
            || next.write(built.object.bytes(), &built.header, record),
            || self.load(&built.object, endpoint, &target, load, timeline),
        );
        timeline.mark("write");
        let (written, loaded) = both(written, loaded)?;
        let installed = match self.enforce(loaded, endpoint, &target, timeline) {
            Ok(installed) => installed,
            Err(error) => {
                written.fail(&log_of(&error))?;
                return Err(error);
            }
        };
        let committed = written.commit()?;
        timeline.mark("commit");
        let mut notices = built.notices;
        notices.extend_from_slice(installed.notices());
        notices.extend(committed.untidied.map(|error| chain(&error)));
        Ok(InForce {
            record: committed.record,
            installed,
            notices,
        })
    }

    fn load(
        &self,
        object: &EndpointObject,
        endpoint: &Endpoint,
        target: &Target,
        load: impl FnOnce(
            &EndpointObject,
            &Target,
            &Device,
            &mut Timeline,
        ) -> Result<Datapath, LoadError>,
        timeline: &mut Timeline,
    ) -> Result<Loaded, LifecycleError> {
        let mut rtnl = Rtnl::open().map_err(LoadError::from)?;
        let device = rtnl.device(&target.device).map_err(LoadError::from)?;
        let is_new = self.is_new(endpoint.id)?;
        timeline.mark("device");
        Ok(Loaded {
            datapath: load(object, target, &device, timeline)?,
            device,
            rtnl,
            is_new,
        })
    }

    /// Loads an object and puts it in force, with nothing to be written.
    pub(super) fn put_in_force(
        &self,
        object: &EndpointObject,
        endpoint: &Endpoint,
        timeline: &mut Timeline,
    ) -> Result<Installed, LifecycleError> {
        let target = self.target(endpoint);
        let loaded = self.load(object, endpoint, &target, load::load, timeline)?;
        self.enforce(loaded, endpoint, &target, timeline)
    }

    /// Known to others and given its policy first, and only then met by packets.
    fn enforce(
        &self,
        loaded: Loaded,
        endpoint: &Endpoint,
        target: &Target,
        timeline: &mut Timeline,
    ) -> Result<Installed, LifecycleError> {
        let Loaded {
            datapath,
            device,
            mut rtnl,
            is_new,
        } = loaded;
        if is_new && let Err(error) = self.enforcement().install(endpoint) {
            datapath.abandon();
            return Err(error.into());
        }
        timeline.mark("rules");
        let installed = datapath.put_in_force(target, device, &mut rtnl, timeline)?;
        introduce(&self.maps, endpoint)?;
        timeline.mark("introduce");
        Ok(installed)
    }
}

/// Both, or the failure of one with the other undone. What was written is kept with the reason.
fn both(
    written: Result<Written, StateError>,
    loaded: Result<Loaded, LifecycleError>,
) -> Result<(Written, Loaded), LifecycleError> {
    match (written, loaded) {
        (Ok(written), Ok(loaded)) => Ok((written, loaded)),
        (Ok(written), Err(error)) => {
            written.fail(&log_of(&error))?;
            Err(error)
        }
        (Err(error), loaded) => {
            if let Ok(loaded) = loaded {
                loaded.datapath.abandon();
            }
            Err(error.into())
        }
    }
}
