//! From a packet's way to what is said about it.

use ep_builder::attach::Hook;
use ep_builder::endpoint::EndpointId;
use ep_builder::events::Vocabulary;
use ep_builder::explain::{Drop, End, Judgement, Packet, Run, Start, Verdict as Outcome, Way};
use ep_builder::maps::Direction;
use ep_builder::policy::Holder;

use super::book::Books;
use super::excuse::excuse;
use super::report::{Dropped, Judged, Policy, Rule, Step, Verdict};
use super::scene::Scene;
use crate::failure::Failure;

/// `DROP_POLICY` and `DROP_POLICY_DENY` of `bpf-src/lib/drop.h`.
const NOT_ALLOWED: u8 = 133;
const DENIED: u8 = 181;
/// Those that mean that programs are missing.
const MISSED_TAIL_CALL: u8 = 140;
const NOT_READY: u8 = 203;
const NODE_NOT_READY: u8 = 202;
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

/// A packet that was asked about.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) packet: &'a Packet,
    /// Whether it is part of a connection.
    pub(super) is_established: bool,
}

impl Answer {
    pub(super) fn new(
        case: Case<'_>,
        way: &Way,
        scene: &Scene<'_>,
        books: &Books,
        vocabulary: &Vocabulary,
    ) -> Result<Self, Failure> {
        let (verdict, delivered_to) = match way.verdict {
            Outcome::Delivered(id) => (Verdict::Delivered, Some(id)),
            Outcome::Stack => (Verdict::Stack, None),
            Outcome::Sent => (Verdict::Sent, None),
            Outcome::Answered => (Verdict::Answered, None),
            Outcome::Dropped(..) => (Verdict::Dropped, None),
        };
        let dropped = match way.verdict {
            Outcome::Dropped(by, drop) => Some((by, drop)),
            _ => None,
        };
        let mut steps = Vec::new();
        for run in &way.runs {
            steps.extend(Stepping { case, run, scene }.steps()?);
        }
        let mut answer = Self {
            verdict,
            delivered_to,
            drop: dropped.map(|(by, drop)| told(by, &drop, vocabulary)),
            steps,
            rule: last_judgement(way, dropped.map(|(by, _)| by))
                .and_then(|judgement| rule(judgement, books)),
            isolated_by: dropped
                .map(|(by, drop)| isolated_by(by, &drop, scene, books))
                .unwrap_or_default(),
            advice: None,
        };
        answer.advice = dropped.and_then(|(by, drop)| answer.advice_on(by, &drop));
        Ok(answer)
    }

    fn advice_on(&self, by: Holder, drop: &Drop) -> Option<String> {
        let side = match drop.direction {
            Some(Direction::Egress) => "egress",
            _ => "ingress",
        };
        let (whom, name) = match by {
            Holder::Node => ("node", "node".to_owned()),
            Holder::Endpoint(id) => ("pod", id.to_string()),
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
                "add an {side} rule that allows it to a policy that selects the {whom}, then `weir policy apply`; `weir policy get {name}` shows what is allowed now"
            ),
            (DENIED, None) => format!("`weir policy get {name}` shows the entry that denies it"),
            (NODE_NOT_READY, _) => {
                "the node's own programs are not loaded: `weir node init`".to_owned()
            }
            (NOT_READY, _) => regenerate(&drop.peer_id.to_string()),
            (MISSED_TAIL_CALL, _) => regenerate(&name),
            (SPOOFED, _) if by == Holder::Node => {
                "what comes from outside may not have an address of the node or of its pods"
                    .to_owned()
            }
            (SPOOFED, _) => "a pod may send from its own addresses alone".to_owned(),
            (TTL_EXCEEDED, _) => {
                "the sender's hop limit is too low for a router on the way".to_owned()
            }
            _ => return None,
        })
    }
}

fn regenerate(missing: &str) -> String {
    match missing {
        "node" => "the node's own programs are not loaded: `weir node init`".to_owned(),
        id => format!("its programs are not loaded: `weir endpoint regenerate {id}`"),
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

fn told(by: Holder, drop: &Drop, vocabulary: &Vocabulary) -> Dropped {
    let reason = vocabulary.counted(drop.reason);
    Dropped {
        endpoint: by,
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

/// The judgement that counts in the end: of the one that dropped it, or the last one.
fn last_judgement(way: &Way, dropped_by: Option<Holder>) -> Option<&Judgement> {
    let mut judgements = way.runs.iter().flat_map(|run| &run.judgements);
    judgements.rfind(|judgement| dropped_by.is_none_or(|by| judgement.whose == by))
}

fn rule(judgement: &Judgement, books: &Books) -> Option<Rule> {
    let number = judgement.decider()?.decision.rule;
    books.get(&judgement.whose)?.rule(number)
}

fn isolated_by(by: Holder, drop: &Drop, scene: &Scene<'_>, books: &Books) -> Vec<Policy> {
    let (NOT_ALLOWED, Some(direction), Some(book)) = (drop.reason, drop.direction, books.get(&by))
    else {
        return Vec::new();
    };
    match by {
        Holder::Node => book.isolating(None, direction),
        Holder::Endpoint(id) => scene.endpoint(id).map_or_else(Vec::new, |endpoint| {
            book.isolating(Some(endpoint), direction)
        }),
    }
}

/// One run, on its way to being told.
struct Stepping<'a> {
    case: Case<'a>,
    run: &'a Run,
    scene: &'a Scene<'a>,
}

impl Stepping<'_> {
    /// What the programs of each did in one run: a pod's programs call those of another pod, or of the node.
    fn steps(&self) -> Result<Vec<Step>, Failure> {
        let own = self.run.start.whose();
        let other = match (self.run.start, self.run.end) {
            (Start::FromPod(_), _) if self.run.is_node_called => Some(Holder::Node),
            (Start::FromPod(_), End::Pod(id)) => Some(Holder::Endpoint(id)),
            (Start::FromPod(_), End::Dropped(by, _)) if by != own => Some(by),
            _ => None,
        };
        let section = self.run.start.hook().section();
        let mut steps = vec![self.step(own, section, other.is_none())?];
        if let Some(other) = other {
            steps.push(self.step(other, "policy/ingress", true)?);
        }
        Ok(steps)
    }

    fn step(&self, whose: Holder, program: &'static str, is_last: bool) -> Result<Step, Failure> {
        let end = self.run.end;
        let is_refused = |drop: &Drop| matches!(drop.reason, NOT_ALLOWED | DENIED);
        let has_passed =
            !matches!(&end, End::Dropped(by, drop) if *by == whose && is_refused(drop));
        let mut judgements = Vec::new();
        let all = self.run.judgements.iter();
        for judgement in all.filter(|judgement| judgement.whose == whose) {
            let excuse = excuse(judgement, self.case.packet, self.scene)?;
            judgements.push(Judged::new(judgement, has_passed, excuse));
        }
        let is_dropped = is_last && matches!(end, End::Dropped(..));
        // What is no business of the node's policy passes its programs, too.
        let is_known = whose != Holder::Node || self.case.is_established;
        let device = self.run.start.device();
        Ok(Step {
            endpoint: whose,
            device: device.and_then(|it| self.scene.device(it).map(str::to_owned)),
            program,
            connection: match (judgements.is_empty(), is_dropped) {
                (false, _) => "asked",
                (true, false) if is_known => "known",
                (true, _) => "none",
            },
            judgements,
            end: match (is_last, self.run.is_node_called) {
                (true, _) => self.end(),
                (false, true) => "to the node's programs".to_owned(),
                (false, false) => "to the receiver's programs".to_owned(),
            },
        })
    }

    fn end(&self) -> String {
        let start = self.run.start;
        match (self.run.end, start.hook()) {
            (End::Stack, _) => "to the host's stack".to_owned(),
            (End::Sent, _) => {
                let device = start.device().and_then(|it| self.scene.device(it));
                format!("out by {}", device.unwrap_or("the device"))
            }
            (End::Pod(id), Hook::FromContainer) => format!("to the pod of endpoint {id}"),
            (End::Pod(_), _) => "to the pod".to_owned(),
            (End::Device(id), _) => format!("to the device of endpoint {id}"),
            (End::Answered, _) => "answered".to_owned(),
            (End::Dropped(_, drop), _) => format!("dropped: {}", drop.reason),
        }
    }
}
