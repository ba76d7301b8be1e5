//! The numbers of this node, from its maps, its state folder and the log. Nothing is kept but what the log has
//! said, and no program waits for anything here.

use std::collections::BTreeMap;
use std::time::Instant;

use ep_builder::cache::Bundle;
use ep_builder::events::Vocabulary;
use ep_builder::identity::Identities;
use ep_builder::maps::{Direction, EVENT_LOST, FORWARDED, Maps, MapsError};
use ep_builder::policy::{Enforcement, PolicyStore};
use ep_builder::state::{EndpointState, Entry, Status};

use super::calls::Calls;
use super::exposition::Exposition;
use super::{maps as map_sizes, table};
use crate::bpf::names::vocabulary;
use crate::failure::Failure;
use crate::map::maps;
use crate::node::Node;
use crate::screen::talk;

/// The states of an endpoint, so that each is there with 0, too.
const STATES: [&str; 7] = [
    "ready",
    "failed",
    "restored",
    "damaged",
    "building",
    "abandoned",
    "leftover",
];

/// The parts, in the order in which they are collected.
type Part = fn(&mut Scraper, &mut Exposition) -> Result<(), Failure>;
const PARTS: [(&str, Part); 7] = [
    ("datapath", Scraper::datapath),
    ("endpoints", Scraper::endpoints),
    ("policy", Scraper::policy),
    ("identities", Scraper::identities),
    ("maps", Scraper::maps),
    ("templates", Scraper::templates),
    ("log", Scraper::log),
];

/// Collects, again and again.
pub(super) struct Scraper {
    node: Node,
    maps: Maps,
    names: Vocabulary,
    calls: Option<Calls>,
    /// How many documents of each kind the last revision had: to count them they are parsed.
    documents: Option<(u32, BTreeMap<String, u64>)>,
    /// How often each part has failed.
    failed: [u64; PARTS.len()],
}

impl Scraper {
    pub(super) fn new(node: Node) -> Self {
        let log = node.settings.paths.log_file.as_deref();
        Self {
            maps: maps(&node),
            names: vocabulary(&node),
            calls: log.map(Calls::new),
            documents: None,
            failed: [0; PARTS.len()],
            node,
        }
    }

    /// Everything that can be told now. A part that fails is counted, said, and hides no other.
    pub(super) fn collect(&mut self) -> Exposition {
        let begin = Instant::now();
        let mut all = Exposition::default();
        all.set(&table::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1_u64);
        for (index, (name, part)) in PARTS.into_iter().enumerate() {
            if let Err(failure) = part(self, &mut all)
                && !is_missing(&failure)
            {
                talk(&format!("weir: {name}: {}", failure.text()));
                if let Some(count) = self.failed.get_mut(index) {
                    *count += 1;
                }
            }
        }
        for ((name, _), count) in PARTS.iter().zip(self.failed) {
            all.set(&table::SCRAPE_ERRORS, &[name], count);
        }
        let duration = begin.elapsed().as_secs_f64();
        all.set(&table::SCRAPE_DURATION, &[], duration);
        all
    }

    fn datapath(&mut self, to: &mut Exposition) -> Result<(), Failure> {
        let counters = self.maps.metrics()?.counters()?;
        for direction in Direction::ALL.map(|it| it.to_string()) {
            to.add(&table::FORWARDED_PACKETS, &[&direction], 0);
            to.add(&table::FORWARDED_BYTES, &[&direction], 0);
        }
        to.add(&table::EVENTS_LOST, &[], 0);
        for it in counters {
            let direction = Direction::of(it.direction);
            let direction = direction.map_or_else(|| it.direction.to_string(), |d| d.to_string());
            match it.reason {
                FORWARDED => {
                    to.add(&table::FORWARDED_PACKETS, &[&direction], it.packets);
                    to.add(&table::FORWARDED_BYTES, &[&direction], it.bytes);
                }
                EVENT_LOST => to.add(&table::EVENTS_LOST, &[], it.packets),
                code => {
                    let labels = [&*self.names.counted(code).name, &direction];
                    to.add(&table::DROPPED_PACKETS, &labels, it.packets);
                    to.add(&table::DROPPED_BYTES, &labels, it.bytes);
                }
            }
        }
        Ok(())
    }

    fn endpoints(&mut self, to: &mut Exposition) -> Result<(), Failure> {
        for state in STATES {
            to.add(&table::ENDPOINTS, &[state], 0);
        }
        for entry in self.node.store()?.list()? {
            if let Entry::Endpoint { status, .. } = entry {
                to.add(&table::ENDPOINTS, &[state(&status)], 1);
            }
        }
        Ok(())
    }

    fn policy(&mut self, to: &mut Exposition) -> Result<(), Failure> {
        let policies = PolicyStore::new(&self.node.settings.paths.state_dir);
        let revision = policies.current()?;
        to.set(
            &table::POLICY_REVISION,
            &[],
            u64::from(revision.unwrap_or(0)),
        );
        to.set(&table::POLICY_UNSETTLED, &[], policies.is_unsettled());
        if let Some(revision) = revision {
            for (kind, count) in self.documents_of(revision)? {
                to.set(&table::POLICY_DOCUMENTS, &[kind], *count);
            }
        }
        Ok(())
    }

    fn documents_of(&mut self, revision: u32) -> Result<&BTreeMap<String, u64>, Failure> {
        let is_known = matches!(self.documents, Some((known, _)) if known == revision);
        if !is_known {
            let store = self.node.store()?;
            let documents = Enforcement::new(&self.node.settings, &store).documents_in_force()?;
            let mut counts = BTreeMap::new();
            for source in documents.unwrap_or_default().sources {
                *counts.entry(source.kind.to_string()).or_default() += 1;
            }
            self.documents = Some((revision, counts));
        }
        let (_, counts) = self.documents.get_or_insert_default();
        Ok(counts)
    }

    fn identities(&mut self, to: &mut Exposition) -> Result<(), Failure> {
        let identities = Identities::open(&self.node.settings.paths.state_dir)?;
        to.set(&table::IDENTITIES, &[], identities.list()?.len());
        Ok(())
    }

    fn maps(&mut self, to: &mut Exposition) -> Result<(), Failure> {
        map_sizes::collect(&self.maps, &self.node.settings.node.map_prefix, to)
    }

    fn templates(&mut self, to: &mut Exposition) -> Result<(), Failure> {
        to.set(
            &table::TEMPLATES,
            &["cache"],
            self.node.cache()?.keys()?.len(),
        );
        let failed = |error| Failure::from(ep_builder::error::Error::from(error));
        let bundle = Bundle::open(&self.node.settings.paths.bundle_dir).map_err(failed)?;
        let keys = bundle
            .map(|bundle| bundle.keys())
            .transpose()
            .map_err(failed)?;
        to.set(
            &table::TEMPLATES,
            &["bundle"],
            keys.map_or(0, |keys| keys.len()),
        );
        Ok(())
    }

    fn log(&mut self, to: &mut Exposition) -> Result<(), Failure> {
        let Some(calls) = &mut self.calls else {
            return Ok(());
        };
        let read = calls.read();
        calls.show(to);
        read.map_err(|source| Failure::System {
            what: "cannot read the log of weir-cni".to_owned(),
            source,
        })
    }
}

/// Before the first endpoint there are no maps.
fn is_missing(failure: &Failure) -> bool {
    matches!(failure, Failure::Maps(MapsError::Missing { .. }))
}

fn state(status: &Status) -> &'static str {
    match status {
        Status::Ok(record) => match record.state {
            EndpointState::Ready => "ready",
            EndpointState::Failed => "failed",
            EndpointState::Restored => "restored",
        },
        Status::Restored { .. } => "restored",
        Status::Damaged { .. } => "damaged",
        Status::Claimed { in_progress: true } => "building",
        Status::Claimed { in_progress: false } => "abandoned",
        Status::Leftover => "leftover",
    }
}
