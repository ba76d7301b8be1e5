//! The health endpoint: a pod of the node's own that runs nothing and answers ping, by which `weir status` measures
//! the way to a pod. It is wired as every pod is. What sets it apart is that weir asks for it itself: under these names,
//! in a network namespace that a file keeps alive, and with a label that no runtime can give.

use crate::endpoint::{Endpoint, Label, Labels};

/// The id of its container. Runtimes that make ids of two names join them by '-', so none of theirs is this one.
pub const CONTAINER: &str = "weir_health";
/// Its interface inside of the namespace.
pub const INTERFACE: &str = "eth0";
/// The host end of its pair: a name that people know, in place of digits.
pub const DEVICE: &str = "lxc_health";

const LABEL: &str = "health";
/// Whose labels mean the same on every node. Runtimes, pods and operators have other sources.
const SOURCE: &str = "reserved";

/// Its labels.
pub fn labels() -> Labels {
    [Label::new(LABEL, "", SOURCE)].into_iter().collect()
}

/// Whether an endpoint is the health endpoint.
pub fn is_health(endpoint: &Endpoint) -> bool {
    endpoint.container_id == CONTAINER && endpoint.ifname == INTERFACE
}
