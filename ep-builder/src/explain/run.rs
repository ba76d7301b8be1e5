//! One program run on one packet, and what it did with it.

use super::error::ExplainError;
use super::judgement::{Judgement, judgement};
use super::twins::Twins;
use super::words::{DropWords, Mark, Question};
use crate::abi::{MetricsKey, MetricsValue};
use crate::attach::Hook;
use crate::bpf::{SkContext, TestInput, TestOutput};
use crate::endpoint::{EndpointId, MacAddr};
use crate::maps::{Direction, EVENT_LOST, Record};

const PASS: u32 = 0;
const REDIRECT: u32 = 7;

/// Where a packet meets a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The pod sends it.
    FromPod(EndpointId),
    /// The host's stack sends it to the pod.
    ToPod {
        /// The pod.
        id: EndpointId,
        /// The packet's mark: a pod's programs say there who sent it.
        mark: u32,
        /// The device by which it came to the node; 0 for what the node itself sends.
        came_by: u32,
    },
}

impl Start {
    /// The endpoint whose program runs.
    pub fn endpoint(self) -> EndpointId {
        match self {
            Self::FromPod(id) | Self::ToPod { id, .. } => id,
        }
    }

    /// Where the program stands.
    pub fn hook(self) -> Hook {
        match self {
            Self::FromPod(_) => Hook::FromContainer,
            Self::ToPod { .. } => Hook::ToContainer,
        }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It goes on to the host's stack.
    Stack,
    /// A pod of this node gets it.
    Pod(EndpointId),
    /// It is handed to the device of a pod of this node, whose own program judges it.
    Device(EndpointId),
    /// The datapath answers it itself.
    Answered,
    /// It is dropped, by the programs of this endpoint.
    Dropped(EndpointId, Drop),
}

/// Why and where a packet was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drop {
    /// The code of the reason.
    pub reason: u8,
    /// The number of the source file in which that was decided; 0 for not known.
    pub file: u8,
    /// The line in it.
    pub line: u16,
    /// What the reason asks for: a slot, an error.
    pub detail: u8,
    /// Whether it was on its way out of the pod or into it.
    pub direction: Option<Direction>,
    /// The rule that decided, if one did.
    pub rule: u32,
    /// The identity of the peer, if it was looked for.
    pub peer_identity: u32,
    /// The endpoint at the other side, if it was found.
    pub peer_id: u16,
    /// Whether the pod gets an error message of ICMP.
    pub is_answered: bool,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where it began.
    pub start: Start,
    /// How it ended.
    pub end: End,
    /// What policies were asked on the way, in order; nothing for a packet of a connection that is known.
    pub judgements: Vec<Judgement>,
    /// The packet as it was left.
    pub packet: Vec<u8>,
    /// Its mark.
    pub mark: u32,
}

impl Twins {
    /// Runs the program of a twin on a frame.
    pub fn run(&self, start: Start, frame: &[u8]) -> Result<Run, ExplainError> {
        let output = self.test_run(start, frame)?;
        let dropped = self.take_drops()?;
        let mut judgements = Vec::new();
        for asked in self.recorder().take()? {
            if let Some(question) = Question::of(&asked) {
                judgements.extend(judgement(self, &question)?);
            }
        }
        Ok(Run {
            start,
            end: self.end(start, &output, dropped.first().copied()),
            judgements,
            mark: output.context.mark,
            packet: output.packet,
        })
    }

    fn test_run(&self, start: Start, frame: &[u8]) -> Result<TestOutput, ExplainError> {
        let id = start.endpoint();
        let twin = self.twin(id)?;
        let program = twin.datapath.program(start.hook().section());
        let program = program.map_err(|source| ExplainError::Load { id, source })?;
        let (mark, ingress_ifindex) = match start {
            Start::FromPod(_) => (0, twin.ifindex),
            Start::ToPod { mark, came_by, .. } => (mark, came_by),
        };
        let input = TestInput {
            packet: frame,
            context: SkContext {
                mark,
                ingress_ifindex,
                ifindex: twin.ifindex,
                ..SkContext::default()
            },
            repeat: 1,
        };
        Ok(program.test_run(&input)?)
    }

    /// The drops that were counted since the last call: reason and direction.
    fn take_drops(&self) -> Result<Vec<(u8, u8)>, ExplainError> {
        let metrics = self.metrics();
        let keys: Vec<_> = metrics.keys().collect::<Result<_, _>>()?;
        let mut drops = Vec::new();
        for key in keys {
            let values = metrics.lookup_per_cpu(&key)?.unwrap_or_default();
            let has_counted = |value: &Vec<u8>| MetricsValue::from_bytes(value).packets > 0;
            let MetricsKey {
                reason, direction, ..
            } = MetricsKey::from_bytes(&key);
            if reason > EVENT_LOST && values.iter().any(has_counted) {
                drops.push((reason, direction));
            }
            metrics.delete(&key)?;
        }
        Ok(drops)
    }

    fn end(&self, start: Start, output: &TestOutput, dropped: Option<(u8, u8)>) -> End {
        let own = start.endpoint();
        if let Some((reason, direction)) = dropped {
            let drop = drop_of(output, reason, direction);
            return End::Dropped(self.dropped_by(start, &drop, &output.packet), drop);
        }
        match (output.verdict, Mark::of(output.context.mark), start) {
            (PASS, _, Start::FromPod(_)) => End::Stack,
            (PASS, _, Start::ToPod { .. }) => End::Pod(own),
            (REDIRECT, Mark::Passed(id), Start::FromPod(_)) if id == own.get() => End::Answered,
            (REDIRECT, mark, _) => match (self.receiver(&output.packet), mark) {
                (Some(id), Mark::Identity(_)) => End::Device(id),
                (Some(id), _) => End::Pod(id),
                (None, _) => End::Stack,
            },
            // Nobody has counted it: there is no better reason than none.
            _ => End::Dropped(own, drop_of(output, 0, 0)),
        }
    }

    /// On its way into another pod, a packet of a pod is in the hands of that one's programs.
    fn dropped_by(&self, start: Start, drop: &Drop, frame: &[u8]) -> EndpointId {
        let own = start.endpoint();
        match (start, drop.direction) {
            (Start::FromPod(_), Some(Direction::Ingress)) => self.receiver(frame).unwrap_or(own),
            _ => own,
        }
    }

    /// Whose MAC a frame is for, of those who have twins.
    fn receiver(&self, frame: &[u8]) -> Option<EndpointId> {
        let mac = frame.first_chunk().map(|octets| MacAddr(*octets));
        let mut twins = self.twins().iter();
        twins.find_map(|(id, twin)| (Some(twin.mac) == mac).then_some(*id))
    }
}

/// What is known of a drop: where the scratch words are about another one, the reason alone.
fn drop_of(output: &TestOutput, reason: u8, direction: u8) -> Drop {
    let words = DropWords::of(&output.context.cb);
    let is_told = words.reason == reason && words.direction == direction;
    let told = |number: u32| if is_told { number } else { 0 };
    let octet = |number: u8| if is_told { number } else { 0 };
    let short = |number: u16| if is_told { number } else { 0 };
    Drop {
        reason,
        file: octet(words.file),
        line: short(words.line),
        detail: octet(words.detail),
        direction: Direction::of(direction),
        rule: told(words.rule),
        peer_identity: told(words.peer_identity),
        peer_id: short(words.peer_id),
        is_answered: output.verdict == REDIRECT,
    }
}
