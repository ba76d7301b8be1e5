//! Whether the kernel still has what an endpoint's generation in force put there.

use std::net::IpAddr;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use super::host_ports::first_difference;
use super::introduce::addresses;
use super::running::{Placed, Running};
use super::{LifecycleError, target};
use crate::attach::{AttachError, Hook, Occupant, Rtnl, Standing, Suspect, listed};
use crate::endpoint::{Endpoint, EndpointId};
use crate::load::{LoadError, Target};
use crate::maps::{Lead, MapName, Maps, MapsError, NodePort};
use crate::settings::Settings;

/// The first thing that is not as it was left.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The host end of the pair.
    #[error("device {0}, the host end of the pair, is gone")]
    NoDevice(String),
    /// Another device has its name.
    #[error(
        "device {name} has number {found}, and endpoint {id} was attached to number {expected}"
    )]
    OtherDevice {
        /// The endpoint.
        id: EndpointId,
        /// The device's name.
        name: String,
        /// Its number now.
        found: u32,
        /// Its number then.
        expected: u32,
    },
    /// A hook without our program.
    #[error("{hook} is not on the {direction} of {device}, where there is {there}", direction = hook.direction(), there = or_nobody(instead))]
    NotAttached {
        /// The hook.
        hook: Hook,
        /// The device.
        device: String,
        /// Who is there.
        instead: Vec<Occupant>,
    },
    /// Somebody sees packets first, and may let them pass unjudged.
    #[error("{hook} is on the {direction} of {device} behind {who}, which is not ours", direction = hook.direction(), who = listed(before))]
    Preceded {
        /// The hook.
        hook: Hook,
        /// The device.
        device: String,
        /// Who is asked first.
        before: Vec<Occupant>,
    },
    /// A place of ours has a program that is not of the generation in force.
    #[error("{place} is {}, which was not loaded together with the endpoint's other programs", found.as_deref().map_or("a program that is gone".to_owned(), Suspect::to_string))]
    OtherProgram {
        /// The place, in words.
        place: String,
        /// What is there.
        found: Option<Box<Suspect>>,
    },
    /// A pin that leads to another map than the programs use: what is written there does not reach them.
    #[error("{} is map {pinned}, and the programs of endpoint {id} use {}", pin.display(), used.map_or("another one".to_owned(), |id| format!("map {id}")))]
    OtherMap {
        /// The endpoint.
        id: EndpointId,
        /// The pin.
        pin: PathBuf,
        /// The number of the map that is pinned.
        pinned: u32,
        /// The number of the one in use, where it is known.
        used: Option<u32>,
    },
    /// A pin.
    #[error("{} is gone", .0.display())]
    NoPin(PathBuf),
    /// Others cannot call its policy: senders on this node, or the shared programs.
    #[error("endpoint {id} has no program in {}", map.display())]
    NoPolicyProgram {
        /// The endpoint.
        id: EndpointId,
        /// The map.
        map: PathBuf,
    },
    /// An address that the datapath takes for somebody else's, or nobody's.
    #[error("{} has {} for {address}, not endpoint {id}", map.display(), found.map_or("nobody".to_owned(), |id| format!("endpoint {id}")))]
    NotIntroduced {
        /// The endpoint.
        id: EndpointId,
        /// Its address.
        address: IpAddr,
        /// The map.
        map: PathBuf,
        /// Whose it is there.
        found: Option<u16>,
    },
    /// An address that leaves the node in another way than it should.
    #[error("{} says that {address} leaves the node with {} address, not with {}", map.display(), whose(!expected), whose(*expected))]
    OtherWayOut {
        /// The address.
        address: IpAddr,
        /// The map.
        map: PathBuf,
        /// Whether it is to be masqueraded.
        expected: bool,
    },
    /// An address with another identity.
    #[error("{} has {} for {address}, not identity {expected}", map.display(), found.map_or("nobody".to_owned(), |id| format!("identity {id}")))]
    OtherIdentity {
        /// The address.
        address: IpAddr,
        /// The map.
        map: PathBuf,
        /// The identity there.
        found: Option<u32>,
        /// The endpoint's.
        expected: u32,
    },
    /// A port of the node that leads elsewhere, or nowhere.
    #[error("{} has {} for host port {port}, not endpoint {id}", map.display(), found.map_or("nobody".to_owned(), |lead| format!("{} of endpoint {}", lead.pod, lead.id)))]
    HostPortElsewhere {
        /// The endpoint.
        id: EndpointId,
        /// The port.
        port: NodePort,
        /// The map.
        map: PathBuf,
        /// Where it leads.
        found: Option<Lead>,
    },
    /// The node has no host ports at all.
    #[error("{} is gone, and endpoint {id} has host ports", map.display())]
    NoHostPorts {
        /// The endpoint.
        id: EndpointId,
        /// The map.
        map: PathBuf,
    },
}

impl Fault {
    /// Whether only entries of maps are wrong: then no program has to be touched.
    pub fn is_in_entries(&self) -> bool {
        match self {
            Self::NotIntroduced { .. } | Self::OtherIdentity { .. } | Self::OtherWayOut { .. } => {
                true
            }
            Self::HostPortElsewhere { .. } => !self.is_left_alone(),
            _ => false,
        }
    }

    /// Whether it is somebody else's doing that is left alone: no regeneration changes it.
    pub fn is_left_alone(&self) -> bool {
        match self {
            Self::Preceded { .. } | Self::NoHostPorts { .. } => true,
            // Another pod has the port now.
            Self::HostPortElsewhere { id, found, .. } => {
                found.is_some_and(|lead| lead.id != id.get())
            }
            _ => false,
        }
    }

    /// What to do about it.
    pub fn advice(&self, id: EndpointId) -> String {
        match self {
            Self::NoDevice(_) => {
                "let the runtime replace the pod, or remove the endpoint: `weir endpoint delete`"
                    .to_owned()
            }
            Self::Preceded { device, .. } => format!(
                "whoever put it there knows what for; `tc filter show dev {device} ingress` (or egress) shows it, `tc filter del` removes it"
            ),
            Self::NoHostPorts { .. } => format!(
                "`weir node init` makes it, then `weir endpoint regenerate {id}` opens the ports"
            ),
            Self::HostPortElsewhere { .. } if self.is_left_alone() => {
                "remove one of the two pods".to_owned()
            }
            _ => format!("`weir endpoint regenerate {id}` puts it back"),
        }
    }
}

fn whose(is_masqueraded: bool) -> &'static str {
    if is_masqueraded {
        "the node's"
    } else {
        "its own"
    }
}

fn or_nobody(occupants: &[Occupant]) -> String {
    match occupants {
        [] => "no filter".to_owned(),
        some => listed(some),
    }
}

/// A generation that is just coming into force looks like one that somebody meddled with: a fault must
/// outlast the time that a switch takes.
const SWITCH: Duration = Duration::from_millis(20);
const LOOKS: usize = 3;

/// Looks for the first fault of an endpoint. Changes nothing.
pub fn first_fault(
    settings: &Settings,
    endpoint: &Endpoint,
) -> Result<Option<Fault>, LifecycleError> {
    for _ in 1..LOOKS {
        match look(settings, endpoint) {
            Ok(None) => return Ok(None),
            // A program went away between two looks, or the fault may.
            Ok(Some(_)) | Err(LifecycleError::Load(_)) => sleep(SWITCH),
            Err(error) => return Err(error),
        }
    }
    look(settings, endpoint)
}

fn look(settings: &Settings, endpoint: &Endpoint) -> Result<Option<Fault>, LifecycleError> {
    let target = target(settings, endpoint.id, &endpoint.host_ifname);
    let maps = Maps::new(&target.bpffs_dir, &target.prefix);
    let mut places = Vec::new();
    let on_device = on_device(&target, endpoint.id, endpoint.host_ifindex, &mut places);
    let preceded = match on_device.map_err(LoadError::from)? {
        Some(fault) if !fault.is_left_alone() => return Ok(Some(fault)),
        // Told only where nothing is wrong that can be put right.
        preceded => preceded,
    };
    for map in [MapName::Policy(endpoint.id), MapName::Calls(endpoint.id)] {
        let pin = maps.pin(map);
        if pin.symlink_metadata().is_err() {
            return Ok(Some(Fault::NoPin(pin)));
        }
    }
    let in_programs = in_programs(&maps, endpoint.id, places);
    let fault = in_programs.and_then(|fault| match fault {
        None => in_maps(&maps, endpoint),
        some => Ok(some),
    });
    Ok(fault.or_else(missing_map)?.or(preceded))
}

/// A shared map that is gone is a fault like any other.
fn missing_map(error: LifecycleError) -> Result<Option<Fault>, LifecycleError> {
    match error {
        LifecycleError::Maps(MapsError::Missing { path, .. }) => Ok(Some(Fault::NoPin(path))),
        other => Err(other),
    }
}

fn on_device(
    target: &Target,
    id: EndpointId,
    expected: u32,
    places: &mut Vec<Placed>,
) -> Result<Option<Fault>, AttachError> {
    let mut rtnl = Rtnl::open()?;
    let device = match rtnl.device(&target.device) {
        Ok(device) => device,
        Err(AttachError::NoDevice(name)) => return Ok(Some(Fault::NoDevice(name))),
        Err(error) => return Err(error),
    };
    if device.index != expected {
        return Ok(Some(Fault::OtherDevice {
            id,
            name: device.name,
            found: device.index,
            expected,
        }));
    }
    let mut preceded = None;
    for hook in Hook::OF_ENDPOINT {
        let link = target.pins().link(hook);
        let standing = Standing::look(&mut rtnl, &device, hook, target.mode, &link)?;
        let name = device.name.clone();
        match standing.ours {
            None => {
                return Ok(Some(Fault::NotAttached {
                    hook,
                    device: name,
                    instead: standing.before,
                }));
            }
            Some(id) => places.push(Placed {
                place: format!("{hook} on the {} of {name}", hook.direction()),
                id,
            }),
        }
        if !standing.before.is_empty() && preceded.is_none() {
            preceded = Some(Fault::Preceded {
                hook,
                device: name,
                before: standing.before,
            });
        }
    }
    Ok(preceded)
}

/// Whether the programs came together, and use the maps that are pinned.
fn in_programs(
    maps: &Maps,
    id: EndpointId,
    mut places: Vec<Placed>,
) -> Result<Option<Fault>, LifecycleError> {
    for (programs, map) in [
        (maps.call_policy()?, MapName::CallPolicy),
        (maps.verdicts()?, MapName::Verdict),
    ] {
        let map = maps.pin(map);
        let Some(program) = programs.get(id.get().into())? else {
            return Ok(Some(Fault::NoPolicyProgram { id, map }));
        };
        places.push(Placed {
            place: format!("place {id} of {}", map.display()),
            id: program,
        });
    }
    let running = Running::look(maps, id, places)?;
    if let Some(stranger) = running.stranger() {
        return Ok(Some(Fault::OtherProgram {
            place: stranger.place.clone(),
            found: Suspect::of(stranger.id).map(Box::new),
        }));
    }
    let other = running.other_map(maps, id)?;
    Ok(other.map(|other| Fault::OtherMap {
        id,
        pin: maps.pin(other.name),
        pinned: other.pinned,
        used: other.used,
    }))
}

fn in_maps(maps: &Maps, endpoint: &Endpoint) -> Result<Option<Fault>, LifecycleError> {
    let id = endpoint.id;
    let (endpoints, ipcache) = (maps.endpoints()?, maps.ipcache()?);
    for address in addresses(endpoint) {
        let there = endpoints.get(address)?;
        let found = there.map(|endpoint| endpoint.lxc_id);
        if found != Some(id.get()) {
            let map = maps.pin(MapName::Endpoints);
            return Ok(Some(Fault::NotIntroduced {
                id,
                address,
                map,
                found,
            }));
        }
        let expected = endpoint.masquerade;
        if there.is_some_and(|it| it.masquerade != expected) {
            return Ok(Some(Fault::OtherWayOut {
                address,
                map: maps.pin(MapName::Endpoints),
                expected,
            }));
        }
        let found = ipcache.get(address)?.map(|peer| peer.identity);
        if found != Some(endpoint.identity) {
            return Ok(Some(Fault::OtherIdentity {
                address,
                map: maps.pin(MapName::Ipcache),
                found,
                expected: endpoint.identity,
            }));
        }
    }
    in_host_ports(maps, endpoint)
}

fn in_host_ports(maps: &Maps, endpoint: &Endpoint) -> Result<Option<Fault>, LifecycleError> {
    let (id, map) = (endpoint.id, maps.pin(MapName::HostPorts));
    Ok(match first_difference(maps, endpoint) {
        Err(MapsError::Missing { .. }) => Some(Fault::NoHostPorts { id, map }),
        difference => difference?.map(|(port, found)| Fault::HostPortElsewhere {
            id,
            port,
            map,
            found,
        }),
    })
}
