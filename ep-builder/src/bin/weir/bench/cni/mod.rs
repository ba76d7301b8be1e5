//! `weir bench cni`: what a pod's ADD and DEL cost, beside `ptp` and `bridge` with `host-local`.
//!
//! The plugins run as a runtime runs them, each on a host of its own: a network namespace, with pods in it
//! that stay and pods that come and go. They take turns in an order that is drawn anew for each round, so
//! that whatever else the machine does meets all of them.

mod call;
mod contender;
mod namespace;
mod report;
mod waterfall;

use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use ep_builder::whole_file::FileError;

use self::call::{Plugin, Verb};
use self::contender::{CROWD, Contender, joined};
use self::report::{Report, Results};
use super::figures::Figure;
use super::scratch::Scratch;
use crate::cli::BenchCni;
use crate::failure::Failure;
use crate::monitor::signals::Signals;
use crate::node::Node;
use crate::progress::bar;
use crate::screen::Screen;

/// As the report names them; weir first.
const NAMES: [&str; 3] = ["weir", "ptp", "bridge"];
/// Where the reference plugins come from.
const PACKAGE: &str = "containernetworking-plugins";
/// The log of our plugin, in the folder of the scratch node.
const LOG: &str = "log";

pub(super) fn run(node: &Node, asked: &BenchCni, screen: &Screen) -> Result<(), Failure> {
    measure(node, asked)?.show(screen)
}

/// What the whole table takes of it.
pub(super) fn figures(node: &Node, asked: &BenchCni) -> Result<Vec<Figure>, Failure> {
    Ok(measure(node, asked)?.figures())
}

fn measure(node: &Node, asked: &BenchCni) -> Result<Report, Failure> {
    let weir = find_programs(asked)?;
    // From here on the signals that end a process are asked for between two turns: no call is cut short, and
    // folders and pins go.
    let signals = Signals::block()?;
    let scratch = Scratch::with_pins(&node.settings)?;
    let folder = scratch.folder();
    let guests = asked.at_once.iter().copied().max().unwrap_or(1).into();
    let residents = asked.pods.into();
    namespace::allow(NAMES.len() * (1 + guests + residents))?;
    let contender = |plugin| Contender::new(plugin, guests, residents);
    let configuration = configure(node, &scratch)?;
    let search = &asked.reference;
    let contenders = [
        contender(Plugin::weir(weir, &configuration, search, folder)?)?,
        contender(Plugin::reference("ptp", search, folder)?)?,
        contender(Plugin::reference("bridge", search, folder)?)?,
    ];
    let mut race = Race {
        asked,
        contenders,
        signals,
        number: 0,
        results: Results::default(),
    };
    race.run()?;
    let waterfall = waterfall::read(&folder.join(LOG), &race.results.alone)?;
    Ok(Report::new(asked, &race.results, waterfall))
}

/// Our plugin. Looks for the others as well, before anything is made.
fn find_programs(asked: &BenchCni) -> Result<PathBuf, Failure> {
    for name in ["ptp", "bridge", "host-local"] {
        let path = asked.reference.join(name);
        if !path.is_file() {
            return Err(Failure::NotFound(format!(
                "there is no {}: install the package {PACKAGE}, or name the folder with --reference",
                path.display()
            )));
        }
    }
    plugin(asked)
}

/// The plugin that is measured.
pub(super) fn plugin(asked: &BenchCni) -> Result<PathBuf, Failure> {
    let plugin = asked.plugin.clone().map_or_else(beside_us, Ok)?;
    if !plugin.is_file() {
        return Err(Failure::NotFound(format!(
            "there is no {}: name weir-cni with --plugin",
            plugin.display()
        )));
    }
    // A name without a folder would be looked for on PATH.
    Ok(plugin
        .canonicalize()
        .map_err(FileError::of("find", &plugin))?)
}

fn beside_us() -> Result<PathBuf, Failure> {
    let us = std::env::current_exe();
    let us = us.map_err(FileError::of("find", Path::new("/proc/self/exe")))?;
    Ok(us.with_file_name("weir-cni"))
}

/// The node's configuration with the scratch node's folders.
fn configure(node: &Node, scratch: &Scratch) -> Result<PathBuf, Failure> {
    let folder = scratch.folder();
    let path = folder.join("weir.toml");
    let paths = [
        ("state_dir", folder.join("state")),
        ("bpffs_dir", scratch.settings.paths.bpffs_dir.clone()),
        ("log_file", folder.join(LOG)),
    ];
    node.write_elsewhere(&path, &paths, |_| ())?;
    Ok(path)
}

/// What one batch is.
#[derive(Clone, Copy)]
struct Turn {
    who: usize,
    at_once: u16,
}

struct Race<'a> {
    asked: &'a BenchCni,
    contenders: [Contender; NAMES.len()],
    signals: Signals,
    /// How many pods there were.
    number: u64,
    results: Results,
}

impl Race<'_> {
    /// With an empty host, then with the pods that stay.
    fn run(&mut self) -> Result<(), Failure> {
        let plans: Vec<_> = (0..self.asked.rounds)
            .map(|round| self.turns(round))
            .collect();
        let crowds: &[u16] = if self.asked.pods == 0 {
            &[0]
        } else {
            &[0, self.asked.pods]
        };
        let progress = bar(plans.iter().map(Vec::len).sum::<usize>() * crowds.len());
        for pods in crowds {
            if *pods > 0 {
                progress.set_message(format!("{pods} pods come to stay"));
                self.settle()?;
            }
            progress.set_message(format!("beside {pods} pods"));
            // The first call of a node compiles the template and makes the shared maps, or the bridge.
            for who in 0..NAMES.len() {
                self.turn(Turn { who, at_once: 1 })?;
            }
            for turn in plans.iter().flatten() {
                let batches = self.turn(*turn)?;
                self.results.add(*pods, *turn, batches);
                progress.inc(1);
            }
        }
        progress.finish_and_clear();
        Ok(())
    }

    /// What a round consists of: the more calls at once, the fewer rounds.
    fn turns(&self, round: u32) -> Vec<Turn> {
        let rest = |at_once: u16| u32::from(at_once.div_ceil(2).min(16));
        let due = self.asked.at_once.iter().copied();
        let due = due.filter(|at_once| round.is_multiple_of(rest(*at_once)));
        let mut turns: Vec<_> = due
            .flat_map(|at_once| (0..NAMES.len()).map(move |who| Turn { who, at_once }))
            .collect();
        let random = RandomState::new();
        turns.sort_by_cached_key(|turn| random.hash_one((turn.who, turn.at_once)));
        turns
    }

    /// All plugins at the same time: it is not measured.
    fn settle(&mut self) -> Result<(), Failure> {
        for crowd in 0..usize::from(self.asked.pods).div_ceil(CROWD) {
            self.go_on()?;
            let first = self.number;
            self.number += CROWD as u64;
            let ends = thread::scope(|scope| {
                let start = move |contender: &Contender| contender.settle(crowd, first);
                let threads = self.contenders.each_ref();
                let threads = threads.map(|contender| scope.spawn(move || start(contender)));
                threads.map(|thread| joined(thread.join()))
            });
            ends.into_iter().collect::<Result<(), _>>()?;
        }
        Ok(())
    }

    /// Whether nobody has asked for the end.
    fn go_on(&self) -> Result<(), Failure> {
        if self.signals.arrived() {
            return Err(Failure::Input("stopped by a signal".to_owned()));
        }
        Ok(())
    }

    /// Pods come and go.
    fn turn(&mut self, turn: Turn) -> Result<Batches, Failure> {
        self.go_on()?;
        let contender = &self.contenders[turn.who];
        let pods = contender.guests(turn.at_once.into(), &mut self.number);
        let add = contender.call(Verb::Add, &pods)?;
        let del = contender.call(Verb::Del, &pods)?;
        Ok(Batches {
            containers: pods.into_iter().map(|pod| pod.container).collect(),
            calls: [(Verb::Add, add), (Verb::Del, del)],
        })
    }
}

/// What a turn brought.
struct Batches {
    containers: Vec<String>,
    calls: [(Verb, contender::Batch); 2],
}

/// An ADD without others beside it, by its container.
struct Alone {
    container: String,
    took: Duration,
}
