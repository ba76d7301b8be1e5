//! The life of an endpoint on its node: attached, regenerated, rolled back, deleted.
//!
//! What lies on disk ([`Store`]) and what the kernel runs ([`load`]) change together: a generation is
//! written beside the old one, loaded, introduced to the shared maps, put in force, and only then made the
//! live folder. If anything refuses, the old generation goes on, in the kernel and on disk, and the new one
//! is kept in `_next_fail` with the reason.

mod agree;
mod error;
mod first;
mod health;
mod host_ports;
mod introduce;
mod labels;
mod levels;
mod namespaces;
mod rates;
mod relabel;
mod removal;
mod repair;
mod resize;
mod running;
mod switch;

pub use error::LifecycleError;
pub use first::{Ready, claim};
pub use health::{Fault, first_fault};
pub use host_ports::HostPortError;
pub use labels::{LabelChange, LabelError};
pub use levels::{Assessed, Level, Need, Renewed};
pub use rates::other_queue;
pub use removal::{Deleted, Removal, Traces, pins};

use crate::attach::Rtnl;
use crate::builder::Builder;
use crate::endpoint::{Endpoint, EndpointId};
use crate::error::chain;
use crate::load::{self, Installed, LoadError, Owner, Retired, Target};
use crate::maps::{Maps, MapsError};
use crate::patch::EndpointObject;
use crate::settings::Settings;
use crate::state::{EndpointRecord, StateError, Store};
use crate::timeline::Timeline;
use introduce::introduce;

/// The endpoints of a node, with all that is needed to change them.
pub struct Endpoints<'a> {
    builder: &'a Builder,
    store: &'a Store,
    maps: Maps,
}

/// An endpoint whose new generation is in force. What it retired is let go by
/// [`Retired::after_grace`]: one wait serves any number of endpoints.
#[derive(Debug)]
pub struct InForce {
    /// Its record.
    pub record: EndpointRecord,
    /// What the kernel runs.
    pub installed: Installed,
    /// What the operator should know.
    pub notices: Vec<String>,
}

impl<'a> Endpoints<'a> {
    /// The endpoints in `store`, built by `builder`.
    pub fn new(builder: &'a Builder, store: &'a Store) -> Self {
        let settings = builder.settings();
        let maps = Maps::new(&settings.paths.bpffs_dir, &settings.node.map_prefix);
        Self {
            builder,
            store,
            maps,
        }
    }

    /// Attaches an endpoint to its device. One that is attached already, to the same container's interface,
    /// gets a new generation.
    pub fn attach(
        &self,
        endpoint: &Endpoint,
        timeline: &mut Timeline,
    ) -> Result<InForce, LifecycleError> {
        let endpoint = with_device_facts(endpoint)?;
        self.refuse_other_owner(&endpoint)?;
        let mut attached = match self.store.read(endpoint.id) {
            Ok(live) if !is_labelled_as(&live.record.endpoint, &endpoint) => {
                self.relabel(&endpoint, timeline)
            }
            _ => self.replace(&endpoint, timeline),
        }?;
        let closed = self.reopen_host_ports(&endpoint);
        attached.notices.extend(closed);
        Ok(attached)
    }

    /// Builds and loads a new generation of an endpoint from what is on disk about it.
    pub fn regenerate(
        &self,
        id: EndpointId,
        timeline: &mut Timeline,
    ) -> Result<InForce, LifecycleError> {
        let endpoint = self.store.read(id)?.record.endpoint;
        let endpoint = with_device_facts(&endpoint);
        let endpoint = endpoint.inspect_err(|error| self.keep_reason(id, error))?;
        self.replace(&endpoint, timeline)
    }

    /// Keeps the reason of a failure that came before there was anything to keep it with.
    fn keep_reason(&self, id: EndpointId, error: &LifecycleError) {
        if let Ok(next) = self.store.begin(id) {
            // The caller is told as well; what cannot be kept is not worth another error.
            next.fail(&log_of(error)).unwrap_or_default();
        }
    }

    /// Puts the previous generation back in force, and makes it the live one on disk. Called again, it
    /// undoes itself.
    pub fn roll_back(
        &self,
        id: EndpointId,
        timeline: &mut Timeline,
    ) -> Result<u64, LifecycleError> {
        let before = self.store.read(id).map(|live| live.record.endpoint);
        // Holds the endpoint's lock until disk and kernel agree again.
        let rolled_back = self.store.rollback(id)?;
        let generation = rolled_back.generation;
        let mut installed = None;
        let mut install = || {
            installed = Some(self.install_live(id, timeline)?);
            Ok(())
        };
        let now = self.store.read(id)?.record.endpoint;
        let in_force = match before {
            // Its policy was made for other labels.
            Ok(before) if !is_labelled_as(&before, &now) => {
                self.enforcement().relabel(&now, &mut install)
            }
            _ => install(),
        };
        match in_force {
            Ok(()) => {
                drop(rolled_back);
                Retired::after_grace(installed);
                Ok(generation)
            }
            Err(error) => {
                // On disk as in the kernel: what was live is live.
                rolled_back.undo()?;
                if installed.is_some() {
                    Retired::after_grace(installed);
                    Retired::after_grace([self.install_live(id, timeline)?]);
                }
                Err(error)
            }
        }
    }

    /// Loads the generation that is live on disk.
    fn install_live(
        &self,
        id: EndpointId,
        timeline: &mut Timeline,
    ) -> Result<Retired, LifecycleError> {
        let endpoint = self.store.read(id)?.record.endpoint;
        let object = EndpointObject::from_store(self.store.read_object(id)?);
        let installed = load::install(&object, &self.target(&endpoint), timeline)?;
        introduce(&self.maps, &endpoint)?;
        timeline.mark("introduce");
        Ok(installed.retired)
    }

    /// The kernel's view of an endpoint: where its programs and pins are.
    pub fn target(&self, endpoint: &Endpoint) -> Target {
        target(self.builder.settings(), endpoint.id, &endpoint.host_ifname)
    }

    /// The same endpoints, to remove some.
    pub fn removal(&self) -> Removal<'_> {
        Removal::new(self.builder.settings(), self.store)
    }

    /// The maps of this node.
    pub fn maps(&self) -> &Maps {
        &self.maps
    }

    fn replace(
        &self,
        endpoint: &Endpoint,
        timeline: &mut Timeline,
    ) -> Result<InForce, LifecycleError> {
        // First, so that a compile error changes nothing at all.
        let built = self.builder.build(endpoint, timeline);
        let built = built.map_err(LifecycleError::from);
        let built = built.inspect_err(|error| self.keep_reason(endpoint.id, error))?;
        let next = match self.store.begin(endpoint.id) {
            Err(StateError::Missing { .. }) => self.store.claim_id(endpoint.id)?.begin()?,
            begun => begun?,
        };
        self.switch(next, endpoint, built, timeline)
    }

    /// Whether no policy of this endpoint stands anywhere. A map without rules is a policy: it denies all.
    fn is_new(&self, id: EndpointId) -> Result<bool, LifecycleError> {
        let never_built = matches!(
            self.store.read(id),
            Err(StateError::NotBuilt { .. } | StateError::Missing { .. })
        );
        match self.maps.policy(id) {
            Err(MapsError::Missing { .. }) => Ok(true),
            Ok(_) => Ok(never_built),
            Err(error) => Err(error.into()),
        }
    }

    fn refuse_other_owner(&self, endpoint: &Endpoint) -> Result<(), LifecycleError> {
        let live = match self.store.read(endpoint.id) {
            Ok(live) => live.record.endpoint,
            Err(StateError::Missing { .. } | StateError::NotBuilt { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if (&live.container_id, &live.ifname) == (&endpoint.container_id, &endpoint.ifname) {
            return Ok(());
        }
        Err(LifecycleError::Taken {
            id: endpoint.id,
            container: live.container_id,
            ifname: live.ifname,
        })
    }
}

fn target(settings: &Settings, id: EndpointId, device: &str) -> Target {
    Target {
        owner: Owner::Endpoint(id),
        device: device.to_owned(),
        mode: settings.attach,
        bpffs_dir: settings.paths.bpffs_dir.clone(),
        prefix: settings.node.map_prefix.clone(),
    }
}

/// Whether one has the identity and the labels of the other.
fn is_labelled_as(one: &Endpoint, other: &Endpoint) -> bool {
    (one.identity, &one.labels) == (other.identity, &other.labels)
}

/// The kernel knows the device's number best: a description may be older than the device.
fn with_device_facts(endpoint: &Endpoint) -> Result<Endpoint, LifecycleError> {
    let mut rtnl = Rtnl::open().map_err(LoadError::from)?;
    let device = rtnl
        .device(&endpoint.host_ifname)
        .map_err(LoadError::from)?;
    Ok(Endpoint {
        host_ifindex: device.index,
        ..endpoint.clone()
    })
}

/// What is kept of a failed build: the reason, and all that the verifier said.
fn log_of(error: &LifecycleError) -> String {
    let verifier = match error {
        LifecycleError::Load(error) => error.verifier_log().unwrap_or_default(),
        _ => "",
    };
    format!("{}\n\n{verifier}", chain(error))
}
