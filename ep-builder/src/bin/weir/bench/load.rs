//! `weir bench load`: what an endpoint costs until it forwards, and to replace it.

use std::time::{Duration, Instant};

use ep_builder::builder::Builder;
use ep_builder::endpoint::Endpoint;
use ep_builder::lifecycle::{Endpoints, InForce};
use ep_builder::load::{Installed, LoadedProgram, Retired};
use ep_builder::state::Store;
use ep_builder::timeline::Timeline;
use serde::Serialize;

use super::devices::Devices;
use super::figures::{Figure, as_kib};
use super::memory;
use super::scratch::{Scratch, endpoint};
use super::times::{Row, processor_time, show};
use crate::failure::Failure;
use crate::node::Node;
use crate::progress::bar;
use crate::screen::{Format, Screen};

/// Of one endpoint, and of each of many one after another.
const ATTACH: Duration = Duration::from_millis(5);
const REGENERATE: Duration = Duration::from_millis(4);
const ATTACH_OF_MANY: Duration = Duration::from_millis(6);

/// The stages that are the kernel's; the others find, patch and keep the object.
const KERNEL: [&str; 9] = [
    "parse",
    "maps",
    "constants",
    "types",
    "tails",
    "programs",
    "policy",
    "attach",
    "pin",
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    endpoints: u16,
    /// Of an endpoint's own programs.
    verified_instructions: u64,
    /// Of those that the endpoints of a template share: once for all of them.
    shared_verified_instructions: u64,
    /// What the kernel keeps for one endpoint alone: programs, and maps that only they use.
    kernel_bytes: u64,
    programs: Vec<Counted>,
    times: Vec<Row>,
    /// Of the attaches, in their order.
    stages: Vec<Row>,
}

/// How far the verifier walked through a program.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Counted {
    name: String,
    verified_instructions: u32,
    is_shared: bool,
}

impl Report {
    fn new(
        endpoints: u16,
        programs: &[LoadedProgram],
        kernel_bytes: u64,
        times: Vec<Row>,
        stages: Vec<Row>,
    ) -> Self {
        let programs = programs.iter().map(|program| Counted {
            name: program.name.clone(),
            verified_instructions: program.verified_instructions,
            is_shared: program.is_shared,
        });
        let programs: Vec<_> = programs.collect();
        let sum = |is_shared| {
            let counted = programs.iter().filter(|one| one.is_shared == is_shared);
            counted
                .map(|one| u64::from(one.verified_instructions))
                .sum()
        };
        Self {
            endpoints,
            verified_instructions: sum(false),
            shared_verified_instructions: sum(true),
            kernel_bytes,
            programs,
            times,
            stages,
        }
    }

    fn text(&self) -> String {
        let stages: Vec<_> = self.stages.iter().map(Row::brief).collect();
        let programs = |is_shared| {
            let listed = self.programs.iter();
            let listed = listed.filter(|one| one.is_shared == is_shared);
            let listed: Vec<_> = listed
                .map(|one| format!("{} {}", one.name, one.verified_instructions))
                .collect();
            listed.join(", ")
        };
        format!(
            "stages of an attach, p50: {}\nkernel memory per endpoint: {:.1} KiB\nverified instructions per endpoint: {} ({})\nonce for all endpoints of a template: {} ({})\n",
            stages.join(", "),
            as_kib(self.kernel_bytes),
            self.verified_instructions,
            programs(false),
            self.shared_verified_instructions,
            programs(true)
        )
    }
}

pub(super) fn run(node: &Node, count: u16, screen: &Screen) -> Result<(), Failure> {
    let report = on_devices(node, count)?;
    if matches!(screen.format(), Format::Json | Format::Yaml) {
        return screen.value(&report);
    }
    show(&report.times, screen)?;
    screen.data(&report.text())
}

/// What the whole table takes of it.
pub(super) fn figures(node: &Node, count: u16) -> Result<Vec<Figure>, Failure> {
    let report = on_devices(node, count)?;
    let mut figures: Vec<_> = report.times.iter().map(|row| row.figure("load")).collect();
    figures.push(Figure::count(
        "load",
        "verified instructions of an endpoint",
        report.verified_instructions,
    ));
    figures.push(Figure::bytes(
        "load",
        "kernel memory of an endpoint",
        report.kernel_bytes,
    ));
    Ok(figures)
}

fn on_devices(node: &Node, count: u16) -> Result<Report, Failure> {
    let scratch = Scratch::with_pins(&node.settings)?;
    let settings = &scratch.settings;
    let builder = Builder::open(settings.clone(), node.search())?;
    let store = Store::open(&settings.paths.state_dir)?;
    // From here on every template is warm.
    builder.template(&settings.endpoint, &mut Timeline::default())?;
    // One more, for the node's first endpoint.
    let devices = Devices::new(count + 1)?;
    let mut samples = Vec::new();
    for (number, device) in (1..).zip(devices.names()) {
        samples.push(Endpoint {
            host_ifname: device.clone(),
            ..endpoint(number, &settings.endpoint.options)?
        });
    }
    measure(&Endpoints::new(&builder, &store), &samples, count)
}

fn measure(endpoints: &Endpoints<'_>, samples: &[Endpoint], count: u16) -> Result<Report, Failure> {
    let Some((first, rest)) = samples.split_first() else {
        return Err(Failure::Input("there is no endpoint to measure".to_owned()));
    };
    let progress = bar(rest.len() * 3);
    let mut shared = Measured::default();
    let others = shared.timed(|timeline| Ok(endpoints.attach(first, timeline)?))?;
    let (mut attaches, mut regenerates) = (Measured::default(), Measured::default());
    let (mut programs, mut retired, mut deletes) = (Vec::new(), Vec::new(), Vec::new());
    let start = Instant::now();
    for sample in rest {
        programs = attaches
            .timed(|timeline| Ok(endpoints.attach(sample, timeline)?))?
            .programs;
        progress.inc(1);
    }
    let all = start.elapsed();
    let kernel_bytes = memory::of_endpoint(&programs, &others.programs)?;
    for sample in rest {
        let made = regenerates.timed(|timeline| Ok(endpoints.regenerate(sample.id, timeline)?))?;
        retired.push(made.retired);
        progress.inc(1);
    }
    let start = Instant::now();
    Retired::after_grace(retired);
    let grace = start.elapsed();
    for sample in rest {
        let start = Instant::now();
        endpoints.removal().delete(sample.id)?;
        deletes.push(start.elapsed());
        progress.inc(1);
    }
    progress.finish_and_clear();
    let many = format!("{count} endpoints, one after another");
    let stages = attaches.stage_rows();
    let mut times = attaches.rows("attach, warm template", ATTACH);
    times.extend(regenerates.rows("regenerate", REGENERATE));
    times.extend([
        Row::of(&many, vec![all]).with_target(ATTACH_OF_MANY * u32::from(count)),
        Row::of("first of a node: makes the shared maps", shared.total),
        Row::of("wait until nothing runs the old, once for all", vec![grace]),
        Row::of("delete", deletes),
    ]);
    Ok(Report::new(count, &programs, kernel_bytes, times, stages))
}

/// Times of the same thing done again and again.
#[derive(Default)]
struct Measured {
    total: Vec<Duration>,
    processor: Duration,
    kernel: Vec<Duration>,
    stages: Vec<(&'static str, Vec<Duration>)>,
}

impl Measured {
    fn timed(
        &mut self,
        action: impl FnOnce(&mut Timeline) -> Result<InForce, Failure>,
    ) -> Result<Installed, Failure> {
        let (start, before) = (Instant::now(), processor_time()?);
        let mut timeline = Timeline::default();
        let in_force = action(&mut timeline)?;
        self.total.push(start.elapsed());
        self.processor += processor_time()?.saturating_sub(before);
        let kernel = timeline.stages().iter();
        let kernel = kernel.filter(|(stage, _)| KERNEL.contains(stage));
        self.kernel.push(kernel.map(|(_, time)| *time).sum());
        for (stage, time) in timeline.stages() {
            match self.stages.iter_mut().find(|(known, _)| known == stage) {
                Some((_, times)) => times.push(*time),
                None => self.stages.push((stage, vec![*time])),
            }
        }
        Ok(in_force.installed)
    }

    fn rows(self, what: &str, target: Duration) -> Vec<Row> {
        let count = u32::try_from(self.total.len()).unwrap_or(u32::MAX);
        let mean = self.processor / count.max(1);
        vec![
            Row::of(what, self.total).with_target(target),
            Row::of("  of it parse, load and attach", self.kernel),
            Row::of("  of it on the processor, mean", vec![mean]),
        ]
    }

    fn stage_rows(&self) -> Vec<Row> {
        let stages = self.stages.iter();
        stages
            .map(|(stage, times)| Row::of(stage, times.clone()))
            .collect()
    }
}
