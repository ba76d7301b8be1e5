//! Other labels for an endpoint that runs: another identity, and with it another policy.
//!
//! All others know the new identity before a packet comes from it or goes to it, and the endpoint is judged by
//! its own new policy from one moment on. If anything refuses, labels, identity and policy are the old ones.

use super::labels::{LabelChange, changed};
use super::{Endpoints, InForce, LifecycleError};
use crate::endpoint::{Endpoint, EndpointId};
use crate::identity::Identities;
use crate::load::Retired;
use crate::maps::MapName;
use crate::policy::{EnforceError, Enforcement};
use crate::timeline::Timeline;

impl Endpoints<'_> {
    /// Changes the labels of an endpoint. None: they are so already.
    pub fn label(
        &self,
        id: EndpointId,
        changes: &[LabelChange],
        timeline: &mut Timeline,
    ) -> Result<Option<InForce>, LifecycleError> {
        let live = self.store.read(id)?.record.endpoint;
        let labels = changed(&live.labels, changes)?;
        if labels == live.labels {
            return Ok(None);
        }
        let identities = Identities::open(self.store.layout().root());
        let identity = identities.and_then(|identities| identities.acquire(&labels));
        let endpoint = super::with_device_facts(&Endpoint {
            identity: identity.map_err(EnforceError::from)?,
            labels,
            ..live
        })?;
        self.relabel(&endpoint, timeline).map(Some)
    }

    /// Replaces an endpoint by itself with other labels.
    pub(super) fn relabel(
        &self,
        endpoint: &Endpoint,
        timeline: &mut Timeline,
    ) -> Result<InForce, LifecycleError> {
        if !self.has_policy(endpoint.id) {
            return self.replace(endpoint, timeline);
        }
        let mut replaced = None;
        let relabelled = self.enforcement().relabel(endpoint, || {
            replaced = Some(self.replace(endpoint, timeline)?);
            Ok::<_, LifecycleError>(())
        });
        match (relabelled, replaced) {
            (Ok(()), Some(in_force)) => Ok(in_force),
            (Ok(()), None) => self.replace(endpoint, timeline),
            // The new policy is in force: so are the new programs.
            (Err(error), Some(_)) if error.is_unsettled() => Err(error),
            (Err(error), None) => Err(error),
            (Err(error), Some(in_force)) => {
                // The policy is the old one, so the programs must be.
                Retired::after_grace([in_force.installed.retired]);
                let restored = self.put_back(endpoint.id, timeline);
                Retired::after_grace([restored?]);
                Err(error)
            }
        }
    }

    /// The generation before, on disk and in the kernel.
    fn put_back(&self, id: EndpointId, timeline: &mut Timeline) -> Result<Retired, LifecycleError> {
        let _rolled_back = self.store.rollback(id)?;
        self.install_live(id, timeline)
    }

    /// Whether there is a policy that belongs to what the endpoint was.
    fn has_policy(&self, id: EndpointId) -> bool {
        let pin = self.maps.pin(MapName::Policy(id));
        pin.symlink_metadata().is_ok()
    }

    /// The policy of this node.
    pub fn enforcement(&self) -> Enforcement<'_> {
        Enforcement::new(self.builder.settings(), self.store)
    }
}
