//! `weir bench template`: what the template compiler costs on this machine.

use std::time::{Duration, Instant};

use ep_builder::builder::{Builder, Origin};
use ep_builder::endpoint::{Endpoint, Values};
use ep_builder::patch::Template;
use ep_builder::settings::Settings;
use ep_builder::state::{EndpointRecord, PolicyState, Store};
use ep_builder::timeline::Timeline;
use ep_builder::unit::Unit;

use super::figures::Figure;
use super::scratch::{Scratch, endpoint};
use super::times::{Row, show};
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::Screen;

/// The size of a grown-up datapath's object, for the patch.
const LARGE: usize = 200 << 10;
/// Of the processor, for a cold compile.
const COLD: Duration = Duration::from_millis(1_500);
/// What a cold compile is measured with: each costs what clang costs.
const COLD_ROUNDS: u32 = 5;

pub(super) fn run(node: &Node, rounds: u32, screen: &Screen) -> Result<(), Failure> {
    show(&measure(node, rounds)?, screen)
}

/// The middle times, for the whole table.
pub(super) fn figures(node: &Node, rounds: u32) -> Result<Vec<Figure>, Failure> {
    let rows = measure(node, rounds)?;
    Ok(rows.iter().map(|row| row.figure("template")).collect())
}

fn measure(node: &Node, rounds: u32) -> Result<Vec<Row>, Failure> {
    let mut scratch = Scratch::new(&node.settings)?;
    // A bundle would serve what is to be compiled.
    scratch.settings.paths.bundle_dir = scratch.folder().join("no-bundle");
    let bench = Bench {
        node,
        settings: scratch.settings.clone(),
        endpoint: endpoint(2665, &node.settings.endpoint.options)?,
    };
    let (cold_wall, cold_cpu) = bench.cold()?;
    let small = bench.template()?;
    let mut bytes = small.bytes().to_vec();
    bytes.resize(bytes.len().max(LARGE), 0);
    let large =
        Template::read(Unit::Lxc, bytes).map_err(|error| Failure::Input(error.to_string()))?;
    Ok(vec![
        Row::of("cold compile, wall clock", cold_wall),
        Row::of("cold compile, processor time", cold_cpu).with_target(COLD),
        Row::of(
            &format!("patch of {} bytes", small.bytes().len()),
            bench.patch(rounds, &small),
        ),
        Row::of(
            &format!("patch of {} bytes", large.bytes().len()),
            bench.patch(rounds, &large),
        ),
        Row::of(
            "cache hit: sources, key, verify, patch, header, state",
            bench.hit(rounds)?,
        ),
    ])
}

struct Bench<'a> {
    node: &'a Node,
    settings: Settings,
    endpoint: Endpoint,
}

impl Bench<'_> {
    fn builder(&self) -> Result<Builder, Failure> {
        Ok(Builder::open(self.settings.clone(), self.node.search())?)
    }

    /// Compiles into an empty cache each time.
    fn cold(&self) -> Result<(Vec<Duration>, Vec<Duration>), Failure> {
        let (mut wall, mut cpu) = (Vec::new(), Vec::new());
        for _ in 0..COLD_ROUNDS {
            let builder = self.builder()?;
            builder.cache().collect(&[].into(), Duration::ZERO, false)?;
            let start = Instant::now();
            let built = builder.build(&self.endpoint, &mut Timeline::default())?;
            if let Origin::Compiled(time) = built.origin {
                wall.push(start.elapsed());
                cpu.push(time);
            }
        }
        Ok((wall, cpu))
    }

    fn template(&self) -> Result<Template, Failure> {
        let builder = self.builder()?;
        let shape = builder.shape_of(&self.endpoint.options);
        Ok(builder
            .template(&shape, &mut Timeline::default())?
            .entry
            .template)
    }

    /// The patch alone.
    fn patch(&self, rounds: u32, template: &Template) -> Vec<Duration> {
        (0..rounds)
            .map(|_| {
                let start = Instant::now();
                std::hint::black_box(template.patch(&Values::of_endpoint(&self.endpoint)));
                start.elapsed()
            })
            .collect()
    }

    /// All that a process does for one more endpoint of a known shape, from reading the sources to the
    /// committed folder.
    fn hit(&self, rounds: u32) -> Result<Vec<Duration>, Failure> {
        let save = || -> Result<(), Failure> {
            let built = self
                .builder()?
                .build(&self.endpoint, &mut Timeline::default())?;
            let store = Store::open(&self.settings.paths.state_dir)?;
            let record = EndpointRecord::new(
                self.endpoint.clone(),
                Some(built.key),
                PolicyState::default(),
            );
            let next = store.claim_id(self.endpoint.id)?.begin()?;
            next.write(built.object.bytes(), &built.header, record)?
                .commit()?;
            Ok(())
        };
        let clear = || -> Result<(), Failure> {
            Ok(Store::open(&self.settings.paths.state_dir)?.remove(self.endpoint.id)?)
        };
        let mut times = Vec::new();
        for _ in 0..rounds {
            let start = Instant::now();
            save()?;
            times.push(start.elapsed());
            clear()?;
        }
        Ok(times)
    }
}
