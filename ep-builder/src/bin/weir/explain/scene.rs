//! The twins of the endpoints that a packet meets, with their policies.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use ep_builder::endpoint::{Endpoint, EndpointId};
use ep_builder::explain::{Packet, Surroundings, Twins};
use ep_builder::identity::Identities;
use ep_builder::maps::{Connection, MapName, Maps};
use ep_builder::patch::EndpointObject;
use ep_builder::policy::documents::read_files;
use ep_builder::policy::{
    CompileOptions, Compiled, EnforceError, NodeFacts, PodFacts, PolicySet, PolicyStore,
    SubjectPolicy, compile,
};
use ep_builder::settings::AllowLocalhost;
use ep_builder::state::Store;

use super::book::Book;
use crate::failure::Failure;
use crate::map::maps;
use crate::node::Node;

/// Twins with the policies of the node.
pub(super) struct Scene<'a> {
    pub(super) twins: Twins,
    node: &'a Node,
    /// Those who have twins.
    cast: Vec<Endpoint>,
    policies: PolicyStore,
}

impl<'a> Scene<'a> {
    /// Loads the twins of these endpoints, with what is in force for them.
    pub(super) fn set(
        node: &'a Node,
        cast: Vec<Endpoint>,
        is_changed_later: bool,
    ) -> Result<Self, Failure> {
        let (store, maps) = (node.store()?, maps(node));
        let surroundings = if is_changed_later {
            Surroundings::Copy(&maps)
        } else {
            Surroundings::Node(&maps)
        };
        let Some((first, others)) = cast.split_first() else {
            return Err(Failure::Input(
                "neither end is a pod of this node: no policy of a pod judges such a packet"
                    .to_owned(),
            ));
        };
        let prefix = &node.settings.node.map_prefix;
        let mut twins = Twins::new(surroundings, prefix, &object(&store, first.id)?, first)?;
        for endpoint in others {
            twins.load(&object(&store, endpoint.id)?, endpoint)?;
        }
        for endpoint in &cast {
            twins.copy_policy(endpoint.id, &maps)?;
            withhold_what_is_missing(&twins, endpoint.id, &maps)?;
        }
        Ok(Self {
            twins,
            node,
            policies: PolicyStore::new(store.layout().root()),
            cast,
        })
    }

    /// One of those who have twins.
    pub(super) fn endpoint(&self, id: EndpointId) -> Option<&Endpoint> {
        self.cast.iter().find(|endpoint| endpoint.id == id)
    }

    /// The node.
    pub(super) fn node(&self) -> &'a Node {
        self.node
    }

    /// Lets the twins know the connection that a packet may belong to, as the node knows it now, and makes the
    /// packet its next one. Of several the one that was used last is taken.
    pub(super) fn recall(&self, packet: &Packet, sport: Option<u16>) -> Result<Packet, Failure> {
        let (maps, protocol) = (maps(self.node), packet.protocol());
        let dport = packet.content.ports().map(|(_, dport)| dport);
        let belongs = |connection: &Connection, sport: Option<u16>| {
            let Connection { pod, peer, .. } = *connection;
            connection.protocol == protocol
                && [(pod, peer), (peer, pod)].iter().any(|(from, to)| {
                    from.ip() == packet.addresses.from()
                        && to.ip() == packet.addresses.to()
                        && sport.is_none_or(|port| port == from.port())
                        && dport.is_none_or(|port| port == to.port())
                })
        };
        let known = self.twins.remember(&maps, |it| belongs(it, sport))?;
        let Some(last) = known.iter().max_by_key(|it| it.value.lifetime) else {
            return Err(Failure::NotFound(format!(
                "no such connection from {} to {} is tracked: `weir bpf ct list` shows those there are",
                packet.addresses.from(),
                packet.addresses.to()
            )));
        };
        let Connection { pod, peer, .. } = last.connection;
        let is_pods = pod.ip() == packet.addresses.from();
        let own = if is_pods { pod.port() } else { peer.port() };
        self.twins.forget()?;
        self.twins.remember(&maps, |it| belongs(it, Some(own)))?;
        Ok(Packet {
            content: packet.content.next(own),
            ..*packet
        })
    }

    /// What the numbers of rules mean, for each of them.
    pub(super) fn books(&self) -> Result<BTreeMap<EndpointId, Book>, Failure> {
        let revisions = self.twins.maps().policy_revisions()?;
        let book = |endpoint: &Endpoint| {
            let revision = revisions.get(endpoint.id)?;
            Ok((endpoint.id, Book::of(&self.policies, revision)))
        };
        self.cast.iter().map(book).collect()
    }

    /// Gives them the policy of these documents, in place of the one in force.
    pub(super) fn change_policy(
        &self,
        files: &[PathBuf],
        endpoints: &[Endpoint],
    ) -> Result<BTreeMap<EndpointId, Book>, Failure> {
        let documents = read_files(files).map_err(EnforceError::from)?;
        let compiled = self.compile(&documents.set, endpoints)?;
        let current = self.policies.current().map_err(EnforceError::from)?;
        let revision = current.unwrap_or_default().saturating_add(1);
        self.twins.set_networks(revision, &compiled.networks)?;
        let mut books = BTreeMap::new();
        for endpoint in &self.cast {
            let policy = compiled.subjects.get(&endpoint.identity);
            let entries = policy.map(|policy: &SubjectPolicy| policy.entries.as_slice());
            let entries = entries.unwrap_or_default();
            self.twins.set_policy(endpoint.id, revision, entries)?;
            let book = Book {
                set: documents.set.clone(),
                origins: compiled.origins.clone(),
            };
            books.insert(endpoint.id, book);
        }
        Ok(books)
    }

    fn compile(&self, set: &PolicySet, endpoints: &[Endpoint]) -> Result<Compiled, Failure> {
        let identities = Identities::open(&self.node.settings.paths.state_dir)?;
        let mut pods = BTreeMap::new();
        for listed in identities.list()? {
            if let Ok(labels) = listed.labels {
                pods.insert(listed.number, PodFacts::of(&labels));
            }
        }
        for endpoint in endpoints {
            let facts = || PodFacts::of(&endpoint.labels);
            pods.entry(endpoint.identity).or_insert_with(facts);
        }
        let settings = &self.node.settings;
        let options = CompileOptions {
            allow_localhost: settings.policy.allow_localhost == AllowLocalhost::Always,
            max_entries: usize::try_from(settings.node.sizes.policy).unwrap_or(usize::MAX),
        };
        // No packet meets the node's own programs here.
        let compiled = compile(set, &pods, &NodeFacts::default(), &options);
        Ok(compiled.map_err(EnforceError::from)?)
    }
}

/// Who meets a packet: the pod that sends it, and the one that has the address it goes to.
pub(super) fn cast(
    node: &Node,
    endpoints: &[Endpoint],
    sender: Option<&Endpoint>,
    to: IpAddr,
) -> Result<Vec<Endpoint>, Failure> {
    let local = maps(node).endpoints()?.get(to)?;
    let receiver = local.filter(|local| !local.is_host).and_then(|local| {
        let mut known = endpoints.iter();
        known.find(|endpoint| endpoint.id.get() == local.lxc_id)
    });
    let receiver = receiver.filter(|it| sender.is_none_or(|sender| sender.id != it.id));
    Ok(sender.into_iter().chain(receiver).cloned().collect())
}

fn object(store: &Store, id: EndpointId) -> Result<EndpointObject, Failure> {
    Ok(EndpointObject::from_store(store.read_object(id)?))
}

/// An endpoint whose programs others cannot call is not ready; its twin must not be either.
fn withhold_what_is_missing(twins: &Twins, id: EndpointId, maps: &Maps) -> Result<(), Failure> {
    let place = u32::from(id.get());
    for (name, programs) in [
        (MapName::CallPolicy, maps.call_policy()?),
        (MapName::Verdict, maps.verdicts()?),
    ] {
        if programs.get(place)?.is_none() {
            twins.withhold(id, name)?;
        }
    }
    Ok(())
}
