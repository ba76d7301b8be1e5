//! What an endpoint may get at most: the queue of its host end, which somebody may have taken away. What its pod may
//! send is kept inside of the pod, where only CHECK looks.

use super::LifecycleError;
use crate::attach::{AttachError, Device, Queue, Rtnl};
use crate::endpoint::{Endpoint, Limit};
use crate::load::LoadError;

/// In what the queue of the host end is not the one that the limit asks for; none if it is, or without a limit.
pub(super) fn drift(endpoint: &Endpoint) -> Result<Option<String>, LifecycleError> {
    let Some(limit) = endpoint.bandwidth.ingress else {
        return Ok(None);
    };
    let found = look(endpoint).map_err(LoadError::from)?;
    Ok(found.filter(|queue| !queue.keeps(limit)).map(|queue| {
        let device = &endpoint.host_ifname;
        format!("{device} has {queue}, and the pod is to get no more than {limit}")
    }))
}

fn look(endpoint: &Endpoint) -> Result<Option<Queue>, AttachError> {
    Rtnl::open()?.queue(&device(endpoint))
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
