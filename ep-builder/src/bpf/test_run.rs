//! Running a program on a packet of ours, without a device.
#![expect(
    unsafe_code,
    reason = "the kernel reads and writes packet and context in our memory"
)]

use std::time::Duration;

use super::error::{BpfError, Operation};
use super::program::Program;
use super::sys::{self, Command};

/// How much longer than before a packet may be afterwards: more than any encapsulation adds, and as
/// much as an ICMP error that quotes the packet.
const GROWTH: usize = 1024;

/// `struct __sk_buff` as of Linux 6.1: the fields that a test may set, and those that come back.
///
/// The kernel refuses any other field that is not zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SkContext {
    /// The packet's mark.
    pub mark: u32,
    /// Its priority.
    pub priority: u32,
    /// The device it came in by.
    pub ingress_ifindex: u32,
    /// The device it is on, which must exist; 0 is the loopback device.
    pub ifindex: u32,
    /// The scratch words that programs hand to each other.
    pub cb: [u32; 5],
    /// Its time stamp.
    pub tstamp: u64,
    /// Its length on the wire.
    pub wire_len: u32,
    /// How many segments it will be cut into.
    pub gso_segs: u32,
    /// The size of one.
    pub gso_size: u32,
}

impl SkContext {
    const SIZE: usize = 192;
    /// Offset of each word of 32 bits that is set or read, in the order of `words`.
    const OFFSETS: [usize; 12] = [8, 32, 36, 40, 48, 52, 56, 60, 64, 160, 164, 176];
    const TSTAMP: usize = 152;

    fn words(&mut self) -> [&mut u32; 12] {
        let [cb0, cb1, cb2, cb3, cb4] = &mut self.cb;
        [
            &mut self.mark,
            &mut self.priority,
            &mut self.ingress_ifindex,
            &mut self.ifindex,
            cb0,
            cb1,
            cb2,
            cb3,
            cb4,
            &mut self.wire_len,
            &mut self.gso_segs,
            &mut self.gso_size,
        ]
    }

    fn bytes(mut self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let mut put = |at: usize, value: &[u8]| {
            let place = bytes.iter_mut().skip(at);
            place.zip(value).for_each(|(place, byte)| *place = *byte);
        };
        put(Self::TSTAMP, &self.tstamp.to_ne_bytes());
        for (at, word) in Self::OFFSETS.into_iter().zip(self.words()) {
            put(at, &word.to_ne_bytes());
        }
        bytes
    }

    fn read(bytes: &[u8; Self::SIZE]) -> Self {
        let at = |offset: usize| bytes.get(offset..).unwrap_or_default();
        let mut context = Self {
            tstamp: at(Self::TSTAMP)
                .first_chunk()
                .map_or(0, |b| u64::from_ne_bytes(*b)),
            ..Self::default()
        };
        for (offset, word) in Self::OFFSETS.into_iter().zip(context.words()) {
            *word = at(offset)
                .first_chunk()
                .map_or(0, |b| u32::from_ne_bytes(*b));
        }
        context
    }
}

/// What to run a program on.
#[derive(Clone, Copy, Debug)]
pub struct TestInput<'a> {
    /// The packet, from its Ethernet header on: 14 bytes at least.
    pub packet: &'a [u8],
    /// What the program sees beside it.
    pub context: SkContext,
    /// How often; 0 is once. The packet stays as the first run left it.
    pub repeat: u32,
}

impl<'a> TestInput<'a> {
    /// One run on `packet`, with nothing beside it.
    pub fn packet(packet: &'a [u8]) -> Self {
        Self {
            packet,
            context: SkContext::default(),
            repeat: 1,
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestOutput {
    /// What the program returned.
    pub verdict: u32,
    /// The packet as it left it.
    pub packet: Vec<u8>,
    /// The context as it left it.
    pub context: SkContext,
    /// How long one run took, on average.
    pub duration: Duration,
}

#[repr(C)]
#[derive(Default)]
struct TestAttribute {
    fd: u32,
    verdict: u32,
    in_size: u32,
    out_size: u32,
    input: u64,
    output: u64,
    repeat: u32,
    duration: u32,
    context_in_size: u32,
    context_out_size: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch: u32,
    pad: u32,
}

impl Program {
    /// Runs the program in the kernel on a packet that no device ever sees.
    pub fn test_run(&self, input: &TestInput<'_>) -> Result<TestOutput, BpfError> {
        let context = input.context.bytes();
        let mut packet = vec![0; input.packet.len() + GROWTH];
        let mut left = [0; SkContext::SIZE];
        let mut attribute = TestAttribute {
            fd: sys::number(self),
            in_size: sys::length(input.packet),
            out_size: sys::length(&packet),
            input: sys::address_of(input.packet),
            output: sys::address_of_mut(&mut packet),
            repeat: input.repeat,
            context_in_size: sys::length(&context),
            context_out_size: sys::length(&left),
            context_in: sys::address_of(&context),
            context_out: sys::address_of_mut(&mut left),
            ..TestAttribute::default()
        };
        // SAFETY: each address is that of a buffer whose length stands beside it; all of them live until
        // the call returns. The kernel writes `packet` and `left` only.
        unsafe { sys::bpf(Command::TestRun, &mut attribute) }
            .map_err(BpfError::kernel(Operation::TestRun, self.label()))?;
        packet.truncate(usize::try_from(attribute.out_size).unwrap_or(0));
        Ok(TestOutput {
            verdict: attribute.verdict,
            packet,
            context: SkContext::read(&left),
            duration: Duration::from_nanos(attribute.duration.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_stands_where_the_kernel_looks() {
        let context = SkContext {
            mark: 1,
            priority: 2,
            ingress_ifindex: 3,
            ifindex: 4,
            cb: [5, 6, 7, 8, 9],
            tstamp: 10,
            wire_len: 11,
            gso_segs: 12,
            gso_size: 13,
        };
        let bytes = context.bytes();
        for (offset, want) in [
            (8, 1),
            (32, 2),
            (36, 3),
            (40, 4),
            (48, 5),
            (64, 9),
            (152, 10),
        ] {
            assert_eq!(bytes[offset], want, "offset {offset}");
        }
        for (offset, want) in [(160, 11), (164, 12), (176, 13)] {
            assert_eq!(bytes[offset], want, "offset {offset}");
        }
        assert_eq!(bytes.iter().filter(|b| **b != 0).count(), 13);
        assert_eq!(SkContext::read(&bytes), context);
    }
}
