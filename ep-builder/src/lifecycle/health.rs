//! Whether the kernel still has what an endpoint's generation in force put there.

use std::net::IpAddr;
use std::path::PathBuf;

use super::introduce::addresses;
use super::{LifecycleError, target};
use crate::attach::{self, AttachError, AttachMode, Device, Filter, Hook, Rtnl};
use crate::endpoint::{Endpoint, EndpointId};
use crate::load::{LoadError, Target};
use crate::maps::{MapName, Maps, MapsError};
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
    #[error("{hook} is not on the {direction} of {device}, where there is {instead}", direction = hook.direction())]
    NotAttached {
        /// The hook.
        hook: Hook,
        /// The device.
        device: String,
        /// What is there.
        instead: String,
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
}

/// Looks for the first fault of an endpoint. Changes nothing.
pub fn first_fault(
    settings: &Settings,
    endpoint: &Endpoint,
) -> Result<Option<Fault>, LifecycleError> {
    let target = target(settings, endpoint.id, &endpoint.host_ifname);
    let maps = Maps::new(&target.bpffs_dir, &target.prefix);
    if let Some(fault) = on_device(&target, endpoint.host_ifindex).map_err(LoadError::from)? {
        return Ok(Some(fault));
    }
    for map in [MapName::Policy(endpoint.id), MapName::Calls(endpoint.id)] {
        let pin = maps.pin(map);
        if pin.symlink_metadata().is_err() {
            return Ok(Some(Fault::NoPin(pin)));
        }
    }
    in_maps(&maps, endpoint).or_else(missing_map)
}

/// A shared map that is gone is a fault like any other.
fn missing_map(error: LifecycleError) -> Result<Option<Fault>, LifecycleError> {
    match error {
        LifecycleError::Maps(MapsError::Missing { path, .. }) => Ok(Some(Fault::NoPin(path))),
        other => Err(other),
    }
}

fn on_device(target: &Target, expected: u32) -> Result<Option<Fault>, AttachError> {
    let mut rtnl = Rtnl::open()?;
    let device = match rtnl.device(&target.device) {
        Ok(device) => device,
        Err(AttachError::NoDevice(name)) => return Ok(Some(Fault::NoDevice(name))),
        Err(error) => return Err(error),
    };
    if device.index != expected {
        return Ok(Some(Fault::OtherDevice {
            id: target.id,
            name: device.name,
            found: device.index,
            expected,
        }));
    }
    for hook in Hook::ALL {
        if let Some(instead) = instead_of_ours(&mut rtnl, target, &device, hook)? {
            return Ok(Some(Fault::NotAttached {
                hook,
                device: device.name,
                instead,
            }));
        }
    }
    Ok(None)
}

/// What stands on a hook if our program does not.
fn instead_of_ours(
    rtnl: &mut Rtnl,
    target: &Target,
    device: &Device,
    hook: Hook,
) -> Result<Option<String>, AttachError> {
    match target.mode {
        AttachMode::Tc => {
            let filters = rtnl.filters(device, hook)?;
            let is_ours = |filter: &Filter| filter.is_ours() && filter.program_id.is_some();
            Ok((!filters.iter().any(is_ours)).then(|| names(&filters)))
        }
        AttachMode::Tcx => {
            let linked = attach::linked_program(&target.pins().link(hook))?;
            Ok(linked.is_none().then(|| "no link of ours".to_owned()))
        }
    }
}

fn names(filters: &[Filter]) -> String {
    let others: Vec<_> = filters
        .iter()
        .filter(|filter| filter.handle != 0)
        .map(|filter| {
            let program = filter
                .program_id
                .map_or(String::new(), |id| format!(", program {id}"));
            format!(
                "{} {:?} at priority {}{program}",
                filter.kind, filter.name, filter.priority
            )
        })
        .collect();
    if others.is_empty() {
        "no filter".to_owned()
    } else {
        others.join("; ")
    }
}

fn in_maps(maps: &Maps, endpoint: &Endpoint) -> Result<Option<Fault>, LifecycleError> {
    let id = endpoint.id;
    for (programs, map) in [
        (maps.call_policy()?, MapName::CallPolicy),
        (maps.verdicts()?, MapName::Verdict),
    ] {
        if programs.get(id.get().into())?.is_none() {
            let map = maps.pin(map);
            return Ok(Some(Fault::NoPolicyProgram { id, map }));
        }
    }
    let (endpoints, ipcache) = (maps.endpoints()?, maps.ipcache()?);
    for address in addresses(endpoint) {
        let found = endpoints.get(address)?.map(|endpoint| endpoint.lxc_id);
        if found != Some(id.get()) {
            let map = maps.pin(MapName::Endpoints);
            return Ok(Some(Fault::NotIntroduced {
                id,
                address,
                map,
                found,
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
    Ok(None)
}
