//! From a packet's way to what is said about it.

use std::collections::BTreeMap;

use ep_builder::attach::Hook;
use ep_builder::endpoint::EndpointId;
use ep_builder::events::Vocabulary;
use ep_builder::explain::{Drop, End, Judgement, Run, Start, Verdict as Outcome, Way};
use ep_builder::maps::Direction;

use super::book::Book;
use super::report::{Dropped, Judged, Policy, Rule, Step, Verdict};
use super::scene::Scene;

/// `DROP_POLICY` and `DROP_POLICY_DENY` of `bpf-src/lib/drop.h`.
const NOT_ALLOWED: u8 = 133;
const DENIED: u8 = 181;
/// Those that mean that programs are missing.
const MISSED_TAIL_CALL: u8 = 140;
const NOT_READY: u8 = 203;
/// The source address is not the endpoint's.
const SPOOFED: u8 = 132;
/// The hop limit.
const TTL_EXCEEDED: u8 = 196;

/// What is said about a packet, apart from its description.
pub(super) struct Answer {
    pub(super) verdict: Verdict,
    pub(super) delivered_to: Option<EndpointId>,
    pub(super) drop: Option<Dropped>,
    pub(super) steps: Vec<Step>,
    pub(super) rule: Option<Rule>,
    pub(super) isolated_by: Vec<Policy>,
    pub(super) advice: Option<String>,
}

impl Answer {
    pub(super) fn new(
        way: &Way,
        scene: &Scene<'_>,
        books: &BTreeMap<EndpointId, Book>,
        vocabulary: &Vocabulary,
    ) -> Self {
        let (verdict, delivered_to) = match way.verdict {
            Outcome::Delivered(id) => (Verdict::Delivered, Some(id)),
            Outcome::Stack => (Verdict::Stack, None),
            Outcome::Answered => (Verdict::Answered, None),
            Outcome::Dropped(..) => (Verdict::Dropped, None),
        };
        let dropped = match way.verdict {
            Outcome::Dropped(id, drop) => Some((id, drop)),
            _ => None,
        };
        let mut answer = Self {
            verdict,
            delivered_to,
            drop: dropped.map(|(id, drop)| told(id, &drop, vocabulary)),
            steps: way.runs.iter().flat_map(steps).collect(),
            rule: last_judgement(way, dropped.map(|(id, _)| id))
                .and_then(|judgement| rule(judgement, books)),
            isolated_by: dropped
                .map(|(id, drop)| isolated_by(id, &drop, scene, books))
                .unwrap_or_default(),
            advice: None,
        };
        answer.advice = dropped.and_then(|(id, drop)| answer.advice_on(id, &drop));
        answer
    }

    fn advice_on(&self, id: EndpointId, drop: &Drop) -> Option<String> {
        let side = match drop.direction {
            Some(Direction::Egress) => "egress",
            _ => "ingress",
        };
        Some(match (drop.reason, &self.rule) {
            (DENIED, Some(rule)) => format!(
                "a rule that denies wins over all that allow: change {} {} at {}:{}, then `weir policy apply`",
                rule.policy.kind_name(),
                rule.policy.full_name(),
                rule.policy.file,
                rule.policy.line
            ),
            (NOT_ALLOWED, _) => format!(
                "add an {side} rule that allows it to a policy that selects the pod, then `weir policy apply`; `weir policy get {id}` shows what is allowed now"
            ),
            (DENIED, None) => format!("`weir policy get {id}` shows the entry that denies it"),
            (MISSED_TAIL_CALL | NOT_READY, _) => {
                let missing = if drop.reason == NOT_READY {
                    u32::from(drop.peer_id)
                } else {
                    u32::from(id.get())
                };
                format!("its programs are not loaded: `weir endpoint regenerate {missing}`")
            }
            (SPOOFED, _) => "a pod may send from its own addresses alone".to_owned(),
            (TTL_EXCEEDED, _) => {
                "the sender's hop limit is too low for a router on the way".to_owned()
            }
            _ => return None,
        })
    }
}

impl Policy {
    pub(super) fn kind_name(&self) -> String {
        format!("{:?}", self.kind)
    }

    /// With its namespace, where the kind has one.
    pub(super) fn full_name(&self) -> String {
        match self.namespace.as_str() {
            "" => self.name.clone(),
            namespace => format!("{namespace}/{}", self.name),
        }
    }
}

fn told(id: EndpointId, drop: &Drop, vocabulary: &Vocabulary) -> Dropped {
    let reason = vocabulary.counted(drop.reason);
    Dropped {
        endpoint: id,
        reason: drop.reason,
        name: reason.name,
        meaning: reason.meaning,
        direction: drop.direction,
        file: vocabulary.file(drop.file).map(str::to_owned),
        line: (drop.line != 0).then_some(drop.line),
        detail: drop.detail,
        answered: drop.is_answered,
    }
}

/// The judgement that counts in the end: of the endpoint that dropped it, or the last one.
fn last_judgement(way: &Way, dropped_by: Option<EndpointId>) -> Option<&Judgement> {
    let mut judgements = way.runs.iter().flat_map(|run| &run.judgements);
    judgements.rfind(|judgement| dropped_by.is_none_or(|id| judgement.endpoint == id))
}

fn rule(judgement: &Judgement, books: &BTreeMap<EndpointId, Book>) -> Option<Rule> {
    let number = judgement.decider()?.decision.rule;
    books.get(&judgement.endpoint)?.rule(number)
}

fn isolated_by(
    id: EndpointId,
    drop: &Drop,
    scene: &Scene<'_>,
    books: &BTreeMap<EndpointId, Book>,
) -> Vec<Policy> {
    match (
        drop.reason,
        drop.direction,
        scene.endpoint(id),
        books.get(&id),
    ) {
        (NOT_ALLOWED, Some(direction), Some(endpoint), Some(book)) => {
            book.isolating(endpoint, direction)
        }
        _ => Vec::new(),
    }
}

/// What the programs of each endpoint did in one run: a pod's programs call those of another pod.
fn steps(run: &Run) -> Vec<Step> {
    let own = run.start.endpoint();
    let other = match (run.start, run.end) {
        (Start::FromPod(_), End::Pod(id)) => Some(id),
        (Start::FromPod(_), End::Dropped(id, _)) if id != own => Some(id),
        _ => None,
    };
    let first = step(run, own, run.start.hook().section(), other.is_none());
    let second = other.map(|id| step(run, id, "policy/ingress", true));
    std::iter::once(first).chain(second).collect()
}

fn step(run: &Run, endpoint: EndpointId, program: &'static str, is_last: bool) -> Step {
    let judgements = run.judgements.iter();
    let own = judgements.filter(|judgement| judgement.endpoint == endpoint);
    let is_dropped = is_last && matches!(run.end, End::Dropped(..));
    let is_refused = |drop: &Drop| matches!(drop.reason, NOT_ALLOWED | DENIED);
    let has_passed =
        !matches!(&run.end, End::Dropped(id, drop) if *id == endpoint && is_refused(drop));
    let own: Vec<_> = own.map(|it| Judged::new(it, has_passed)).collect();
    Step {
        endpoint,
        program,
        connection: match (own.is_empty(), is_dropped) {
            (false, _) => "asked",
            (true, true) => "none",
            (true, false) => "known",
        },
        judgements: own,
        end: if is_last {
            end(run)
        } else {
            "to the receiver's programs".to_owned()
        },
    }
}

fn end(run: &Run) -> String {
    match (run.end, run.start.hook()) {
        (End::Stack, _) => "to the host's stack".to_owned(),
        (End::Pod(id), Hook::FromContainer) => format!("to the pod of endpoint {id}"),
        (End::Pod(_), _) => "to the pod".to_owned(),
        (End::Device(id), _) => format!("to the device of endpoint {id}"),
        (End::Answered, _) => "answered".to_owned(),
        (End::Dropped(_, drop), _) => format!("dropped: {}", drop.reason),
    }
}
