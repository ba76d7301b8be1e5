//! The ring buffer.

use std::os::fd::{AsFd, BorrowedFd};

use aya::maps::{Map, MapData, RingBuf};

use super::{Event, EventError};
use crate::maps::{MapName, Maps, MapsError};

/// The ring buffer, for its one reader: what is read is gone for everybody else, and two readers at once
/// would tear each other's records.
pub struct EventRing(RingBuf<MapData>);

impl EventRing {
    /// Opens the ring buffer of a node.
    pub fn open(maps: &Maps) -> Result<Self, MapsError> {
        let ring = RingBuf::try_from(Map::RingBuf(maps.ring()?));
        ring.map(Self).map_err(|source| MapsError::Open {
            path: maps.pin(MapName::Events),
            source,
        })
    }

    /// The next event; none if there is none now.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator that ends and then goes on is a trap"
    )]
    pub fn next(&mut self) -> Option<Result<Event, EventError>> {
        self.0.next().map(|record| Event::decode(&record))
    }
}

impl AsFd for EventRing {
    /// Readable when there is an event.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
