//! The node as a holder of a policy: what is known of it when documents are applied, and its policy when its part is
//! made behind them.

use std::path::Path;

use super::members::{UNJUDGED, present};
use super::{EnforceError, Enforcement, Holder, Member};
use crate::maps::{Direction, OpenPort};
use crate::policy::{HOST, HOSTNAME_LABEL, NodeBasis, NodeFacts, PolicySet};
use crate::settings::ServicePort;
use crate::whole_file;

/// What the kernel calls the node, for who looks from the node's own namespaces.
const HOSTNAME: &str = "/proc/sys/kernel/hostname";
/// What is read of it at most: the kernel has 64 bytes.
const HOSTNAME_LIMIT: u64 = 256;

impl Enforcement<'_> {
    /// Gives the node, if its maps are there, its policy: that of the revision in force, or none. What judges it goes
    /// on until then.
    pub fn install_node(&self) -> Result<(), EnforceError> {
        if !self.has_node()? {
            return Ok(());
        }
        self.take_back_if_due()?;
        let _shared = self.policies.share()?;
        let current = self.policies.current()?;
        let stored = match current {
            Some(revision) => self.policies.identity(revision, HOST)?,
            None => None,
        };
        let (Some(revision), Some(stored)) = (current, stored) else {
            return self.bring(&node_at(UNJUDGED), &[], &[].into());
        };
        let open = self.policies.basis(revision)?.node.open;
        self.bring(&node_at(revision), &stored.policy.entries, &open)
    }

    /// Whether the part of the node that judges is there.
    pub fn has_node(&self) -> Result<bool, EnforceError> {
        Ok(present(self.maps.node_policy())?.is_some())
    }

    /// What a policy of the node follows from. Nobody asks where no document speaks for nodes.
    pub fn node_basis(&self, set: &PolicySet) -> Result<NodeBasis, EnforceError> {
        if !set.speaks_for_nodes() {
            return Ok(NodeBasis::default());
        }
        let firewall = &self.settings.host.firewall;
        let open = |ports: &[ServicePort], direction| {
            let ports = ports.iter();
            let open = ports.map(move |it| OpenPort {
                port: it.port,
                protocol: it.protocol,
                direction,
            });
            open.collect::<Vec<_>>()
        };
        let ingress = open(&firewall.always_open_ingress, Direction::Ingress);
        let egress = open(&firewall.always_open_egress, Direction::Egress);
        Ok(NodeBasis {
            facts: self.node_facts()?,
            open: ingress.into_iter().chain(egress).collect(),
        })
    }

    /// The node as documents see it: its name in small letters, as Kubernetes has it, and the labels of the settings.
    pub fn node_facts(&self) -> Result<NodeFacts, EnforceError> {
        let name = whole_file::read(Path::new(HOSTNAME), HOSTNAME_LIMIT)
            .map_err(crate::policy::StoreError::from)?;
        let name = String::from_utf8_lossy(&name).trim().to_lowercase();
        let mut labels: std::collections::BTreeMap<_, _> =
            self.settings.host.labels.iter().cloned().collect();
        labels.insert(HOSTNAME_LABEL.to_owned(), name);
        Ok(NodeFacts { labels })
    }
}

fn node_at(revision: u32) -> Member {
    Member {
        holder: Holder::Node,
        identity: HOST,
        revision,
    }
}
