//! Replacements one after the other.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::error::ProveError;
use crate::builder::Builder;
use crate::endpoint::Endpoint;
use crate::error::chain;
use crate::lifecycle::{Endpoints, LifecycleError};
use crate::timeline::Timeline;

/// What is switched for another template: it changes what is counted, and no verdict.
const SWITCHED: &str = "ConntrackAccounting";

/// What was replaced, and how long it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replacements {
    /// How many there were.
    pub done: u32,
    /// How many of them to a generation of another template.
    pub option_changes: u32,
    /// How many of them back to the generation before.
    pub rollbacks: u32,
    /// Half of them took this many microseconds at most.
    pub p50_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// How a replacement is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The endpoint as it is.
    Same,
    /// With an option switched: another template.
    Switched,
    /// Back to the generation before.
    Back,
}

/// What is replaced by what.
pub(super) struct Series<'a> {
    endpoints: &'a Endpoints<'a>,
    original: Endpoint,
    switched: Option<Endpoint>,
}

impl<'a> Series<'a> {
    /// Prepares replacements of an endpoint: its templates are there before any packet is sent. Says why
    /// where there is none but its own.
    pub(super) fn new(
        endpoints: &'a Endpoints<'a>,
        builder: &Builder,
        original: Endpoint,
    ) -> Result<(Self, Option<String>), ProveError> {
        builder.build(&original, &mut Timeline::default())?;
        let switched = switched(&original);
        let (switched, notice) = match builder.build(&switched, &mut Timeline::default()) {
            Ok(_) => (Some(switched), None),
            Err(error) => (
                None,
                Some(format!("no change of options: {}", chain(&error))),
            ),
        };
        let series = Self {
            endpoints,
            original,
            switched,
        };
        Ok((series, notice))
    }

    /// Makes the replacements, until somebody is tired of it. The endpoint is as before then.
    pub(super) fn run(
        &self,
        count: u32,
        is_enough: &dyn Fn() -> bool,
    ) -> Result<Replacements, ProveError> {
        let (mut times, mut kinds) = (Vec::new(), Vec::new());
        while (kinds.len() as u64) < u64::from(count) {
            let number = u32::try_from(kinds.len()).unwrap_or(u32::MAX);
            let kind = self.kind(number, count);
            let start = Instant::now();
            if let Err(error) = self.replace(kind) {
                self.restore(&kinds);
                return Err(ProveError::Replacement {
                    number: number.saturating_add(1),
                    source: Box::new(error),
                });
            }
            times.push(start.elapsed());
            kinds.push(kind);
            if is_enough() {
                self.restore(&kinds);
                break;
            }
        }
        Ok(balance(&kinds, times))
    }

    /// Each kind meets packets in turn; the last one is the endpoint as it was.
    fn kind(&self, number: u32, count: u32) -> Kind {
        match number % 3 {
            _ if self.switched.is_none() || number + 1 >= count => Kind::Same,
            0 => Kind::Same,
            1 => Kind::Switched,
            _ => Kind::Back,
        }
    }

    fn replace(&self, kind: Kind) -> Result<(), LifecycleError> {
        let endpoint = match (kind, &self.switched) {
            (Kind::Back, _) => {
                let id = self.original.id;
                return self
                    .endpoints
                    .roll_back(id, &mut Timeline::default())
                    .map(drop);
            }
            (Kind::Switched, Some(switched)) => switched,
            (Kind::Switched, None) | (Kind::Same, _) => &self.original,
        };
        self.endpoints
            .attach(endpoint, &mut Timeline::default())
            .map(drop)
    }

    /// Switches the option back after a series that ended early. If that fails, the failure before it is
    /// the one to tell.
    fn restore(&self, kinds: &[Kind]) {
        if kinds.last() == Some(&Kind::Switched) {
            let _restored = self.replace(Kind::Same);
        }
    }
}

fn switched(endpoint: &Endpoint) -> Endpoint {
    let mut switched = endpoint.clone();
    let value = switched.options.get(SWITCHED).unwrap_or_default();
    // An unknown name changes nothing, and a test would see it.
    let _known = switched.options.set(SWITCHED, 1 - value.min(1));
    switched
}

fn balance(kinds: &[Kind], mut times: Vec<Duration>) -> Replacements {
    times.sort();
    let count = |kind| u32::try_from(kinds.iter().filter(|it| **it == kind).count());
    let micros = |time: Option<&Duration>| {
        time.map_or(0, |time| {
            u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
        })
    };
    Replacements {
        done: u32::try_from(kinds.len()).unwrap_or(u32::MAX),
        option_changes: count(Kind::Switched).unwrap_or(u32::MAX),
        rollbacks: count(Kind::Back).unwrap_or(u32::MAX),
        p50_us: micros(times.get(times.len().saturating_sub(1) / 2)),
        max_us: micros(times.last()),
    }
}
