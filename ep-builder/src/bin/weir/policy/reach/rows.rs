//! What is alike, told once: senders that may do the same to a receiver, and receivers to whom the same may do the same.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::actors::Kind;
use super::{Actor, Edge, Relations};

/// How many are named as missing from a crowd.
const MOST_MISSING: usize = 3;

/// All of `from` may open this to all of `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The places of those who reach out. Of two who do not meet, because both are outside, nothing is said.
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
    let mut receivers: BTreeMap<(usize, Vec<usize>), Receivers> = BTreeMap::new();
    for ((to, what), from) in senders {
        let widened = widened(&from, to, actors);
        let receivers = receivers.entry((what, widened)).or_default();
        receivers.to.push(to);
        receivers.from.extend(from);
    }
    let rows = receivers.into_iter().filter_map(|((what, from), alike)| {
        let Receivers { to, from: exact } = alike;
        let mut row = without_itself(Row { from, to, what }, actors)?;
        row.from.retain(|place| exact.contains(place));
        Some(row)
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by(|one, other| {
        (&one.to, &one.from, one.what).cmp(&(&other.to, &other.from, other.what))
    });
    rows
}

/// Some to whom the same may do the same.
#[derive(Default)]
struct Receivers {
    to: Vec<usize>,
    /// Who sends to any of them.
    from: BTreeSet<usize>,
}

/// Who could not send to somebody anyhow does not keep all others from being nearly everybody.
fn widened(from: &BTreeSet<usize>, to: usize, actors: &[Actor]) -> Vec<usize> {
    let receiver = actors.get(to);
    let could = |sender: &Actor| receiver.is_some_and(|receiver| sender.meets(receiver));
    let others = actors.iter().enumerate();
    let (missing, strangers): (Vec<_>, Vec<_>) = others
        .filter(|(place, _)| !from.contains(place))
        .partition(|(_, sender)| could(sender));
    let mut from = from.clone();
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
    /// The pods that nobody reaches, not even the node, and those that reach nobody, not even the node.
    pub(crate) fn shut(&self, rows: &[Row]) -> [Vec<usize>; 2] {
        let [mut unreached, mut unreaching] = self.closed(rows);
        unreached.retain(|place| !rows.iter().any(|row| row.to.contains(place)));
        unreaching.retain(|place| !rows.iter().any(|row| row.from.contains(place)));
        [unreached, unreaching]
    }

    /// The pods that nobody reaches but the node, if it does, and those that reach nobody but the node.
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
        self.crowds_but(places, &[])
    }

    /// The senders of a row as crowds: who could not send to any of its receivers anyhow is not missed.
    pub(crate) fn sending(&self, row: &Row) -> Vec<Crowd> {
        let receivers = || row.to.iter().filter_map(|place| self.actors.get(*place));
        let actors = self.actors.iter().enumerate();
        let strangers = actors.filter(|(_, actor)| !receivers().any(|it| actor.meets(it)));
        let strangers: Vec<_> = strangers.map(|(place, _)| place).collect();
        self.crowds_but(&row.from, &strangers)
    }

    /// Some of them as crowds, in which nobody misses the strangers.
    fn crowds_but(&self, places: &[usize], strangers: &[usize]) -> Vec<Crowd> {
        let there: HashSet<usize> = places.iter().copied().collect();
        let strange: HashSet<usize> = strangers.iter().copied().collect();
        let missing = |of: &dyn Fn(usize) -> bool| -> Vec<usize> {
            let all = (0..self.actors.len()).filter(|place| of(*place));
            all.filter(|place| !there.contains(place)).collect()
        };
        let nobody = missing(&|place| !strange.contains(&place));
        if is_nearly_all(self.actors.len() - nobody.len(), nobody.len()) {
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
        self.crowd_names(self.crowds(places))
    }

    /// The names of the senders of a row, likewise.
    pub(crate) fn senders(&self, row: &Row) -> Vec<String> {
        self.crowd_names(self.sending(row))
    }

    fn crowd_names(&self, crowds: Vec<Crowd>) -> Vec<String> {
        let but = |who: &str, missing: &[usize]| match missing {
            [] => vec![who.to_owned()],
            missing => vec![format!("{who} but {}", self.each(missing).join(", "))],
        };
        let names = crowds.into_iter().flat_map(|crowd| match crowd {
            Crowd::Anybody(missing) => but("anybody", &missing),
            Crowd::AnyPod(missing) => but("any pod", &missing),
            Crowd::These(places) => self.each(&places),
        });
        names.collect()
    }

    /// The two sides of a row, in parts of which everybody may reach everybody: two outside do not meet.
    pub(crate) fn meeting(&self, row: &Row) -> Vec<[Vec<usize>; 2]> {
        let is_outside = |place: &usize| {
            let actor = self.actors.get(*place);
            actor.is_some_and(|actor| actor.kind.is_outside())
        };
        let (outside, to): (Vec<usize>, Vec<usize>) = row.to.iter().partition(|it| is_outside(it));
        let own: Vec<_> = row
            .from
            .iter()
            .copied()
            .filter(|it| !is_outside(it))
            .collect();
        let parts = [[row.from.clone(), to], [own, outside]].into_iter();
        let is_any = |part: &[Vec<usize>; 2]| part.iter().all(|side| !side.is_empty());
        parts.filter(is_any).collect()
    }

    /// The names of these, one by one.
    pub(crate) fn each(&self, places: &[usize]) -> Vec<String> {
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
