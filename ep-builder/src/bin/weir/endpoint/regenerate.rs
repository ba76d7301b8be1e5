//! `weir endpoint regenerate`: each endpoint is made what it should be, by no more than that takes.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ep_builder::endpoint::EndpointId;
use ep_builder::key::TemplateKey;
use ep_builder::lifecycle::{Endpoints, Level, Renewed};
use ep_builder::load::{Installed, Retired};
use ep_builder::state::Entry;
use ep_builder::timeline::Timeline;
use indicatif::ProgressBar;
use serde::Serialize;

use crate::failure::Failure;
use crate::node::Node;
use crate::progress::{bar, readable};
use crate::screen::{Columns, Screen, talk};

/// More at once would wait for one another in the kernel: links and filters change one at a time there.
const AT_ONCE: usize = 8;

#[derive(Args)]
pub(crate) struct Extent {
    /// Make at least this much anew, also where nothing differs
    #[arg(long, value_enum, value_name = "LEVEL", conflicts_with = "prove")]
    level: Option<AtLeast>,
    /// A new generation, also where nothing differs: the same as `--level constants`
    #[arg(long, conflicts_with_all = ["level", "prove"])]
    force: bool,
}

/// How much is made anew at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AtLeast {
    /// The endpoint's entries in the maps: addresses, identity, policy
    Policy,
    /// Its programs: loaded and attached again as they lie on disk
    Programs,
    /// A new generation with the values of today, from the same template if nothing else changed
    Constants,
    /// A new generation from the template of today
    Template,
}

impl Extent {
    pub(super) fn at_least(&self) -> Level {
        match self.level {
            None if self.force => Level::Constants,
            None => Level::Nothing,
            Some(AtLeast::Policy) => Level::Policy,
            Some(AtLeast::Programs) => Level::Programs,
            Some(AtLeast::Constants) => Level::Constants,
            Some(AtLeast::Template) => Level::Template,
        }
    }
}

/// What became of an endpoint.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: EndpointId,
    /// The level, or `failed`.
    done: &'static str,
    /// Why that much.
    reasons: Vec<String>,
    #[serde(flatten)]
    facts: Option<Facts>,
    total_us: u128,
    stages: Vec<(&'static str, u128)>,
}

/// What is in force now; of one that failed, `weir endpoint get` tells.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Facts {
    generation: u64,
    device: String,
    template: Option<String>,
    programs: usize,
    verified_instructions: u64,
}

impl Row {
    fn new(id: EndpointId, renewed: &Result<Renewed, Failure>, timeline: &Timeline) -> Self {
        let (done, reasons, facts) = match renewed {
            Ok(renewed) => (
                renewed.done.level.name(),
                renewed.done.reasons.clone(),
                Some(Facts::of(renewed)),
            ),
            Err(failure) => ("failed", vec![failure.text()], None),
        };
        let stages = timeline.stages().iter();
        Self {
            id,
            done,
            reasons,
            facts,
            total_us: timeline.total().as_micros(),
            stages: stages
                .map(|(stage, time)| (*stage, time.as_micros()))
                .collect(),
        }
    }

    fn columns(&self) -> Vec<String> {
        let fact = |of: fn(&Facts) -> String| self.facts.as_ref().map_or("-".to_owned(), of);
        let stages = self.stages.iter();
        let stages: Vec<_> = stages
            .map(|(stage, us)| format!("{stage} {}", time(*us)))
            .collect();
        vec![
            self.id.to_string(),
            match self.done {
                "nothing" => "up to date".to_owned(),
                done => done.to_owned(),
            },
            fact(|it| it.generation.to_string()),
            fact(|it| it.device.clone()),
            fact(|it| it.template.clone().unwrap_or_else(|| "-".to_owned())),
            time(self.total_us),
            self.reasons.join("; "),
            fact(|it| it.programs.to_string()),
            fact(|it| it.verified_instructions.to_string()),
            stages.join(", "),
        ]
    }
}

impl Facts {
    fn of(renewed: &Renewed) -> Self {
        let installed = renewed.installed.as_ref();
        Self {
            generation: renewed.record.generation,
            device: renewed.record.endpoint.host_ifname.clone(),
            template: renewed.record.template.map(TemplateKey::short),
            programs: installed.map_or(0, |it| it.programs.len()),
            verified_instructions: installed.map_or(0, Installed::verified_instructions),
        }
    }
}

fn time(us: u128) -> String {
    readable(Duration::from_micros(u64::try_from(us).unwrap_or(u64::MAX)))
}

/// Each on its own: one that fails keeps its generation and holds up none of the others.
pub(super) fn run(
    node: &Node,
    ids: &[EndpointId],
    all: bool,
    extent: &Extent,
    screen: &Screen,
) -> Result<(), Failure> {
    let (builder, store) = (node.builder()?, node.store()?);
    let ids = if all {
        built(&store.list()?)
    } else {
        ids.to_vec()
    };
    let endpoints = Endpoints::new(&builder, &store);
    super::see_to_policy(&endpoints);
    if all {
        for moved in endpoints.resize_shared()? {
            talk(&format!("note: {moved}"));
        }
    }
    let done = renew_all(&endpoints, &ids, extent.at_least());
    let (mut rows, mut failures, mut retired) = (Vec::new(), Vec::new(), Vec::new());
    for Done {
        id,
        renewed,
        timeline,
    } in done
    {
        rows.push(Row::new(id, &renewed, &timeline));
        match renewed {
            Ok(renewed) => retired.extend(renewed.retired()),
            Err(failure) => failures.push((id, failure)),
        }
    }
    Retired::after_grace(retired);
    let failed = failures.len();
    match failures.pop() {
        Some((_, failure)) if ids.len() == 1 => return Err(failure),
        last => failures.extend(last),
    }
    for (id, failure) in &failures {
        talk(&format!("endpoint {id} keeps its generation:"));
        failure.say();
    }
    show(&rows, screen)?;
    if failed == 0 {
        Ok(())
    } else {
        Err(Failure::Some {
            failed,
            all: ids.len(),
        })
    }
}

/// One endpoint, when it is through.
struct Done {
    id: EndpointId,
    renewed: Result<Renewed, Failure>,
    timeline: Timeline,
}

/// Several at a time, in the order of `ids`.
fn renew_all(endpoints: &Endpoints<'_>, ids: &[EndpointId], at_least: Level) -> Vec<Done> {
    let progress = bar(ids.len());
    let next = AtomicUsize::new(0);
    let work = || {
        let take = || {
            let index = next.fetch_add(1, Ordering::Relaxed);
            ids.get(index).map(|id| (index, *id))
        };
        let renew = |(index, id)| (index, renew_one(endpoints, id, at_least, &progress));
        std::iter::from_fn(take).map(renew).collect::<Vec<_>>()
    };
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let workers = (processors * 2).min(AT_ONCE).min(ids.len());
    let mut done = thread::scope(|scope| {
        let others: Vec<_> = (1..workers)
            .filter_map(|_| thread::Builder::new().spawn_scoped(scope, work).ok())
            .collect();
        let mut done = work();
        for other in others {
            done.extend(other.join().unwrap_or_default());
        }
        done
    });
    progress.finish_and_clear();
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, done)| done).collect()
}

fn renew_one(
    endpoints: &Endpoints<'_>,
    id: EndpointId,
    at_least: Level,
    progress: &ProgressBar,
) -> Done {
    let mut timeline = Timeline::default();
    let renewed = endpoints.renew(id, at_least, &mut timeline);
    if let Ok(renewed) = &renewed {
        progress.suspend(|| {
            for notice in &renewed.notices {
                talk(&format!("note: {notice}"));
            }
        });
    }
    progress.inc(1);
    Done {
        id,
        renewed: renewed.map_err(Failure::from),
        timeline,
    }
}

fn show(rows: &[Row], screen: &Screen) -> Result<(), Failure> {
    let columns = Columns {
        headings: &[
            "ID",
            "DONE",
            "GEN",
            "IFACE",
            "TEMPLATE",
            "TIME",
            "WHY",
            "PROGRAMS",
            "VERIFIED INSNS",
            "STAGES",
        ],
        plain: 7,
        rows: rows.iter().map(Row::columns).collect(),
        empty: "no endpoint to regenerate: `weir endpoint attach` makes one",
    };
    screen.list(rows, &columns)
}

/// The ids of all endpoints that were built once.
fn built(entries: &[Entry]) -> Vec<EndpointId> {
    entries
        .iter()
        .filter_map(|entry| Some(crate::node::record(entry)?.endpoint.id))
        .collect()
}
