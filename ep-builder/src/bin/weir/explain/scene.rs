//! The twins of the endpoints and of the node's devices that a packet meets, with their policies.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ep_builder::device::{DeviceFacts, DeviceId};
use ep_builder::endpoint::{Endpoint, EndpointId, Values};
use ep_builder::explain::{Packet, Surroundings, Twins};
use ep_builder::identity::Identities;
use ep_builder::maps::{Connection, MapName, Maps, OpenPort};
use ep_builder::node::DeviceRecord;
use ep_builder::patch::{EndpointObject, Template};
use ep_builder::policy::documents::read_files;
use ep_builder::policy::{
    CompileOptions, Compiled, EnforceError, Enforcement, Holder, NodeBasis, NodeFacts, PodFacts,
    PolicySet, PolicyStore, SubjectPolicy, compile,
};
use ep_builder::settings::AllowLocalhost;
use ep_builder::state::Store;

use super::book::{Book, Books};
use super::cast::Cast;
use crate::failure::Failure;
use crate::map::maps;
use crate::node::Node;

/// The identity of the node.
pub(super) const IDENTITY_OF_NODE: u32 = 1;

/// Twins with the policies of the node.
pub(super) struct Scene<'a> {
    pub(super) twins: Twins,
    node: &'a Node,
    /// Those who have twins.
    pods: Vec<Endpoint>,
    devices: Vec<DeviceFacts>,
    policies: PolicyStore,
}

impl<'a> Scene<'a> {
    /// Loads the twins of those whom a packet meets, with what is in force for them.
    pub(super) fn set(
        node: &'a Node,
        cast: &Cast,
        is_changed_later: bool,
    ) -> Result<Self, Failure> {
        let (store, maps) = (node.store()?, maps(node));
        let mut loading = Loading {
            surroundings: if is_changed_later {
                Surroundings::Copy(&maps)
            } else {
                Surroundings::Node(&maps)
            },
            node,
            twins: None,
        };
        for endpoint in &cast.pods {
            loading.pod(&store, endpoint)?;
        }
        let devices = cast.devices.iter().map(|device| loading.device(device));
        let devices = devices.collect::<Result<Vec<_>, _>>()?;
        let twins = loading
            .twins
            .ok_or_else(|| Failure::Input("no program of weir meets such a packet".to_owned()))?;
        let scene = Self {
            twins,
            node,
            pods: cast.pods.clone(),
            devices,
            policies: PolicyStore::new(store.layout().root()),
        };
        for holder in scene.holders() {
            scene.twins.copy_policy(holder, &maps)?;
            scene.withhold_what_is_missing(holder, &maps)?;
        }
        Ok(scene)
    }

    /// Who has a policy here.
    fn holders(&self) -> impl Iterator<Item = Holder> {
        let node = (!self.devices.is_empty()).then_some(Holder::Node);
        let pods = self.pods.iter().map(|pod| Holder::Endpoint(pod.id));
        pods.chain(node)
    }

    /// An endpoint, or a node, whose programs others cannot call is not ready; its twin must not be either.
    fn withhold_what_is_missing(&self, holder: Holder, maps: &Maps) -> Result<(), Failure> {
        let calls = (MapName::CallPolicy, maps.call_policy()?);
        let all = match holder {
            Holder::Endpoint(_) => vec![calls, (MapName::Verdict, maps.verdicts()?)],
            Holder::Node if self.is_called() => vec![calls],
            Holder::Node => Vec::new(),
        };
        for (name, programs) in all {
            if programs.get(holder.number().into())?.is_none() {
                self.twins.withhold(holder, name)?;
            }
        }
        Ok(())
    }

    /// Whether pods call programs of the node here.
    fn is_called(&self) -> bool {
        let mut devices = self.devices.iter();
        devices.any(|device| device.id() == DeviceId::Host)
    }

    /// The name of a device of the node.
    pub(super) fn device(&self, ifindex: u32) -> Option<&str> {
        let mut devices = self.devices.iter();
        let device = devices.find(|device| device.ifindex == ifindex);
        device.map(|device| device.name.as_str())
    }

    /// One of those who have twins.
    pub(super) fn endpoint(&self, id: EndpointId) -> Option<&Endpoint> {
        self.pods.iter().find(|endpoint| endpoint.id == id)
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
            return self.untracked(packet, sport);
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

    /// A packet of a session that no connection is tracked for: the node may have had a socket for it before its policy
    /// came, and lets it go on.
    fn untracked(&self, packet: &Packet, sport: Option<u16>) -> Result<Packet, Failure> {
        // The node is an end of it where programs of its devices are in the cast. Pods have no such excuse.
        let may_stand = !self.devices.is_empty() && packet.content.ports().is_some();
        let hint = match (may_stand, sport) {
            (true, Some(own)) => {
                let content = packet.content.next(own);
                return Ok(Packet { content, ..*packet });
            }
            (true, None) => {
                "; a session that stood before the node had a policy is named by --source-port"
            }
            (false, _) => "",
        };
        Err(Failure::NotFound(format!(
            "no such connection from {} to {} is tracked: `weir bpf ct list` shows those there are{hint}",
            packet.addresses.from(),
            packet.addresses.to()
        )))
    }

    /// What the numbers of rules mean, for each of them.
    pub(super) fn books(&self) -> Result<Books, Failure> {
        let revisions = self.twins.maps().policy_revisions()?;
        let book = |holder: Holder| {
            let revision = match holder {
                Holder::Node => revisions.of_node()?,
                Holder::Endpoint(id) => revisions.get(id)?,
            };
            Ok((holder, Book::of(&self.policies, revision)))
        };
        self.holders().map(book).collect()
    }

    /// Gives them the policy of these documents, in place of the one in force.
    pub(super) fn change_policy(
        &self,
        files: &[PathBuf],
        endpoints: &[Endpoint],
    ) -> Result<Books, Failure> {
        let documents = read_files(files).map_err(EnforceError::from)?;
        let basis = self.basis(&documents.set)?;
        let compiled = self.compile(&documents.set, &basis.facts, endpoints)?;
        let current = self.policies.current().map_err(EnforceError::from)?;
        let revision = current.unwrap_or_default().saturating_add(1);
        self.twins.set_networks(revision, &compiled.networks)?;
        let mut books = BTreeMap::new();
        for holder in self.holders() {
            self.turn(holder, revision, &compiled, &basis.open)?;
            let book = Book {
                set: documents.set.clone(),
                origins: compiled.origins.clone(),
                node: basis.facts.clone(),
            };
            books.insert(holder, book);
        }
        Ok(books)
    }

    fn turn<'p>(
        &self,
        holder: Holder,
        revision: u32,
        compiled: &Compiled,
        open: impl IntoIterator<Item = &'p OpenPort>,
    ) -> Result<(), Failure> {
        let identity = match holder {
            Holder::Node => Some(IDENTITY_OF_NODE),
            Holder::Endpoint(id) => self.endpoint(id).map(|endpoint| endpoint.identity),
        };
        let policy = identity.and_then(|identity| compiled.subjects.get(&identity));
        let entries = policy.map(|policy: &SubjectPolicy| policy.entries.as_slice());
        let is_judged = holder != Holder::Node || entries.is_some();
        let revision = if is_judged { revision } else { 0 };
        self.twins
            .set_policy(holder, revision, entries.unwrap_or_default())?;
        if holder == Holder::Node {
            self.twins.set_open(open)?;
        }
        Ok(())
    }

    /// What a policy of the node would follow from.
    fn basis(&self, set: &PolicySet) -> Result<NodeBasis, Failure> {
        let store = self.node.store()?;
        Ok(Enforcement::new(&self.node.settings, &store).node_basis(set)?)
    }

    fn compile(
        &self,
        set: &PolicySet,
        node: &NodeFacts,
        endpoints: &[Endpoint],
    ) -> Result<Compiled, Failure> {
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
        let compiled = compile(set, &pods, node, &options);
        Ok(compiled.map_err(EnforceError::from)?)
    }
}

/// Twins on their way into the kernel: the first one brings the ground for the others.
struct Loading<'a> {
    surroundings: Surroundings<'a>,
    node: &'a Node,
    twins: Option<Twins>,
}

impl Loading<'_> {
    fn pod(&mut self, store: &Store, endpoint: &Endpoint) -> Result<(), Failure> {
        let object = EndpointObject::from_store(store.read_object(endpoint.id)?);
        let prefix = &self.node.settings.node.map_prefix;
        match &mut self.twins {
            Some(twins) => twins.load(&object, endpoint)?,
            None => {
                self.twins = Some(Twins::new(self.surroundings, prefix, &object, endpoint)?);
            }
        }
        Ok(())
    }

    /// From the template that the device's own programs were made from.
    fn device(&mut self, record: &DeviceRecord) -> Result<DeviceFacts, Failure> {
        // Test runs give packets with an Ethernet header only, also for a device that has none.
        let facts = DeviceFacts {
            has_ethernet: true,
            ..record.facts.clone()
        };
        let object = template(self.node, record)?;
        let object = object.into_object(&Values::of_device(&facts));
        let prefix = &self.node.settings.node.map_prefix;
        if let Some(twins) = &mut self.twins {
            twins.load_device(&object, &facts)?;
        } else {
            let twins = Twins::of_device(self.surroundings, prefix, &object, &facts)?;
            self.twins = Some(twins);
        }
        Ok(facts)
    }
}

fn template(node: &Node, record: &DeviceRecord) -> Result<Template, Failure> {
    let of = |key| {
        let cached = node.cache().ok()?.read(key).ok().flatten();
        cached.or_else(|| node.bundle()?.get(key).ok().flatten())
    };
    let found = record.template.and_then(of);
    found.map(|entry| entry.template).ok_or_else(|| {
        Failure::NotFound(format!(
            "the template of the node's programs at {} is not there any more: `weir node init` makes it",
            record.facts.name
        ))
    })
}
