//! Policy: who may talk to whom, from the operator's files to the entries of the datapath's maps.
//!
//! ```text
//! files -> [documents] -> PolicySet --+-> [compile] -> Compiled -> [store] -> [switch] -> maps, revision
//!                     pods' identities +
//! ```
//!
//! Everything up to `Compiled` is pure. The policy of a pod follows from its identity alone, that is from its
//! labels, so it is compiled once for each identity and not for each pod.

mod compiled;
mod model;
mod subject;

pub use compiled::{Compiled, FIRST_NETWORK, Origin, PolicyEntry, SubjectPolicy};
pub use model::{
    Action, Document, Entity, Namespaces, Operator, Peer, Place, PolicyKind, PolicyRule, PolicySet,
    PortMatch, PortRule, Protocol, Requirement, Rules, Selector, Target,
};
pub use subject::{
    DEFAULT_NAMESPACE, NAMESPACE_LABEL, NamedPort, PORTS_LABEL, PodFacts, parse_ports, ports_label,
};
