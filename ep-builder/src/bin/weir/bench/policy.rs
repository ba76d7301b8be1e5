//! `weir bench policy`: what it costs to put policies in force, and what an endpoint that comes pays for them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ep_builder::builder::Builder;
use ep_builder::endpoint::{Endpoint, Label};
use ep_builder::lifecycle::Endpoints;
use ep_builder::policy::Enforcement;
use ep_builder::policy::documents::{SourceFile, parse};
use ep_builder::settings::Settings;
use ep_builder::state::Store;
use ep_builder::timeline::Timeline;
use serde::Serialize;

use super::devices::Devices;
use super::figures::Figure;
use super::scratch::{Scratch, endpoint};
use super::times::{Row, at, show, sorted};
use crate::cli::BenchPolicy;
use crate::failure::Failure;
use crate::node::Node;
use crate::progress::bar;
use crate::screen::{Format, Screen};

/// For 250 endpoints and 1,000 rules.
const APPLY: Duration = Duration::from_secs(1);
/// An attach beside policies, to one without any.
const RATIO: f64 = 1.1;
/// The pods are of so many kinds.
const KINDS: u16 = 50;
/// Of connections there are none.
const CONNECTIONS: u32 = 1_024;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    endpoints: u16,
    policies: u16,
    /// Of all endpoints together.
    entries: usize,
    times: Vec<Row>,
    /// The middle one of the attaches beside policies, to that of those without.
    attach_ratio: f64,
    target_ratio: f64,
}

/// A node with endpoints that stay.
struct Half<'a> {
    endpoints: Endpoints<'a>,
    /// The one that comes and goes.
    guest: Endpoint,
}

pub(super) fn run(node: &Node, asked: &BenchPolicy, screen: &Screen) -> Result<(), Failure> {
    measure(node, asked)?.show(screen)
}

/// What the whole table takes of it.
pub(super) fn figures(node: &Node, asked: &BenchPolicy) -> Result<Vec<Figure>, Failure> {
    let report = measure(node, asked)?;
    let mut figures: Vec<_> = report
        .times
        .iter()
        .map(|row| row.figure("policy"))
        .collect();
    let ratio = Figure::ratio(
        "policy",
        "attach, all policies, to no policy",
        report.attach_ratio,
    );
    figures.push(ratio.with_target(Some(report.target_ratio)));
    Ok(figures)
}

fn measure(node: &Node, asked: &BenchPolicy) -> Result<Report, Failure> {
    let mut settings = node.settings.clone();
    settings.endpoint.ct_tcp = CONNECTIONS;
    settings.endpoint.ct_any = CONNECTIONS;
    let scratches = [
        Scratch::with_pins(&settings)?,
        Scratch::with_pins(&settings)?,
    ];
    let [bare, policed] = scratches.each_ref().map(|scratch| &scratch.settings);
    let devices = Devices::new((asked.endpoints + 1) * 2)?;
    let (ours, theirs) = devices.names().split_at(usize::from(asked.endpoints) + 1);
    let builders = [builder(node, bare)?, builder(node, policed)?];
    let stores = [store(bare)?, store(policed)?];
    let rounds = usize::try_from(asked.rounds).unwrap_or(usize::MAX);
    let progress = bar(usize::from(asked.endpoints) * 2 + rounds * 2);
    let tick = || progress.inc(1);
    let [without, with] = [
        Half::settled(&builders[0], &stores[0], ours, &tick)?,
        Half::settled(&builders[1], &stores[1], theirs, &tick)?,
    ];
    let enforcement = Enforcement::new(policed, &stores[1]);
    let applied = Applied::measured(&enforcement, asked, &tick)?;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for round in 0..asked.rounds {
        // Who comes second meets what the kernel has still to do for the first.
        if round % 2 == 0 {
            alone.push(without.guest_comes()?);
            beside.push(with.guest_comes()?);
        } else {
            beside.push(with.guest_comes()?);
            alone.push(without.guest_comes()?);
        }
        tick();
    }
    progress.finish_and_clear();
    Ok(Report {
        endpoints: asked.endpoints,
        policies: asked.policies,
        entries: applied.entries,
        attach_ratio: middle(&beside) / middle(&alone),
        target_ratio: RATIO,
        times: vec![
            Row::of("read and apply all policies", applied.whole).with_target(APPLY),
            Row::of("  of it read", applied.read),
            Row::of("attach, no policy", alone),
            Row::of("attach, all policies", beside),
        ],
    })
}

/// What it took to put policies in force.
#[derive(Default)]
struct Applied {
    read: Vec<Duration>,
    whole: Vec<Duration>,
    entries: usize,
}

impl Applied {
    fn measured(
        enforcement: &Enforcement<'_>,
        asked: &BenchPolicy,
        tick: &impl Fn(),
    ) -> Result<Self, Failure> {
        let mut measured = Self::default();
        for round in 0..asked.rounds {
            let file = documents(asked.policies, round);
            let start = Instant::now();
            let documents = parse(vec![file])?;
            measured.read.push(start.elapsed());
            let applied = enforcement.apply(&documents)?;
            measured.whole.push(start.elapsed());
            measured.entries = applied.changes.iter().map(|change| change.entries).sum();
            tick();
        }
        Ok(measured)
    }
}

fn builder(node: &Node, settings: &Settings) -> Result<Builder, Failure> {
    let builder = Builder::open(settings.clone(), node.search())?;
    // From here on the template is warm.
    builder.template(&settings.endpoint, &mut Timeline::default())?;
    Ok(builder)
}

fn store(settings: &Settings) -> Result<Store, Failure> {
    Ok(Store::open(&settings.paths.state_dir)?)
}

/// As many policies, each with one rule that allows one kind of pods one port of another kind: other ones in
/// every round.
fn documents(count: u16, round: u32) -> SourceFile {
    let policy = |number: u16| {
        let (to, from) = (number % KINDS, number / KINDS % KINDS);
        let port = 1_024 + (u32::from(number) * 2 + round % 2) % 60_000;
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p{number}}}\nspec:\n  podSelector: {{matchLabels: {{app: k{to}}}}}\n  ingress:\n  - from:\n    - podSelector: {{matchLabels: {{app: k{from}}}}}\n    ports:\n    - port: {port}\n"
        )
    };
    let policies: Vec<_> = (0..count).map(policy).collect();
    SourceFile {
        path: PathBuf::from("bench.yaml"),
        text: policies.join("---\n").into(),
    }
}

impl<'a> Half<'a> {
    fn settled(
        builder: &'a Builder,
        store: &'a Store,
        devices: &[String],
        tick: &impl Fn(),
    ) -> Result<Self, Failure> {
        let endpoints = Endpoints::new(builder, store);
        let mut guest = None;
        for (number, device) in (1..).zip(devices) {
            let kind = number % KINDS;
            let endpoint = Endpoint {
                host_ifname: device.clone(),
                identity: 10_000 + u32::from(kind),
                labels: [Label::new("app", &format!("k{kind}"), "k8s")]
                    .into_iter()
                    .collect(),
                ..endpoint(number, &builder.settings().endpoint.options)?
            };
            if usize::from(number) == devices.len() {
                guest = Some(endpoint);
            } else {
                endpoints.attach(&endpoint, &mut Timeline::default())?;
                tick();
            }
        }
        let nobody = || Failure::Input("there is no endpoint to measure".to_owned());
        Ok(Self {
            endpoints,
            guest: guest.ok_or_else(nobody)?,
        })
    }

    fn guest_comes(&self) -> Result<Duration, Failure> {
        let start = Instant::now();
        self.endpoints
            .attach(&self.guest, &mut Timeline::default())?;
        let took = start.elapsed();
        self.endpoints.removal().delete(self.guest.id)?;
        Ok(took)
    }
}

fn middle(times: &[Duration]) -> f64 {
    let seconds = times.iter().map(Duration::as_secs_f64);
    at(&sorted(seconds.collect()), 50)
}

impl Report {
    fn show(&self, screen: &Screen) -> Result<(), Failure> {
        if matches!(screen.format(), Format::Json | Format::Yaml) {
            return screen.value(self);
        }
        show(&self.times, screen)?;
        screen.data(&format!(
            "{} endpoints, {} policies, {} entries; an attach beside them costs {:.2} times one without (target {:.2})\n",
            self.endpoints, self.policies, self.entries, self.attach_ratio, self.target_ratio
        ))
    }
}
