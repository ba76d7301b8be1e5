//! What each may open to each.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ep_builder::maps::Prefix;
use ep_builder::policy::Whole;
use ep_builder::policy::reach::{Class, Judged, Party, Passage, Reach};

use super::actors::{Actor, network_name};
use super::traffic::Traffic;

/// What may pass, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct What {
    /// The traffic.
    pub(crate) traffic: Traffic,
    /// The numbers of the rules that allow it.
    pub(crate) rules: Vec<u32>,
    /// Those of rules that take something out of it.
    pub(crate) against: Vec<u32>,
    /// Between which addresses, where it is not all of both: the family decides, or networks that policy names.
    pub(crate) only: Vec<Only>,
}

/// Some of the addresses of two who have several kinds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Only {
    /// The family.
    pub(crate) is_v6: bool,
    /// The network of who reaches out; none for addresses in no network that policy names.
    pub(crate) from: Option<Prefix>,
    /// The network of who is reached; none for addresses in no network that policy names.
    pub(crate) to: Option<Prefix>,
    /// The same in words: the family alone where it decides.
    pub(crate) words: String,
}

/// From whom to whom something may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    /// The place of who reaches out.
    pub(crate) from: usize,
    /// The place of who is reached.
    pub(crate) to: usize,
    /// The place of what passes.
    pub(crate) what: usize,
}

/// Everything that may pass between any two of them.
pub(crate) fn edges(whole: &Whole, actors: &[Actor]) -> (Vec<What>, Vec<Edge>) {
    let mut maker = Maker {
        reach: Reach::new(&whole.compiled, &whole.open),
        networks: whole
            .compiled
            .networks
            .iter()
            .map(|(n, number)| (*number, (*n, network_name(&whole.compiled, *n))))
            .collect(),
        bare: Vec::new(),
        classes: HashMap::new(),
        whats: Vec::new(),
        places: HashMap::new(),
    };
    let mut edges = Vec::new();
    for (from, sender) in actors.iter().enumerate() {
        for (to, receiver) in actors.iter().enumerate() {
            if !sender.meets(receiver) {
                continue;
            }
            for what in maker.between(sender, receiver) {
                edges.push(Edge { from, to, what });
            }
        }
    }
    (maker.whats, edges)
}

/// Two addresses as look-ups know them, and whether they are of IPv6.
type Way = (bool, [Party; 2]);

struct Maker<'a> {
    reach: Reach<'a>,
    networks: BTreeMap<u32, (Prefix, String)>,
    /// Answers about two kinds of addresses, each once, with the place that it has among `whats`, if it has one.
    bare: Vec<(What, Option<usize>)>,
    /// Where the answer for a class is: many pairs have the same one.
    classes: HashMap<Class, usize>,
    whats: Vec<What>,
    places: HashMap<What, usize>,
}

impl Maker<'_> {
    /// The same thing twice is one thing.
    fn place(&mut self, what: What) -> usize {
        if let Some(place) = self.places.get(&what) {
            return *place;
        }
        let place = self.whats.len();
        self.places.insert(what.clone(), place);
        self.whats.push(what);
        place
    }

    /// All that passes between two; several where their addresses are not treated alike.
    fn between(&mut self, from: &Actor, to: &Actor) -> Vec<usize> {
        let mut found: Vec<(usize, Vec<Way>)> = Vec::new();
        for (is_v6, (senders, receivers)) in [false, true]
            .into_iter()
            .zip(from.parties.iter().zip(&to.parties))
        {
            for (one, other) in senders
                .iter()
                .flat_map(|one| receivers.iter().map(move |it| (*one, *it)))
            {
                let (bare, way) = (self.answer(one, other), (is_v6, [one, other]));
                match found.iter_mut().find(|(known, _)| *known == bare) {
                    Some((_, ways)) => ways.push(way),
                    None => found.push((bare, vec![way])),
                }
            }
        }
        if let [(bare, _)] = *found.as_slice() {
            return self.place_of(bare).into_iter().collect();
        }
        self.told_apart(found, [from, to])
    }

    /// Where the answer about two kinds of addresses is.
    fn answer(&mut self, one: Party, other: Party) -> usize {
        let class = self.reach.class(one, other);
        if let Some(place) = self.classes.get(&class) {
            return *place;
        }
        let what = what_of(&self.reach.between(one, other));
        let known = self.bare.iter().position(|(known, _)| *known == what);
        let place = known.unwrap_or_else(|| {
            self.bare.push((what, None));
            self.bare.len() - 1
        });
        self.classes.insert(class, place);
        place
    }

    /// The place of an answer that holds for all addresses of two; none if nothing passes.
    fn place_of(&mut self, bare: usize) -> Option<usize> {
        let (what, place) = self.bare.get(bare)?;
        if place.is_some() || what.traffic.passes.is_empty() {
            return *place;
        }
        let place = self.place(what.clone());
        if let Some((_, known)) = self.bare.get_mut(bare) {
            *known = Some(place);
        }
        Some(place)
    }

    /// Several answers about two, in their order, each with the addresses that it is about.
    fn told_apart(&mut self, found: Vec<(usize, Vec<Way>)>, ends: [&Actor; 2]) -> Vec<usize> {
        let found = found.into_iter().filter_map(|(bare, ways)| {
            let (what, _) = self.bare.get(bare)?;
            Some((what.clone(), ways))
        });
        let by_what: BTreeMap<What, Vec<Way>> = found.collect();
        let passing = by_what
            .into_iter()
            .filter(|(what, _)| !what.traffic.passes.is_empty());
        let told: Vec<_> = passing
            .map(|(what, ways)| What {
                only: self.only(&ways, ends),
                ..what
            })
            .collect();
        told.into_iter().map(|what| self.place(what)).collect()
    }

    /// Some of the ways between two, as they are told.
    fn only(&self, ways: &[Way], ends: [&Actor; 2]) -> Vec<Only> {
        let only = ways.iter().map(|(is_v6, parties)| {
            let counts = ends.map(|end| end.parties[usize::from(*is_v6)].len());
            let alike = ways.iter().filter(|(other, _)| other == is_v6).count();
            let mut words = if *is_v6 { "IPv6" } else { "IPv4" }.to_owned();
            if alike < counts[0] * counts[1] {
                for ((word, party), count) in ["from", "to"].into_iter().zip(parties).zip(counts) {
                    // Who has one kind of address needs no word for it.
                    if count > 1 {
                        words = format!("{words} {word} {}", self.network_words(*party));
                    }
                }
            }
            let [from, to] = parties.map(|party| Some(self.network(party)?.0));
            Only {
                is_v6: *is_v6,
                from,
                to,
                words,
            }
        });
        only.collect()
    }

    fn network_words(&self, party: Party) -> &str {
        self.network(party)
            .map_or("addresses in no named network", |(_, name)| name)
    }

    fn network(&self, party: Party) -> Option<&(Prefix, String)> {
        self.networks.get(&party.network?)
    }
}

fn what_of(passages: &[Passage]) -> What {
    let rules = |passes: bool| {
        let those = passages.iter().filter(|passage| passage.passes() == passes);
        let rules: BTreeSet<u32> = those.flat_map(|passage| deciding(*passage)).collect();
        rules.into_iter().collect()
    };
    What {
        traffic: Traffic::of(passages),
        rules: rules(true),
        against: rules(false),
        only: Vec::new(),
    }
}

/// The rules that allow it, or those that deny it.
fn deciding(passage: Passage) -> impl Iterator<Item = u32> {
    let passes = passage.passes();
    let both = [passage.leaving, passage.arriving].into_iter();
    let deciding = both.filter(move |judged| passes || matches!(judged, Judged::Denied(_)));
    deciding.filter_map(Judged::rule)
}
