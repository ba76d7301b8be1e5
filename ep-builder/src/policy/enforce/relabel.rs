//! An endpoint that gets another identity while it runs.

use super::pods::Pods;
use super::{EnforceError, Enforcement, Holder};
use crate::endpoint::Endpoint;

impl Enforcement<'_> {
    /// Gives an endpoint that runs the policy of the labels in `endpoint`. `replace` makes it the one with these
    /// labels: by then all others know them, and its own new policy is there and not in force.
    ///
    /// If it fails, the endpoint has the policy of its old labels, and whoever calls puts these back if `replace`
    /// was done.
    pub fn relabel<E: From<EnforceError>>(
        &self,
        endpoint: &Endpoint,
        replace: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let exclusive = self.policies.exclude().map_err(EnforceError::from)?;
        let pods = Pods::of(&endpoint.labels);
        self.acquaint(&exclusive, endpoint.identity, &pods)?;
        let current = self.policies.current().map_err(EnforceError::from)?;
        let Some(revision) = current else {
            return replace();
        };
        let told = self.told(revision)?;
        let mut members = self.members()?;
        for member in &mut members {
            if member.holder == Holder::Endpoint(endpoint.id) {
                member.identity = endpoint.identity;
            }
        }
        let mut known = self.known(&members)?;
        known.insert(endpoint.identity, pods);
        let prepared = self.prepare(told, &members, known)?;
        self.switch(&exclusive, &prepared, replace)
            .map(|_applied| ())
    }
}
