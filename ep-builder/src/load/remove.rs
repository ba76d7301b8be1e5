//! Taking an endpoint out of the kernel: ordered, complete, repeatable.

use std::net::IpAddr;
use std::path::PathBuf;

use super::Target;
use super::error::LoadError;
use crate::attach::{self, AttachError, Hook, Rtnl};
use crate::bpf::{Map, unpin};

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

/// The family in a key of the map of local addresses, as in `abi.h`.
const IPV4: u8 = 1;
const IPV6: u8 = 2;
/// Where a value of that map has the endpoint's id.
const LXC_ID: usize = 24;

/// Removes an endpoint's programs, its policy, its addresses and its pins. What is missing, the device
/// included, is as it should be; an error leaves the rest in place, and a repeated call takes it away.
pub fn uninstall(target: &Target, addresses: &[IpAddr]) -> Result<Removed, LoadError> {
    let pins = target.pins();
    let mut removed = Removed {
        programs: detach(target)?,
        ..Removed::default()
    };
    for name in [pins.call_policy_name(), pins.verdict_name()] {
        if let Some(map) = Map::find_pin(&pins.of(&name))? {
            removed.policy |= map.delete(&u32::from(target.id.get()).to_ne_bytes())?;
        }
    }
    if let Some(map) = Map::find_pin(&pins.of(&pins.endpoints_name()))? {
        for address in addresses {
            removed.addresses += usize::from(forget(&map, target.id.get(), *address)?);
        }
    }
    for pin in pins.own()? {
        unpin(&pin)?;
        removed.pins.push(pin);
    }
    Ok(removed)
}

/// Takes an endpoint's programs from its device, and says how many there were. The rest stays.
pub fn detach(target: &Target) -> Result<usize, LoadError> {
    let pins = target.pins();
    let mut rtnl = Rtnl::open()?;
    let mut removed = 0;
    match rtnl.device(&target.device) {
        Ok(device) => {
            for hook in Hook::ALL {
                removed += attach::detach(&mut rtnl, &device, hook)?;
            }
        }
        // Its filters went with it.
        Err(AttachError::NoDevice(_)) => {}
        Err(error) => return Err(error.into()),
    }
    for hook in Hook::ALL {
        removed += usize::from(attach::detach_link(&pins.link(hook))?);
    }
    Ok(removed)
}

/// Removes an address unless another endpoint has it by now.
fn forget(map: &Map, id: u16, address: IpAddr) -> Result<bool, LoadError> {
    let key = key(address);
    let value = map.lookup(&key)?.unwrap_or_default();
    let owner = value.get(LXC_ID..).and_then(|b| b.first_chunk());
    if owner.map(|b| u16::from_ne_bytes(*b)) != Some(id) {
        return Ok(false);
    }
    Ok(map.delete(&key)?)
}

fn key(address: IpAddr) -> [u8; 20] {
    let mut key = [0; 20];
    let (octets, family) = match address {
        IpAddr::V4(it) => (it.octets().to_vec(), IPV4),
        IpAddr::V6(it) => (it.octets().to_vec(), IPV6),
    };
    let bytes = octets.into_iter().chain(std::iter::repeat(0)).take(16);
    for (place, byte) in key.iter_mut().zip(bytes.chain([family])) {
        *place = byte;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{EndpointKey, EndpointValue};

    /// The offsets above are those of the twins of `abi.h`.
    #[test]
    fn keys_are_laid_out_as_the_datapath_has_them() {
        let field = |name| {
            let fields = EndpointValue::LAYOUT.fields;
            fields
                .iter()
                .find(|field| field.name == name)
                .unwrap()
                .offset
        };
        assert_eq!(field("lxc_id"), LXC_ID);
        assert_eq!(EndpointKey::LAYOUT.size, key("::".parse().unwrap()).len());
        let v4 = key("10.1.2.3".parse().unwrap());
        assert_eq!((&v4[..5], v4[16]), (&[10, 1, 2, 3, 0][..], 1));
        let v6 = key("fd00::7".parse().unwrap());
        assert_eq!((v6[0], v6[15], v6[16]), (0xfd, 7, 2));
    }
}
