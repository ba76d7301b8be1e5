//! Whether an object is for this endpoint and this device: before anything is loaded.

use super::Target;
use super::error::LoadError;
use crate::attach::Device;
use crate::elf::constant_sites;
use crate::endpoint::EndpointId;
use crate::object::Loadable;

/// What an object says of whom it is for.
const ID: &str = "LXC_ID";
const DEVICE: &str = "LXC_IFINDEX";

/// Refuses templates, and objects of another endpoint or for another device.
pub(super) fn check(
    bytes: &[u8],
    object: &Loadable,
    target: &Target,
    device: Option<&Device>,
) -> Result<(), LoadError> {
    let id = target.id.get();
    let placeholder = format!("_{}", EndpointId::PLACEHOLDER);
    if let Some(map) = object
        .maps
        .iter()
        .find(|map| map.name.ends_with(&placeholder))
    {
        return Err(LoadError::Placeholder(format!("map {}", map.name)));
    }
    let sites = constant_sites(bytes).map_err(|source| LoadError::Constants { id, source })?;
    for site in sites {
        let value = bytes.get(site.range).and_then(|b| b.first_chunk());
        let found = value.map_or(0, |b| u32::from_le_bytes(*b));
        let expected = match (site.constant.name, device) {
            (ID, _) if found == u32::from(EndpointId::PLACEHOLDER) => {
                return Err(LoadError::Placeholder(format!("constant {ID}")));
            }
            (ID, _) => u32::from(id),
            (DEVICE, Some(device)) => device.index,
            _ => continue,
        };
        if found != expected {
            return Err(LoadError::Other {
                id,
                what: site.constant.name,
                found,
                expected,
            });
        }
    }
    Ok(())
}
