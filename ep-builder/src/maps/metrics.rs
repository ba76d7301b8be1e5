//! Counters of packets by reason and direction.

use super::direction::Direction;
use super::error::MapsError;
use super::table::PerCpuTable;
use crate::abi::{MetricsKey, MetricsValue};

/// `METRICS_FORWARDED` of `bpf-src/abi.h`.
pub const FORWARDED: u8 = 0;
/// `METRICS_EVENT_LOST` of `bpf-src/abi.h`.
pub const EVENT_LOST: u8 = 1;

/// One counter, summed over the processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// A drop code, [`FORWARDED`] or [`EVENT_LOST`].
    pub reason: u8,
    /// The number of the direction.
    pub direction: u8,
    /// Packets; events where they are lost.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The counters of the node.
pub struct MetricsMap(pub(super) PerCpuTable<MetricsKey, MetricsValue>);

impl MetricsMap {
    /// How many places the map has, however few were asked for: `METRICS_PLACES` of `bpf-src/abi.h`.
    pub const PLACES: u32 = 0x300;

    /// Every counter that has counted.
    pub fn counters(&self) -> Result<Vec<Counter>, MapsError> {
        let mut all = Vec::new();
        for reason in 0..=u8::MAX {
            for direction in Direction::ALL {
                let counter = self.counter(reason, direction)?;
                if counter.packets > 0 {
                    all.push(counter);
                }
            }
        }
        Ok(all)
    }

    /// One counter.
    pub fn counter(&self, reason: u8, direction: Direction) -> Result<Counter, MapsError> {
        let key = MetricsKey {
            reason,
            direction: direction.number(),
            pad: [0; 2],
        };
        Ok(sum(key, &self.0.get(&key)?))
    }

    /// How many events found no room in the ring, since the map was made.
    pub fn lost_events(&self) -> Result<u64, MapsError> {
        let mut lost = 0_u64;
        for direction in Direction::ALL {
            lost = lost.wrapping_add(self.counter(EVENT_LOST, direction)?.packets);
        }
        Ok(lost)
    }
}

/// Counters go round, as those of the processors do.
fn sum(key: MetricsKey, values: &[MetricsValue]) -> Counter {
    let add = |field: fn(&MetricsValue) -> u64| values.iter().map(field).fold(0, u64::wrapping_add);
    Counter {
        reason: key.reason,
        direction: key.direction,
        packets: add(|value| value.packets),
        bytes: add(|value| value.bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_summed() {
        let key = MetricsKey {
            reason: 133,
            direction: 1,
            pad: [0; 2],
        };
        let value = |packets, bytes| MetricsValue { packets, bytes };
        let counter = sum(key, &[value(1, 60), value(0, 0), value(u64::MAX, 1)]);
        assert_eq!(
            (counter.reason, counter.packets, counter.bytes),
            (133, 0, 61)
        );
        assert_eq!(sum(key, &[]).packets, 0);
    }
}
