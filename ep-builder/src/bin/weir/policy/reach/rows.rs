//! What is alike, told once: senders that may do the same to a receiver, and receivers to whom the same may do the same.

use std::collections::{BTreeMap, BTreeSet};

use super::actors::Kind;
use super::{Actor, Edge, Relations};

/// How many are named as missing from a crowd.
const MOST_MISSING: usize = 3;

/// All of `from` may open this to all of `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The places of those who reach out; of everybody if it is all of them.
    pub(crate) from: Vec<usize>,
    /// The places of those who are reached.
    pub(crate) to: Vec<usize>,
    /// The place of what passes.
    pub(crate) what: usize,
}

/// As few rows as say everything, in the order of those who are reached.
pub(crate) fn rows(relations: &Relations) -> Vec<Row> {
    let actors = &relations.actors;
    let mut senders: BTreeMap<(usize, usize), BTreeSet<usize>> = BTreeMap::new();
    for Edge { from, to, what } in &relations.edges {
        senders.entry((*to, *what)).or_default().insert(*from);
    }
    let mut receivers: BTreeMap<(usize, Vec<usize>), Vec<usize>> = BTreeMap::new();
    for ((to, what), from) in senders {
        let from = widened(from, to, actors);
        receivers.entry((what, from)).or_default().push(to);
    }
    let rows = receivers
        .into_iter()
        .map(|((what, from), to)| Row { from, to, what });
    let mut rows: Vec<_> = rows.filter_map(|row| without_itself(row, actors)).collect();
    rows.sort_by(|one, other| {
        (&one.to, &one.from, one.what).cmp(&(&other.to, &other.from, other.what))
    });
    rows
}

/// Who could not send to somebody anyhow does not keep all others from being nearly everybody.
fn widened(from: BTreeSet<usize>, to: usize, actors: &[Actor]) -> Vec<usize> {
    let receiver = actors.get(to);
    let could = |sender: &Actor| receiver.is_some_and(|receiver| sender.meets(receiver));
    let others = actors.iter().enumerate();
    let (missing, strangers): (Vec<_>, Vec<_>) = others
        .filter(|(place, _)| !from.contains(place))
        .partition(|(_, sender)| could(sender));
    let mut from = from;
    if is_nearly_all(from.len() + strangers.len(), missing.len()) {
        from.extend(strangers.into_iter().map(|(place, _)| place));
    }
    from.into_iter().collect()
}

/// Whether it takes fewer words to say who is missing.
fn is_nearly_all(there: usize, missing: usize) -> bool {
    missing == 0 || (missing <= MOST_MISSING && there > 2 * missing)
}

/// One pod alone has nobody like itself to talk to.
fn without_itself(mut row: Row, actors: &[Actor]) -> Option<Row> {
    if let [to] = *row.to
        && !is_nearly_all(row.from.len(), actors.len() - row.from.len())
        && actors.get(to).is_some_and(Actor::is_single)
    {
        row.from.retain(|from| *from != to);
    }
    (!row.from.is_empty()).then_some(row)
}

/// Some of all actors, as people would say who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Crowd {
    /// Everybody but these.
    Anybody(Vec<usize>),
    /// Every pod but these.
    AnyPod(Vec<usize>),
    /// These.
    These(Vec<usize>),
}

impl Relations {
    /// The pods that nobody reaches but the node, and those that reach nobody but the node.
    pub(crate) fn closed(&self, rows: &[Row]) -> [Vec<usize>; 2] {
        let mut open = [BTreeSet::new(), BTreeSet::new()];
        for Row { from, to, .. } in rows {
            if from.iter().any(|place| !self.is_node(*place)) {
                open[0].extend(to.iter().copied());
            }
            if to.iter().any(|place| !self.is_node(*place)) {
                open[1].extend(from.iter().copied());
            }
        }
        open.map(|open| {
            let pods = (0..self.actors.len()).filter(|place| self.is_pod(*place));
            pods.filter(|place| !open.contains(place)).collect()
        })
    }

    /// Whether the actor in this place is the node.
    pub(crate) fn is_node(&self, place: usize) -> bool {
        self.actors
            .get(place)
            .is_some_and(|actor| actor.kind == Kind::Node)
    }

    /// Some of them as crowds.
    pub(crate) fn crowds(&self, places: &[usize]) -> Vec<Crowd> {
        let missing = |of: &dyn Fn(usize) -> bool| -> Vec<usize> {
            let all = (0..self.actors.len()).filter(|place| of(*place));
            all.filter(|place| !places.contains(place)).collect()
        };
        let nobody = missing(&|_| true);
        if is_nearly_all(places.len(), nobody.len()) {
            return vec![Crowd::Anybody(nobody)];
        }
        let (pods, others): (Vec<usize>, Vec<usize>) =
            places.iter().partition(|place| self.is_pod(**place));
        let but = missing(&|place| self.is_pod(place));
        let mut crowds = Vec::new();
        if pods.len() > 1 && is_nearly_all(pods.len(), but.len()) {
            crowds.push(Crowd::AnyPod(but));
        } else if !pods.is_empty() {
            crowds.push(Crowd::These(pods));
        }
        crowds.extend((!others.is_empty()).then_some(Crowd::These(others)));
        crowds
    }

    /// Whether the actor in this place is pods.
    pub(crate) fn is_pod(&self, place: usize) -> bool {
        self.actors
            .get(place)
            .is_some_and(|actor| actor.kind == Kind::Pods)
    }

    /// The names of some of them, with `any pod` and `anybody` for those who are.
    pub(crate) fn names(&self, places: &[usize]) -> Vec<String> {
        let but = |who: &str, missing: &[usize]| match missing {
            [] => vec![who.to_owned()],
            missing => vec![format!("{who} but {}", self.each(missing).join(", "))],
        };
        let crowds = self.crowds(places).into_iter();
        let names = crowds.flat_map(|crowd| match crowd {
            Crowd::Anybody(missing) => but("anybody", &missing),
            Crowd::AnyPod(missing) => but("any pod", &missing),
            Crowd::These(places) => self.each(&places),
        });
        names.collect()
    }

    fn each(&self, places: &[usize]) -> Vec<String> {
        let actors = places.iter().filter_map(|place| self.actors.get(*place));
        actors.map(Actor::full_name).collect()
    }
}

impl Actor {
    /// Its name with the namespace.
    pub(crate) fn full_name(&self) -> String {
        if self.namespace.is_empty() {
            self.name.clone()
        } else {
            format!("{}/{}", self.namespace, self.name)
        }
    }
}
