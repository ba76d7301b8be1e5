//! From facts to a verdict: whether it is fine, and if not what is wrong and which command tells more. No I/O.

use serde::Serialize;

use super::facts::{Facts, Failing, Fill};

/// A map as full as this is worth a look.
pub(super) const NEARLY_FULL: usize = 80;
const FULL: usize = 100;
/// So many lines of one kind say enough.
const SHOWN: usize = 5;

const DOCTOR: &str = "weir doctor";
const INIT: &str = "weir node init";
const APPLY: &str = "weir policy apply";
const MAPS: &str = "weir map list";

/// Something that is wrong, or that somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Remark {
    pub(super) part: &'static str,
    pub(super) what: String,
    /// The command that tells more, or puts it right.
    pub(super) see: String,
}

/// What is to be said of the node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Verdict {
    /// What pods suffer from, or new ones would.
    pub(super) problems: Vec<Remark>,
    /// What works, and should be looked at.
    pub(super) warnings: Vec<Remark>,
}

impl Verdict {
    /// Judges.
    pub(super) fn of(facts: &Facts) -> Self {
        let mut verdict = Self::default();
        for unseen in &facts.unseen {
            let what = format!("{} cannot be looked at: {}", unseen.part, unseen.why);
            verdict.problem(unseen.part, what, DOCTOR);
        }
        if let Some(first) = facts.missing_files.first() {
            let what = format!("{} is gone, of what was installed", first.display());
            verdict.problem("install", what, DOCTOR);
        }
        verdict.endpoints(facts);
        verdict.node(facts);
        verdict.policy(facts);
        verdict.maps(facts);
        verdict.health(facts);
        if !facts.leftovers.is_empty() {
            let count = facts.leftovers.len();
            let first = facts.leftovers.first().map_or("", String::as_str);
            let what = format!("{count} that nobody uses, first {first}");
            verdict.warning("leftovers", what, "weir gc");
        }
        verdict
    }

    /// A verdict of one problem, where nothing else can be said.
    pub(super) fn only(part: &'static str, what: String, see: &str) -> Self {
        let mut verdict = Self::default();
        verdict.problem(part, what, see);
        verdict
    }

    /// Whether nothing is wrong.
    pub(super) fn is_fine(&self) -> bool {
        self.problems.is_empty()
    }

    fn problem(&mut self, part: &'static str, what: String, see: &str) {
        let see = see.to_owned();
        self.problems.push(Remark { part, what, see });
    }

    fn warning(&mut self, part: &'static str, what: String, see: &str) {
        let see = see.to_owned();
        self.warnings.push(Remark { part, what, see });
    }

    fn endpoints(&mut self, facts: &Facts) {
        let all = &facts.endpoints;
        for failing in all.failing.iter().take(SHOWN) {
            self.problem("endpoints", told(failing), DOCTOR);
        }
        if let Some(more) = all.failing.len().checked_sub(SHOWN).filter(|it| *it > 0) {
            self.problem("endpoints", format!("and {more} more"), DOCTOR);
        }
        for odd in all.odd.iter().take(SHOWN) {
            self.warning("endpoints", told(odd), DOCTOR);
        }
    }

    fn node(&mut self, facts: &Facts) {
        let node = &facts.node;
        let is_needed = node.masqueraded > 0 || node.host_ports > 0;
        for missing in &node.missing {
            if is_needed {
                self.problem("node", missing.clone(), INIT);
            } else if node.is_set_up {
                self.warning("node", missing.clone(), INIT);
            }
        }
    }

    fn policy(&mut self, facts: &Facts) {
        let policy = &facts.policy;
        if policy.is_unsettled {
            let what = "a change of the policy did not come to its end".to_owned();
            self.problem("policy", what, APPLY);
        } else if !policy.behind.is_empty() {
            let what = format!(
                "revision {} is not in force at endpoints {}",
                policy.revision.unwrap_or_default(),
                listed(&policy.behind)
            );
            self.problem("policy", what, APPLY);
        }
        if let Some(left) = policy.unconfirmed_seconds {
            let what = format!("the policy in force waits to be confirmed, {left} seconds yet");
            self.warning("policy", what, "weir policy confirm");
        }
        if !policy.by_hand.is_empty() {
            let what = format!("changed by hand at endpoints {}", listed(&policy.by_hand));
            self.warning("policy", what, APPLY);
        }
    }

    fn maps(&mut self, facts: &Facts) {
        for map in facts.maps.iter().filter(|it| it.percent >= NEARLY_FULL) {
            let Fill {
                name,
                entries,
                max_entries,
                percent,
                forgets,
            } = map;
            let is_full = *percent >= FULL && !forgets;
            let what = if is_full {
                format!("{name} is full: {entries} of {max_entries}")
            } else {
                format!("{name} is {percent} % full: {entries} of {max_entries}")
            };
            if is_full {
                self.problem("maps", what, MAPS);
            } else {
                self.warning("maps", what, MAPS);
            }
        }
    }

    fn health(&mut self, facts: &Facts) {
        let health = &facts.health;
        if health.is_wanted && health.endpoint.is_none() {
            let what = "there is to be a health endpoint, and there is none".to_owned();
            self.problem("health", what, INIT);
        }
        for ping in &health.pings {
            if let Some(problem) = &ping.problem {
                let what = format!("the health endpoint at {}: {problem}", ping.address);
                self.problem("health", what, DOCTOR);
            }
        }
    }
}

fn told(failing: &Failing) -> String {
    format!("endpoint {}: {}", failing.id, failing.problem)
}

/// Ids, as many as somebody reads.
pub(super) fn listed<T: ToString>(all: &[T]) -> String {
    let shown: Vec<_> = all.iter().take(SHOWN).map(T::to_string).collect();
    let more = if all.len() > SHOWN { ", ..." } else { "" };
    shown.join(", ") + more
}
