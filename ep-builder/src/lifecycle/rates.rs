//! What an endpoint may get at most: the queue of its host end, which somebody may have taken away. What its pod may
//! send is kept inside of the pod, where only CHECK looks.

use super::LifecycleError;
use crate::attach::{AttachError, Device, Rtnl};
use crate::endpoint::{Endpoint, Limit};
use crate::load::LoadError;

/// In what the queue of the host end is not the one that the limit asks for; none if it is, or without a limit.
pub(super) fn drift(endpoint: &Endpoint) -> Result<Option<String>, LifecycleError> {
    let Some(limit) = endpoint.bandwidth.ingress else {
        return Ok(None);
    };
    let found = Rtnl::open().and_then(|mut rtnl| other_queue(&mut rtnl, &device(endpoint), limit));
    Ok(found.map_err(LoadError::from)?)
}

/// In what the queue of a pod's host end is not the one that a limit asks for; none if it is.
pub fn other_queue(
    rtnl: &mut Rtnl,
    device: &Device,
    limit: Limit,
) -> Result<Option<String>, AttachError> {
    let found = rtnl.queue(device)?.filter(|queue| !queue.keeps(limit));
    Ok(found.map(|queue| {
        let device = &device.name;
        format!("{device} has {queue}, and the pod is to get no more than {limit}")
    }))
}

/// Puts the queue back that the limit asks for, where another one is in its place.
pub(super) fn restore(endpoint: &Endpoint) -> Result<(), LifecycleError> {
    match endpoint.bandwidth.ingress {
        Some(limit) if drift(endpoint)?.is_some() => {
            Ok(put(endpoint, limit).map_err(LoadError::from)?)
        }
        _ => Ok(()),
    }
}

fn put(endpoint: &Endpoint, limit: Limit) -> Result<(), AttachError> {
    Rtnl::open()?.bound(&device(endpoint), limit)
}

/// With the number that the device has now.
fn device(endpoint: &Endpoint) -> Device {
    Device {
        index: endpoint.host_ifindex,
        name: endpoint.host_ifname.clone(),
    }
}
