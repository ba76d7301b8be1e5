//! Who may reach whom: what becomes of every connection between two ends, from the entries that the maps hold.
//!
//! There is no second meaning of documents here. Each answer is the datapath's look-up on compiled entries, asked once for
//! each part of the traffic that an entry tells apart from its neighbours; a test holds the whole against the oracle.

mod parts;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};

use super::oracle::{ANYBODY, Answer, decisive, finest};
use super::{Compiled, HOST, PolicyEntry};
use crate::maps::{Decision, Direction, OpenPort, Traffic};
pub use parts::Part;
use parts::parts;

/// `IDENTITY_WORLD` of `bpf-src/lib/identity.h`.
pub const WORLD: u32 = 2;

/// One end of connections, as look-ups know it: whoever has the identity and an address in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Party {
    /// The identity: of pods, [`WORLD`], or that of the node.
    pub identity: u32,
    /// The number of the longest network that has the address, of those that policy names.
    pub network: Option<u32>,
}

/// What becomes of the connections of one part of the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Passage {
    /// The traffic.
    pub part: Part,
    /// What the one who reaches out may do.
    pub leaving: Judged,
    /// What may reach the other one.
    pub arriving: Judged,
}

/// What one end's policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Judged {
    /// Nobody asks: this end has no policy, or none that counts for the other end.
    Unasked,
    /// It passes by the rule of this number, or without one (0).
    Allowed(u32),
    /// It passes because the port of the node is always open.
    Open,
    /// It is dropped by the rule of this number.
    Denied(u32),
    /// It is dropped because nothing allows it.
    NotAllowed,
}

impl Judged {
    /// Whether it passes.
    pub fn passes(self) -> bool {
        matches!(self, Self::Unasked | Self::Allowed(_) | Self::Open)
    }

    /// The number of the rule that decides, if one does.
    pub fn rule(self) -> Option<u32> {
        match self {
            Self::Allowed(rule) | Self::Denied(rule) => Some(rule).filter(|rule| *rule != 0),
            Self::Unasked | Self::Open | Self::NotAllowed => None,
        }
    }
}

impl From<Answer> for Judged {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Allowed(rule) => Self::Allowed(rule),
            Answer::Denied(rule) => Self::Denied(rule),
            Answer::NotAllowed => Self::NotAllowed,
        }
    }
}

impl Passage {
    /// Whether both ends let it pass.
    pub fn passes(&self) -> bool {
        self.leaving.passes() && self.arriving.passes()
    }

    /// The numbers of the rules that decide: of what passes those that allow it, else those that drop it.
    pub fn rules(&self) -> impl Iterator<Item = u32> {
        let passes = self.passes();
        let both = [self.leaving, self.arriving].into_iter();
        both.filter(move |judged| judged.passes() == passes)
            .filter_map(Judged::rule)
    }
}

/// Compiled entries, ready to be asked about many pairs.
#[derive(Debug)]
pub struct Reach<'a> {
    entries: HashMap<Key, Vec<&'a PolicyEntry>>,
    /// The entries of a key by their content: the same number for the same.
    alike: HashMap<Key, u32>,
    /// Ports of the node, and of whom the node asks; none where no document speaks for it.
    open: BTreeSet<OpenPort>,
    is_node_judged: bool,
}

/// Whose entries about whom.
type Key = (u32, Direction, u32);

/// What the answer about two ends follows from: pairs of one class fare alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Class([Option<SideClass>; 2]);

/// The same of one end: the numbers of its entries about the other one, and whether it is the node, with its open ports.
type SideClass = ([u32; 3], bool);

/// The number of no entries.
const NOTHING: u32 = 0;

/// One end's policy, as far as it is about the other end.
struct Side<'a> {
    direction: Direction,
    /// Entries for the peer's identity, for its network and for anybody.
    entries: [&'a [&'a PolicyEntry]; 3],
    /// Ports that are open whatever the entries say.
    open: Vec<OpenPort>,
}

impl<'a> Reach<'a> {
    /// Asks these entries, and the ports of the node that are always open.
    pub fn new(compiled: &'a Compiled, open: &BTreeSet<OpenPort>) -> Self {
        let mut entries: HashMap<Key, Vec<_>> = HashMap::new();
        for (subject, policy) in &compiled.subjects {
            for entry in &policy.entries {
                let rule = entry.rule;
                let key = (*subject, rule.direction, rule.identity);
                entries.entry(key).or_default().push(entry);
            }
        }
        Self {
            alike: alike(&entries),
            entries,
            open: open.clone(),
            is_node_judged: compiled.subjects.contains_key(&HOST),
        }
    }

    /// What becomes of connections that `from` opens to `to`: every kind of traffic is in one part, and neighbours that
    /// fare alike are one.
    pub fn between(&self, from: Party, to: Party) -> Vec<Passage> {
        let leaving = self.side(from, to, Direction::Egress);
        let arriving = self.side(to, from, Direction::Ingress);
        let sides = [leaving.as_ref(), arriving.as_ref()];
        let asked = parts(sides.into_iter().flatten()).into_iter();
        let mut passages: Vec<Passage> = Vec::new();
        for part in asked {
            let next = Passage {
                part,
                leaving: judged(leaving.as_ref(), part),
                arriving: judged(arriving.as_ref(), part),
            };
            match passages.last_mut() {
                Some(last) if last.is_continued_by(&next) => last.part.last = part.last,
                _ => passages.push(next),
            }
        }
        passages
    }

    /// What [`Self::between`] follows from. It is found sooner than the answer.
    pub fn class(&self, from: Party, to: Party) -> Class {
        let side = |own: Party, other: Party, direction| {
            let of = |peer: u32| {
                let key = (own.identity, direction, peer);
                self.alike.get(&key).copied().unwrap_or(NOTHING)
            };
            self.is_asked(own, other, direction).then(|| {
                let network = other.network.map_or(NOTHING, of);
                let entries = [of(other.identity), network, of(ANYBODY)];
                (entries, own.identity == HOST)
            })
        };
        Class([
            side(from, to, Direction::Egress),
            side(to, from, Direction::Ingress),
        ])
    }

    /// Whether somebody's policy has a say. What the node sends to its pods is judged by them alone, and what it sends to
    /// itself by nobody.
    fn is_asked(&self, own: Party, other: Party, direction: Direction) -> bool {
        match own.identity {
            WORLD => false,
            HOST => {
                let stays = direction == Direction::Egress && other.identity != WORLD;
                self.is_node_judged && !stays && other.identity != HOST
            }
            _ => true,
        }
    }

    /// The policy of `own` about `other`; none where nobody asks it.
    fn side(&self, own: Party, other: Party, direction: Direction) -> Option<Side<'_>> {
        let is_asked = self.is_asked(own, other, direction);
        let of = |peer: u32| {
            let found = self.entries.get(&(own.identity, direction, peer));
            found.map_or(&[][..], Vec::as_slice)
        };
        let ports = self.open.iter().filter(|port| port.direction == direction);
        is_asked.then(|| Side {
            direction,
            entries: [
                of(other.identity),
                other.network.map_or(&[][..], of),
                of(ANYBODY),
            ],
            open: if own.identity == HOST {
                ports.copied().collect()
            } else {
                Vec::new()
            },
        })
    }
}

/// Numbers for entries: two that say the same about the same traffic, each about its own peer, are one.
fn alike(entries: &HashMap<Key, Vec<&PolicyEntry>>) -> HashMap<Key, u32> {
    let mut numbers: HashMap<Vec<(Traffic, bool, u32)>, u32> = HashMap::new();
    let number = |(key, entries): (&Key, &Vec<&PolicyEntry>)| {
        let content = entries.iter().map(|entry| {
            let Decision { deny, rule } = entry.decision;
            (entry.rule.traffic, deny, rule)
        });
        let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX - 1) + 1;
        (*key, *numbers.entry(content.collect()).or_insert(next))
    };
    entries.iter().map(number).collect()
}

impl Passage {
    fn is_continued_by(&self, next: &Self) -> bool {
        self.part.is_continued_by(next.part)
            && (self.leaving, self.arriving) == (next.leaving, next.arriving)
    }
}

fn judged(side: Option<&Side<'_>>, part: Part) -> Judged {
    let Some(side) = side else {
        return Judged::Unasked;
    };
    let of_peers = side.entries.into_iter();
    let finest = of_peers.filter_map(|of_peer| {
        let of_peer = of_peer.iter().copied();
        finest(of_peer, part.protocol, part.first)
    });
    let judged = Judged::from(Answer::of(decisive(finest)));
    if judged.passes() || !side.is_open(part) {
        judged
    } else {
        Judged::Open
    }
}

impl Side<'_> {
    /// Whether it is one of the ports that are always open.
    fn is_open(&self, part: Part) -> bool {
        let is_this = |open: &OpenPort| {
            (Some(open.protocol), open.port) == (part.protocol, part.first)
                && open.direction == self.direction
        };
        self.open.iter().any(is_this)
    }
}
