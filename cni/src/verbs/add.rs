//! ADD: wires a pod, or leaves nothing behind.

use std::cell::Cell;
use std::path::Path;

use ep_builder::beside::beside;
use ep_builder::builder::{Builder, Obtained};
use ep_builder::endpoint::{Bandwidth, Endpoint, EndpointId, Labels, NetworkIds};
use ep_builder::identity::Identities;
use ep_builder::lifecycle::{Endpoints, Ready};
use ep_builder::node::Ensured;
use ep_builder::sock::NetnsCookie;
use ep_builder::state::Claim;
use ep_builder::timeline::Timeline;

use super::addresses::Addresses;
use super::mac::{self, End, Macs};
use super::node::Node;
use super::teardown::tear_down_within;
use super::{answer, bandwidth, failures, host, labels, ports};
use crate::attachments::{Found, Note, Stage, Wired};
use crate::error::{Error, Failure, Kind};
use crate::heap::find_pages;
use crate::log::CallLog;
use crate::net::{Netns, Owner, Pair, PairSpec, Plan, Wire};
use crate::netconf::NetConf;
use crate::reply::Reply;
use crate::request::{Add, Environment};
use crate::result::Outcome;
use crate::version::Version;

/// What it takes of the heap, most of it for the template, the object that is made of it, and the sources.
const MEMORY: usize = 768 << 10;

/// An ADD under way: everything is open, nothing is made.
struct Wiring<'a> {
    request: &'a Add,
    node: &'a Node,
    addresses: Addresses<'a>,
    wire: Wire<'a>,
    mtu: u32,
    bandwidth: Bandwidth,
    has_addresses: Cell<bool>,
}

/// What is there before anything of the pod is.
struct Means {
    template: Obtained,
    /// The node's own part, where the pod needs it.
    ensured: Option<Ensured>,
}

/// Who the endpoint is. Dropped, it gives its id back.
struct Named {
    claim: Claim,
    identity: u32,
    labels: Labels,
}

/// What it gets.
struct Planned {
    plan: Plan,
    macs: Macs,
    outcome: Outcome,
    reply: Reply,
}

/// Wires a pod and answers with what it got.
pub(crate) fn add(
    request: &Add,
    environment: &Environment,
    log: &mut CallLog,
) -> Result<Reply, Error> {
    answer::refuse_unsupported(&request.conf)?;
    let netns = Netns::open(Path::new(&request.netns), request.own_netns_is_fine);
    let netns = netns.map_err(failures::net("use the pod's network namespace"))?;
    let node = Node::open(request.conf.common.settings.as_deref(), log)?;
    answer::refuse_reserved(request, &node.store.layout().health_netns())?;
    let lock = node.attachments.lock(&request.attachment);
    let _lock = lock.map_err(failures::attachments)?;
    let mut aside = Timeline::default();
    // Compiling comes before anything is made: an error of it leaves no link, no address and no note.
    let (found, wiring) = beside(
        || find_means(&node, &request.conf, &mut aside),
        || Wiring::begin(request, environment, &node, &netns, log),
    );
    log.timeline.join(aside, "template");
    let wiring = wiring?;
    let (builder, means) = found?;
    let endpoints = Endpoints::new(&builder, &node.store);
    wiring.note(Stage::Begun)?;
    wiring
        .wire_up(&endpoints, means, log)
        .or_else(|error| wiring.undo(error, log))
}

/// What a pod is wired with, and the node as it needs it; with what can make more of it.
fn find_means(
    node: &Node,
    conf: &NetConf,
    timeline: &mut Timeline,
) -> Result<(Builder, Means), Failure> {
    let builder = node.builder()?;
    timeline.mark("sources");
    let options = &node.settings.endpoint.options;
    let template = Endpoints::new(&builder, &node.store).template(options, timeline);
    let template = template.map_err(failures::lifecycle("get the datapath's template"))?;
    let ensured = host::ensure(&builder, conf, timeline)?;
    Ok((builder, Means { template, ensured }))
}

fn mtu(request: &Add, wire: &Wire<'_>) -> Result<u32, Failure> {
    match request.conf.mtu {
        Some(mtu) => Ok(mtu),
        None => wire
            .host()
            .default_mtu()
            .map_err(failures::net("find the MTU")),
    }
}

impl<'a> Wiring<'a> {
    /// Opens what the steps need, and clears the ground.
    fn begin(
        request: &'a Add,
        environment: &'a Environment,
        node: &'a Node,
        netns: &'a Netns,
        log: &mut CallLog,
    ) -> Result<Self, Error> {
        // Here, because this half is done first: while pages are found for it, the other one reads on.
        find_pages(MEMORY);
        let wire = Wire::open(netns).map_err(failures::net("wire the pod"))?;
        let mtu = mtu(request, &wire)?;
        let wiring = Self {
            request,
            node,
            addresses: Addresses::for_pod(node, request, environment),
            mtu,
            bandwidth: bandwidth::decided(&request.conf.runtime, mtu, log),
            wire,
            has_addresses: Cell::new(false),
        };
        wiring.clear_leftovers(log)?;
        log.timeline.mark("leftovers");
        Ok(wiring)
    }

    /// A pod that is wired stays as it is; what a killed ADD left goes.
    fn clear_leftovers(&self, log: &mut CallLog) -> Result<(), Failure> {
        let attachment = &self.request.attachment;
        let found = self.node.attachments.read(attachment);
        let link = self.wire.host().find(&attachment.host_name());
        let link = link.map_err(failures::net("look for the pod's link"))?;
        let exists = |what: String| {
            Failure::new(Kind::InterfaceExists, what).advice("the runtime must DEL it first")
        };
        match (&found, link.as_ref().map(|link| (link, link.owner()))) {
            (Found::Nothing, None) => return Ok(()),
            (
                Found::Note(Note {
                    stage: Stage::Wired(wired),
                    ..
                }),
                _,
            ) => {
                return Err(exists(format!(
                    "cannot wire {} of container {} again: it is endpoint {}",
                    attachment.ifname, attachment.container, wired.endpoint
                )));
            }
            (_, Some((link, Owner::Foreign))) => {
                return Err(exists(format!(
                    "cannot wire the pod: the link {} is there already and is not ours",
                    link.name
                )));
            }
            _ => {}
        }
        log.notice("an earlier ADD was cut short: what it left is removed first");
        self.tear_down(log)
    }

    fn tear_down(&self, log: &mut CallLog) -> Result<(), Failure> {
        let attachment = &self.request.attachment;
        tear_down_within(self.node, attachment, log, |known| {
            self.addresses.release(attachment, known)
        })
    }

    fn note(&self, stage: Stage) -> Result<(), Failure> {
        let note = Note {
            attachment: self.request.attachment.clone(),
            netns: self.request.netns.clone().into(),
            stage,
        };
        self.node
            .attachments
            .write(&note)
            .map_err(failures::attachments)
    }

    /// The steps that make something; any of them may fail, and then all are undone.
    fn wire_up(
        &self,
        endpoints: &Endpoints<'_>,
        means: Means,
        log: &mut CallLog,
    ) -> Result<Reply, Error> {
        let named = self.name(endpoints)?;
        log.timeline.mark("claim");
        let (ready, made) = self.prepare_beside(endpoints, means.template, &named, log);
        let (planned, pair) = made?;
        let ready = ready?;
        host::join(self.node, means.ensured.as_ref(), &planned.outcome, log)?;
        let endpoint = self.endpoint(&named, &planned, &pair)?;
        let attached = endpoints.attach_first(named.claim, ready, &endpoint, &mut log.timeline);
        let attached = attached.map_err(failures::lifecycle("attach the pod's programs"))?;
        attached
            .notices
            .into_iter()
            .for_each(|notice| log.notice(notice));
        self.know_namespace(endpoints, endpoint.id)?;
        open_ports(endpoints, &endpoint, log)?;
        // Only now: no packet passes before there is a program to judge it.
        self.wire
            .bring_up(&pair, &planned.plan, &self.bandwidth)
            .map_err(failures::net("bring the pod's link up"))?;
        log.timeline.mark("up");
        self.note(Stage::Wired(Wired {
            endpoint: endpoint.id,
            addresses: planned.plan.addresses,
            result: planned.outcome.encode(Version::NEWEST)?,
            condemned: false,
        }))?;
        log.timeline.mark("note");
        Ok(planned.reply)
    }

    /// Takes addresses and makes the pair, and has the programs prepared meanwhile, which need neither.
    fn prepare_beside(
        &self,
        endpoints: &Endpoints<'_>,
        template: Obtained,
        named: &Named,
        log: &mut CallLog,
    ) -> (Result<Ready, Failure>, Result<(Planned, Pair), Error>) {
        let id = named.claim.id();
        let mut aside = Timeline::default();
        let both = beside(
            || {
                let ready = endpoints.prepare(template, id, &mut aside);
                ready.map_err(failures::lifecycle("prepare the pod's programs"))
            },
            || {
                let planned = self.plan()?;
                log.timeline.mark("addresses");
                let pair = self.create_pair(id, &planned)?;
                log.timeline.mark("pair");
                Ok((planned, pair))
            },
        );
        log.timeline.join(aside, "prepare");
        both
    }

    /// Who the endpoint is.
    fn name(&self, endpoints: &Endpoints<'_>) -> Result<Named, Failure> {
        let labels = labels::of(self.request)?;
        let identities = Identities::open(&self.node.settings.paths.state_dir);
        let identity = identities.and_then(|identities| identities.acquire(&labels));
        let claim = endpoints.claim();
        Ok(Named {
            identity: identity.map_err(failures::identity)?,
            claim: claim.map_err(failures::lifecycle("claim an id for the endpoint"))?,
            labels,
        })
    }

    /// What it gets.
    fn plan(&self) -> Result<Planned, Error> {
        let request = self.request;
        let given = self.addresses.reserve(&request.attachment)?;
        self.has_addresses.set(true);
        let plan = Plan::new(&given, self.mtu).map_err(failures::plan)?;
        let host_name = request.attachment.host_name();
        let macs = Macs {
            host: mac::of(&host_name, End::Host),
            pod: request
                .conf
                .wishes
                .mac
                .unwrap_or_else(|| mac::of(&host_name, End::Pod)),
        };
        let outcome = answer::outcome(request, given, macs, self.mtu);
        // Now, while nothing is made that the oldest versions cannot tell of.
        let reply = Reply::result(&outcome, request.conf.common.version)?;
        Ok(Planned {
            plan,
            macs,
            outcome,
            reply,
        })
    }

    fn create_pair(&self, id: EndpointId, planned: &Planned) -> Result<Pair, Failure> {
        let attachment = &self.request.attachment;
        let spec = PairSpec {
            host_name: &attachment.host_name(),
            host_mac: planned.macs.host,
            alias: &attachment.alias(id),
            pod_name: attachment.ifname.as_str(),
            pod_mac: planned.macs.pod,
            mtu: self.mtu,
            has_ipv6: planned.plan.has_ipv6(),
        };
        self.wire
            .create_pair(&spec)
            .map_err(failures::net("make the pod's link"))
    }

    fn endpoint(&self, named: &Named, planned: &Planned, pair: &Pair) -> Result<Endpoint, Failure> {
        let (request, attachment) = (self.request, &self.request.attachment);
        Ok(Endpoint {
            id: named.claim.id(),
            container_id: attachment.container.to_string(),
            container_name: labels::container_name(&request.arguments).to_owned(),
            ifname: attachment.ifname.to_string(),
            host_ifname: pair.host_name.clone(),
            host_ifindex: pair.host_ifindex,
            mac: planned.macs.pod,
            host_mac: planned.macs.host,
            ipv4: answer::only_ipv4(&planned.plan.addresses)?,
            ipv6: answer::only_ipv6(&planned.plan.addresses)?,
            identity: named.identity,
            labels: named.labels.clone(),
            options: self.node.settings.endpoint.options.clone(),
            verdict_log_filter: 0,
            masquerade: request.conf.ip_masq,
            host_ports: ports::host_ports(
                &request.conf.runtime.port_mappings,
                &planned.plan.addresses,
            )?,
            pod: labels::pod(&request.arguments),
            bandwidth: self.bandwidth,
            network: NetworkIds {
                network_id: attachment.network.to_string(),
                attachment_id: String::new(),
            },
        })
    }

    /// The pod's sockets are to reach host ports, also those that come after it.
    fn know_namespace(&self, endpoints: &Endpoints<'_>, id: EndpointId) -> Result<(), Failure> {
        const WHAT: &str = "tell whose the pod's network namespace is";
        let cookie = self.wire.within(NetnsCookie::here);
        let cookie = cookie.map_err(failures::net(WHAT))?;
        let cookie = cookie.map_err(|error| failures::sockets(WHAT, error))?;
        let known = endpoints.know_namespace(id, cookie);
        known.map_err(failures::lifecycle(WHAT))
    }

    fn undo(&self, error: Error, log: &mut CallLog) -> Result<Reply, Error> {
        log.timeline.mark("failed");
        let attachment = &self.request.attachment;
        let undone = tear_down_within(self.node, attachment, log, |known| {
            let released = self.addresses.release(attachment, known);
            // A delegate that could not give addresses takes none back, and fails at that for the same reason.
            if self.has_addresses.get() || self.addresses.are_ours() {
                released
            } else {
                Ok(())
            }
        });
        log.timeline.mark("undo");
        match undone {
            Ok(()) => Err(error),
            Err(undo) => Err(Failure::new(Kind::UndoFailed, error.message())
                .source(undo)
                .advice("what is left goes with the DEL of this container")
                .into()),
        }
    }
}

/// Behind the programs, which are what packets to a port of the node meet.
fn open_ports(
    endpoints: &Endpoints<'_>,
    endpoint: &Endpoint,
    log: &mut CallLog,
) -> Result<(), Failure> {
    if endpoint.host_ports.is_empty() {
        return Ok(());
    }
    let opened = endpoints.open_host_ports(endpoint);
    opened.map_err(failures::lifecycle("open the pod's ports of the node"))?;
    ports::tell_of_listeners(&endpoint.host_ports, log);
    log.timeline.mark("ports");
    Ok(())
}
