//! Traffic as people write it.

use std::collections::BTreeMap;

use ep_builder::events::packet::protocol;
use ep_builder::policy::reach::{Part, Passage};

/// What of all traffic passes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Traffic {
    /// What does.
    pub(crate) passes: Vec<Part>,
    /// What does not.
    pub(crate) dropped: Vec<Part>,
}

impl Traffic {
    /// What passes, whichever rule lets it.
    pub(super) fn of(passages: &[Passage]) -> Self {
        let mut traffic = Self::default();
        for passage in passages {
            let parts = if passage.passes() {
                &mut traffic.passes
            } else {
                &mut traffic.dropped
            };
            let part = passage.part;
            match parts.last_mut() {
                Some(last) if continues(*last, part) => last.last = part.last,
                _ => parts.push(part),
            }
        }
        traffic
    }

    /// Whether everything does.
    pub(crate) fn is_all(&self) -> bool {
        self.dropped.is_empty()
    }
}

fn continues(last: Part, next: Part) -> bool {
    last.protocol == next.protocol && last.last.checked_add(1) == Some(next.first)
}

/// Traffic in words: `any`, `tcp 80 8000-8079, udp 53`, `any but tcp 22`.
pub(crate) fn ports(traffic: &Traffic) -> String {
    let has_others = traffic.passes.iter().any(|part| part.protocol.is_none());
    match (has_others, traffic.is_all()) {
        (true, true) => "any".to_owned(),
        (true, false) => format!("any but {}", list(&traffic.dropped)),
        (false, _) => list(&traffic.passes),
    }
}

fn list(parts: &[Part]) -> String {
    let mut by_protocol: BTreeMap<Option<u8>, Vec<String>> = BTreeMap::new();
    for part in parts {
        let own = by_protocol.entry(part.protocol).or_default();
        match (part.first, part.last) {
            _ if part.is_whole() => {}
            (first, last) if first == last => own.push(first.to_string()),
            (first, last) => own.push(format!("{first}-{last}")),
        }
    }
    let protocols = by_protocol.into_iter().map(|(number, ports)| {
        let name = number.map_or_else(|| "others".to_owned(), protocol);
        let words: Vec<_> = std::iter::once(name).chain(ports).collect();
        words.join(" ")
    });
    protocols.collect::<Vec<_>>().join(", ")
}
