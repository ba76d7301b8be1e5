//! Which shapes to compile when all of them are too many.
//!
//! The switches multiply to over a million shapes; nearly every fault of a combination is one of two
//! values that do not go together. A pairwise cover shows every two values in one shape at least, in a few
//! dozen shapes.

use crate::options::{OPTIONS, OptionSpec};
use crate::shape::{EndpointConfig, NodeConfig, validate};

/// A node's configuration and an endpoint's: what one template is compiled for.
pub type Shape = (NodeConfig, EndpointConfig);

/// The shapes to compile: `base`, each single change of it, and a pairwise cover of all switches and
/// levels; only what [`validate`] accepts, nothing twice, the same list in every run. Prefix and sizes
/// are those of `base`.
pub fn shapes(base: &Shape) -> Vec<Shape> {
    let parameters: Vec<Parameter> = parameters().collect();
    let domains: Vec<usize> = parameters.iter().map(Parameter::values).collect();
    let build = |row: &[usize]| {
        let mut shape = base.clone();
        for (parameter, &value) in parameters.iter().zip(row) {
            parameter.write(&mut shape, value)?;
        }
        Some(shape)
    };
    let allowed = |row: &[usize]| build(row).is_some_and(|(n, e)| validate(&n, &e).is_ok());
    let start: Vec<usize> = parameters.iter().map(|p| p.read(base)).collect();
    let mut rows = vec![start.clone()];
    rows.extend(single_changes(&start, &domains));
    rows.retain(|row| allowed(row));
    complete(&mut rows, &start, &domains, &allowed);
    rows.iter().filter_map(|row| build(row)).collect()
}

/// `base` and every shape that differs from it in at most so many switches and levels: what nodes are
/// configured to. Only what [`validate`] accepts, nothing twice, the same list in every run.
pub fn neighbours(base: &Shape, changes: usize) -> Vec<Shape> {
    let parameters: Vec<Parameter> = parameters().collect();
    let mut rows = vec![(0, base.clone())];
    let mut last = 0;
    for _ in 0..changes {
        let from = std::mem::replace(&mut last, rows.len());
        for row in from..last {
            let (free, shape) = rows[row].clone();
            // A change before the last one was made from another row.
            for (at, parameter) in parameters.iter().enumerate().skip(free) {
                let others = (0..parameter.values()).filter(|&value| value != parameter.read(base));
                rows.extend(others.filter_map(|value| {
                    let mut next = shape.clone();
                    parameter.write(&mut next, value)?;
                    Some((at + 1, next))
                }));
            }
        }
    }
    let shapes = rows.into_iter().map(|(_, shape)| shape);
    shapes.filter(|(n, e)| validate(n, e).is_ok()).collect()
}

/// Something of a shape that takes a few values.
enum Parameter {
    Switch(fn(&mut Shape) -> &mut bool),
    Option(&'static OptionSpec),
}

const SWITCHES: [fn(&mut Shape) -> &mut bool; 7] = [
    |shape| &mut shape.0.ipv4,
    |shape| &mut shape.0.ipv6,
    |shape| &mut shape.1.features.force_local_policy_eval_at_source,
    |shape| &mut shape.1.features.routing,
    |shape| &mut shape.1.features.arp_responder,
    |shape| &mut shape.1.features.host_redirect,
    |shape| &mut shape.1.features.local_delivery_metrics,
];

fn parameters() -> impl Iterator<Item = Parameter> {
    let switches = SWITCHES.into_iter().map(Parameter::Switch);
    switches.chain(OPTIONS.iter().map(Parameter::Option))
}

impl Parameter {
    /// How many values it takes, from 0 on.
    fn values(&self) -> usize {
        match self {
            Self::Switch(_) => 2,
            Self::Option(spec) => usize::from(spec.max()) + 1,
        }
    }

    fn read(&self, shape: &Shape) -> usize {
        match self {
            Self::Switch(slot) => usize::from(*slot(&mut shape.clone())),
            Self::Option(spec) => shape.1.options.get(spec.name).unwrap_or(0).into(),
        }
    }

    /// Sets the value; none where there is no such value.
    fn write(&self, shape: &mut Shape, value: usize) -> Option<()> {
        match self {
            Self::Switch(slot) => *slot(shape) = value > 0,
            Self::Option(spec) => {
                let level = u8::try_from(value).ok()?;
                shape.1.options.set(spec.name, level).ok()?;
            }
        }
        Some(())
    }
}

/// Every row that differs from `start` in one place.
fn single_changes(start: &[usize], domains: &[usize]) -> Vec<Vec<usize>> {
    let mut rows = Vec::new();
    for (parameter, &size) in domains.iter().enumerate() {
        for value in (0..size).filter(|&value| value != start[parameter]) {
            let mut row = start.to_vec();
            row[parameter] = value;
            rows.push(row);
        }
    }
    rows
}

/// A covering array: rows of one value per parameter, parameter `p` taking `0..domains[p]`, such that
/// every two values that some allowed row contains stand together in one of the rows.
///
/// Deterministic. `allowed` is asked about whole rows. Whether a pair is possible at all is found out by
/// trying the rows nearest to the first one, [`TRIES`] at most: exact for spaces of that size, and beyond
/// them for constraints that a handful of further changes satisfies.
pub fn cover(domains: &[usize], allowed: impl Fn(&[usize]) -> bool) -> Vec<Vec<usize>> {
    let mut rows = Vec::new();
    complete(&mut rows, &vec![0; domains.len()], domains, &allowed);
    rows
}

/// How many rows are tried to find out whether a pair is possible.
pub const TRIES: usize = 20_000;

/// How many of the pairs not yet covered each found a candidate for the next row.
const CANDIDATES: usize = 16;

/// Two parameters, each with a value.
type Pair = [(usize, usize); 2];

fn contains(row: &[usize], pair: &Pair) -> bool {
    pair.iter()
        .all(|&(parameter, value)| row[parameter] == value)
}

/// Adds rows until every possible pair is covered.
fn complete(
    rows: &mut Vec<Vec<usize>>,
    start: &[usize],
    domains: &[usize],
    allowed: &impl Fn(&[usize]) -> bool,
) {
    // A parameter of no value leaves no row at all, not rows without it.
    if domains.contains(&0) {
        return;
    }
    let mut open: Vec<(Pair, Vec<usize>)> = Vec::new();
    for pair in pairs(domains) {
        if rows.iter().any(|row| contains(row, &pair)) {
            continue;
        }
        if let Some(witness) = nearest(start, &pair, domains, allowed) {
            open.push((pair, witness));
        }
    }
    while !open.is_empty() {
        let candidates = open.iter().take(CANDIDATES).map(|(pair, witness)| {
            let row = improved(witness, pair, &open, domains, allowed);
            (gain(&row, &open), row)
        });
        // The first of the best: `max_by_key` would take the last.
        let best = candidates.reduce(|best, next| if next.0 > best.0 { next } else { best });
        let Some((_, row)) = best else { return };
        open.retain(|(pair, _)| !contains(&row, pair));
        rows.push(row);
    }
}

/// Every two values of different parameters; of a single parameter each value, paired with itself.
fn pairs(domains: &[usize]) -> Vec<Pair> {
    let values = |parameter: usize| (0..domains[parameter]).map(move |value| (parameter, value));
    if domains.len() == 1 {
        return values(0).map(|value| [value, value]).collect();
    }
    let mut pairs = Vec::new();
    for a in 0..domains.len() {
        for b in a + 1..domains.len() {
            pairs.extend(values(a).flat_map(|x| values(b).map(move |y| [x, y])));
        }
    }
    pairs
}

/// How many open pairs a row would cover.
fn gain(row: &[usize], open: &[(Pair, Vec<usize>)]) -> usize {
    open.iter().filter(|(pair, _)| contains(row, pair)).count()
}

/// The allowed row with this pair that differs least from `start`.
fn nearest(
    start: &[usize],
    pair: &Pair,
    domains: &[usize],
    allowed: &impl Fn(&[usize]) -> bool,
) -> Option<Vec<usize>> {
    let mut row = start.to_vec();
    for &(parameter, value) in pair {
        row[parameter] = value;
    }
    let fixed = |parameter| pair.iter().any(|&(p, _)| p == parameter);
    let free: Vec<usize> = (0..domains.len()).filter(|&p| !fixed(p)).collect();
    let mut search = Search {
        domains,
        allowed,
        tries: TRIES,
    };
    (0..=free.len())
        .any(|changes| search.change(&mut row, &free, changes))
        .then_some(row)
}

/// A search among the rows around one row.
struct Search<'a, F> {
    domains: &'a [usize],
    allowed: &'a F,
    /// How many rows may still be tried.
    tries: usize,
}

impl<F: Fn(&[usize]) -> bool> Search<'_, F> {
    /// Changes exactly so many of the free parameters until the row is allowed. If none is, the row is
    /// left as it was.
    fn change(&mut self, row: &mut [usize], free: &[usize], changes: usize) -> bool {
        if self.tries == 0 {
            return false;
        }
        if changes == 0 {
            self.tries -= 1;
            return (self.allowed)(row);
        }
        for (at, &parameter) in free.iter().enumerate() {
            let before = row[parameter];
            for value in (0..self.domains[parameter]).filter(|&value| value != before) {
                row[parameter] = value;
                if self.change(row, &free[at + 1..], changes - 1) {
                    return true;
                }
            }
            row[parameter] = before;
        }
        false
    }
}

/// Climbs from an allowed row with `pair`, one value at a time, to one that covers more open pairs.
fn improved(
    witness: &[usize],
    pair: &Pair,
    open: &[(Pair, Vec<usize>)],
    domains: &[usize],
    allowed: &impl Fn(&[usize]) -> bool,
) -> Vec<usize> {
    let mut row = witness.to_vec();
    let mut best = gain(&row, open);
    loop {
        let before = best;
        for parameter in (0..domains.len()).filter(|p| pair.iter().all(|(fixed, _)| fixed != p)) {
            for value in 0..domains[parameter] {
                let old = std::mem::replace(&mut row[parameter], value);
                let next = gain(&row, open);
                if next > best && allowed(&row) {
                    best = next;
                } else {
                    row[parameter] = old;
                }
            }
        }
        if best == before {
            return row;
        }
    }
}

#[cfg(test)]
mod tests;
