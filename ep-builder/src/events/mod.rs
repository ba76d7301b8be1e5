//! Events of the datapath: the records of its ring buffer, decoded.
//!
//! A record is a structure of [`crate::abi`]; [`Event::decode`] tells which. Numbers in it get their names
//! from the datapath's sources ([`Vocabulary`]), the packet's first bytes are read by [`packet::Frame`], and
//! its time becomes a time of day by [`clock::Clock`].

mod advice;
pub mod clock;
pub mod packet;
mod ring;
mod vocabulary;

pub use advice::{advice, is_given};
pub use ring::EventRing;
pub use vocabulary::{Reason, Vocabulary};

use crate::abi::{DebugEvent, DropEvent, EventHeader, EventPacket, TraceEvent, VerdictEvent};
use crate::maps::{Direction, Record};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A packet was dropped.
    Drop(DropEvent),
    /// A packet was seen on its way.
    Trace(TraceEvent),
    /// The policy judged.
    Verdict(VerdictEvent),
    /// A message to developers.
    Debug(DebugEvent),
}

/// The kinds of events, `enum event_kind` of `bpf-src/abi.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A packet was dropped.
    Drop,
    /// A packet was seen on its way.
    Trace,
    /// The policy judged.
    Verdict,
    /// A message to developers.
    Debug,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Drop, Self::Trace, Self::Verdict, Self::Debug];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Trace => "trace",
            Self::Verdict => "verdict",
            Self::Debug => "debug",
        }
    }

    fn of(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Drop),
            2 => Some(Self::Debug),
            4 => Some(Self::Trace),
            5 => Some(Self::Verdict),
            _ => None,
        }
    }
}

/// A record that is no event of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// A kind that does not exist.
    #[error("an event of {length} bytes is of the unknown kind {kind}")]
    Kind {
        /// Its kind.
        kind: u8,
        /// Its bytes.
        length: usize,
    },
    /// Fewer bytes than the kind has.
    #[error("an event of kind {kind} has {length} bytes, {needed} are needed")]
    Short {
        /// Its kind.
        kind: u8,
        /// Its bytes.
        length: usize,
        /// The bytes of its structure.
        needed: usize,
    },
}

impl Event {
    /// Reads a record. Bytes behind the structure are left alone.
    pub fn decode(bytes: &[u8]) -> Result<Self, EventError> {
        let number = bytes.first().copied().unwrap_or_default();
        let length = bytes.len();
        let Some(kind) = Kind::of(number) else {
            return Err(EventError::Kind {
                kind: number,
                length,
            });
        };
        let needed = match kind {
            Kind::Drop => size_of::<DropEvent>(),
            Kind::Trace => size_of::<TraceEvent>(),
            Kind::Verdict => size_of::<VerdictEvent>(),
            Kind::Debug => size_of::<DebugEvent>(),
        };
        if length < needed {
            return Err(EventError::Short {
                kind: number,
                length,
                needed,
            });
        }
        Ok(match kind {
            Kind::Drop => Self::Drop(Record::from_bytes(bytes)),
            Kind::Trace => Self::Trace(Record::from_bytes(bytes)),
            Kind::Verdict => Self::Verdict(Record::from_bytes(bytes)),
            Kind::Debug => Self::Debug(Record::from_bytes(bytes)),
        })
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Drop(_) => Kind::Drop,
            Self::Trace(_) => Kind::Trace,
            Self::Verdict(_) => Kind::Verdict,
            Self::Debug(_) => Kind::Debug,
        }
    }

    /// What every event has.
    pub fn header(&self) -> &EventHeader {
        match self {
            Self::Drop(event) => &event.header,
            Self::Trace(event) => &event.header,
            Self::Verdict(event) => &event.header,
            Self::Debug(event) => &event.header,
        }
    }

    /// The packet it is about.
    pub fn packet(&self) -> Option<&EventPacket> {
        match self {
            Self::Drop(event) => Some(&event.packet),
            Self::Trace(event) => Some(&event.packet),
            Self::Verdict(event) => Some(&event.packet),
            Self::Debug(_) => None,
        }
    }

    /// Whether the packet leaves the endpoint that reports it, or comes to it; none where that is not known.
    pub fn direction(&self) -> Option<Direction> {
        match self {
            Self::Drop(event) => Direction::of(event.direction),
            Self::Trace(event) => trace_direction(event.header.subtype),
            Self::Verdict(event) => Direction::of(event.header.subtype),
            Self::Debug(_) => None,
        }
    }

    /// The endpoint that sent the packet, as far as the one that reports it knows.
    pub fn source_endpoint(&self) -> Option<u16> {
        match self.direction() {
            Some(Direction::Ingress) => self.other_endpoint(),
            Some(Direction::Egress) | None => Some(self.header().lxc_id),
        }
    }

    /// The endpoint that is to get the packet, likewise.
    pub fn destination_endpoint(&self) -> Option<u16> {
        match self.direction() {
            Some(Direction::Egress) => self.other_endpoint(),
            Some(Direction::Ingress) | None => Some(self.header().lxc_id),
        }
    }

    /// The endpoint on the other side of the one that reports it, where that is one of this node.
    fn other_endpoint(&self) -> Option<u16> {
        let named = match self {
            Self::Drop(event) => event.destination_id,
            Self::Trace(event) => event.destination_id,
            Self::Verdict(_) | Self::Debug(_) => 0,
        };
        (named != 0 && named != self.header().lxc_id).then_some(named)
    }
}

/// `enum trace_point` of `bpf-src/lib/events.h`: of the points that are in use, these see packets of the pod,
/// and the others see packets to it.
fn trace_direction(point: u8) -> Option<Direction> {
    match point {
        2 | 3 | 5 => Some(Direction::Egress),
        0 | 7 | 8 => Some(Direction::Ingress),
        _ => None,
    }
}

/// The bytes of a packet that were captured.
pub fn captured(packet: &EventPacket) -> &[u8] {
    let length = usize::from(packet.captured).min(packet.start.len());
    packet.start.get(..length).unwrap_or(&packet.start)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drop_event() -> DropEvent {
        let mut event: DropEvent = Record::from_bytes(&[]);
        event.header.kind = 1;
        event.header.subtype = 133;
        event.header.lxc_id = 2665;
        event.direction = 2;
        event.line = 42;
        event
    }

    #[test]
    fn a_record_is_the_event_that_was_written() {
        let event = drop_event();
        let bytes = event.to_bytes();
        assert_eq!(Event::decode(&bytes), Ok(Event::Drop(event)));
        let longer = [&bytes[..], &[1; 8]].concat();
        assert_eq!(Event::decode(&longer), Ok(Event::Drop(event)));
    }

    #[test]
    fn what_is_no_event_is_refused() {
        let bytes = drop_event().to_bytes();
        let short = EventError::Short {
            kind: 1,
            length: 183,
            needed: 184,
        };
        assert_eq!(Event::decode(&bytes[..183]), Err(short));
        for kind in [0, 3, 6, 255] {
            let unknown = EventError::Kind { kind, length: 1 };
            assert_eq!(Event::decode(&[kind]), Err(unknown));
        }
        assert_eq!(
            Event::decode(&[]),
            Err(EventError::Kind { kind: 0, length: 0 })
        );
    }

    #[test]
    fn both_ends_are_known_as_far_as_the_event_says() {
        let mut event = drop_event();
        let ends = |event| {
            let event = Event::Drop(event);
            (event.source_endpoint(), event.destination_endpoint())
        };
        assert_eq!(ends(event), (Some(2665), None));
        event.destination_id = 7;
        assert_eq!(ends(event), (Some(2665), Some(7)));
        event.direction = 1;
        assert_eq!(ends(event), (Some(7), Some(2665)));
        event.destination_id = 0;
        assert_eq!(ends(event), (None, Some(2665)));
    }

    #[test]
    fn no_more_is_captured_than_there_is_room() {
        let mut packet = drop_event().packet;
        for (said, length) in [(0, 0), (14, 14), (128, 128), (129, 128), (u16::MAX, 128)] {
            packet.captured = said;
            assert_eq!(captured(&packet).len(), length, "{said}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_event_or_an_error(mut bytes in prop::collection::vec(any::<u8>(), 0..256), kind in 0_u8..8) {
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            if let Ok(event) = Event::decode(&bytes) {
                prop_assert_eq!(event.header().kind, kind);
                let ends = (event.source_endpoint(), event.destination_endpoint());
                prop_assert!(ends != (None, None));
                if let Some(packet) = event.packet() {
                    prop_assert!(captured(packet).len() <= 128);
                }
            }
        }
    }
}
