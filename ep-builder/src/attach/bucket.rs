//! How fast a link sends: a token bucket (`tbf`) in the place of its queue.
//!
//! The kernel refills a bucket with the rate; a packet takes as many octets as it has, and waits where they are not
//! there yet. `docs/decisions/0031` says which links have one, and why.

use std::fmt;

use netlink_packet_core::{
    DefaultNla, NLM_F_CREATE, NLM_F_ECHO, NLM_F_REPLACE, Nla, NlasIterator, Parseable,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcHeader, TcMessage, TcOption};

use super::device::Device;
use super::error::{AttachError, Request};
use super::netlink::Rtnl;
use crate::endpoint::Limit;

const KIND: &str = "tbf";
/// The attributes of a bucket, by the kernel's numbers. The burst is told in octets: in `struct tc_tbf_qopt` it is
/// a time, and loses digits.
const PARAMETERS: u16 = 1;
const RATE: u16 = 4;
const BURST: u16 = 6;
/// Lengths of all that is behind an Ethernet header are counted as they are.
const ETHERNET: u8 = 1;
/// The unit in which the kernel tells times, in ns.
const TICK: u64 = 64;
/// Where things stand in `struct tc_tbf_qopt`.
const RATE_AT: usize = 8;
const QUEUE_AT: usize = 24;
const BUCKET_AT: usize = 28;
/// Between what the kernel computes and what we do, in thousandths.
const TOLERANCE: u64 = 1;

/// As long as a packet waits at most.
const PATIENCE_MS: u64 = 25;

impl Rtnl {
    /// What stands in the place of a device's queue; none if the kernel does not say.
    pub fn queue(&mut self, device: &Device) -> Result<Option<Queue>, AttachError> {
        // Of queues the kernel tells nothing but to all who listen, among whom who asks is with ECHO alone.
        let answers = self.request(find_queue(device.index), NLM_F_ECHO);
        let answers = answers.map_err(|failure| failure.of(Request::FindQueue, &device.name))?;
        let read = |answer: &Vec<u8>| {
            let message = TcMessage::parse(answer.as_slice()).ok()?;
            Queue::read(&RouteNetlinkMessage::NewQueueDiscipline(message))
        };
        Ok(answers.iter().find_map(read))
    }

    /// Limits what a device sends, whatever stands in the place of its queue.
    pub fn bound(&mut self, device: &Device, limit: Limit) -> Result<(), AttachError> {
        let message = new_bucket(device.index, limit);
        let done = self.request(message, NLM_F_CREATE | NLM_F_REPLACE);
        let done = done.map_err(|failure| failure.of(Request::Bound, &device.name));
        done.map(drop)
    }
}

/// A token bucket: octets, and octets a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bucket {
    rate: u64,
    size: u32,
    /// What may wait.
    queue: u32,
}

impl Bucket {
    fn of(limit: Limit) -> Self {
        let (rate, size) = (limit.rate / 8, limit.burst / 8);
        let waiting = (rate / 1000).saturating_mul(PATIENCE_MS);
        let word = |octets: u64| u32::try_from(octets).unwrap_or(u32::MAX);
        Self {
            rate,
            size: word(size),
            queue: word(size.saturating_add(waiting)),
        }
    }

    /// How long it takes to fill.
    fn ticks(self) -> u64 {
        let ns = u128::from(self.size) * 1_000_000_000 / u128::from(self.rate.max(1));
        u64::try_from(ns).unwrap_or(u64::MAX) / TICK
    }

    fn attributes(self) -> Vec<DefaultNla> {
        let rate = u32::try_from(self.rate).unwrap_or(u32::MAX);
        // The peak rate, of which there is none, and the two fields behind the queue stay zero.
        let mut parameters = [0; 36];
        let words = [(RATE_AT, rate), (QUEUE_AT, self.queue)];
        for (at, word) in words {
            for (to, from) in parameters.iter_mut().skip(at).zip(word.to_ne_bytes()) {
                *to = from;
            }
        }
        if let Some(layer) = parameters.get_mut(1) {
            *layer = ETHERNET;
        }
        vec![
            DefaultNla::new(PARAMETERS, parameters.to_vec()),
            // The rate once more: the field has 32 bits, 34 Gbit/s.
            DefaultNla::new(RATE, self.rate.to_ne_bytes().to_vec()),
            DefaultNla::new(BURST, self.size.to_ne_bytes().to_vec()),
        ]
    }
}

/// The request for a bucket in the place of a link's queue.
pub fn new_bucket(index: u32, limit: Limit) -> RouteNetlinkMessage {
    let options = Bucket::of(limit).attributes().into_iter();
    let mut message = root_of(index);
    message.attributes = vec![
        TcAttribute::Kind(KIND.to_owned()),
        TcAttribute::Options(options.map(TcOption::Other).collect()),
    ];
    RouteNetlinkMessage::NewQueueDiscipline(message)
}

/// The question for the queue of a link.
pub fn find_queue(index: u32) -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetQueueDiscipline(root_of(index))
}

fn root_of(index: u32) -> TcMessage {
    let header = TcHeader {
        index: index.cast_signed(),
        parent: TcHandle::ROOT,
        ..TcHeader::default()
    };
    TcMessage::from_parts(header, Vec::new())
}

/// What stands in the place of a link's queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    kind: String,
    /// Rate, queue and ticks of a bucket.
    bucket: Option<(u64, u32, u32)>,
}

impl Queue {
    /// Reads the kernel's answer.
    pub fn read(message: &RouteNetlinkMessage) -> Option<Self> {
        let RouteNetlinkMessage::NewQueueDiscipline(message) = message else {
            return None;
        };
        let mut queue = Self {
            kind: String::new(),
            bucket: None,
        };
        for attribute in &message.attributes {
            match attribute {
                TcAttribute::Kind(kind) => queue.kind.clone_from(kind),
                TcAttribute::Options(options) if queue.kind == KIND => {
                    queue.bucket = bucket(options);
                }
                _ => {}
            }
        }
        Some(queue)
    }

    /// Whether it is what [`new_bucket`] asks for.
    pub fn keeps(&self, limit: Limit) -> bool {
        let wanted = Bucket::of(limit);
        let Some((rate, queue, ticks)) = self.bucket else {
            return false;
        };
        let (ticks, expected) = (u64::from(ticks), wanted.ticks());
        // A bucket that takes minutes to fill has no room in the kernel's answer.
        let is_as_large = expected > u64::from(u32::MAX)
            || ticks.abs_diff(expected) <= expected * TOLERANCE / 1000 + 1;
        (rate, queue) == (wanted.rate, wanted.queue) && is_as_large
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bucket {
            None => write!(f, "the queue {}", self.kind),
            Some((rate, queue, ticks)) => {
                let us = u64::from(ticks) * TICK / 1000;
                write!(
                    f,
                    "a bucket of {} bit/s that fills in {us} us, with a queue of {queue} octets",
                    rate.saturating_mul(8)
                )
            }
        }
    }
}

/// Rate, queue and ticks. What the crate does not know of a kind it gives as one value with all attributes in it.
fn bucket(options: &[TcOption]) -> Option<(u64, u32, u32)> {
    let mut all = options.iter().filter_map(|option| match option {
        TcOption::Other(all) => Some(all),
        _ => None,
    });
    let all = all.next()?;
    let mut bytes = vec![0; all.value_len()];
    all.emit_value(&mut bytes);
    let value = |kind: u16| {
        let mut found = NlasIterator::new(&bytes).flatten();
        let found = found.find(|attribute| attribute.kind() == kind)?;
        Some(found.value().to_vec())
    };
    let parameters = value(PARAMETERS)?;
    let word = |at: usize| Some(u32::from_ne_bytes(*parameters.get(at..)?.first_chunk()?));
    let wide = value(RATE).and_then(|bytes| Some(u64::from_ne_bytes(*bytes.first_chunk()?)));
    let rate = wide.or(word(RATE_AT).map(u64::from))?;
    Some((rate, word(QUEUE_AT)?, word(BUCKET_AT)?))
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{Emitable, Parseable};

    use super::*;

    const M: u64 = 1_000_000;

    #[test]
    fn bits_become_octets_and_times_ticks() {
        for (rate, burst, expected, ticks) in [
            // 25 ms of the rate wait, beside the bucket.
            (8 * M, 8 * M, (M, 1_000_000, 1_025_000), 15_625_000),
            (8 * M, 12_112, (M, 1514, 26_514), 23_656),
            (9, 12_112, (1, 1514, 1514), 23_656_250_000),
            // 100 Gbit/s: what does not fit is the most there is.
            (
                100_000 * M,
                2_500 * M,
                (12_500 * M, 312_500_000, 625_000_000),
                390_625,
            ),
            (u64::MAX, u64::MAX, (u64::MAX / 8, u32::MAX, u32::MAX), 0),
        ] {
            let bucket = Bucket::of(Limit { rate, burst });
            let found = (bucket.rate, bucket.size, bucket.queue);
            assert_eq!((found, bucket.ticks()), (expected, ticks), "{rate} {burst}");
        }
    }

    #[test]
    fn what_is_written_is_read_and_another_bucket_is_not_taken_for_it() {
        let wanted = Limit {
            rate: 48_000 * M,
            burst: 8 * M,
        };
        let seen = |rate: u64, queue: u32, ticks: u64| Queue {
            kind: KIND.to_owned(),
            bucket: Some((rate, queue, u32::try_from(ticks).unwrap_or(u32::MAX))),
        };
        let Bucket { rate, queue, .. } = Bucket::of(wanted);
        let ticks = Bucket::of(wanted).ticks();
        for (found, keeps) in [
            (seen(rate, queue, ticks), true),
            (seen(rate, queue, ticks + 1), true),
            (seen(rate, queue, ticks + 10), false),
            (seen(rate, queue - 1, ticks), false),
            (seen(rate + 1, queue, ticks), false),
            (seen(u32::MAX.into(), queue, ticks), false),
            (
                Queue {
                    kind: "noqueue".to_owned(),
                    bucket: None,
                },
                false,
            ),
        ] {
            assert_eq!(found.keeps(wanted), keeps, "{found}");
        }
        let RouteNetlinkMessage::NewQueueDiscipline(message) = new_bucket(2, wanted) else {
            unreachable!()
        };
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        let message = TcMessage::parse(&bytes).unwrap();
        let read = Queue::read(&RouteNetlinkMessage::NewQueueDiscipline(message)).unwrap();
        // The time that the bucket takes to fill is the kernel's to tell.
        assert_eq!(read.bucket, Some((rate, queue, 0)));
    }
}
