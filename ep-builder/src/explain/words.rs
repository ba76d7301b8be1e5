//! The numbers that programs leave in a packet's scratch words and mark, as `bpf-src/lib/{policy,drop,identity}.h`
//! define them.

use super::recorder::{Asked, WORDS};
use crate::endpoint::EndpointId;
use crate::maps::Direction;
use crate::policy::Holder;

const QUESTION_IDENTITY: usize = 0;
const QUESTION_REVISION: usize = 1;
const QUESTION_ABOUT: usize = 2;
const QUESTION_NETWORK: usize = 4;
const PROTOCOL_SHIFT: u32 = 16;
const DIRECTION_SHIFT: u32 = 24;
const DIRECTION_MASK: u32 = 0x7f;

/// A question as a policy program reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) whose: Holder,
    pub(super) identity: u32,
    /// 0 for none.
    pub(super) network: u32,
    pub(super) revision: u32,
    pub(super) direction: Direction,
    pub(super) protocol: u8,
    pub(super) port: u16,
}

impl Question {
    /// None for words that are no question.
    pub(super) fn of(asked: &Asked) -> Option<Self> {
        let [identity, revision, about] =
            [QUESTION_IDENTITY, QUESTION_REVISION, QUESTION_ABOUT].map(|at| asked.words[at]);
        let [direction, protocol] = [
            about >> DIRECTION_SHIFT & DIRECTION_MASK,
            about >> PROTOCOL_SHIFT & 0xff,
        ]
        .map(|number| u8::try_from(number).unwrap_or(0));
        let port = u16::try_from(about & 0xffff).unwrap_or(0);
        Some(Self {
            whose: EndpointId::new(asked.number).map_or(Holder::Node, Holder::Endpoint),
            identity,
            network: asked.words[QUESTION_NETWORK],
            revision,
            direction: Direction::of(direction)?,
            protocol,
            port: u16::from_be(port),
        })
    }
}

const LINE_SHIFT: u32 = 8;
const LINE_MASK: u32 = 0x3ff;
const FILE_SHIFT: u32 = 18;
const FILE_MASK: u32 = 0x1f;
const DETAIL_SHIFT: u32 = 23;
const PEER_ID_SHIFT: u32 = 16;

/// What the one exit for drops leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DropWords {
    pub(super) reason: u8,
    pub(super) line: u16,
    pub(super) file: u8,
    pub(super) detail: u8,
    pub(super) direction: u8,
    pub(super) peer_id: u16,
    pub(super) peer_identity: u32,
    pub(super) rule: u32,
}

impl DropWords {
    pub(super) fn of(words: &[u32; WORDS]) -> Self {
        let [place, direction, peer_identity, rule, _] = *words;
        let bits = |shift: u32, mask: u32| u16::try_from(place >> shift & mask).unwrap_or(0);
        let octet = |number: u16| u8::try_from(number).unwrap_or(0);
        Self {
            reason: octet(bits(0, 0xff)),
            line: bits(LINE_SHIFT, LINE_MASK),
            file: octet(bits(FILE_SHIFT, FILE_MASK)),
            detail: octet(bits(DETAIL_SHIFT, 0xff)),
            direction: u8::try_from(direction & 0xff).unwrap_or(0),
            peer_id: u16::try_from(direction >> PEER_ID_SHIFT).unwrap_or(0),
            peer_identity,
            rule,
        }
    }
}

const KIND_MASK: u32 = 0x0f00;
const KIND_IDENTITY: u32 = 0x0f00;
const KIND_PASSED: u32 = 0x0600;

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// The identity of the sender, a pod of this node.
    Identity(u32),
    /// The programs of this endpoint need not see the packet again.
    Passed(u16),
    /// Nothing of ours.
    Other,
}

impl Mark {
    pub(super) fn of(mark: u32) -> Self {
        match mark & KIND_MASK {
            KIND_IDENTITY => Self::Identity(mark >> 16 | (mark & 0xff) << 16),
            KIND_PASSED => Self::Passed(u16::try_from(mark >> 16).unwrap_or(0)),
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_as_it_was_put() {
        let about = u32::from(80_u16.to_be()) | 6 << 16 | 0x81 << 24;
        let words = [12_022, 7, about, 0, 1 << 24];
        let (number, pod) = (2_665, EndpointId::new(2_665).unwrap());
        let question = |number| Question::of(&Asked { number, words });
        assert_eq!(question(0).unwrap().whose, Holder::Node);
        assert_eq!(
            question(number),
            Some(Question {
                whose: Holder::Endpoint(pod),
                identity: 12_022,
                network: 1 << 24,
                revision: 7,
                direction: Direction::Ingress,
                protocol: 6,
                port: 80,
            })
        );
        assert_eq!(
            Question::of(&Asked {
                number,
                words: [0; WORDS]
            }),
            None
        );
    }

    #[test]
    fn a_drop_is_read_as_it_was_left() {
        let place = 0x8c | 0xab << 8 | 0x0b << 18 | 0xff << 23;
        let drop = DropWords::of(&[place, 0x2 | 0xa69 << 16, 12_022, 3, 7]);
        assert_eq!(
            drop,
            DropWords {
                reason: 140,
                line: 171,
                file: 11,
                detail: 0xff,
                direction: 2,
                peer_id: 2_665,
                peer_identity: 12_022,
                rule: 3,
            }
        );
    }

    #[test]
    fn marks_are_told_apart() {
        assert_eq!(Mark::of(0x0001_0f02), Mark::Identity(0x0002_0001));
        assert_eq!(Mark::of(2_665 << 16 | 0x0600), Mark::Passed(2_665));
        for other in [0, 0x4000, 0x0e00] {
            assert_eq!(Mark::of(other), Mark::Other, "{other:#x}");
        }
    }
}
