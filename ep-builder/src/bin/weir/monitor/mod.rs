//! `weir monitor`: what the datapath reports, as it happens.

mod packet;
pub(crate) mod signals;
mod view;

use std::time::Duration;

use ep_builder::error::chain;
use ep_builder::events::{Event, EventError, EventRing, Kind};
use ep_builder::lock::FileLock;
use ep_builder::maps::{MapName, Maps};
use ep_builder::whole_file;

use crate::bpf::names::vocabulary;
use crate::cli::{EventKind, Monitor};
use crate::failure::Failure;
use crate::map::maps;
use crate::node::Node;
use crate::screen::{Screen, talk};
use signals::Signals;
use view::View;

/// The bytes of the ring that any record takes at least.
const SMALLEST_RECORD: u32 = 8;

pub(crate) fn run(arguments: &Monitor, node: &Node, screen: &Screen) -> Result<(), Failure> {
    let signals = Signals::block()?;
    let maps = maps(node);
    let facts = maps.facts(MapName::Events)?;
    let _lock = lock(node)?;
    let mut ring = EventRing::open(&maps)?;
    if !arguments.backlog {
        skip(&mut ring, facts.max_entries / SMALLEST_RECORD);
    }
    let lost_before = lost(&maps);
    talk(&format!(
        "listening to {}; Ctrl-C ends it",
        maps.name(MapName::Events)
    ));
    let mut monitor = Session {
        arguments,
        screen,
        view: View::new(screen.format(), vocabulary(node)),
        shown: [0; Kind::ALL.len()],
        broken: 0,
    };
    monitor.follow(&mut ring, &signals)?;
    let lost = lost(&maps).zip(lost_before);
    talk(&monitor.totals(lost.map(|(after, before)| after.wrapping_sub(before))));
    Ok(())
}

/// Two readers would take each other's events, so there is one at a time.
fn lock(node: &Node) -> Result<FileLock, Failure> {
    let store = node.store()?;
    let folder = store.layout().locks();
    whole_file::private_folder(&folder)?;
    let path = folder.join("monitor");
    FileLock::acquire(&path, Duration::ZERO).map_err(Failure::Monitored)
}

/// Takes out what is there already. The limit is for a ring that fills as fast as it is emptied.
fn skip(ring: &mut EventRing, limit: u32) {
    for _ in 0..limit {
        if ring.next().is_none() {
            return;
        }
    }
}

/// How many events have been lost since the map of the counters was made; none if that cannot be read.
fn lost(maps: &Maps) -> Option<u64> {
    let lost = maps.metrics().and_then(|metrics| metrics.lost_events());
    if let Err(error) = &lost {
        talk(&format!(
            "note: lost events are not counted: {}",
            chain(error)
        ));
    }
    lost.ok()
}

fn kind(named: EventKind) -> Kind {
    match named {
        EventKind::Drop => Kind::Drop,
        EventKind::Trace => Kind::Trace,
        EventKind::Verdict => Kind::Verdict,
        EventKind::Debug => Kind::Debug,
    }
}

/// One run of the monitor.
struct Session<'a> {
    arguments: &'a Monitor,
    screen: &'a Screen,
    view: View,
    /// How many were shown of each of [`Kind::ALL`].
    shown: [u64; Kind::ALL.len()],
    /// How many were no events of this version.
    broken: u64,
}

impl Session<'_> {
    /// Shows events until a signal comes, enough were shown, or nobody reads any more.
    fn follow(&mut self, ring: &mut EventRing, signals: &Signals) -> Result<(), Failure> {
        loop {
            while let Some(event) = ring.next() {
                if !self.take(event)? || signals.arrived() {
                    return Ok(());
                }
            }
            if signals.wait(ring)? {
                return Ok(());
            }
        }
    }

    /// Whether to go on.
    fn take(&mut self, event: Result<Event, EventError>) -> Result<bool, Failure> {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                self.broken += 1;
                talk(&format!("note: {error}"));
                return Ok(true);
            }
        };
        if !self.is_wanted(&event) {
            return Ok(true);
        }
        let text = self.view.text(&event)?;
        let is_read = self.screen.more(&text)?;
        for (kind, shown) in Kind::ALL.into_iter().zip(&mut self.shown) {
            *shown += u64::from(kind == event.kind());
        }
        let is_enough = self
            .arguments
            .count
            .is_some_and(|count| self.shown.iter().sum::<u64>() >= count);
        Ok(is_read && !is_enough)
    }

    fn is_wanted(&self, event: &Event) -> bool {
        let Monitor {
            kinds, from, to, ..
        } = self.arguments;
        (kinds.is_empty() || kinds.iter().any(|wanted| kind(*wanted) == event.kind()))
            && from.is_none_or(|id| event.source_endpoint() == Some(id.get()))
            && to.is_none_or(|id| event.destination_endpoint() == Some(id.get()))
    }

    fn totals(&self, lost: Option<u64>) -> String {
        let kinds = Kind::ALL.into_iter().zip(self.shown);
        let each: Vec<_> = kinds
            .filter(|(_, shown)| *shown > 0)
            .map(|(kind, shown)| format!("{shown} {}", kind.name()))
            .collect();
        let mut text = format!("{} events", self.shown.iter().sum::<u64>());
        if !each.is_empty() {
            text = format!("{text}: {}", each.join(", "));
        }
        if self.broken > 0 {
            text = format!("{text}; {} not understood", self.broken);
        }
        match lost {
            None => text + "; lost events unknown",
            Some(0) => text + "; 0 lost",
            Some(lost) => format!(
                "{text}; {lost} lost: the ring was full, a larger one is made with `events` in [maps]"
            ),
        }
    }
}
