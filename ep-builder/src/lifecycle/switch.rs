//! The way of a new generation from its bytes to the live folder.

use std::sync::atomic::{AtomicBool, Ordering};

use super::introduce::introduce;
use super::{Endpoints, InForce, LifecycleError, log_of};
use crate::attach::{Device, Rtnl};
use crate::beside::beside;
use crate::builder::Built;
use crate::endpoint::{Endpoint, EndpointId};
use crate::error::chain;
use crate::load::{self, Datapath, Installed, LoadError, Target};
use crate::patch::EndpointObject;
use crate::policy::EnforceError;
use crate::state::{EndpointRecord, Next, PolicyState, StateError, Written};
use crate::timeline::Timeline;

/// A generation in the kernel that packets do not meet yet, and where it will be met.
struct Loaded {
    datapath: Datapath,
    device: Device,
    rtnl: Rtnl,
    /// Whether it is the first that has a policy.
    is_new: bool,
    rules: Rules,
}

/// What came of the endpoint's rules, if they were put into its maps while the kernel looked at its programs.
pub(super) type Rules = Option<Result<(), EnforceError>>;

/// Puts them there once the endpoint is on disk, and nowhere before that: who changes the policy of all tells a pod
/// that comes from one that goes by its record.
pub(super) type Early<'a> = &'a (dyn Fn() -> Rules + Sync);

fn load_alone(
    object: &EndpointObject,
    target: &Target,
    device: &Device,
    _: Early<'_>,
    timeline: &mut Timeline,
) -> Result<(Datapath, Rules), LoadError> {
    Ok((load::load(object, target, device, timeline)?, None))
}

/// What stands where a generation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Past {
    /// Nothing: the id was claimed, which finds pins of the dead, and the device was made just now.
    None,
    /// Whatever disk and kernel say.
    Asked,
}

impl Endpoints<'_> {
    pub(super) fn switch(
        &self,
        next: Next,
        endpoint: &Endpoint,
        built: Built,
        timeline: &mut Timeline,
    ) -> Result<InForce, LifecycleError> {
        self.switch_by(next, endpoint, built, Past::Asked, load_alone, timeline)
    }

    /// As [`Self::switch`], with `load` to bring the object into the kernel.
    ///
    /// Disk and verifier work side by side: neither is seen by anybody before both have done their part, and
    /// what one leaves when the process dies does not depend on how far the other came. Only rules wait for the disk.
    pub(super) fn switch_by(
        &self,
        next: Next,
        endpoint: &Endpoint,
        built: Built,
        past: Past,
        load: impl FnOnce(
            &EndpointObject,
            &Target,
            &Device,
            Early<'_>,
            &mut Timeline,
        ) -> Result<(Datapath, Rules), LoadError>,
        timeline: &mut Timeline,
    ) -> Result<InForce, LifecycleError> {
        let policy = self.policy_on(past, endpoint.id);
        let record = EndpointRecord::new(endpoint.clone(), Some(built.key), policy);
        let target = self.target(endpoint);
        let is_on_disk = AtomicBool::new(false);
        let early = || {
            let is_on_disk = is_on_disk.load(Ordering::Acquire);
            is_on_disk.then(|| self.enforcement().install(endpoint))
        };
        let (written, loaded) = beside(
            || {
                let written = next.write(built.object.bytes(), &built.header, record);
                is_on_disk.store(written.is_ok(), Ordering::Release);
                written
            },
            || {
                let load = |object: &_, target: &_, device: &_, timeline: &mut _| {
                    load(object, target, device, &early, timeline)
                };
                self.load(&built.object, endpoint, &target, past, load, timeline)
            },
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

    /// What is in force of an endpoint; `policy::state_of` knows.
    fn policy_on(&self, past: Past, id: EndpointId) -> PolicyState {
        match past {
            Past::None => PolicyState::default(),
            Past::Asked => {
                let policy = self.enforcement().state_of(id);
                policy.unwrap_or_default().unwrap_or_default()
            }
        }
    }

    /// The device of an endpoint, and whether no policy of it stands anywhere.
    fn look_at(
        &self,
        past: Past,
        endpoint: &Endpoint,
        target: &Target,
        rtnl: &mut Rtnl,
    ) -> Result<(Device, bool), LifecycleError> {
        match past {
            Past::None => {
                let device = Device {
                    index: endpoint.host_ifindex,
                    name: target.device.clone(),
                };
                Ok((device, true))
            }
            Past::Asked => {
                let device = rtnl.device(&target.device).map_err(LoadError::from)?;
                Ok((device, self.is_new(endpoint.id)?))
            }
        }
    }

    fn load(
        &self,
        object: &EndpointObject,
        endpoint: &Endpoint,
        target: &Target,
        past: Past,
        load: impl FnOnce(
            &EndpointObject,
            &Target,
            &Device,
            &mut Timeline,
        ) -> Result<(Datapath, Rules), LoadError>,
        timeline: &mut Timeline,
    ) -> Result<Loaded, LifecycleError> {
        let mut rtnl = Rtnl::open().map_err(LoadError::from)?;
        let (device, is_new) = self.look_at(past, endpoint, target, &mut rtnl)?;
        timeline.mark("device");
        let (datapath, rules) = load(object, target, &device, timeline)?;
        Ok(Loaded {
            datapath,
            device,
            rtnl,
            is_new,
            rules,
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
        let past = Past::Asked;
        let load = |object: &_, target: &_, device: &_, timeline: &mut _| {
            load_alone(object, target, device, &|| None, timeline)
        };
        let loaded = self.load(object, endpoint, &target, past, load, timeline)?;
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
            rules,
        } = loaded;
        let rules = match rules {
            None if is_new => self.enforcement().install(endpoint),
            rules => rules.unwrap_or(Ok(())),
        };
        if let Err(error) = rules {
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
