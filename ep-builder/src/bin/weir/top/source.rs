//! Where the numbers come from: the kernel's counters of the host ends, which cost the datapath nothing; the events
//! of drops; the policy maps; and, where programs are asked for, the kernel's account of their runs.

use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use ep_builder::bpf::{BpfError, Program, RunStatistics, program_ids};
use ep_builder::endpoint::{Endpoint, EndpointId};
use ep_builder::events::Event;
use ep_builder::maps::{MapName, Maps, MapsError};

use super::owners::owners;
use super::rates::{EndpointRow, ProgramRow, Traffic, devices, per_second};
use crate::failure::Failure;
use crate::map::maps;
use crate::monitor::directory::Directory;
use crate::monitor::ears::Ears;
use crate::monitor::signals::Signals;
use crate::node::Node;

/// Counting the entries of every policy map is a walk through each.
const COUNT_AGAIN: Duration = Duration::from_secs(5);
/// How long events may wait to be counted, and keys to be answered.
const LOOK: Duration = Duration::from_millis(100);

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// It is time for the next look.
    Time,
    /// A signal to end.
    Signal,
    /// Perhaps a key: some time has gone by.
    Idle,
}

/// A look at the endpoints.
pub(super) struct Look {
    at: Instant,
    devices: HashMap<String, Traffic>,
    drops: HashMap<u16, u64>,
}

/// A look at the programs: runs and time by number.
pub(super) struct ProgramLook {
    at: Instant,
    runs: HashMap<u32, (u64, Duration)>,
}

/// What is read again and again.
pub(super) struct Source<'a> {
    node: &'a Node,
    maps: Maps,
    directory: Directory,
    /// None while there is no ring.
    ears: Option<Ears>,
    drops: HashMap<u16, u64>,
    fills: HashMap<EndpointId, (u64, u64)>,
    counted: Option<Instant>,
    statistics: Option<RunStatistics>,
}

impl<'a> Source<'a> {
    pub(super) fn open(node: &'a Node) -> Result<Self, Failure> {
        let maps = maps(node);
        let mut ears = ears(node, &maps)?;
        if let Some(ears) = &mut ears {
            ears.skip();
        }
        Ok(Self {
            node,
            maps,
            directory: Directory::open(node)?,
            ears,
            drops: HashMap::new(),
            fills: HashMap::new(),
            counted: None,
            statistics: None,
        })
    }

    /// Has the kernel measure programs, for as long as this lives.
    pub(super) fn measure_programs(&mut self) -> Result<(), Failure> {
        self.statistics = Some(RunStatistics::enable().map_err(kernel)?);
        Ok(())
    }

    /// Counts drops for a while. Signals and keys are asked for when the time is over, too: it always is where a look
    /// takes longer than the interval.
    pub(super) fn wait(
        &mut self,
        signals: &Signals,
        keys: &[BorrowedFd<'_>],
        until: Instant,
    ) -> Result<Woken, Failure> {
        let left = until.saturating_duration_since(Instant::now());
        let is_over = signals.wait(keys, left.min(LOOK))?;
        self.hear()?;
        Ok(match (is_over, left.is_zero()) {
            (true, _) => Woken::Signal,
            (_, true) => Woken::Time,
            _ => Woken::Idle,
        })
    }

    fn hear(&mut self) -> Result<(), Failure> {
        let Some(ears) = &mut self.ears else {
            return Ok(());
        };
        ears.lead_if_nobody_does()?;
        // Bounded: a ring may fill as fast as it is emptied.
        for _ in 0..1 << 16 {
            match ears.next() {
                Some(Ok(Event::Drop(event))) => {
                    *self.drops.entry(event.header.lxc_id).or_default() += 1;
                }
                Some(_) => {}
                None => break,
            }
        }
        Ok(())
    }

    pub(super) fn look(&mut self) -> Result<Look, Failure> {
        if self.ears.is_none() {
            self.ears = ears(self.node, &self.maps)?;
        }
        self.hear()?;
        self.directory.read();
        self.count_entries();
        let text = std::fs::read_to_string("/proc/thread-self/net/dev");
        let text = text.map_err(|source| Failure::System {
            what: "cannot read the counters of the devices".to_owned(),
            source,
        })?;
        Ok(Look {
            at: Instant::now(),
            devices: devices(&text),
            drops: self.drops.clone(),
        })
    }

    fn count_entries(&mut self) {
        if self.counted.is_some_and(|at| at.elapsed() < COUNT_AGAIN) {
            return;
        }
        self.counted = Some(Instant::now());
        self.fills.clear();
        for endpoint in self.directory.endpoints() {
            let map = MapName::Policy(endpoint.id);
            let count = self.maps.count(map).ok().flatten();
            let room = self.maps.facts(map).ok().map(|facts| facts.max_entries);
            if let Some((count, room)) = count.zip(room) {
                self.fills.insert(endpoint.id, (count as u64, room.into()));
            }
        }
    }

    /// What has happened between two looks.
    pub(super) fn endpoints(&self, before: &Look, after: &Look) -> Vec<EndpointRow> {
        let rows = self.directory.endpoints();
        rows.map(|endpoint| self.endpoint(endpoint, before, after))
            .collect()
    }

    fn endpoint(&self, endpoint: &Endpoint, before: &Look, after: &Look) -> EndpointRow {
        let time = after.at.duration_since(before.at);
        let device = &endpoint.host_ifname;
        let now = after.devices.get(device).copied().unwrap_or_default();
        // One that has just come has begun at nothing.
        let then = before.devices.get(device).copied().unwrap_or_default();
        let rate = |of: fn(&Traffic) -> u64| per_second(of(&then), of(&now), time);
        let drops = |look: &Look| look.drops.get(&endpoint.id.get()).copied().unwrap_or(0);
        let fill = self.fills.get(&endpoint.id);
        EndpointRow {
            id: endpoint.id.get(),
            pod: endpoint
                .pod
                .as_ref()
                .map(|pod| format!("{}/{}", pod.namespace, pod.name)),
            device: device.clone(),
            sent_packets_per_second: rate(|it| it.sent_packets),
            received_packets_per_second: rate(|it| it.received_packets),
            sent_bytes_per_second: rate(|it| it.sent_bytes),
            received_bytes_per_second: rate(|it| it.received_bytes),
            drops_per_second: self
                .ears
                .as_ref()
                .map(|_| per_second(drops(before), drops(after), time)),
            policy_entries: fill.map(|(entries, _)| *entries),
            policy_max_entries: fill.map(|(_, room)| *room),
        }
    }

    pub(super) fn look_at_programs(&mut self) -> Result<ProgramLook, Failure> {
        self.hear()?;
        self.directory.read();
        let mut runs = HashMap::new();
        for id in program_ids().map_err(kernel)? {
            match Program::open_id(id).and_then(|program| program.info()) {
                Ok(info) => runs.insert(id, (info.runs, info.run_time)),
                // Gone since.
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(kernel(error)),
            };
        }
        Ok(ProgramLook {
            at: Instant::now(),
            runs,
        })
    }

    /// The programs that use a map of the datapath, which every one of ours does.
    pub(super) fn programs(
        &self,
        before: &ProgramLook,
        after: &ProgramLook,
    ) -> Result<Vec<ProgramRow>, Failure> {
        let mut maps = HashMap::new();
        for map in self.maps.list()? {
            match self.maps.facts(map) {
                Ok(facts) => maps.insert(facts.id, map),
                Err(MapsError::Missing { .. }) => None,
                Err(error) => return Err(error.into()),
            };
        }
        let time = after.at.duration_since(before.at);
        let owners = owners(self.directory.endpoints(), &self.maps);
        let mut rows = Vec::new();
        for (id, now) in &after.runs {
            let then = before.runs.get(id).copied().unwrap_or_default();
            let row = program(*id, then, *now, time, &maps);
            rows.extend(row.map(|row| ProgramRow {
                owner: owners.get(id).map(u32::to_string).or(row.owner.clone()),
                ..row
            }));
        }
        Ok(rows)
    }
}

/// None for a program that is none of ours, or gone.
fn program(
    id: u32,
    (runs_before, time_before): (u64, Duration),
    (runs, run_time): (u64, Duration),
    time: Duration,
    maps: &HashMap<u32, MapName>,
) -> Option<ProgramRow> {
    let info = Program::open_id(id)
        .and_then(|program| program.info())
        .ok()?;
    let mut own = info.map_ids.iter().filter_map(|id| maps.get(id)).peekable();
    own.peek()?;
    let owner = own.find_map(|map| match map {
        MapName::Policy(id) | MapName::Calls(id) => Some(id.to_string()),
        MapName::DeviceCalls(device) => Some(device.to_string()),
        _ => None,
    });
    let (ran, took) = (
        runs.saturating_sub(runs_before),
        run_time.saturating_sub(time_before),
    );
    let ran_for = u32::try_from(ran).map_or(f64::INFINITY, f64::from);
    Some(ProgramRow {
        program: id,
        name: info.name,
        owner,
        runs_per_second: per_second(runs_before, runs, time),
        nanoseconds_per_run: (ran > 0).then(|| (took.as_secs_f64() * 1e9 / ran_for).round()),
        processor: took.as_secs_f64() / time.as_secs_f64().max(1e-3),
    })
}

fn ears(node: &Node, maps: &Maps) -> Result<Option<Ears>, Failure> {
    match Ears::open(node, maps) {
        Ok(ears) => Ok(Some(ears)),
        Err(Failure::Maps(MapsError::Missing { .. })) => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn kernel(error: BpfError) -> Failure {
    Failure::Load(error.into())
}
