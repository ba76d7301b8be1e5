//! The policy of an endpoint that begins: one small file, and its entries before the first packet.

use super::members::UNJUDGED;
use super::pods::Pods;
use super::{EnforceError, Enforcement, Holder};
use crate::endpoint::Endpoint;
use crate::maps::Counters;
use crate::policy::{FIRST_NETWORK, PolicyEntry, Shared, StoreError, Stored};

/// How often what was found may be out of date before it can be used.
const ATTEMPTS: usize = 4;

impl Enforcement<'_> {
    /// Gives an endpoint whose map is there, and whose programs nobody runs yet, its policy. An identity that the
    /// policy in force does not know is made known to all others first.
    pub fn install(&self, endpoint: &Endpoint) -> Result<(), EnforceError> {
        self.take_back_if_due()?;
        let pods = Pods::of(&endpoint.labels);
        for _ in 0..ATTEMPTS {
            let shared = self.policies.share()?;
            let Some(revision) = self.policies.current()? else {
                return self.fill(&shared, endpoint, UNJUDGED, &PolicyEntry::admit_all());
            };
            if let Some(stored) = self.known_as(revision, endpoint.identity, &pods)? {
                return self.fill(&shared, endpoint, revision, &stored.policy.entries);
            }
            drop(shared);
            let exclusive = self.policies.exclude()?;
            self.acquaint(&exclusive, endpoint.identity, &pods)?;
        }
        Err(EnforceError::Restless { id: endpoint.id })
    }

    /// The policy of an identity, if it is that of these pods and the others know them.
    pub(super) fn known_as(
        &self,
        revision: u32,
        identity: u32,
        pods: &Pods,
    ) -> Result<Option<Stored>, EnforceError> {
        match self.policies.identity(revision, identity) {
            Ok(found) => {
                Ok(found.filter(|stored| stored.is_complete && stored.labels == pods.labels))
            }
            Err(StoreError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Fills a map, in which an endpoint that was lost may have left something, and then turns the endpoint to it.
    fn fill(
        &self,
        _shared: &Shared,
        endpoint: &Endpoint,
        revision: u32,
        entries: &[PolicyEntry],
    ) -> Result<(), EnforceError> {
        let id = endpoint.id;
        let holder = Holder::Endpoint(id);
        let wrap = |source| EnforceError::Holder { holder, source };
        let mut policy = self.maps.policy(id)?;
        policy.keep_only(revision).map_err(wrap)?;
        policy.remove_generation(revision).map_err(wrap)?;
        let rows: Vec<_> = entries
            .iter()
            .map(|entry| (entry.rule, entry.decision, Counters::default()))
            .collect();
        policy.insert_all(revision, &rows).map_err(wrap)?;
        self.see_to_networks(revision, entries)?;
        let mut revisions = self.maps.policy_revisions()?;
        revisions.set(id, revision).map_err(wrap)
    }

    /// The map of addresses may be younger than the policy: it comes with the first endpoint.
    pub(super) fn see_to_networks(
        &self,
        revision: u32,
        entries: &[PolicyEntry],
    ) -> Result<(), EnforceError> {
        if !entries
            .iter()
            .any(|entry| entry.rule.identity >= FIRST_NETWORK)
        {
            return Ok(());
        }
        let networks = self.policies.networks(revision)?;
        let Some((first, _)) = networks.first() else {
            return Ok(());
        };
        let ipcache = self.maps.ipcache()?;
        match ipcache.network_of(revision, first.address())? {
            Some(_) => Ok(()),
            None => self.write_networks(revision, &networks),
        }
    }
}
