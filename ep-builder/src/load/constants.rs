//! Whether an object is for this owner and this device: before anything is loaded.

use super::Target;
use super::error::LoadError;
use super::owner::Owner;
use crate::attach::Device;
use crate::elf::constant_sites;
use crate::endpoint::EndpointId;
use crate::object::Loadable;

/// What an object says of whom it is for.
const ID: &str = "LXC_ID";
const DEVICE: &str = "LXC_IFINDEX";

/// Refuses templates, and objects of another owner or for another device.
pub(super) fn check(
    bytes: &[u8],
    object: &Loadable,
    target: &Target,
    device: Option<&Device>,
) -> Result<(), LoadError> {
    let owner = target.owner;
    if let Some(map) = placeholder(object, owner) {
        return Err(LoadError::Placeholder(format!("map {map}")));
    }
    let sites = constant_sites(owner.unit(), bytes)
        .map_err(|source| LoadError::Constants { owner, source })?;
    for site in sites {
        let value = bytes.get(site.range).and_then(|b| b.first_chunk());
        let found = value.map_or(0, |b| u32::from_le_bytes(*b));
        let expected = match (site.constant.name, device) {
            (ID, _) if found == u32::from(EndpointId::PLACEHOLDER) => {
                return Err(LoadError::Placeholder(format!("constant {ID}")));
            }
            (ID, _) => owner.number(),
            (DEVICE, Some(device)) => device.index,
            _ => continue,
        };
        if found != expected {
            return Err(LoadError::Other {
                owner,
                what: site.constant.name,
                found,
                expected,
            });
        }
    }
    Ok(())
}

/// A map that has the placeholder where the owner's own have their digits.
fn placeholder(object: &Loadable, owner: Owner) -> Option<&str> {
    let ends = format!("_{}", owner.unit().placeholder()?);
    let mut names = object.maps.iter().map(|map| map.name.as_str());
    names.find(|name| name.ends_with(&ends))
}
