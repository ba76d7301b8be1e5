//! The host ends of pods' pairs, for whoever takes pods away without their runtime.

use super::error::NodeError;
use super::network::Network;
use crate::endpoint::Endpoint;

/// How the alias of a host end begins; behind it the endpoint's id.
const MARK: &str = "weir:";

/// Removes a pod's link by its host end, if it is there and has our mark: the pod's own end goes with it, so nothing
/// passes that no program judges.
pub fn remove_pod_link(endpoint: &Endpoint) -> Result<bool, NodeError> {
    let mut network = Network::open()?;
    let mark = format!("{MARK}{}:", endpoint.id.get());
    match network.link(&endpoint.host_ifname)? {
        Some(link) if link.alias.starts_with(&mark) => network.remove(&link),
        _ => Ok(false),
    }
}
