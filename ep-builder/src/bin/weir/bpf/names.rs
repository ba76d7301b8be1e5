//! Numbers as people know them.

use ep_builder::error::chain;
use ep_builder::events::Vocabulary;
use ep_builder::identity::reserved_name;
use ep_builder::sources::Sources;

use crate::node::Node;
use crate::screen::talk;

/// An identity with its name, if it has one.
pub(crate) fn identity(number: u32) -> String {
    // In a rule, no identity is every one.
    let name = reserved_name(number).or((number == 0).then_some("any"));
    name.map_or_else(|| number.to_string(), |name| format!("{number} ({name})"))
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
