//! Looks at the node. Changes nothing, and what cannot be looked at hides nothing else.

use std::collections::BTreeMap;
use std::fs;

use ep_builder::attach::Rtnl;
use ep_builder::beside::beside;
use ep_builder::bpf::Program as KernelProgram;
use ep_builder::device::DeviceKind;
use ep_builder::digest::hex;
use ep_builder::endpoint::EndpointId;
use ep_builder::load::Owner;
use ep_builder::maps::{MapName, Maps, MapsError, ProgramsMap};
use ep_builder::node::{self, DeviceStatus, HookStatus};
use ep_builder::state::Entry;
use ep_builder::whole_file::is_absent;

use super::hooks::{Place, look};
use super::scene::{
    Allowed, Called, Device, Endpoint, Hook, Map, Policy, Program, Scene, Side, Slot, Stand, Tails,
};
use crate::endpoint::Row as EndpointRow;
use crate::failure::Failure;
use crate::map::{Row as MapRow, maps};
use crate::node::{Node, record};
use crate::policy::reach::{Relations, read, rows};
use crate::policy::show::{between, traffic};
use crate::status::{Drops, Unseen, drops, fills_up, problem};

/// Collects parts, and what could not be seen.
struct Gatherer<'a> {
    node: &'a Node,
    maps: Maps,
    unseen: Vec<Unseen>,
    /// Program arrays by their numbers: endpoints of a template share one.
    tails: BTreeMap<u32, Tails>,
}

/// Looks at everything.
pub(super) fn gather(node: &Node) -> Scene {
    let mut gatherer = Gatherer {
        node,
        maps: maps(node),
        unseen: Vec::new(),
        tails: BTreeMap::new(),
    };
    let (maps, drops) = beside(|| map_list(&gatherer.maps), || drops(node, &gatherer.maps));
    let maps = gatherer.part("maps", maps);
    let drops: Drops = gatherer.part("drops", drops);
    let endpoints = gatherer.endpoints();
    let (devices, sockets) = gatherer.own_part();
    let policy = policy(node);
    let policy = gatherer.part("policy", policy);
    let mut scene = Scene {
        schema: Scene::SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        host: kernel_says("hostname"),
        kernel: kernel_says("osrelease"),
        names: endpoints.iter().map(|it| (it.row.id, it.name())).collect(),
        endpoints,
        devices,
        sockets,
        tails: gatherer.tails.into_values().collect(),
        programs: BTreeMap::new(),
        maps,
        policy,
        drops,
        unseen: gatherer.unseen,
    };
    scene.programs = programs(&scene);
    scene
}

fn kernel_says(what: &str) -> String {
    let text = fs::read_to_string(format!("/proc/sys/kernel/{what}"));
    text.unwrap_or_default().trim().to_owned()
}

impl Gatherer<'_> {
    fn part<T: Default>(&mut self, part: &'static str, looked: Result<T, Failure>) -> T {
        looked.unwrap_or_else(|failure| {
            let why = failure.text();
            self.unseen.push(Unseen { part, why });
            T::default()
        })
    }

    fn endpoints(&mut self) -> Vec<Endpoint> {
        // Nobody has made an endpoint here, and looking makes no folder.
        if is_absent(&self.node.settings.paths.state_dir) {
            return Vec::new();
        }
        let listed = self.node.store().and_then(|store| Ok(store.list()?));
        let entries: Vec<Entry> = self.part("endpoints", listed);
        let called = called(&self.maps);
        let called = self.part("programs by endpoint", called.map_err(Failure::from));
        let rtnl = Rtnl::open().map_err(|error| Failure::Load(error.into()));
        let mut rtnl = match rtnl {
            Ok(rtnl) => Some(rtnl),
            Err(failure) => {
                self.part::<()>("hooks", Err(failure));
                None
            }
        };
        let mut endpoints = Vec::new();
        for entry in &entries {
            let Entry::Endpoint { id, status, .. } = entry else {
                continue;
            };
            let mut row = EndpointRow::new(*id, status, record(entry), &self.maps);
            row.problem = row.problem.or_else(|| problem(self.node, status));
            let place = row.host_ifname.clone().map(|device| Place {
                owner: Owner::Endpoint(*id),
                device,
            });
            let (hooks, tails) = match (&mut rtnl, place) {
                (Some(rtnl), Some(place)) => (
                    self.hooks_of(rtnl, &place),
                    self.tails_of(MapName::Calls(*id)),
                ),
                _ => (Vec::new(), None),
            };
            let called = called.get(id).cloned().unwrap_or_default();
            endpoints.push(Endpoint {
                row,
                hooks,
                tails,
                called,
            });
        }
        endpoints
    }

    fn hooks_of(&mut self, rtnl: &mut Rtnl, place: &Place) -> Vec<Hook> {
        let hooks = look(rtnl, &self.node.settings, place);
        self.part("hooks", hooks.map_err(|error| Failure::Load(error.into())))
    }

    /// The number of a program array. One that is not there is none.
    fn tails_of(&mut self, name: MapName) -> Option<u32> {
        let looked = match self.look_into(name) {
            Err(MapsError::Missing { .. }) => Ok(None),
            looked => looked.map_err(Failure::from),
        };
        self.part("tails", looked)
    }

    /// A program array is looked into once.
    fn look_into(&mut self, name: MapName) -> Result<Option<u32>, MapsError> {
        let id = self.maps.facts(name)?.id;
        if !self.tails.contains_key(&id) {
            let array = match name {
                MapName::Calls(id) => self.maps.calls(id),
                MapName::DeviceCalls(id) => self.maps.device_calls(id),
                _ => return Ok(None),
            };
            let filled = array?.filled()?;
            let slots = filled
                .into_iter()
                .map(|(slot, program)| Slot { slot, program });
            let tails = Tails {
                map: id,
                name: self.maps.name(name),
                slots: slots.collect(),
            };
            self.tails.insert(id, tails);
        }
        Ok(Some(id))
    }

    /// The devices of the node, and the hooks of sockets.
    fn own_part(&mut self) -> (Vec<Device>, Vec<Hook>) {
        let settings = &self.node.settings;
        let status = match node::recorded(settings) {
            // It was never set up.
            Ok(None) => return (Vec::new(), Vec::new()),
            Ok(Some(_)) => node::status(settings),
            Err(error) => Err(error),
        };
        let status = match status {
            Ok(status) => status,
            Err(error) => {
                self.part::<()>("node", Err(error.into()));
                return (Vec::new(), Vec::new());
            }
        };
        let sockets = status.sockets.iter().map(of_sockets).collect();
        let mut rtnl = match Rtnl::open() {
            Ok(rtnl) => rtnl,
            Err(error) => {
                self.part::<()>("node", Err(Failure::Load(error.into())));
                return (Vec::new(), sockets);
            }
        };
        let devices = status.devices.iter();
        let devices = devices.map(|it| self.device(&mut rtnl, it)).collect();
        (devices, sockets)
    }

    fn device(&mut self, rtnl: &mut Rtnl, status: &DeviceStatus) -> Device {
        let facts = &status.facts;
        let place = Place {
            owner: Owner::Device(facts.id()),
            device: facts.name.clone(),
        };
        let ipv4 = facts.ipv4_masquerade.map(Into::into);
        let ipv6 = facts.ipv6_masquerade.map(Into::into);
        Device {
            name: facts.name.clone(),
            ifindex: facts.ifindex,
            kind: match facts.kind {
                DeviceKind::Native => "native",
                DeviceKind::Host => "host",
            },
            masquerade: ipv4.into_iter().chain(ipv6).collect(),
            hooks: self.hooks_of(rtnl, &place),
            tails: self.tails_of(MapName::DeviceCalls(facts.id())),
        }
    }
}

fn of_sockets(status: &HookStatus) -> Hook {
    let stand = status.id.map(|id| Stand {
        ours: true,
        kind: "cgroup".to_owned(),
        priority: None,
        program: Some(id),
        note: String::new(),
    });
    Hook {
        section: status.section.clone(),
        direction: "cgroup".to_owned(),
        standing: stand.into_iter().collect(),
    }
}

/// What others call by an endpoint's number.
fn called(maps: &Maps) -> Result<BTreeMap<EndpointId, Vec<Called>>, MapsError> {
    let mut called = BTreeMap::<_, Vec<_>>::new();
    let arrays: [(MapName, Result<ProgramsMap, MapsError>); 2] = [
        (MapName::CallPolicy, maps.call_policy()),
        (MapName::Verdict, maps.verdicts()),
    ];
    for (name, array) in arrays {
        let filled = match array {
            Ok(array) => array.filled()?,
            // It is made with the first endpoint.
            Err(MapsError::Missing { .. }) => continue,
            Err(error) => return Err(error),
        };
        for (place, program) in filled {
            let id = u16::try_from(place)
                .ok()
                .and_then(|id| EndpointId::new(id).ok());
            let map = maps.name(name);
            if let Some(id) = id {
                called.entry(id).or_default().push(Called { map, program });
            }
        }
    }
    Ok(called)
}

fn map_list(maps: &Maps) -> Result<Vec<Map>, Failure> {
    let mut all = Vec::new();
    for name in maps.list()? {
        match MapRow::of(maps, name) {
            Ok(row) => all.push(map(name, row)),
            // Gone since the folder was read: an endpoint was detached.
            Err(MapsError::Missing { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(all)
}

fn map(name: MapName, row: MapRow) -> Map {
    let max_entries = u64::from(row.max_entries);
    let entries = row.entries.map(|entries| entries as u64);
    let percent = entries.filter(|_| fills_up(name));
    Map {
        id: row.id,
        name: row.name,
        kind: row.map_type,
        entries,
        max_entries,
        percent: percent.map(|entries| entries.saturating_mul(100) / max_entries.max(1)),
        endpoint: match name {
            MapName::Policy(id) | MapName::Calls(id) => Some(id),
            MapName::Conntrack(map) => map.owner,
            _ => None,
        },
    }
}

/// What passes because a rule says so: `weir policy show` tells the rest, and which rule.
fn policy(node: &Node) -> Result<Policy, Failure> {
    // Nobody has made an endpoint here, and looking makes no folder.
    if is_absent(&node.settings.paths.state_dir) {
        return Ok(Policy::default());
    }
    let relations = read(node, &[])?;
    Ok(Policy {
        allowed: allowed(&relations),
        revision: relations.revision,
    })
}

pub(super) fn allowed(relations: &Relations) -> Vec<Allowed> {
    let mut allowed = Vec::new();
    for row in rows(relations) {
        let what = relations.whats.get(row.what);
        let Some(what) = what.filter(|what| !what.rules.is_empty()) else {
            continue;
        };
        let parts = relations.meeting(&row).into_iter();
        allowed.extend(parts.map(|[from, to]| Allowed {
            from: side(relations, &from),
            to: side(relations, &to),
            traffic: traffic(what),
            only: between(what),
        }));
    }
    allowed
}

fn side(relations: &Relations, places: &[usize]) -> Side {
    let (pods, others): (Vec<usize>, Vec<usize>) =
        places.iter().partition(|place| relations.is_pod(**place));
    let actors = pods.iter().filter_map(|place| relations.actors.get(*place));
    let endpoints = actors.flat_map(|actor| actor.endpoints.iter().copied());
    let mut endpoints: Vec<_> = endpoints.collect();
    endpoints.sort_unstable();
    Side {
        endpoints,
        others: relations.each(&others),
    }
}

/// One that is gone since has no facts.
fn programs(scene: &Scene) -> BTreeMap<u32, Program> {
    let shown = |id: &u32| scene.maps.iter().any(|map| map.id == *id);
    let facts = |id: u32| {
        let info = KernelProgram::open_id(id).and_then(|it| it.info()).ok()?;
        let program = Program {
            name: info.name,
            tag: hex(&info.tag),
            verified_instructions: info.verified_instructions,
            bytes: info.compiled_bytes,
            maps: info.map_ids.into_iter().filter(shown).collect(),
        };
        Some((id, program))
    };
    scene.standing().into_iter().filter_map(facts).collect()
}
