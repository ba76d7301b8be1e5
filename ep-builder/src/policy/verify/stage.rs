//! Twins of pods, on which cases are played: each pod of a case has a twin, everybody has the address that the
//! case says, and only the pod in question stands under the case's policy.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::VerifyError;
use crate::endpoint::{Endpoint, EndpointId, MacAddr, Values};
use crate::explain::{Surroundings, Twins};
use crate::identity;
use crate::maps::{Counters, LocalEndpoint, Prefix};
use crate::patch::Template;
use crate::policy::oracle::{Case, End, HOST, Pod};
use crate::policy::{Compiled, PolicyEntry};
use crate::shape::MapPrefix;

/// Everybody else: who they are is known for each address, so that no route of the node has a say in it.
const ANYWHERE: [&str; 2] = ["0.0.0.0/0", "::/0"];
/// The revision of a pod that lets everything pass.
const OPEN: u32 = 0;
/// The id of an endpoint that nobody sends to: with it come the maps.
const BYSTANDER: u16 = 1;
/// The only device that every namespace has. Programs run on it and never reach it.
const LOOPBACK: u32 = 1;

/// A node of twins.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    template: &'a Template,
    twins: Twins,
    /// Those who have a twin, by identity.
    cast: BTreeMap<u32, EndpointId>,
    /// The addresses that are the node's.
    nodes: BTreeSet<IpAddr>,
    revision: u32,
}

impl<'a> Stage<'a> {
    pub(super) fn new(template: &'a Template, prefix: &MapPrefix) -> Result<Self, VerifyError> {
        let bystander = endpoint(EndpointId::new(BYSTANDER)?, identity::INIT, None);
        let object = template.patch(&Values::of_endpoint(&bystander));
        let twins = Twins::new(Surroundings::Empty, prefix, &object, &bystander)?;
        for network in ANYWHERE {
            twins.know(network.parse()?, End::World.identity())?;
        }
        Ok(Self {
            template,
            twins,
            cast: BTreeMap::new(),
            nodes: BTreeSet::new(),
            revision: OPEN,
        })
    }

    pub(super) fn twins(&self) -> &Twins {
        &self.twins
    }

    /// The endpoint of a pod.
    pub(super) fn id(&self, identity: u32) -> Result<EndpointId, VerifyError> {
        let id = self.cast.get(&identity).copied();
        id.ok_or(VerifyError::NoPod(identity))
    }

    /// Makes what was compiled for a case the policy of its pods, under a revision of its own, which none of
    /// them stands at yet.
    pub(super) fn set(&mut self, case: &Case, compiled: &Compiled) -> Result<(), VerifyError> {
        self.strike()?;
        self.revision += 1;
        for (identity, pod) in &case.pods {
            self.admit(*identity, pod)?;
        }
        let packets = case.packets.iter();
        for packet in packets.filter(|packet| packet.remote == End::Host) {
            self.admit_node(packet.address)?;
        }
        self.twins.set_networks(self.revision, &compiled.networks)?;
        let pods = compiled.subjects.iter();
        for (identity, subject) in pods.filter(|(identity, _)| **identity != HOST) {
            self.insert(self.id(*identity)?, self.revision, &subject.entries)?;
        }
        Ok(())
    }

    /// Takes the policy of the last case away.
    fn strike(&mut self) -> Result<(), VerifyError> {
        if self.revision == OPEN {
            return Ok(());
        }
        self.twins.set_networks(self.revision, &[])?;
        for id in self.cast.values() {
            let mut policy = self.twins.maps().policy(*id)?;
            policy.remove_generation(self.revision)?;
        }
        Ok(())
    }

    /// Lets the case's policy judge a pod.
    pub(super) fn close(&self, id: EndpointId) -> Result<(), VerifyError> {
        self.turn(id, self.revision)
    }

    /// Lets everything pass to and from a pod.
    pub(super) fn open(&self, id: EndpointId) -> Result<(), VerifyError> {
        self.turn(id, OPEN)
    }

    fn turn(&self, id: EndpointId, revision: u32) -> Result<(), VerifyError> {
        Ok(self.twins.maps().policy_revisions()?.set(id, revision)?)
    }

    fn insert(
        &self,
        id: EndpointId,
        revision: u32,
        entries: &[PolicyEntry],
    ) -> Result<(), VerifyError> {
        let rows = entries.iter();
        let rows = rows.map(|entry| (entry.rule, entry.decision, Counters::default()));
        let mut policy = self.twins.maps().policy(id)?;
        Ok(policy.insert_all(revision, &rows.collect::<Vec<_>>())?)
    }

    /// A pod has one identity and one address for as long as there is the stage, as the generator of cases has it.
    fn admit(&mut self, identity: u32, pod: &Pod) -> Result<(), VerifyError> {
        if self.cast.contains_key(&identity) {
            return Ok(());
        }
        let number = identity.saturating_sub(identity::FIRST) + u32::from(BYSTANDER) + 1;
        let id = u16::try_from(number).map_err(|_| VerifyError::NoPod(identity))?;
        let id = EndpointId::new(id)?;
        let endpoint = endpoint(id, identity, Some(pod));
        let object = self.template.patch(&Values::of_endpoint(&endpoint));
        self.twins.load(&object, &endpoint)?;
        let local = LocalEndpoint {
            lxc_id: id.get(),
            ifindex: endpoint.host_ifindex,
            mac: endpoint.mac,
            host_mac: endpoint.host_mac,
            identity,
            is_host: false,
            masquerade: false,
        };
        for address in [pod.ipv4.into(), pod.ipv6.into()] {
            self.twins.place(address, &local)?;
            self.twins.know(Prefix::of(address), identity)?;
        }
        self.insert(id, OPEN, &PolicyEntry::admit_all())?;
        self.cast.insert(identity, id);
        Ok(())
    }

    fn admit_node(&mut self, address: IpAddr) -> Result<(), VerifyError> {
        if self.nodes.insert(address) {
            self.twins.know(Prefix::of(address), End::Host.identity())?;
        }
        Ok(())
    }
}

fn endpoint(id: EndpointId, identity: u32, pod: Option<&Pod>) -> Endpoint {
    let [high, low] = id.get().to_be_bytes();
    Endpoint {
        container_id: "verify".to_owned(),
        host_ifname: format!("verify{id}"),
        host_ifindex: LOOPBACK,
        mac: MacAddr([2, 0, 0, 0, high, low]),
        host_mac: MacAddr([2, 0, 0, 1, high, low]),
        ipv4: pod.map(|pod| pod.ipv4),
        ipv6: pod.map(|pod| pod.ipv6),
        identity,
        ..Endpoint::bare(id)
    }
}
