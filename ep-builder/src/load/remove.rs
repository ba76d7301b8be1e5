//! Taking an endpoint, or the programs of a device, out of the kernel: ordered, complete, repeatable.

use std::net::IpAddr;
use std::path::PathBuf;

use super::Target;
use super::error::LoadError;
use super::owner::Owner;
use crate::abi::EndpointValue;
use crate::attach::{self, AttachError, Clsact, Rtnl};
use crate::bpf::{Map, unpin};
use crate::maps::{self, Record};

/// What was there, and is not any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Filters and links.
    pub programs: usize,
    /// Whether others could call its policy.
    pub policy: bool,
    /// Its entries among the local addresses.
    pub addresses: usize,
    /// Its pins.
    pub pins: Vec<PathBuf>,
}

impl Removed {
    /// Whether nothing was there.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Removes an endpoint's programs, its policy, its addresses and its pins. What is missing, the device
/// included, is as it should be; an error leaves the rest in place, and a repeated call takes it away.
pub fn uninstall(target: &Target, addresses: &[IpAddr]) -> Result<Removed, LoadError> {
    let programs = detach(target, Clsact::GoesIfEmpty)?;
    let removed = forget(target, addresses)?;
    Ok(Removed {
        programs,
        ..removed
    })
}

/// The second half of [`uninstall`], after [`detach`]: its policy, its addresses and its pins.
pub fn forget(target: &Target, addresses: &[IpAddr]) -> Result<Removed, LoadError> {
    let pins = target.pins();
    let mut removed = Removed::default();
    if !target.owner.called().is_empty() {
        removed.policy = forget_called(target)?;
    }
    if let Owner::Endpoint(id) = target.owner
        && let Some(map) = Map::find_pin(&pins.of(&pins.endpoints_name()))?
    {
        for address in addresses {
            removed.addresses += usize::from(free(&map, id.get(), *address)?);
        }
    }
    for pin in pins.own()? {
        unpin(&pin)?;
        removed.pins.push(pin);
    }
    Ok(removed)
}

/// Lets nobody call an owner's programs any more; says whether anybody could.
pub fn forget_called(target: &Target) -> Result<bool, LoadError> {
    let pins = target.pins();
    let mut was_there = false;
    for name in [pins.call_policy_name(), pins.verdict_name()] {
        if let Some(map) = Map::find_pin(&pins.of(&name))? {
            was_there |= map.delete(&pins.slot())?;
        }
    }
    Ok(was_there)
}

/// Takes an owner's programs from its device, and says how many there were. The rest stays.
pub fn detach(target: &Target, clsact: Clsact) -> Result<usize, LoadError> {
    let pins = target.pins();
    let mut rtnl = Rtnl::open()?;
    let mut removed = 0;
    match rtnl.device(&target.device) {
        Ok(device) => {
            for hook in target.owner.hooks() {
                removed += attach::detach(&mut rtnl, &device, hook, clsact)?;
            }
        }
        // Its filters went with it.
        Err(AttachError::NoDevice(_)) => {}
        Err(error) => return Err(error.into()),
    }
    for hook in target.owner.hooks() {
        removed += usize::from(attach::detach_link(&pins.link(hook))?);
    }
    Ok(removed)
}

/// Removes an address unless another endpoint has it by now.
fn free(map: &Map, id: u16, address: IpAddr) -> Result<bool, LoadError> {
    let key = maps::endpoint_key(address).to_bytes();
    let owner = map
        .lookup(&key)?
        .map(|value| EndpointValue::from_bytes(&value).lxc_id);
    Ok(owner == Some(id) && map.delete(&key)?)
}
