//! `weir bench template`: what the template compiler costs on this machine.

use std::time::{Duration, Instant};

use ep_builder::builder::{Builder, Origin};
use ep_builder::endpoint::{Endpoint, EndpointId, EndpointValues, MacAddr};
use ep_builder::patch::Template;
use ep_builder::settings::Settings;
use ep_builder::state::{EndpointRecord, PolicyState, Store};
use ep_builder::timeline::Timeline;
use ep_builder::whole_file::{FileError, TEMPORARY};
use serde::Serialize;

use crate::failure::Failure;
use crate::node::Node;
use crate::progress::readable;
use crate::screen::{Columns, Screen};

/// The size of a grown-up datapath's object, for the patch.
const LARGE: usize = 200 << 10;
/// What a cold compile is measured with: each costs what clang costs.
const COLD_ROUNDS: u32 = 5;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    what: String,
    rounds: usize,
    min_us: f64,
    p50_us: f64,
    p95_us: f64,
}

pub(crate) fn template(node: &Node, rounds: u32, screen: &Screen) -> Result<(), Failure> {
    let state = &node.settings.paths.state_dir;
    std::fs::create_dir_all(state).map_err(FileError::of("make folder", state))?;
    let folder = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .tempdir_in(state)
        .map_err(FileError::of("make a temporary folder in", state))?;
    let mut settings = node.settings.clone();
    folder.path().clone_into(&mut settings.paths.state_dir);
    let bench = Bench {
        node,
        settings,
        endpoint: endpoint()?,
    };
    let (cold_wall, cold_cpu) = bench.cold()?;
    let small = bench.template()?;
    let mut bytes = small.bytes().to_vec();
    bytes.resize(bytes.len().max(LARGE), 0);
    let large = Template::read(bytes).map_err(|error| Failure::Input(error.to_string()))?;
    let rows = [
        row("cold compile, wall clock", cold_wall),
        row("cold compile, processor time", cold_cpu),
        row(
            &format!("patch of {} bytes", small.bytes().len()),
            bench.patch(rounds, &small),
        ),
        row(
            &format!("patch of {} bytes", large.bytes().len()),
            bench.patch(rounds, &large),
        ),
        row(
            "cache hit: sources, key, verify, patch, header, state",
            bench.hit(rounds)?,
        ),
    ];
    show(&rows, screen)
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
        let shape = builder.shape_of(&self.endpoint);
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
                std::hint::black_box(template.patch(&EndpointValues::of(&self.endpoint)));
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

fn endpoint() -> Result<Endpoint, Failure> {
    let id = EndpointId::new(2665).map_err(|error| Failure::Input(error.to_string()))?;
    Ok(Endpoint {
        id,
        container_id: "bench".to_owned(),
        container_name: String::new(),
        ifname: "eth0".to_owned(),
        host_ifname: "lxc000000002665".to_owned(),
        host_ifindex: 19,
        mac: MacAddr([2, 0, 0, 0, 0, 1]),
        host_mac: MacAddr([2, 0, 0, 0, 0, 2]),
        ipv4: Some([198, 51, 100, 7].into()),
        ipv6: None,
        identity: 12_022,
        labels: [].into_iter().collect(),
        options: ep_builder::options::EndpointOptions::default(),
        verdict_log_filter: 0,
        pod: None,
        network: ep_builder::endpoint::NetworkIds::default(),
    })
}

fn row(what: &str, mut times: Vec<Duration>) -> Row {
    times.sort_unstable();
    let at = |percent: usize| {
        let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times
            .get(index)
            .map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    Row {
        what: what.to_owned(),
        rounds: times.len(),
        min_us: at(0),
        p50_us: at(50),
        p95_us: at(95),
    }
}

fn show(rows: &[Row], screen: &Screen) -> Result<(), Failure> {
    let time = |us: f64| readable(Duration::from_secs_f64(us / 1e6));
    let text = rows
        .iter()
        .map(|r| {
            vec![
                r.what.clone(),
                r.rounds.to_string(),
                time(r.min_us),
                time(r.p50_us),
                time(r.p95_us),
            ]
        })
        .collect();
    screen.list(
        rows,
        &Columns {
            headings: &["WHAT", "ROUNDS", "MIN", "P50", "P95"],
            plain: 5,
            rows: text,
            empty: "nothing measured",
        },
    )
}
