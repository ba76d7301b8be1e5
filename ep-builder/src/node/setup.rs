//! The work of a setup, step by step, in an order that is safe to stop after each.
//!
//! What is intended is on disk before anything is made. The node's own device comes first, down: its object brings
//! the maps, which are filled before a program of a device that leads outside reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use nix::errno::Errno;

use super::addresses::Hints;
use super::cleanup::{self, Rest};
use super::ensure::{Need, Thoroughness};
use super::error::{NodeError, Task};
use super::glance::refuse_others;
use super::kernel;
use super::links::Link;
use super::network::Network;
use super::networks;
use super::pair;
use super::plan::{Facts, Plan};
use super::policy;
use super::programs;
use super::record::{DeviceRecord, Folder, NodeAddress, Record, Stage, Wanted, pins_in};
use crate::builder::Builder;
use crate::device::{DeviceFacts, DeviceKind};
use crate::endpoint::MacAddr;
use crate::error::chain;
use crate::key::TemplateKey;
use crate::maps::Maps;
use crate::policy::Enforcement;
use crate::settings::Settings;
use crate::sock;
use crate::state::Store;
use crate::timeline::Timeline;

/// A setup under way, by the one process that has the lock.
pub(super) struct Setup<'a> {
    builder: &'a Builder,
    settings: &'a Settings,
    folder: &'a Folder,
    network: Network,
    /// The devices that have their programs.
    in_force: Vec<DeviceRecord>,
    /// Whether there were pods when the node's part was taken away last.
    serves_pods: bool,
    notices: Vec<String>,
}

impl<'a> Setup<'a> {
    /// Begins; changes nothing yet.
    pub(super) fn new(builder: &'a Builder, folder: &'a Folder, network: Network) -> Self {
        Self {
            builder,
            settings: builder.settings(),
            folder,
            network,
            in_force: Vec::new(),
            serves_pods: false,
            notices: Vec::new(),
        }
    }

    /// What the operator should know.
    pub(super) fn into_notices(self) -> Vec<String> {
        self.notices
    }

    /// Makes what should be there. If that fails on a node where nothing was, nothing is left; where something
    /// was, it goes on, and the next setup tries again.
    pub(super) fn run(
        &mut self,
        record: Option<Record>,
        need: Need,
        timeline: &mut Timeline,
    ) -> Result<Record, NodeError> {
        let facts = self.facts()?;
        refuse_others(self.settings, &facts.links)?;
        let is_bare = record.as_ref().is_none_or(|it| it.state == Stage::Cleaned);
        let is_first = is_bare && !facts.links.iter().any(pair::is_ours);
        let known = record.as_ref().map_or(&[][..], |it| &it.devices);
        // After one that was cut short nobody knows which generation a device has.
        let is_whole = record.as_ref().is_some_and(|it| it.state == Stage::Ready);
        if is_whole && need.thoroughness == Thoroughness::Glance {
            self.in_force = known.to_vec();
        }
        self.serves_pods = is_bare && record.is_some();
        let mut plan = Plan::new(self.settings, &facts, known);
        for native in &mut plan.natives {
            let index = native.facts.ifindex;
            if known.iter().all(|it| it.facts.ifindex != index) {
                native.had_clsact = programs::stands_on_clsact_of_others(index)?;
            }
        }
        self.notices.extend(plan.notices.iter().cloned());
        let made = self
            .intend(record, &plan, need.sockets)
            .and_then(|record| self.make(record, plan, timeline));
        match made {
            Err(error) if is_first => Err(self.undo(error)),
            made => made,
        }
    }

    fn make(
        &mut self,
        mut record: Record,
        plan: Plan,
        timeline: &mut Timeline,
    ) -> Result<Record, NodeError> {
        timeline.mark("plan");
        kernel::apply(Path::new(kernel::ROOT), &record.settings)?;
        let host = self.own_pair(plan.mtu)?;
        timeline.mark("pair");
        self.leave(&record.devices, &host, &plan.natives)?;
        policy::resize(self.settings)?;
        let mut devices = vec![self.install(host, timeline)?];
        record.addresses = self.join(&record, &devices)?;
        self.fill(&record)?;
        timeline.mark("addresses");
        for native in plan.natives {
            devices.push(self.install(native, timeline)?);
        }
        if record.sockets {
            record.sockets_template = self.meet_sockets(timeline)?;
        }
        record.devices = devices;
        record.wanted = Wanted::of(self.settings);
        record.state = Stage::Ready;
        self.folder.write(&record)?;
        timeline.mark("record");
        Ok(record)
    }

    fn facts(&mut self) -> Result<Facts, NodeError> {
        Ok(Facts {
            links: self.network.links()?,
            addresses: self.network.addresses()?,
            routes: self.network.default_routes()?,
        })
    }

    /// Writes what is about to be done: every device that will have programs, and what settings are now.
    fn intend(
        &self,
        record: Option<Record>,
        plan: &Plan,
        needs_sockets: bool,
    ) -> Result<Record, NodeError> {
        let pins = || pins_in(&self.settings.paths.bpffs_dir);
        let mut record = record.unwrap_or_else(|| Record::new(self.settings, pins()));
        if record.state == Stage::Cleaned {
            record.pins_before = pins();
        }
        let node = &self.settings.node;
        let changes = kernel::needed(Path::new(kernel::ROOT), [node.ipv4, node.ipv6]);
        record.remember(&changes);
        record.state = Stage::Begun;
        record.sockets |= needs_sockets;
        for native in &plan.natives {
            let index = native.facts.ifindex;
            if record.devices.iter().all(|it| it.facts.ifindex != index) {
                record.devices.push(native.clone());
            }
        }
        self.folder.write(&record)?;
        Ok(record)
    }

    /// Makes the pair, or what is missing of it.
    fn own_pair(&mut self, mtu: u32) -> Result<DeviceRecord, NodeError> {
        if self.network.link(pair::HOST)?.is_none() {
            self.network.create_pair(mtu)?;
        }
        let root = Path::new(kernel::ROOT);
        let has_ipv6 = self.settings.node.ipv6 && kernel::has_ipv6(root);
        for name in [pair::NET, pair::HOST] {
            let link = end(&mut self.network, name)?;
            if link.mtu != mtu {
                self.network.set_mtu(&link, mtu)?;
            }
            if has_ipv6 {
                kernel::allow_ipv6(root, name)?;
            }
            self.network
                .finish(&link, &self.settings.node.map_prefix, has_ipv6)?;
        }
        let host = end(&mut self.network, pair::HOST)?;
        Ok(DeviceRecord {
            facts: DeviceFacts {
                name: host.name,
                ifindex: host.index,
                mac: host.mac.unwrap_or(MacAddr([0; 6])),
                kind: DeviceKind::Host,
                ipv4_masquerade: None,
                ipv6_masquerade: None,
                has_ethernet: true,
            },
            hints: [Hints::default(); 2],
            template: None,
            had_clsact: false,
        })
    }

    /// Gives the pair, which has its programs, what the networks of pods need; returns the node's addresses.
    fn join(
        &mut self,
        record: &Record,
        devices: &[DeviceRecord],
    ) -> Result<Vec<NodeAddress>, NodeError> {
        let (settings, network) = (self.settings, &mut self.network);
        let host = devices.first().map_or(0, |host| host.facts.ifindex);
        let networks = &record.networks;
        let addresses = networks::settle(settings, network, networks, host, &mut self.notices)?;
        for name in [pair::NET, pair::HOST] {
            let link = end(network, name)?;
            if !link.is_up {
                network.raise(&link)?;
            }
        }
        networks::route(settings, network, networks, host, &mut self.notices)?;
        Ok(addresses)
    }

    /// Puts programs on a device, in place of those that are there.
    fn install(
        &mut self,
        device: DeviceRecord,
        timeline: &mut Timeline,
    ) -> Result<DeviceRecord, NodeError> {
        let template = programs::template_at_hand(self.builder)?;
        let device = DeviceRecord { template, ..device };
        let is_in_force = template.is_some() && self.in_force.contains(&device);
        if is_in_force && programs::stand(self.settings, &device.facts)? {
            return Ok(device);
        }
        let installed = programs::install(self.builder, &device.facts, timeline)?;
        self.notices.extend(installed.notices);
        Ok(DeviceRecord {
            template: Some(installed.template),
            ..device
        })
    }

    /// Puts programs on the sockets of the node and its pods; returns their template.
    fn meet_sockets(&mut self, timeline: &mut Timeline) -> Result<Option<TemplateKey>, NodeError> {
        let met = sock::set_up(self.builder, timeline)?;
        self.notices.extend(met.notices);
        Ok(met.template)
    }

    /// Takes the programs from devices that lead outside no more, and the pins of those that are gone. Before any is
    /// put in force: another device may have the name of one of them by now.
    fn leave(
        &self,
        before: &[DeviceRecord],
        host: &DeviceRecord,
        natives: &[DeviceRecord],
    ) -> Result<(), NodeError> {
        let stays = |device: &DeviceRecord| {
            let mut now = natives.iter().chain([host]);
            now.any(|it| it.facts.ifindex == device.facts.ifindex)
        };
        for device in before.iter().filter(|it| !stays(it)) {
            programs::remove(self.settings, &device.facts, device.clsact())?;
        }
        Ok(())
    }

    /// Tells the programs the addresses of the node, where pods keep theirs, and what policy says of the node.
    fn fill(&self, record: &Record) -> Result<(), NodeError> {
        let settings = self.settings;
        let maps = Maps::new(&settings.paths.bpffs_dir, &settings.node.map_prefix);
        let addresses = record.addresses.iter();
        let addresses: BTreeMap<_, _> = addresses.map(|it| (it.address, it.ifindex)).collect();
        maps.node_addresses()?.replace(&addresses)?;
        let native: BTreeSet<_> = settings.host.native_cidrs.iter().copied().collect();
        maps.native_cidrs()?.replace(&native)?;
        let store = Store::open(&settings.paths.state_dir)?;
        Ok(Enforcement::new(settings, &store).install_node()?)
    }

    /// Takes away what a first setup has made.
    fn undo(&mut self, error: NodeError) -> NodeError {
        let rest = if self.serves_pods {
            Rest::WhatPodsNeed
        } else {
            Rest::Nothing
        };
        match cleanup::undo(self.settings, self.folder, &mut self.network, rest) {
            Ok(_) => error,
            Err(source) => NodeError::Undo {
                first: chain(&error),
                source: Box::new(source),
            },
        }
    }
}

/// An end of the pair.
fn end(network: &mut Network, name: &str) -> Result<Link, NodeError> {
    let link = network.link(name)?;
    link.ok_or_else(|| NodeError::Kernel {
        task: Task::FindLink(name.to_owned()),
        detail: "it was gone as soon as it was made".to_owned(),
        source: Errno::ENODEV,
    })
}
