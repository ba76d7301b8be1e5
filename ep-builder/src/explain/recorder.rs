//! What policy is asked, word for word.
//!
//! A shared program asks an endpoint's policy by a tail call, with the question in the scratch words of the
//! packet; of these nothing is left at the end of its way. So in the twins another program stands in the place
//! of the policy: it writes the words down and goes on to the policy itself. That works for objects of every
//! shape, also for those without any notification, and the object itself is not changed.

use crate::bpf::{BpfError, Map, MapShape, Program, ProgramSpec, Update};
use crate::endpoint::EndpointId;

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

/// A question as it was put: to whom, and the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The endpoint whose policy was asked.
    pub(super) endpoint: u16,
    /// The words.
    pub(super) words: [u32; WORDS],
}

/// The records, and the policies that the recording programs go on to.
#[derive(Debug)]
pub(super) struct Recorder {
    records: Map,
    policies: Map,
}

impl Recorder {
    /// One for the endpoints whose policies have their places in a map like `verdicts`.
    pub(super) fn new(verdicts: &Map) -> Result<Self, BpfError> {
        let records = MapShape {
            map_type: MapShape::ARRAY,
            key_size: 4,
            value_size: u32::from(STEP) * (u32::from(RECORDS) + 1),
            max_entries: 1,
            flags: 0,
        };
        Ok(Self {
            records: Map::create("asked", records)?,
            policies: Map::create("policies", verdicts.shape())?,
        })
    }

    /// Puts itself between those who ask an endpoint's policy, through `verdicts`, and `policy`.
    pub(super) fn stand_before(
        &self,
        policy: &Program,
        id: EndpointId,
        verdicts: &Map,
    ) -> Result<(), BpfError> {
        let place = u32::from(id.get()).to_ne_bytes();
        self.policies.update_fd(&place, policy)?;
        let program = Program::load(&ProgramSpec {
            name: "recorder",
            code: &self.code(id),
            license: c"Dual BSD/GPL",
            btf: None,
            func_info: &[],
            line_info: &[],
        })?;
        verdicts.update_fd(&place, &program)
    }

    /// What was asked since the last call.
    pub(super) fn take(&self) -> Result<Vec<Asked>, BpfError> {
        let place = [0; 4];
        let Some(mut value) = self.records.lookup(&place)? else {
            return Ok(Vec::new());
        };
        let words: Vec<u32> = value
            .as_chunks()
            .0
            .iter()
            .map(|word| u32::from_ne_bytes(*word))
            .collect();
        let count = words.first().map_or(0, |count| *count as usize);
        let records = words.chunks(usize::from(STEP) / 4).skip(1).take(count);
        let asked = records.filter_map(|record| {
            Some(Asked {
                words: *record.first_chunk()?,
                endpoint: u16::try_from(*record.get(WORDS)?).ok()?,
            })
        });
        let asked = asked.collect();
        value.fill(0);
        self.records.update(&place, &value, Update::Any)?;
        Ok(asked)
    }

    fn code(&self, id: EndpointId) -> Vec<[u8; 8]> {
        use std::os::fd::{AsFd, AsRawFd};
        let number = |map: &Map| map.as_fd().as_raw_fd();
        let words = u8::try_from(WORDS).unwrap_or(u8::MAX);
        let id = i32::from(id.get());
        let mut code = vec![
            // r6 = ctx; r7 = the records; r8 = how many there are
            one(0xbf, 0x16, 0, 0),
            one(0x18, 0x27, 0, number(&self.records)),
            one(0, 0, 0, 0),
            one(0x61, 0x78, 0, 0),
            // if (r8 >= RECORDS) goto the call
            one(0x35, 0x08, 2 * words + 6, i32::from(RECORDS)),
            // r9 = r7 + r8 * STEP
            one(0xbf, 0x89, 0, 0),
            one(0x67, 0x09, 0, STEP.ilog2().cast_signed()),
            one(0x0f, 0x79, 0, 0),
        ];
        for word in 0..words {
            code.push(one(0x61, 0x62, SCRATCH + 4 * word, 0));
            code.push(one(0x63, 0x29, STEP + 4 * word, 0));
        }
        code.extend([
            one(0x62, 0x09, STEP + 4 * words, id),
            // r8 += 1
            one(0x07, 0x08, 0, 1),
            one(0x63, 0x87, 0, 0),
            // tail_call(ctx, policies, id); only where nothing is there: return
            one(0xbf, 0x61, 0, 0),
            one(0x18, 0x12, 0, number(&self.policies)),
            one(0, 0, 0, 0),
            one(0xb7, 0x03, 0, id),
            one(0x85, 0, 0, i32::from(TAIL_CALL)),
            one(0xb7, 0x00, 0, -i32::from(MISSED_TAIL_CALL)),
            one(0x95, 0, 0, 0),
        ]);
        code
    }
}

/// An instruction (RFC 9669): operation, source and destination register, offset, number.
fn one(operation: u8, registers: u8, offset: u8, number: i32) -> [u8; 8] {
    let [a, b, c, d] = number.to_le_bytes();
    [operation, registers, offset, 0, a, b, c, d]
}
