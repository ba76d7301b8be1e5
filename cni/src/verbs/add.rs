//! ADD: wires a pod, or leaves nothing behind.

mod begin;
mod means;

use std::cell::Cell;
use std::sync::atomic::AtomicBool;

use begin::{Begun, Named};
use ep_builder::beside::{beside, keep_helper};
use ep_builder::builder::Obtained;
use ep_builder::endpoint::{Bandwidth, Endpoint, EndpointId, NetworkIds};
use ep_builder::lifecycle::{Endpoints, Ready};
use ep_builder::sock::NetnsCookie;
use ep_builder::timeline::Timeline;
use means::{AtHand, Means};

use super::addresses::Addresses;
use super::mac::{self, End, Macs};
use super::node::Node;
use super::teardown::tear_down_within;
use super::{answer, failures, host, labels, ports};
use crate::attachments::{Note, Stage, Wired};
use crate::error::{Error, Failure, Kind};
use crate::heap::find_pages;
use crate::log::CallLog;
use crate::net::{Pair, PairSpec, Plan, Wire};
use crate::reply::Reply;
use crate::request::{Add, Environment};
use crate::result::Outcome;
use crate::version::Version;

/// What the helper takes of its heap, most of it for the template and the object that is made of it.
const MEMORY_BESIDE: usize = 512 << 10;

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
    keep_helper(|| find_pages(MEMORY_BESIDE));
    let node = Node::open(request.conf.common.settings.as_deref(), log)?;
    answer::refuse_reserved(request, &node.store.layout().health_netns())?;
    let (mut aside, mut netns, accepted) = (Timeline::default(), None, AtomicBool::new(false));
    let (at_hand, begun) = beside(
        || AtHand::look(&node, &request.conf, &accepted, &mut aside),
        || Begun::at(request, environment, &node, &mut netns, &accepted, log),
    );
    log.timeline.join(aside, "template");
    let Begun {
        wiring,
        named,
        _lock,
    } = begun?;
    // What has to be compiled is, before an address is taken or a link is made.
    let complete = |named| {
        Ok((
            named,
            at_hand?.complete(&node, &request.conf, &mut log.timeline)?,
        ))
    };
    match named.and_then(complete) {
        Ok((named, (builder, means))) => {
            let endpoints = Endpoints::new(&builder, &node.store);
            let wired = wiring.wire_up(&endpoints, means, named, log);
            wired.or_else(|error| wiring.undo(error, log))
        }
        Err(failure) => Err(wiring.unbegin(failure)),
    }
}

impl Wiring<'_> {
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
        named: Named,
        log: &mut CallLog,
    ) -> Result<Reply, Error> {
        let (ready, made) = self.prepare_beside(endpoints, means.template, &named, log);
        // Where there is no place for maps, both halves say so, and this one says what to do.
        let ready = ready?;
        let (planned, pair) = made?;
        host::join(self.node, means.ensured.as_ref(), &planned.outcome, log)?;
        let endpoint = self.endpoint(&named, &planned, &pair)?;
        let attached = endpoints.attach_first(named.claim, ready, &endpoint, &mut log.timeline);
        let attached = attached.map_err(failures::lifecycle("attach the pod's programs"))?;
        attached
            .notices
            .into_iter()
            .for_each(|notice| log.notice(notice));
        // Behind the record, which leads a DEL to the entry.
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
                self.wire
                    .adjust(&pair, &planned.plan)
                    .map_err(failures::net("set how the pod's link works"))?;
                log.timeline.mark("settings");
                Ok((planned, pair))
            },
        );
        log.timeline.join(aside, "prepare");
        both
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

    /// Nothing of the pod was made, but a note.
    fn unbegin(&self, failure: Failure) -> Error {
        match self.node.attachments.remove(&self.request.attachment) {
            Ok(()) => failure.into(),
            Err(left) => undo_failed(&failure.into(), left),
        }
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
            Err(undo) => Err(undo_failed(&error, undo)),
        }
    }
}

/// An ADD that failed, and left something that could not be taken back for the other reason.
fn undo_failed(error: &Error, left: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Failure::new(Kind::UndoFailed, error.message())
        .source(left)
        .advice("what is left goes with the DEL of this container")
        .into()
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
