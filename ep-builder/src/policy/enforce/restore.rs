//! A running endpoint whose map is not what the policy in force says: found, and put right.

use std::collections::BTreeSet;

use super::pods::Pods;
use super::{EnforceError, Enforcement, Holder, Member};
use crate::endpoint::Endpoint;
use crate::maps::{BY_HAND, Counters, Decision, Generation, OpenPort, Rule};
use crate::policy::PolicyEntry;

impl Enforcement<'_> {
    /// In what an endpoint's map is not as the policy in force says; none where it is, where there is no policy,
    /// and where somebody has changed it by hand.
    pub fn drift(&self, endpoint: &Endpoint) -> Result<Option<String>, EnforceError> {
        let (id, identity) = (endpoint.id, endpoint.identity);
        // Nobody puts another policy in force meanwhile.
        let _shared = self.policies.share()?;
        let Some(current) = self.policies.current()? else {
            return Ok(None);
        };
        let revision = self.maps.policy_revisions()?.get(id)?;
        if revision & BY_HAND != 0 {
            return Ok(None);
        }
        let pods = Pods::of(&endpoint.labels);
        let Some(stored) = self.known_as(current, identity, &pods)? else {
            return Ok(Some(format!(
                "revision {current} of the policy does not know identity {identity}"
            )));
        };
        if revision != current {
            return Ok(Some(format!(
                "the policy of endpoint {id} is of revision {revision}, and {current} is in force"
            )));
        }
        let there = self.maps.policy(id)?.generation(current)?;
        let (missing, extra) = (
            missing(&there, &stored.policy.entries).len(),
            extra(&there, &stored.policy.entries).len(),
        );
        Ok((missing + extra > 0).then(|| {
            format!(
                "the policy of endpoint {id} lacks {missing} entries of revision {current}, and has {extra} that are not of it"
            )
        }))
    }

    /// Makes it what the policy in force says. Packets that meet it meanwhile are judged by what was there and
    /// by what comes: nothing that both allow is dropped.
    pub fn restore(&self, endpoint: &Endpoint) -> Result<(), EnforceError> {
        let id = endpoint.id;
        let pods = Pods::of(&endpoint.labels);
        let is_known = |current| {
            let known = self.known_as(current, endpoint.identity, &pods)?;
            Ok::<_, EnforceError>(known.is_some())
        };
        match self.policies.current()? {
            None => return Ok(()),
            Some(current) if is_known(current)? => {}
            Some(_) => {
                let exclusive = self.policies.exclude()?;
                self.acquaint(&exclusive, endpoint.identity, &pods)?;
            }
        }
        let _shared = self.policies.share()?;
        let Some(current) = self.policies.current()? else {
            return Ok(());
        };
        let Some(stored) = self.known_as(current, endpoint.identity, &pods)? else {
            return Err(EnforceError::Restless { id });
        };
        let member = Member {
            holder: Holder::Endpoint(id),
            identity: endpoint.identity,
            revision: current,
        };
        self.bring(&member, &stored.policy.entries, &BTreeSet::new())
    }

    /// Gives somebody exactly these entries of a revision, and turns them to it.
    pub(super) fn bring(
        &self,
        member: &Member,
        entries: &[PolicyEntry],
        open: &BTreeSet<OpenPort>,
    ) -> Result<(), EnforceError> {
        let (holder, current) = (member.holder, member.revision);
        let wrap = |source| EnforceError::Holder { holder, source };
        let mut policy = self.map_of(holder).map_err(wrap)?;
        let there = policy.generation(current).map_err(wrap)?;
        let missing = missing(&there, entries);
        policy.insert_all(current, &missing).map_err(wrap)?;
        self.see_to_networks(current, entries)?;
        self.turn(&[*member], open)?;
        for rule in extra(&there, entries) {
            policy.remove(current, &rule).map_err(wrap)?;
        }
        policy.keep_only(current).map_err(wrap)
    }
}

/// The entries that are not there, or decide otherwise.
fn missing(there: &Generation, wanted: &[PolicyEntry]) -> Vec<(Rule, Decision, Counters)> {
    let is_there = |entry: &&PolicyEntry| {
        let found = there.get(&entry.rule);
        found.is_none_or(|(decision, _)| *decision != entry.decision)
    };
    let missing = wanted.iter().filter(is_there);
    missing
        .map(|entry| (entry.rule, entry.decision, Counters::default()))
        .collect()
}

/// The rules that are there and not wanted.
fn extra(there: &Generation, wanted: &[PolicyEntry]) -> Vec<Rule> {
    let wanted: BTreeSet<_> = wanted.iter().map(|entry| entry.rule).collect();
    let extra = there.keys().filter(|rule| !wanted.contains(rule));
    extra.copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maps::{Direction, Traffic};

    fn rule(identity: u32) -> Rule {
        Rule {
            identity,
            direction: Direction::Ingress,
            traffic: Traffic::Any,
        }
    }

    #[test]
    fn what_differs_is_written_and_what_is_too_much_goes() {
        let decision = |deny| Decision { deny, rule: 1 };
        let there: Generation = [(1, false), (2, true), (3, false)]
            .map(|(peer, deny)| (rule(peer), (decision(deny), Counters::default())))
            .into();
        let wanted = [(1, false), (2, false), (4, false)].map(|(peer, deny)| PolicyEntry {
            rule: rule(peer),
            decision: decision(deny),
        });
        let missing: Vec<_> = missing(&there, &wanted)
            .iter()
            .map(|it| it.0.identity)
            .collect();
        assert_eq!(missing, [2, 4]);
        assert_eq!(extra(&there, &wanted), [rule(3)]);
    }
}
