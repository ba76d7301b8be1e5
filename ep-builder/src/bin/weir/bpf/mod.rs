//! `weir bpf`: what stands in the maps, decoded.

mod ct;
mod endpoint;
mod ipcache;
mod metrics;
pub(crate) mod names;
mod nat;
mod policy;
mod ports;
mod rules;

pub(crate) use policy::{Row as RuleRow, of as rules_of};

use crate::cli::{Bpf, BpfCt, BpfEndpoint, BpfIpcache, BpfMetrics, BpfNat, BpfPolicy, BpfPorts};
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::Screen;

pub(crate) fn run(command: &Bpf, node: &Node, screen: &Screen) -> Result<(), Failure> {
    match command {
        Bpf::Policy(BpfPolicy::List) => policy::list(node, screen),
        Bpf::Policy(BpfPolicy::Get { id }) => policy::get(node, *id, screen),
        Bpf::Policy(BpfPolicy::Set { rule, deny }) => rules::set(node, rule, *deny, screen),
        Bpf::Policy(BpfPolicy::Unset { rule }) => rules::unset(node, rule, screen),
        Bpf::Ct(BpfCt::List { from, to }) => ct::list(node, *from, *to, screen),
        Bpf::Ipcache(BpfIpcache::List) => ipcache::list(node, screen),
        Bpf::Ipcache(BpfIpcache::Get { prefix }) => ipcache::get(node, *prefix, screen),
        Bpf::Endpoint(BpfEndpoint::List) => endpoint::list(node, screen),
        Bpf::Endpoint(BpfEndpoint::Get { address }) => endpoint::get(node, *address, screen),
        Bpf::Metrics(BpfMetrics::List) => metrics::list(node, screen),
        Bpf::Nat(BpfNat::List { pod }) => nat::list(node, *pod, screen),
        Bpf::Nat(BpfNat::Flush { pod }) => nat::flush(node, *pod, screen),
        Bpf::Ports(BpfPorts::List) => ports::list(node, screen),
    }
}
