//! Whose program is it? Those of one template are one and the same code under one name, so the places are asked in
//! which they stand: the hooks of the host ends, and the arrays by endpoint.

use std::collections::HashMap;

use ep_builder::attach::{Hook, Rtnl};
use ep_builder::bpf::{Link, TcxHook};
use ep_builder::endpoint::Endpoint;
use ep_builder::maps::Maps;

/// The endpoint of each program that has one. What cannot be read makes no difference but a dash.
pub(super) fn owners<'a>(
    endpoints: impl Iterator<Item = &'a Endpoint>,
    maps: &Maps,
) -> HashMap<u32, u32> {
    let mut owners = HashMap::new();
    for array in [maps.call_policy(), maps.verdicts()] {
        let filled = array.and_then(|array| array.filled()).unwrap_or_default();
        owners.extend(filled.into_iter().map(|(place, program)| (program, place)));
    }
    let Ok(mut rtnl) = Rtnl::open() else {
        return owners;
    };
    for endpoint in endpoints {
        let id = endpoint.id.get().into();
        let programs = on_device(&mut rtnl, &endpoint.host_ifname);
        owners.extend(programs.into_iter().map(|program| (program, id)));
    }
    owners
}

/// The programs on both hooks of a device, however they are attached.
fn on_device(rtnl: &mut Rtnl, name: &str) -> Vec<u32> {
    let Ok(device) = rtnl.device(name) else {
        return Vec::new();
    };
    let mut programs = Vec::new();
    for hook in Hook::OF_ENDPOINT {
        let filters = rtnl.filters(&device, hook).unwrap_or_default();
        programs.extend(filters.iter().filter_map(|filter| filter.program_id));
    }
    for hook in [TcxHook::Ingress, TcxHook::Egress] {
        programs.extend(Link::programs_on(device.index, hook).unwrap_or_default());
    }
    programs
}
