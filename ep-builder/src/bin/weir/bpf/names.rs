//! Numbers as people know them.

use ep_builder::error::chain;
use ep_builder::events::Vocabulary;
use ep_builder::sources::Sources;

use crate::node::Node;
use crate::screen::talk;

/// The identities that have a meaning of their own; those of pods begin at 256.
const RESERVED: [(u32, &str); 8] = [
    (0, "any"),
    (1, "host"),
    (2, "world"),
    (3, "unmanaged"),
    (4, "health"),
    (5, "init"),
    (6, "remote-node"),
    (7, "kube-apiserver"),
];

/// An identity with its name, if it has one.
pub(crate) fn identity(number: u32) -> String {
    match RESERVED.iter().find(|(this, _)| *this == number) {
        Some((_, name)) => format!("{number} ({name})"),
        None => number.to_string(),
    }
}

/// A value, or a dash.
pub(crate) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}

/// The names in the datapath's sources. Without the sources numbers stay numbers, which is better than
/// nothing in the middle of a search for a fault.
pub(crate) fn vocabulary(node: &Node) -> Vocabulary {
    match Sources::read(&node.settings.paths.bpf_dir) {
        Ok(sources) => Vocabulary::of(&sources),
        Err(error) => {
            talk(&format!("note: numbers have no names: {}", chain(&error)));
            Vocabulary::default()
        }
    }
}
