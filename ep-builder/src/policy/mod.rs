//! Policy: who may talk to whom, from the operator's files to the entries of the datapath's maps.
//!
//! ```text
//! files -> [documents] -> PolicySet --+-> [compile] -> Compiled -> [store] -> [switch] -> maps, revision
//!                     pods' identities +
//! ```
//!
//! Everything up to `Compiled` is pure. The policy of a pod follows from its identity alone, that is from its
//! labels, so it is compiled once for each identity and not for each pod.

mod compile;
mod compiled;
pub mod documents;
mod enforce;
mod model;
pub mod oracle;
pub mod reach;
mod store;
mod subject;
mod verify;

pub(crate) use compile::HOST;
pub use compile::{CompileError, CompileOptions, Introduced, Share, compile, introduce};
pub use compiled::{Compiled, FIRST_NETWORK, Origin, PolicyEntry, SubjectPolicy};
pub use documents::{
    CutError, DocumentError, DocumentKind, Documents, Mistake, Mistakes, Notice, Source,
    SourceFile, Summary,
};
pub(crate) use documents::{is_label_key, is_label_value};
pub use enforce::{
    Applied, Change, EnforceError, Enforcement, Holder, InForceEntry, Isolation, Member, PeerName,
    Plan, Waiting, Whole, state_of,
};
pub use model::{
    Action, Document, Entity, Namespaces, Operator, Peer, Place, PolicyKind, PolicyRule, PolicySet,
    PortMatch, PortRule, Protocol, Requirement, Rules, Scope, Selector, Target,
};
pub use store::{
    Basis, Damage, Draft, Exclusive, NodeBasis, Pending, PolicyStore, Shared, Sources, StoreError,
    Stored, Uptime,
};
pub use subject::{
    DEFAULT_NAMESPACE, HOSTNAME_LABEL, NAMESPACE_LABEL, NamedPort, NodeFacts, PORTS_LABEL,
    PodFacts, parse_ports, ports_label,
};
pub use verify::{Compiler, Counterexample, Moment, Seen, Verification, VerifyError};
