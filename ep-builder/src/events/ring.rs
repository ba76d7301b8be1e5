//! The ring buffer.

use std::os::fd::{AsFd, BorrowedFd};

use super::{Event, EventError};
use crate::bpf::{Ring, Turn};
use crate::maps::{Maps, MapsError};

/// The ring buffer. One process at a time leads: what it has read is gone, which makes room for new events. Any
/// number of others watch: they read the same events, and take nothing away.
#[derive(Debug)]
pub struct EventRing {
    ring: Ring,
    fell_behind: u64,
}

impl EventRing {
    /// Opens the ring buffer of a node to lead. Whoever does has seen to it that nobody else leads.
    pub fn open(maps: &Maps) -> Result<Self, MapsError> {
        let mut ring = Self::watch(maps)?;
        ring.lead();
        Ok(ring)
    }

    /// Opens it to watch.
    pub fn watch(maps: &Maps) -> Result<Self, MapsError> {
        Ok(Self {
            ring: maps.ring()?,
            fell_behind: 0,
        })
    }

    /// Leads from now on.
    pub fn lead(&mut self) {
        self.ring.lead();
    }

    /// Whether it leads.
    pub fn leads(&self) -> bool {
        self.ring.leads()
    }

    /// How often events were overwritten before they were read, which happens to no leader.
    pub fn fell_behind(&self) -> u64 {
        self.fell_behind
    }

    /// The next event; none if there is none now.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator that ends and then goes on is a trap"
    )]
    pub fn next(&mut self) -> Option<Result<Event, EventError>> {
        self.bytes().map(|record| Event::decode(&record))
    }

    /// Leaves out what is there now, but at most so many events: a ring may fill as fast as it is emptied.
    pub fn skip(&mut self, limit: u32) {
        for _ in 0..limit {
            if self.bytes().is_none() {
                return;
            }
        }
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.ring.turn() {
                Turn::Record(bytes) => return Some(bytes),
                Turn::Discarded => {}
                Turn::Nothing => return None,
                Turn::Behind => self.fell_behind += 1,
            }
        }
    }
}

impl AsFd for EventRing {
    /// Readable when there is an event that the leader has not read.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}
