//! Who has a policy map: the endpoints, with the identity of each, and the node.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use super::{EnforceError, Enforcement};
use crate::endpoint::{Endpoint, EndpointId, InvalidId};
use crate::maps::{MapName, Maps, MapsError, RevisionsMap};
use crate::policy::HOST;
use crate::state::{Loaded, StateError};

/// The revision of who is judged by no policy.
pub(super) const UNJUDGED: u32 = 0;

/// Who has a policy map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// The node, which is number 0.
    Node,
    /// An endpoint.
    Endpoint(EndpointId),
}

impl Holder {
    /// Reads it as a person writes it: `node`, or 0, or the id of an endpoint.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        match text {
            "node" | "0" => Ok(Self::Node),
            id => EndpointId::parse(id).map(Self::Endpoint),
        }
    }

    /// Its number.
    pub fn number(self) -> u16 {
        match self {
            Self::Node => 0,
            Self::Endpoint(id) => id.get(),
        }
    }

    /// Its policy map.
    pub fn map(self) -> MapName {
        match self {
            Self::Node => MapName::NodePolicy,
            Self::Endpoint(id) => MapName::Policy(id),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node => f.write_str("the node"),
            Self::Endpoint(id) => write!(f, "endpoint {id}"),
        }
    }
}

impl Serialize for Holder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.number())
    }
}

/// Somebody whose policy is to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The endpoint, or the node.
    pub holder: Holder,
    /// Its identity.
    pub identity: u32,
    /// The revision at which it stands; of the node 0 where nothing judges it.
    pub revision: u32,
}

impl Member {
    /// Whether it is the node, and nothing judges it.
    pub(super) fn is_unjudged(&self) -> bool {
        self.holder == Holder::Node && self.revision == UNJUDGED
    }
}

impl Enforcement<'_> {
    /// The node and the endpoints whose policy maps are pinned: those that run, and those that are about to. What
    /// the maps say of their identities counts, because that is what packets meet; of one that nobody knows there
    /// yet, its record.
    pub fn members(&self) -> Result<Vec<Member>, EnforceError> {
        let pinned: Vec<_> = with_policy(&self.maps)?;
        let has_node = present(self.maps.node_policy())?.is_some();
        if pinned.is_empty() && !has_node {
            return Ok(Vec::new());
        }
        let met = self.met()?;
        let revisions = present(self.maps.policy_revisions())?;
        let mut members = Vec::new();
        if has_node {
            let revision = revisions.as_ref().map(RevisionsMap::of_node);
            members.push(Member {
                holder: Holder::Node,
                identity: HOST,
                revision: revision.transpose()?.unwrap_or_default(),
            });
        }
        for id in pinned {
            let identity = match met.get(&id) {
                Some(identity) => Some(*identity),
                None => self.record(id)?.map(|endpoint| endpoint.identity),
            };
            // One without a record in any place is being removed.
            if let Some(identity) = identity {
                // One by one: the map has a word for each id that there could be, and reading all of it takes longer
                // than an ADD does otherwise.
                let revision = revisions.as_ref().map(|revisions| revisions.get(id));
                members.push(Member {
                    holder: Holder::Endpoint(id),
                    identity,
                    revision: revision.transpose()?.unwrap_or_default(),
                });
            }
        }
        Ok(members)
    }

    /// The identities that packets meet, by endpoint.
    fn met(&self) -> Result<BTreeMap<EndpointId, u32>, EnforceError> {
        let endpoints = present(self.maps.endpoints())?;
        let endpoints = endpoints.map_or(Ok(Vec::new()), |map| map.entries())?;
        let met = endpoints.into_iter().filter_map(|(_, endpoint)| {
            let id = EndpointId::new(endpoint.lxc_id).ok()?;
            (!endpoint.is_host).then_some((id, endpoint.identity))
        });
        Ok(met.collect())
    }

    /// The facts of an endpoint: of the one that runs, else of the one that is about to; none of one that is not there.
    /// Where they cannot be read nothing goes on: without its labels a pod would be judged as another one.
    pub(super) fn record(&self, id: EndpointId) -> Result<Option<Endpoint>, EnforceError> {
        let known = |read: Result<Loaded, StateError>| match read {
            Ok(loaded) => Ok(Some(loaded.record.endpoint)),
            Err(error) if error.is_absence() => Ok(None),
            Err(error) => Err(error),
        };
        match known(self.endpoints.read(id))? {
            Some(endpoint) => Ok(Some(endpoint)),
            None => Ok(known(self.endpoints.read_next(id))?),
        }
    }
}

/// A map, if it is there.
pub(super) fn present<T>(map: Result<T, MapsError>) -> Result<Option<T>, MapsError> {
    match map {
        Ok(map) => Ok(Some(map)),
        Err(MapsError::Missing { .. }) => Ok(None),
        Err(error) => Err(error),
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
