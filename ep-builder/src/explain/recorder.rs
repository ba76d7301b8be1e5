//! What policy is asked, word for word.
//!
//! The question stands in the scratch words of the packet; of these nothing is left at the end of its way. So in the
//! twins somebody writes them down before the policy answers. A shared program asks an endpoint's policy by a tail
//! call: another program stands in the policy's place, and goes on to it. The node's programs ask by a function of
//! their own: the same instructions stand before its own ones. That works for objects of every shape, also for those
//! without any notification.

use std::os::fd::{AsFd, AsRawFd};

use crate::bpf::{BpfError, Map, MapShape, Program, ProgramSpec, Update};
use crate::endpoint::EndpointId;

/// The node's number.
const NODE: u16 = 0;
/// More than there are numbers of endpoints.
const ENDPOINTS: u32 = 1 << 16;
/// Scratch words of a packet.
pub(super) const WORDS: usize = 5;
/// Where the first of them is in `struct __sk_buff`.
const SCRATCH: u8 = 48;
/// Bytes of a record, of which the first place is taken by the count.
const STEP: u8 = 32;
/// A packet passes two policies.
const RECORDS: u8 = 7;
/// `DROP_MISSED_TAIL_CALL` of `bpf-src/lib/drop.h`.
const MISSED_TAIL_CALL: u8 = 140;
/// `bpf_tail_call`
const TAIL_CALL: u8 = 12;

/// The number under which it is written down that the node's own programs were called, which are asked by none.
const CALLED: u32 = 1 << 16;

/// A question as it was put: to whom, and the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The number of the endpoint whose policy was asked; 0 is the node.
    pub(super) number: u16,
    /// The words.
    pub(super) words: [u32; WORDS],
}

/// What was written down of one packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// The questions, in order.
    pub(super) asked: Vec<Asked>,
    /// Whether a pod's programs called the node's.
    pub(super) is_node_called: bool,
}

/// The records, and the programs that the recording ones go on to.
#[derive(Debug)]
pub(super) struct Recorder {
    records: Map,
    policies: Map,
}

impl Recorder {
    /// One that has nothing yet.
    pub(super) fn new() -> Result<Self, BpfError> {
        let records = MapShape {
            map_type: MapShape::ARRAY,
            key_size: 4,
            value_size: u32::from(STEP) * (u32::from(RECORDS) + 1),
            max_entries: 1,
            flags: 0,
        };
        let policies = MapShape {
            map_type: MapShape::PROGRAM_ARRAY,
            key_size: 4,
            value_size: 4,
            max_entries: ENDPOINTS,
            flags: 0,
        };
        Ok(Self {
            records: Map::create("asked", records)?,
            policies: Map::create("policies", policies)?,
        })
    }

    /// Puts itself between those who ask an endpoint's policy, through `verdicts`, and `policy`.
    pub(super) fn stand_before(
        &self,
        policy: &Program,
        id: EndpointId,
        verdicts: &Map,
    ) -> Result<(), BpfError> {
        self.put(policy, id.get(), id.get().into(), verdicts)
    }

    /// Puts itself between those who call the node's programs, through `calls`, and these.
    pub(super) fn stand_before_node(&self, node: &Program, calls: &Map) -> Result<(), BpfError> {
        self.put(node, NODE, CALLED, calls)
    }

    fn put(
        &self,
        program: &Program,
        place: u16,
        number: u32,
        callers: &Map,
    ) -> Result<(), BpfError> {
        let key = u32::from(place).to_ne_bytes();
        self.policies.update_fd(&key, program)?;
        let program = Program::load(&ProgramSpec {
            name: "recorder",
            code: &[self.note(number), self.go_on(place)].concat(),
            license: c"Dual BSD/GPL",
            btf: None,
            func_info: &[],
            line_info: &[],
        })?;
        callers.update_fd(&key, &program)
    }

    /// What was written down since the last call.
    pub(super) fn take(&self) -> Result<Taken, BpfError> {
        let place = [0; 4];
        let Some(mut value) = self.records.lookup(&place)? else {
            return Ok(Taken::default());
        };
        let words: Vec<u32> = value
            .as_chunks()
            .0
            .iter()
            .map(|word| u32::from_ne_bytes(*word))
            .collect();
        let count = words.first().map_or(0, |count| *count as usize);
        let records = words.chunks(usize::from(STEP) / 4).skip(1).take(count);
        let mut taken = Taken::default();
        for record in records {
            match (record.first_chunk(), record.get(WORDS)) {
                (_, Some(&CALLED)) => taken.is_node_called = true,
                (Some(words), Some(number)) => taken.asked.push(Asked {
                    number: u16::try_from(*number).unwrap_or(NODE),
                    words: *words,
                }),
                _ => {}
            }
        }
        value.fill(0);
        self.records.update(&place, &value, Update::Any)?;
        Ok(taken)
    }

    /// Instructions that write the scratch words down for the node, for the beginning of a function.
    pub(super) fn note_of_node(&self) -> Vec<[u8; 8]> {
        self.note(NODE.into())
    }

    /// Writes the scratch words of the packet in r1 down; r1 to r5 stay as they are.
    fn note(&self, number: u32) -> Vec<[u8; 8]> {
        let words = u8::try_from(WORDS).unwrap_or(u8::MAX);
        let mut code = vec![
            // r6 = the records; r7 = how many there are
            one(0x18, 0x26, 0, descriptor(&self.records)),
            one(0, 0, 0, 0),
            one(0x61, 0x67, 0, 0),
            // if (r7 >= RECORDS) goto the end
            one(0x35, 0x07, 2 * words + 6, i32::from(RECORDS)),
            // r8 = r6 + r7 * STEP
            one(0xbf, 0x78, 0, 0),
            one(0x67, 0x08, 0, STEP.ilog2().cast_signed()),
            one(0x0f, 0x68, 0, 0),
        ];
        for word in 0..words {
            code.push(one(0x61, 0x10, SCRATCH + 4 * word, 0));
            code.push(one(0x63, 0x08, STEP + 4 * word, 0));
        }
        code.extend([
            one(0x62, 0x08, STEP + 4 * words, number.cast_signed()),
            // r7 += 1
            one(0x07, 0x07, 0, 1),
            one(0x63, 0x76, 0, 0),
        ]);
        code
    }

    /// `tail_call(ctx, policies, place)`; only where nothing is there it returns.
    fn go_on(&self, place: u16) -> Vec<[u8; 8]> {
        vec![
            one(0x18, 0x12, 0, descriptor(&self.policies)),
            one(0, 0, 0, 0),
            one(0xb7, 0x03, 0, place.into()),
            one(0x85, 0, 0, i32::from(TAIL_CALL)),
            one(0xb7, 0x00, 0, -i32::from(MISSED_TAIL_CALL)),
            one(0x95, 0, 0, 0),
        ]
    }
}

fn descriptor(map: &Map) -> i32 {
    map.as_fd().as_raw_fd()
}

/// An instruction (RFC 9669): operation, source and destination register, offset, number.
fn one(operation: u8, registers: u8, offset: u8, number: i32) -> [u8; 8] {
    let [a, b, c, d] = number.to_le_bytes();
    [operation, registers, offset, 0, a, b, c, d]
}
