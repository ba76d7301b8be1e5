//! The beginning of an ADD: the ground is clear, and the endpoint has a name. No link and no address is made.

use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use ep_builder::endpoint::Labels;
use ep_builder::identity::Identities;
use ep_builder::lifecycle;
use ep_builder::state::Claim;

use super::super::addresses::Addresses;
use super::super::node::Node;
use super::super::teardown::tear_down_within;
use super::super::{bandwidth, failures, labels};
use super::Wiring;
use crate::attachments::{Found, Lock, Note, Stage};
use crate::error::{Error, Failure, Kind};
use crate::heap::find_pages;
use crate::log::CallLog;
use crate::net::{Netns, Owner, Wire};
use crate::request::{Add, Environment};

/// What this thread takes of its heap.
const MEMORY: usize = 256 << 10;

/// Who the endpoint is. Dropped, it gives its id back.
pub(super) struct Named {
    pub(super) claim: Claim,
    pub(super) identity: u32,
    pub(super) labels: Labels,
}

/// An ADD that is begun.
pub(super) struct Begun<'a> {
    pub(super) wiring: Wiring<'a>,
    /// Who it is about, or why nobody; what was begun is to be undone then.
    pub(super) named: Result<Named, Failure>,
    /// Against other calls about the same.
    pub(super) _lock: Lock,
}

impl<'a> Begun<'a> {
    /// Sees to it that the pod can be wired, says on disk that it is going to be, and gives the endpoint its name.
    pub(super) fn at(
        request: &'a Add,
        environment: &'a Environment,
        node: &'a Node,
        netns: &'a mut Option<Netns>,
        accepted: &AtomicBool,
        log: &mut CallLog,
    ) -> Result<Self, Error> {
        // Here, because this half has less to do.
        find_pages(MEMORY);
        let found = Netns::open(Path::new(&request.netns), request.own_netns_is_fine);
        let netns = netns.insert(found.map_err(failures::net("use the pod's network namespace"))?);
        let lock = node.attachments.lock(&request.attachment);
        let lock = lock.map_err(failures::attachments)?;
        accepted.store(true, Ordering::Release);
        let wiring = Wiring::begin(request, environment, node, netns, log)?;
        wiring.clear_leftovers(log)?;
        log.timeline.mark("leftovers");
        wiring.note(Stage::Begun)?;
        let named = wiring.name();
        log.timeline.mark("claim");
        Ok(Self {
            wiring,
            named,
            _lock: lock,
        })
    }
}

impl<'a> Wiring<'a> {
    /// Opens what the steps need.
    fn begin(
        request: &'a Add,
        environment: &'a Environment,
        node: &'a Node,
        netns: &'a Netns,
        log: &mut CallLog,
    ) -> Result<Self, Error> {
        let wire = Wire::open(netns).map_err(failures::net("wire the pod"))?;
        let mtu = mtu(request, &wire)?;
        Ok(Self {
            request,
            node,
            addresses: Addresses::for_pod(node, request, environment),
            mtu,
            bandwidth: bandwidth::decided(&request.conf.runtime, mtu, log),
            wire,
            has_addresses: Cell::new(false),
        })
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

    /// Who the endpoint is.
    fn name(&self) -> Result<Named, Failure> {
        let labels = labels::of(self.request)?;
        let identities = Identities::open(&self.node.settings.paths.state_dir);
        let identity = identities.and_then(|identities| identities.acquire(&labels));
        let claim = lifecycle::claim(&self.node.settings, &self.node.store);
        Ok(Named {
            identity: identity.map_err(failures::identity)?,
            claim: claim.map_err(failures::lifecycle("claim an id for the endpoint"))?,
            labels,
        })
    }
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
