//! All that is in force, or would be, as one thing to look at.

use std::collections::{BTreeMap, BTreeSet};

use super::pods::facts;
use super::told::Told;
use super::{EnforceError, Enforcement};
use crate::maps::OpenPort;
use crate::policy::{Compiled, Documents, HOST, compile};

/// A policy as it was compiled, of every identity that has one.
#[derive(Debug)]
pub struct Whole {
    /// The revision; none for what is not in force, and before the first one.
    pub revision: Option<u32>,
    /// Rules, networks and entries.
    pub compiled: Compiled,
    /// The ports of the node that are open whatever its policy says; none where no document speaks for it.
    pub open: BTreeSet<OpenPort>,
}

impl Enforcement<'_> {
    /// What is in force, from what every ADD reads. Before the first policy everything passes.
    pub fn whole_in_force(&self) -> Result<Whole, EnforceError> {
        let _shared = self.policies.share()?;
        match self.policies.current()? {
            Some(revision) => self.whole_of(revision),
            None => self.whole_told(&Told::nothing(self.allows_localhost())),
        }
    }

    /// What would be in force with these documents, for the pods that there are now. Changes nothing.
    pub fn whole_with(&self, documents: &Documents) -> Result<Whole, EnforceError> {
        self.whole_told(&self.telling(documents)?)
    }

    fn whole_of(&self, revision: u32) -> Result<Whole, EnforceError> {
        let mut subjects = BTreeMap::new();
        for identity in self.policies.identities(revision)? {
            if let Some(stored) = self.policies.identity(revision, identity)? {
                subjects.insert(identity, stored.policy);
            }
        }
        // Only a revision that judges the node has ports that it leaves open.
        let open = if subjects.contains_key(&HOST) {
            self.policies.basis(revision)?.node.open
        } else {
            BTreeSet::new()
        };
        Ok(Whole {
            revision: Some(revision),
            compiled: Compiled {
                origins: self.policies.origins(revision)?,
                networks: self.policies.networks(revision)?,
                subjects,
            },
            open,
        })
    }

    fn whole_told(&self, told: &Told) -> Result<Whole, EnforceError> {
        let known = self.known(&self.members()?)?;
        let basis = &told.basis;
        let options = self.options(basis.allow_localhost);
        let compiled = compile(&basis.set, &facts(&known), &basis.node.facts, &options)?;
        Ok(Whole {
            revision: None,
            open: basis.node.open.clone(),
            compiled,
        })
    }
}
