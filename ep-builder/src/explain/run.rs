//! One program run on one packet, and what it did with it.

use super::error::ExplainError;
use super::judgement::{Judgement, judgement};
use super::twins::Twins;
use super::words::{DropWords, Mark, Question};
use crate::abi::{MetricsKey, MetricsValue};
use crate::attach::Hook;
use crate::bpf::{SkContext, TestInput, TestOutput, Update};
use crate::device::DeviceId;
use crate::endpoint::{EndpointId, MacAddr};
use crate::load::{Datapath, Owner};
use crate::maps::{Direction, EVENT_LOST, Record};
use crate::policy::Holder;

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
    /// It comes to the node by this device.
    FromOutside(u32),
    /// The node itself sends it by this device.
    ToOutside(u32),
}

impl Start {
    /// Whose program runs.
    pub fn whose(self) -> Holder {
        match self {
            Self::FromPod(id) | Self::ToPod { id, .. } => Holder::Endpoint(id),
            Self::FromOutside(_) | Self::ToOutside(_) => Holder::Node,
        }
    }

    /// The endpoint whose program runs, if it is one's.
    pub fn endpoint(self) -> Option<EndpointId> {
        match self.whose() {
            Holder::Endpoint(id) => Some(id),
            Holder::Node => None,
        }
    }

    /// The device of the node at which the program stands, if it is the node's.
    pub fn device(self) -> Option<u32> {
        match self {
            Self::FromOutside(ifindex) | Self::ToOutside(ifindex) => Some(ifindex),
            Self::FromPod(_) | Self::ToPod { .. } => None,
        }
    }

    /// Where the program stands.
    pub fn hook(self) -> Hook {
        match self {
            Self::FromPod(_) => Hook::FromContainer,
            Self::ToPod { .. } => Hook::ToContainer,
            Self::FromOutside(_) => Hook::FromNetdev,
            Self::ToOutside(_) => Hook::ToNetdev,
        }
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It goes on to the host's stack.
    Stack,
    /// It leaves the node.
    Sent,
    /// A pod of this node gets it.
    Pod(EndpointId),
    /// It is handed to the device of a pod of this node, whose own program judges it.
    Device(EndpointId),
    /// The datapath answers it itself.
    Answered,
    /// It is dropped, by the programs of this endpoint or by the node's.
    Dropped(Holder, Drop),
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
    /// Whether it was on its way out of the pod, or the node, or into it.
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
    /// Whether a pod's programs called the node's, which judge what comes to it.
    pub is_node_called: bool,
    /// The packet as it was left.
    pub packet: Vec<u8>,
    /// Its mark.
    pub mark: u32,
}

impl Twins {
    /// Runs the program of a twin on a frame.
    pub fn run(&self, start: Start, frame: &[u8]) -> Result<Run, ExplainError> {
        let output = self.test_run(start, frame)?;
        let dropped = self.take_drop(&output)?;
        let taken = self.recorder().take()?;
        let questions = taken.asked.iter().filter_map(Question::of);
        let judgements = questions.map(|question| judgement(self, &question));
        let judgements = judgements.collect::<Result<_, _>>()?;
        let is_node_called = taken.is_node_called;
        Ok(Run {
            start,
            end: self.end(start, &output, dropped, is_node_called),
            judgements,
            is_node_called,
            mark: output.context.mark,
            packet: output.packet,
        })
    }

    fn test_run(&self, start: Start, frame: &[u8]) -> Result<TestOutput, ExplainError> {
        let (owner, datapath) = self.programs(start)?;
        let program = datapath.program(start.hook().section());
        let program = program.map_err(|source| ExplainError::Load { owner, source })?;
        let ifindex = self.ifindex(start)?;
        let (mark, ingress_ifindex) = match start {
            Start::FromPod(_) | Start::FromOutside(_) => (0, ifindex),
            Start::ToPod { mark, came_by, .. } => (mark, came_by),
            Start::ToOutside(_) => (0, 0),
        };
        let input = TestInput {
            packet: frame,
            context: SkContext {
                mark,
                ingress_ifindex,
                ifindex,
                ..SkContext::default()
            },
            repeat: 1,
        };
        Ok(program.test_run(&input)?)
    }

    fn programs(&self, start: Start) -> Result<(Owner, &Datapath), ExplainError> {
        Ok(match start {
            Start::FromPod(id) | Start::ToPod { id, .. } => {
                (Owner::Endpoint(id), &self.twin(id)?.datapath)
            }
            Start::FromOutside(ifindex) | Start::ToOutside(ifindex) => {
                let id = DeviceId::Native(ifindex);
                (Owner::Device(id), &self.device(id)?.datapath)
            }
        })
    }

    /// The device at which a program runs.
    fn ifindex(&self, start: Start) -> Result<u32, ExplainError> {
        Ok(match start {
            Start::FromPod(id) | Start::ToPod { id, .. } => self.twin(id)?.ifindex,
            Start::FromOutside(ifindex) | Start::ToOutside(ifindex) => ifindex,
        })
    }

    /// The drop that was counted in a run, its reason and direction; its counter is zero again.
    fn take_drop(&self, output: &TestOutput) -> Result<Option<(u8, u8)>, ExplainError> {
        let mark = Mark::of(output.context.mark);
        // What is answered goes back by a redirection, too, and is marked.
        let may_be_dropped = match output.verdict {
            PASS => false,
            REDIRECT => matches!(mark, Mark::Passed(_)),
            _ => true,
        };
        if !may_be_dropped {
            return Ok(None);
        }
        let words = DropWords::of(&output.context.cb);
        if self.take_count(words.reason, words.direction)? {
            return Ok(Some((words.reason, words.direction)));
        }
        // The scratch words are about something else.
        for direction in Direction::ALL.map(Direction::number) {
            for reason in EVENT_LOST + 1..=u8::MAX {
                if self.take_count(reason, direction)? {
                    return Ok(Some((reason, direction)));
                }
            }
        }
        Ok(None)
    }

    /// Whether something was counted as a drop of this reason.
    fn take_count(&self, reason: u8, direction: u8) -> Result<bool, ExplainError> {
        if reason <= EVENT_LOST || Direction::of(direction).is_none() {
            return Ok(false);
        }
        let key = MetricsKey {
            reason,
            direction,
            pad: [0; 2],
        };
        let (metrics, key) = (self.metrics(), key.to_bytes());
        let values = metrics.lookup_per_cpu(&key)?.unwrap_or_default();
        let has_counted = |value: &Vec<u8>| MetricsValue::from_bytes(value).packets > 0;
        if !values.iter().any(has_counted) {
            return Ok(false);
        }
        let nothing = vec![0; values.len() * size_of::<MetricsValue>()];
        metrics.update(&key, &nothing, Update::Any)?;
        Ok(true)
    }

    fn end(
        &self,
        start: Start,
        output: &TestOutput,
        dropped: Option<(u8, u8)>,
        is_node_called: bool,
    ) -> End {
        let own = start.whose();
        if let Some((reason, direction)) = dropped {
            let drop = drop_of(output, reason, direction);
            let by = if is_node_called {
                Holder::Node
            } else {
                self.dropped_by(start, &drop, &output.packet)
            };
            return End::Dropped(by, drop);
        }
        match (output.verdict, Mark::of(output.context.mark), start) {
            (PASS, _, Start::FromPod(_) | Start::FromOutside(_)) => End::Stack,
            (PASS, _, Start::ToOutside(_)) => End::Sent,
            (PASS, _, Start::ToPod { id, .. }) => End::Pod(id),
            (REDIRECT, Mark::Passed(id), Start::FromPod(own)) if id == own.get() => End::Answered,
            (REDIRECT, mark, _) => match (self.receiver(&output.packet), mark) {
                (Some(id), Mark::Identity(_)) => End::Device(id),
                (Some(id), _) => End::Pod(id),
                (None, _) => End::Stack,
            },
            // Nobody has counted it: there is no better reason than none.
            _ => End::Dropped(own, drop_of(output, 0, 0)),
        }
    }

    /// On its way into another pod, a packet is in the hands of that one's programs.
    fn dropped_by(&self, start: Start, drop: &Drop, frame: &[u8]) -> Holder {
        let own = start.whose();
        match (start, drop.direction) {
            (Start::FromPod(_), Some(Direction::Ingress)) => {
                self.receiver(frame).map_or(own, Holder::Endpoint)
            }
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
