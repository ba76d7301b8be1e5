//! Who reads the ring of events: any number of processes, of which one makes room for what comes next.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use ep_builder::events::{Event, EventError, EventRing};
use ep_builder::lock::FileLock;
use ep_builder::maps::{MapName, Maps};
use ep_builder::whole_file;

use super::signals::Signals;
use crate::failure::Failure;
use crate::node::Node;

/// How long a reader that only watches waits before it looks again: the kernel wakes the leader alone.
const LOOK_AGAIN: Duration = Duration::from_millis(40);

/// The bytes of the ring that any record takes at least.
const SMALLEST_RECORD: u32 = 8;

/// A reader of the ring. It leads if nobody else does, and takes the lead when whoever has it ends: with two
/// leaders each would take events from the other.
pub(crate) struct Ears {
    ring: EventRing,
    /// The most events that can wait in it.
    room: u32,
    path: PathBuf,
    lead: Option<FileLock>,
}

impl Ears {
    pub(crate) fn open(node: &Node, maps: &Maps) -> Result<Self, Failure> {
        let facts = maps.facts(MapName::Events)?;
        let folder = node.store()?.layout().locks();
        whole_file::private_folder(&folder)?;
        let mut ears = Self {
            ring: EventRing::watch(maps)?,
            room: facts.max_entries / SMALLEST_RECORD,
            path: folder.join("monitor"),
            lead: None,
        };
        ears.lead_if_nobody_does()?;
        Ok(ears)
    }

    /// Whether it has begun to lead.
    pub(crate) fn lead_if_nobody_does(&mut self) -> Result<bool, Failure> {
        if self.lead.is_some() {
            return Ok(false);
        }
        self.lead = FileLock::try_acquire(&self.path).map_err(Failure::Monitored)?;
        if self.lead.is_some() {
            self.ring.lead();
        }
        Ok(self.lead.is_some())
    }

    pub(crate) fn leads(&self) -> bool {
        self.lead.is_some()
    }

    /// Leaves out what is there already.
    pub(crate) fn skip(&mut self) {
        self.ring.skip(self.room);
    }

    pub(crate) fn next(&mut self) -> Option<Result<Event, EventError>> {
        self.ring.next()
    }

    /// How often events were overwritten before they were read.
    pub(crate) fn fell_behind(&self) -> u64 {
        self.ring.fell_behind()
    }

    /// Waits for more events, at most so long; whether a signal has come.
    pub(crate) fn wait(&self, signals: &Signals, most: Duration) -> Result<bool, Failure> {
        if self.leads() {
            signals.wait(&[self.ring.as_fd()], most)
        } else {
            signals.wait(&[], most.min(LOOK_AGAIN))
        }
    }
}
