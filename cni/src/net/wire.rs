//! The wiring of one pod, step by step.
//!
//! [`Wire::create_pair`] leaves both ends down, and [`Wire::adjust`] sets how they work. The caller attaches the
//! programs to the host end then, so that no packet passes unpoliced, and [`Wire::bring_up`] does the rest. Whatever fails, removing the host
//! end undoes all of it, but for the forwarding that the host was set to.

use std::cell::OnceCell;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use ep_builder::endpoint::{Bandwidth, Limit};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL};
use nix::errno::Errno;

use super::error::{NetError, Place, Task};
use super::host::{HostSide, find, find_request};
use super::link::{self, Link};
use super::netns::Netns;
use super::pair::{Pair, PairSpec};
use super::plan::Plan;
use super::route;
use super::settings::{self, ROOT};
use super::shaping;
use super::socket::{Request, Socket};

/// Sockets on the host and in one pod.
pub(crate) struct Wire<'a> {
    host: HostSide,
    netns: &'a Netns,
    pod: OnceCell<Socket>,
}

impl<'a> Wire<'a> {
    /// Opens the host's side; the pod is visited when the first step needs it.
    pub(crate) fn open(netns: &'a Netns) -> Result<Self, NetError> {
        Ok(Self {
            host: HostSide::open()?,
            netns,
            pod: OnceCell::new(),
        })
    }

    /// The host's side.
    pub(crate) fn host(&self) -> &HostSide {
        &self.host
    }

    /// The link of this name in the pod.
    pub(crate) fn pod_link(&self, name: &str) -> Result<Option<Link>, NetError> {
        find(self.pod()?, name)
    }

    /// Makes the pair, down on both ends, with the owner's mark on the host end.
    pub(crate) fn create_pair(&self, spec: &PairSpec<'_>) -> Result<Pair, NetError> {
        let request = Request {
            task: Task::CreatePair,
            link: spec.host_name.to_owned(),
            // With ECHO the kernel tells the numbers of both ends; before 6.2 it keeps them to itself.
            flags: NLM_F_CREATE | NLM_F_EXCL | NLM_F_ECHO,
            message: link::pair(spec, self.netns.as_fd().as_raw_fd()),
        };
        let socket = &self.host.socket;
        let made = socket.demand(vec![request]);
        let made = made.map_err(|error| self.whose_name(spec, error))?;
        let host = match made.iter().flatten().find_map(Link::read) {
            Some(link) => Some(link),
            None => self.host.find(spec.host_name)?,
        };
        let (Some(host_ifindex), Some(pod_ifindex)) = (
            host.as_ref().map(|l| l.index),
            host.as_ref().and_then(|l| l.peer),
        ) else {
            return Err(vanished(spec.host_name));
        };
        // A link with an MTU too small for IPv6 has no such settings, nor has a kernel without IPv6.
        let settings = Path::new(ROOT).join("ipv6/conf").join(spec.host_name);
        let is_silent = !spec.has_ipv6 && settings.exists();
        let request = Request {
            task: Task::MarkLink,
            link: spec.host_name.to_owned(),
            flags: 0,
            message: link::mark(host_ifindex, spec.alias, is_silent),
        };
        socket.demand(vec![request])?;
        Ok(Pair {
            host_name: spec.host_name.to_owned(),
            host_ifindex,
            pod_name: spec.pod_name.to_owned(),
            pod_ifindex,
        })
    }

    /// Sets how the kernel is to treat packets of both ends, which are still down, and that the host forwards.
    pub(crate) fn adjust(&self, pair: &Pair, plan: &Plan) -> Result<(), NetError> {
        let root = Path::new(ROOT);
        let settings = settings::of_pod(&pair.pod_name, plan.has_ipv6());
        self.visit(|| settings::apply(root, &settings))?;
        settings::forward(root, plan.has_ipv4(), plan.has_ipv6())?;
        let settings = settings::of_host_end(&pair.host_name, plan.has_ipv6());
        settings::apply(root, &settings)
    }

    /// Sets the pair up, with the pod's addresses and the routes on both sides, and with the limits of its rates
    /// before that: no packet passes that they do not count.
    ///
    /// The host end first: the pod end finds its carrier then, and IPv6 needs no second turn.
    pub(crate) fn bring_up(
        &self,
        pair: &Pair,
        plan: &Plan,
        bandwidth: &Bandwidth,
    ) -> Result<(), NetError> {
        self.host
            .socket
            .demand(host_requests(pair, plan, bandwidth.ingress))?;
        let requests = pod_requests(pair, plan, bandwidth.egress);
        let offers = pod_offers(plan, requests.len());
        let answers = self.pod()?.ask(requests)?;
        for (answer, is_offer) in answers.into_iter().zip(offers) {
            match answer {
                Err(NetError::Kernel {
                    source: Errno::EEXIST,
                    ..
                }) if is_offer => {}
                other => {
                    other?;
                }
            }
        }
        // The host end got its carrier from the pod end, and sends nothing until a worker of the kernel has
        // seen to it; a reply of the datapath would be lost, and asked for again only a second later. To be
        // asked about the link makes the kernel see to it at once (`linkwatch_sync_dev`, Linux 6.8).
        self.host.find(&pair.host_name)?;
        Ok(())
    }

    /// The pod's socket; opened by the first who needs it.
    pub(super) fn pod(&self) -> Result<&Socket, NetError> {
        match self.pod.get() {
            Some(socket) => Ok(socket),
            None => self.visit(|| Ok(())),
        }
    }

    /// Does something in the pod's namespace.
    pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> Result<T, NetError> {
        self.netns.within(work)
    }

    /// Visits the pod: opens the socket there, if it is not open, and does something more.
    fn visit(&self, work: impl FnOnce() -> Result<(), NetError>) -> Result<&Socket, NetError> {
        let opened = self.netns.within(|| -> Result<Option<Socket>, NetError> {
            work()?;
            let is_open = self.pod.get().is_some();
            let open = || Socket::open(Place::Pod);
            (!is_open).then(open).transpose()
        })??;
        let Some(socket) = opened else {
            return self.pod();
        };
        Ok(self.pod.get_or_init(|| socket))
    }

    /// The kernel says the same whichever end's name is taken.
    fn whose_name(&self, spec: &PairSpec<'_>, error: NetError) -> NetError {
        let is_taken = matches!(
            error,
            NetError::Kernel {
                source: Errno::EEXIST,
                ..
            }
        );
        if !is_taken {
            return error;
        }
        match self.host.find(spec.host_name) {
            Ok(Some(link)) => return NetError::HostLinkExists(Box::new(link)),
            Ok(None) => {}
            Err(other) => return other,
        }
        match self.pod_link(spec.pod_name) {
            Ok(Some(_)) => NetError::PodLinkExists(spec.pod_name.to_owned()),
            Ok(None) => error,
            Err(other) => other,
        }
    }
}

fn host_requests(pair: &Pair, plan: &Plan, limit: Option<Limit>) -> Vec<Request> {
    let (link, index) = (pair.host_name.as_str(), pair.host_ifindex);
    let up = Request {
        task: Task::RaiseLink,
        link: link.to_owned(),
        flags: 0,
        message: link::raise(index),
    };
    let routes = plan
        .addresses
        .iter()
        .map(|address| route::add_host_route(link, index, *address));
    let limit = limit.map(|limit| shaping::bound(link, index, limit));
    limit.into_iter().chain([up]).chain(routes).collect()
}

fn pod_requests(pair: &Pair, plan: &Plan, limit: Option<Limit>) -> Vec<Request> {
    let (link, index) = (pair.pod_name.as_str(), pair.pod_ifindex);
    let up = Request {
        task: Task::RaiseLink,
        link: link.to_owned(),
        flags: 0,
        message: link::raise_in_pod(index),
    };
    let addresses = plan
        .addresses
        .iter()
        .map(|address| route::add_address(link, index, *address));
    let routes = plan
        .routes
        .iter()
        .map(|planned| route::add_pod_route(link, index, planned));
    let limit = limit.map(|limit| shaping::bound(link, index, limit));
    let first = limit.into_iter().chain([up]);
    first.chain(addresses).chain(routes).collect()
}

/// Which of so many [`pod_requests`], whose last ones are routes, may find their work done.
fn pod_offers(plan: &Plan, requests: usize) -> impl Iterator<Item = bool> + use<'_> {
    let firm = std::iter::repeat_n(false, requests.saturating_sub(plan.routes.len()));
    firm.chain(plan.routes.iter().map(|planned| planned.is_offer))
}

fn vanished(name: &str) -> NetError {
    let request = find_request(name.to_owned(), link::by_name(name));
    NetError::Kernel {
        task: request.task,
        link: request.link,
        place: Place::Host,
        detail: "it was gone as soon as it was made".to_owned(),
        source: Errno::ENODEV,
    }
}
