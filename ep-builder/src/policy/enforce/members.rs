//! Which endpoints have a policy map, and which identity each has.

use std::collections::BTreeMap;

use super::{EnforceError, Enforcement};
use crate::endpoint::{Endpoint, EndpointId};
use crate::maps::{MapName, Maps, MapsError};

/// An endpoint whose policy is to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The endpoint.
    pub id: EndpointId,
    /// Its identity.
    pub identity: u32,
    /// The revision at which it stands.
    pub revision: u32,
}

impl Enforcement<'_> {
    /// The endpoints whose policy maps are pinned: those that run, and those that are about to. What the maps
    /// say of their identities counts, because that is what packets meet; of one that nobody knows there yet,
    /// its record.
    pub fn members(&self) -> Result<Vec<Member>, EnforceError> {
        let pinned: Vec<_> = with_policy(&self.maps)?;
        if pinned.is_empty() {
            return Ok(Vec::new());
        }
        let met = self.met()?;
        let revisions = match self.maps.policy_revisions() {
            Ok(revisions) => Some(revisions),
            Err(MapsError::Missing { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let mut members = Vec::new();
        for id in pinned {
            let recorded = || self.record(id).map(|endpoint| endpoint.identity);
            // One without a record in any place is being removed.
            if let Some(identity) = met.get(&id).copied().or_else(recorded) {
                // One by one: the map has a word for each id that there could be, and reading all of it takes longer
                // than an ADD does otherwise.
                let revision = revisions.as_ref().map(|revisions| revisions.get(id));
                members.push(Member {
                    id,
                    identity,
                    revision: revision.transpose()?.unwrap_or_default(),
                });
            }
        }
        Ok(members)
    }

    /// The identities that packets meet, by endpoint.
    fn met(&self) -> Result<BTreeMap<EndpointId, u32>, EnforceError> {
        let endpoints = match self.maps.endpoints() {
            Ok(endpoints) => endpoints.entries()?,
            Err(MapsError::Missing { .. }) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let met = endpoints.into_iter().filter_map(|(_, endpoint)| {
            let id = EndpointId::new(endpoint.lxc_id).ok()?;
            (!endpoint.is_host).then_some((id, endpoint.identity))
        });
        Ok(met.collect())
    }

    /// The facts of an endpoint: of the one that runs, else of the one that is about to.
    pub(super) fn record(&self, id: EndpointId) -> Option<Endpoint> {
        let live = self.endpoints.read(id).ok();
        let read = live.or_else(|| self.endpoints.read_next(id).ok());
        read.map(|loaded| loaded.record.endpoint)
    }
}

fn with_policy(maps: &Maps) -> Result<Vec<EndpointId>, MapsError> {
    let names = maps.list()?.into_iter();
    let ids = names.filter_map(|map| match map {
        MapName::Policy(id) => Some(id),
        _ => None,
    });
    Ok(ids.collect())
}
