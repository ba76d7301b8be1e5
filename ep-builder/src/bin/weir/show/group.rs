//! What is alike is shown once: a node has hundreds of pods, and most differ in nothing that a picture shows.

use std::collections::BTreeMap;

use super::scene::{Endpoint, Scene};

/// So many pods are shown one by one.
const ALONE: usize = 14;
/// So many with something wrong are shown one by one among many others.
const WRONG_ALONE: usize = 8;

/// Endpoints that are alike.
#[derive(Clone)]
pub(super) struct Group<'a> {
    pub(super) endpoints: Vec<&'a Endpoint>,
}

impl<'a> Group<'a> {
    fn one(endpoint: &'a Endpoint) -> Self {
        Self {
            endpoints: vec![endpoint],
        }
    }

    /// The only one of it, where it is one.
    pub(super) fn only(&self) -> Option<&'a Endpoint> {
        match self.endpoints.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Any of it.
    pub(super) fn first(&self) -> Option<&'a Endpoint> {
        self.endpoints.first().copied()
    }

    /// Whether somebody should look at it.
    pub(super) fn is_wrong(&self) -> bool {
        self.endpoints.iter().any(|it| it.row.problem.is_some())
    }

    /// The names of all, a line for each, and of many the first.
    pub(super) fn names(&self) -> String {
        const MOST: usize = 40;
        let names = self.endpoints.iter().take(MOST).map(|it| it.name());
        let mut names: Vec<_> = names.collect();
        if let Some(more) = self.endpoints.len().checked_sub(MOST).filter(|it| *it > 0) {
            names.push(format!("and {more} more"));
        }
        names.join("\n")
    }
}

/// The endpoints in groups, in the order of their first ones.
pub(super) fn groups(scene: &Scene) -> Vec<Group<'_>> {
    let all = &scene.endpoints;
    if all.len() <= ALONE {
        return all.iter().map(Group::one).collect();
    }
    let is_wrong = |it: &&Endpoint| it.row.problem.is_some();
    let mut groups: Vec<_> = all
        .iter()
        .filter(is_wrong)
        .take(WRONG_ALONE)
        .map(Group::one)
        .collect();
    let shown: Vec<_> = groups.iter().flat_map(|it| it.endpoints.clone()).collect();
    let mut alike = BTreeMap::<_, Group<'_>>::new();
    for endpoint in all {
        if shown.iter().any(|it| it.row.id == endpoint.row.id) {
            continue;
        }
        let group = alike.entry(looks(endpoint)).or_insert_with(|| Group {
            endpoints: Vec::new(),
        });
        group.endpoints.push(endpoint);
    }
    let mut alike: Vec<_> = alike.into_values().collect();
    alike.sort_by_key(|it| it.first().map(|it| it.row.id));
    groups.extend(alike);
    groups
}

/// What a picture shows of an endpoint, apart from its names and numbers.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Looks {
    is_wrong: bool,
    state: &'static str,
    tails: Option<u32>,
    policy: [bool; 2],
    /// Of each hook whether our program is there, and how many are.
    hooks: Vec<(bool, usize)>,
}

fn looks(endpoint: &Endpoint) -> Looks {
    let row = &endpoint.row;
    let policy = row.policy.unwrap_or_default();
    let hooks = endpoint.hooks.iter();
    let hooks = hooks.map(|it| (it.ours().is_some(), it.standing.len()));
    Looks {
        is_wrong: row.problem.is_some(),
        state: row.state,
        tails: endpoint.tails,
        policy: [policy.ingress, policy.egress],
        hooks: hooks.collect(),
    }
}
