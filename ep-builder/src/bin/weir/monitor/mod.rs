//! `weir monitor`: what the datapath reports, as it happens.

pub(crate) mod directory;
pub(crate) mod ears;
mod filter;
mod packet;
mod parties;
mod rate;
mod rules;
pub(crate) mod signals;
mod totals;
mod view;

use std::time::{Duration, Instant};

use ep_builder::events::packet::Frame;
use ep_builder::events::{Event, EventError, captured};
use ep_builder::maps::{MapName, Maps};
use ep_builder::policy::PolicyStore;

use crate::bpf::names::vocabulary;
use crate::cli::Monitor;
use crate::failure::Failure;
use crate::map::maps;
use crate::node::Node;
use crate::screen::{Screen, talk};
use directory::Directory;
use ears::Ears;
use filter::{Candidate, Filter};
use parties::Parties;
use rate::Rate;
use rules::Rules;
use signals::Signals;
use totals::Totals;
use view::View;

/// How often the counter of lost events is read, and what was left out is told.
const TICK: Duration = Duration::from_secs(1);

/// Between two looks whether it is time to end.
const AT_ONCE: u32 = 4_096;

pub(crate) fn run(arguments: &Monitor, node: &Node, screen: &Screen) -> Result<(), Failure> {
    let signals = Signals::block()?;
    let maps = maps(node);
    let names = vocabulary(node);
    let filter = Filter::new(arguments, &names)?;
    let mut ears = Ears::open(node, &maps)?;
    if !arguments.backlog {
        ears.skip();
    }
    let policies = PolicyStore::new(&node.settings.paths.state_dir);
    let rules = Rules::new(policies, maps.clone());
    let view = View::new(screen.format(), names, rules, arguments.verbose);
    let begin = Instant::now();
    let mut session = Session {
        screen,
        filter,
        view,
        directory: Directory::open(node)?,
        rate: Rate::new(arguments.limit, begin),
        totals: Totals::begin(maps.clone()),
        count: arguments.count,
        end: arguments.duration.map(|time| begin + time),
        ticked: begin,
    };
    talk(&greeting(&ears, &maps));
    session.follow(&mut ears, &signals)?;
    talk(&session.totals.text(&session.rate, ears.fell_behind()));
    Ok(())
}

fn greeting(ears: &Ears, maps: &Maps) -> String {
    let beside = if ears.leads() {
        ""
    } else {
        " beside another reader"
    };
    let name = maps.name(MapName::Events);
    format!("listening to {name}{beside}; Ctrl-C ends it")
}

/// One run of the monitor.
struct Session<'a> {
    screen: &'a Screen,
    filter: Filter<'a>,
    view: View,
    directory: Directory,
    rate: Rate,
    totals: Totals,
    /// How many to show.
    count: Option<u64>,
    end: Option<Instant>,
    ticked: Instant,
}

/// Whether there is more to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    End,
}

impl Session<'_> {
    /// Shows events until a signal comes, the time is over, enough were shown, or nobody reads any more.
    fn follow(&mut self, ears: &mut Ears, signals: &Signals) -> Result<(), Failure> {
        loop {
            ears.lead_if_nobody_does()?;
            if self.drain(ears)? == Next::End || signals.arrived() {
                return Ok(());
            }
            let now = Instant::now();
            if self.end.is_some_and(|end| now >= end) {
                return Ok(());
            }
            if now.duration_since(self.ticked) >= TICK {
                self.tick(now);
            }
            if ears.wait(signals, self.time_to_wait(now))? {
                return Ok(());
            }
        }
    }

    /// To the next tick or the end, whichever comes first.
    fn time_to_wait(&self, now: Instant) -> Duration {
        let tick = self.ticked + TICK;
        let next = self.end.map_or(tick, |end| end.min(tick));
        next.saturating_duration_since(now)
    }

    fn tick(&mut self, now: Instant) {
        self.ticked = now;
        self.totals.tell_lost();
        let left_out = self.rate.take_left_out();
        if left_out > 0 {
            talk(&format!("note: {left_out} more were left out by --limit"));
        }
        self.view.forget();
    }

    fn drain(&mut self, ears: &mut Ears) -> Result<Next, Failure> {
        for _ in 0..AT_ONCE {
            let Some(event) = ears.next() else {
                break;
            };
            if self.take(event)? == Next::End {
                return Ok(Next::End);
            }
        }
        Ok(Next::GoOn)
    }

    fn take(&mut self, event: Result<Event, EventError>) -> Result<Next, Failure> {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                self.totals.not_understood();
                talk(&format!("note: {error}"));
                return Ok(Next::GoOn);
            }
        };
        self.directory.refresh(event.header().lxc_id);
        let frame = event.packet().map(captured).and_then(Frame::decode);
        let ip = frame.as_ref().and_then(Frame::ip);
        let parties = Parties::of(&event, ip, &self.directory);
        let candidate = Candidate {
            event: &event,
            ip,
            parties: &parties,
        };
        if self.filter.admits(&candidate, &mut self.directory) && self.rate.admits(Instant::now()) {
            return self.show(&event, &parties);
        }
        Ok(Next::GoOn)
    }

    fn show(&mut self, event: &Event, parties: &Parties) -> Result<Next, Failure> {
        let text = self.view.text(event, parties, &self.directory)?;
        let is_read = self.screen.more(&text)?;
        let shown = self.totals.shown(event.kind());
        let is_enough = self.count.is_some_and(|count| shown >= count);
        Ok(if is_read && !is_enough {
            Next::GoOn
        } else {
            Next::End
        })
    }
}
