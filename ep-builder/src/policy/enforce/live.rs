//! What the maps say now.

use std::collections::BTreeMap;

use super::changes::{Isolation, Numbered, numbered};
use super::{EnforceError, Enforcement, Holder};
use crate::endpoint::EndpointId;
use crate::maps::{Counters, Decision, Direction, Maps, MapsError, Prefix, Rule, Traffic};
use crate::policy::{FIRST_NETWORK, Origin};
use crate::state::PolicyState;

/// Who an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerName {
    /// Anybody.
    Anybody,
    /// Whoever has the identity.
    Identity(u32),
    /// Whoever has an address in the network, and in none within it that the policy names.
    Network(Prefix),
    /// A network of which no more than the number is known.
    UnknownNetwork(u32),
}

/// An entry of an endpoint, with what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForceEntry {
    /// The peer.
    pub peer: PeerName,
    /// The direction.
    pub direction: Direction,
    /// The traffic.
    pub traffic: Traffic,
    /// What becomes of it.
    pub decision: Decision,
    /// How often.
    pub counters: Counters,
    /// The rule; none for what a pod may do that nothing isolates, and for the node's way to its pods.
    pub origin: Option<Origin>,
}

impl PeerName {
    fn new(identity: u32, networks: &Numbered) -> Self {
        match (identity, networks.get(&identity)) {
            (0, _) => Self::Anybody,
            (_, Some(network)) => Self::Network(*network),
            (FIRST_NETWORK.., None) => Self::UnknownNetwork(identity),
            (identity, None) => Self::Identity(identity),
        }
    }
}

/// The policy of an endpoint as the datapath has it: at which revision it stands, and in which directions a
/// packet needs a rule.
pub fn state_of(maps: &Maps, id: EndpointId) -> Result<PolicyState, MapsError> {
    let revision = maps.policy_revisions()?.get(id)?;
    let policy = maps.policy(id)?;
    let is_isolated = |direction| {
        let any = Rule {
            identity: 0,
            direction,
            traffic: Traffic::Any,
        };
        let decision = policy.decision(revision, &any)?;
        Ok::<_, MapsError>(!decision.is_some_and(|it| !it.deny && it.rule == 0))
    };
    Ok(PolicyState {
        ingress: is_isolated(Direction::Ingress)?,
        egress: is_isolated(Direction::Egress)?,
        revision: revision.into(),
    })
}

impl Enforcement<'_> {
    /// The entries by which somebody's packets are judged, in the order of their peers.
    pub fn entries_of(&self, holder: Holder) -> Result<Vec<InForceEntry>, EnforceError> {
        let policy = self.map_of(holder)?;
        let revision = self.revision_of(holder)?;
        let networks = numbered(&self.maps.ipcache()?.networks(revision)?);
        let origins = self.origins_by_number(revision)?;
        let entries = policy.generation(revision)?.into_iter();
        let mut entries: Vec<_> = entries
            .map(|(rule, (decision, counters))| InForceEntry {
                peer: PeerName::new(rule.identity, &networks),
                direction: rule.direction,
                traffic: rule.traffic,
                decision,
                counters,
                origin: origins.get(&decision.rule).cloned(),
            })
            .collect();
        entries.sort_by_key(|entry| (entry.direction, entry.peer, entry.traffic));
        Ok(entries)
    }

    /// The revision at which an endpoint, or the node, stands.
    pub fn revision_of(&self, holder: Holder) -> Result<u32, MapsError> {
        let revisions = self.maps.policy_revisions()?;
        match holder {
            Holder::Node => revisions.of_node(),
            Holder::Endpoint(id) => revisions.get(id),
        }
    }

    /// The rules by their numbers. A revision by hand goes on with those of the policy in force.
    fn origins_by_number(&self, revision: u32) -> Result<BTreeMap<u32, Origin>, EnforceError> {
        let known = self.policies.revisions()?.contains(&revision);
        let revision = if known {
            Some(revision)
        } else {
            self.policies.current()?
        };
        let origins = revision.map(|revision| self.policies.origins(revision));
        let origins = origins.transpose()?.unwrap_or_default();
        Ok((1..).zip(origins).collect())
    }

    /// In which directions each endpoint is isolated, and its revision; none for one whose maps are gone.
    pub fn state_of(&self, id: EndpointId) -> Result<Option<PolicyState>, MapsError> {
        match state_of(&self.maps, id) {
            Ok(state) => Ok(Some(state)),
            Err(MapsError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl From<PolicyState> for Isolation {
    fn from(state: PolicyState) -> Self {
        Self {
            ingress: state.ingress,
            egress: state.egress,
        }
    }
}
