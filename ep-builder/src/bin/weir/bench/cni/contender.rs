//! A plugin on a host of its own, and many calls of it at a time.

use std::path::Path;
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use super::call::{Called, Plugin, Verb};
use super::namespace::Namespace;
use crate::bench::times::children_time;
use crate::failure::Failure;

/// At a time, while pods are made that only have to be there.
pub(super) const CROWD: usize = 8;

/// One of those that are compared.
pub(super) struct Contender {
    plugin: Plugin,
    host: Namespace,
    /// Of the pods that come and go.
    guests: Vec<Namespace>,
    /// Of the pods that stay.
    residents: Vec<Namespace>,
}

/// A pod that a call is about.
pub(super) struct Pod<'a> {
    pub(super) container: String,
    netns: &'a Path,
}

/// Calls that were made at one time.
pub(super) struct Batch {
    /// Of each call, in the order of the pods.
    pub(super) each: Vec<Duration>,
    /// From the first call's begin to the last one's end.
    pub(super) together: Duration,
    /// Of all processes.
    pub(super) processor: Duration,
}

impl Contender {
    pub(super) fn new(plugin: Plugin, guests: usize, residents: usize) -> Result<Self, Failure> {
        let mut namespaces = Namespace::several(1 + guests + residents)?;
        let residents = namespaces.split_off(1 + guests);
        let guests = namespaces.split_off(1);
        let host = namespaces.pop();
        Ok(Self {
            plugin,
            host: host.ok_or_else(|| Failure::Input("no network namespace was made".to_owned()))?,
            guests,
            residents,
        })
    }

    /// So many pods that nobody has had yet; `number` counts all pods of the benchmark.
    pub(super) fn guests(&self, count: usize, number: &mut u64) -> Vec<Pod<'_>> {
        let guests = self.guests.iter().take(count);
        guests.map(|netns| pod(netns, number)).collect()
    }

    /// Makes some of the pods that stay: the crowd of this number.
    pub(super) fn settle(&self, crowd: usize, first: u64) -> Result<(), Failure> {
        let mut number = first;
        let crowd = self.residents.chunks(CROWD).nth(crowd).unwrap_or_default();
        let pods: Vec<_> = crowd.iter().map(|netns| pod(netns, &mut number)).collect();
        self.call(Verb::Add, &pods).map(drop)
    }

    /// Calls the plugin for all pods at once.
    pub(super) fn call(&self, verb: Verb, pods: &[Pod<'_>]) -> Result<Batch, Failure> {
        let before = children_time()?;
        let called: Vec<_> = self
            .at_once(verb, pods)
            .into_iter()
            .collect::<Result<_, _>>()?;
        let processor = children_time()?.saturating_sub(before);
        let now = Instant::now();
        let from = called.iter().map(|call| call.from).min().unwrap_or(now);
        let to = called.iter().map(|call| call.to).max().unwrap_or(now);
        Ok(Batch {
            each: called.iter().map(|call| call.to - call.from).collect(),
            together: to - from,
            processor,
        })
    }

    /// Waits for every call, also behind one that failed: what still runs would be in the way of what
    /// clears up.
    fn at_once(&self, verb: Verb, pods: &[Pod<'_>]) -> Vec<Result<Called, Failure>> {
        let gate = RwLock::new(());
        thread::scope(|scope| {
            let closed = gate.write().unwrap_or_else(PoisonError::into_inner);
            let start = |pod| {
                let gate = &gate;
                scope.spawn(move || {
                    let arrived = self.host.enter();
                    drop(gate.read());
                    arrived.and_then(|()| self.one(verb, pod))
                })
            };
            let threads: Vec<_> = pods.iter().map(start).collect();
            drop(closed);
            threads
                .into_iter()
                .map(|thread| joined(thread.join()))
                .collect()
        })
    }

    fn one(&self, verb: Verb, pod: &Pod<'_>) -> Result<Called, Failure> {
        self.plugin.call(verb, &pod.container, pod.netns)
    }
}

/// What a thread ended with.
pub(super) fn joined<T>(ended: thread::Result<Result<T, Failure>>) -> Result<T, Failure> {
    let died = |_panic| Err(Failure::Input("a thread of the benchmark died".to_owned()));
    ended.unwrap_or_else(died)
}

fn pod<'a>(netns: &'a Namespace, number: &mut u64) -> Pod<'a> {
    *number += 1;
    Pod {
        // As long as a runtime's.
        container: format!("{number:064x}"),
        netns: netns.path(),
    }
}
