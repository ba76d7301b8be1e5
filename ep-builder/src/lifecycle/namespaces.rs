//! Network namespaces whose sockets reach host ports: a pod's is known from its ADD until its DEL.

use super::{Endpoints, LifecycleError, Removal};
use crate::endpoint::EndpointId;
use crate::sock::{NetnsCookie, NetnsMap, Owner, Sockets};

impl Endpoints<'_> {
    /// Says that a network namespace is an endpoint's. Done for every pod: host ports may come later.
    pub fn know_namespace(
        &self,
        id: EndpointId,
        cookie: NetnsCookie,
    ) -> Result<(), LifecycleError> {
        let sockets = Sockets::new(self.builder.settings());
        Ok(sockets.netns()?.enter(cookie, Owner::Pod(id))?)
    }
}

impl Removal<'_> {
    /// Forgets the network namespace of an endpoint. No other one ever gets its cookie: an entry that stays does
    /// nothing but take room.
    pub(super) fn forget_namespace(&self, id: EndpointId) -> Result<(), LifecycleError> {
        if let Some(netns) = NetnsMap::find(&self.maps)? {
            netns.forget(Owner::Pod(id))?;
        }
        Ok(())
    }
}
