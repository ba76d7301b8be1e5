//! How much of an endpoint has to be made anew, and making just that.
//!
//! Each level contains those below it. The lowest one that makes the endpoint what sources, settings and its
//! record say is found by comparing, and nothing is done where nothing differs.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::agree::agrees;
use super::repair::repin;
use super::resize::{self, Left};
use super::{
    Endpoints, Fault, InForce, LifecycleError, first_fault, introduce, rates, with_device_facts,
};
use crate::bpf::Update;
use crate::builder::Built;
use crate::elf::Content;
use crate::endpoint::{Endpoint, EndpointId};
use crate::error::chain;
use crate::key::TemplateKey;
use crate::load::{Installed, Retired};
use crate::maps::MapsError;
use crate::patch::EndpointObject;
use crate::policy::EnforceError;
use crate::state::EndpointRecord;
use crate::timeline::Timeline;

/// How much is made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing: all is as it should be.
    Nothing,
    /// What stands beside its programs: its entries in the maps (addresses, identity, policy), and the limit of what it
    /// gets. No program is touched.
    Policy,
    /// The programs of the generation in force are loaded and attached again, as they lie on disk.
    Programs,
    /// A new generation from the same template, with the values of today.
    Constants,
    /// A new generation from another template.
    Template,
}

impl Level {
    /// All that do something.
    pub const ALL: [Self; 4] = [
        Self::Policy,
        Self::Programs,
        Self::Constants,
        Self::Template,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Policy => "policy",
            Self::Programs => "programs",
            Self::Constants => "constants",
            Self::Template => "template",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an endpoint needs, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The level.
    pub level: Level,
    /// The reasons, the one that decides first.
    pub reasons: Vec<String>,
}

impl Need {
    fn nothing() -> Self {
        Self {
            level: Level::Nothing,
            reasons: Vec::new(),
        }
    }

    fn raise(&mut self, level: Level, reason: String) {
        if level > self.level {
            self.level = level;
            self.reasons.insert(0, reason);
        } else {
            self.reasons.push(reason);
        }
    }
}

/// An endpoint that is as it should be.
#[derive(Debug)]
pub struct Renewed {
    /// Its record.
    pub record: EndpointRecord,
    /// What was done, and why.
    pub done: Need,
    /// What was loaded, if programs were.
    pub installed: Option<Installed>,
    /// What the operator should know.
    pub notices: Vec<String>,
}

/// A need, with what was built to find it.
#[derive(Debug)]
pub struct Assessed {
    /// What the endpoint needs.
    pub need: Need,
    /// What a new generation would be.
    pub built: Built,
    endpoint: Endpoint,
    record: EndpointRecord,
}

impl Endpoints<'_> {
    /// Makes an endpoint what it should be: by what it needs, and by no less than `at_least`. If anything
    /// refuses, the generation in force goes on.
    pub fn renew(
        &self,
        id: EndpointId,
        at_least: Level,
        timeline: &mut Timeline,
    ) -> Result<Renewed, LifecycleError> {
        let Assessed {
            mut need,
            endpoint,
            built,
            record,
        } = self
            .assess(id, timeline)
            .inspect_err(|error| self.keep_reason(id, error))?;
        if at_least > need.level {
            need.raise(at_least, "asked for".to_owned());
        }
        let mut notices = built.notices.clone();
        let installed = match need.level {
            Level::Nothing => {
                // What was tried since and failed is moot.
                self.store.forget_failure(id)?;
                None
            }
            Level::Policy => {
                introduce(&self.maps, &endpoint)?;
                timeline.mark("introduce");
                None
            }
            Level::Programs => Some(self.reload(&record, timeline)?),
            Level::Constants | Level::Template => {
                let mut renewed = self.rebuild(&endpoint, built, need, timeline)?;
                renewed.notices.extend(self.restore(&endpoint, timeline)?);
                renewed.notices.extend(self.reopen_host_ports(&endpoint));
                return Ok(renewed);
            }
        };
        if need.level > Level::Nothing {
            notices.extend(self.restore(&endpoint, timeline)?);
            notices.extend(self.reopen_host_ports(&endpoint));
        }
        notices.extend(installed.iter().flat_map(|it| it.notices().to_vec()));
        Ok(Renewed {
            record,
            done: need,
            installed,
            notices,
        })
    }

    /// What an endpoint needs. Changes nothing of it, but may compile a template.
    pub fn assess(
        &self,
        id: EndpointId,
        timeline: &mut Timeline,
    ) -> Result<Assessed, LifecycleError> {
        let record = self.store.read(id)?.record;
        let endpoint = with_device_facts(&record.endpoint)?;
        let built = self.builder.build(&endpoint, timeline)?;
        let mut need = Need::nothing();
        self.compare_files(&record, &built, &mut need);
        timeline.mark("compare");
        let fault = first_fault(self.builder.settings(), &endpoint)?;
        if let Some((level, fault)) = fault.and_then(|fault| level_of(&fault)) {
            need.raise(level, fault);
        } else if need.level < Level::Programs && !agrees(&self.maps, id, built.object.bytes())? {
            let reason = "the kernel runs another generation than the disk has";
            need.raise(Level::Programs, reason.to_owned());
        }
        if let Some(drift) = self.drift(&endpoint)? {
            need.raise(Level::Policy, drift);
        }
        // A queue that cannot be looked at keeps nothing else from being put right.
        if let Some(drift) = rates::drift(&endpoint).unwrap_or_else(|error| Some(chain(&error))) {
            need.raise(Level::Policy, drift);
        }
        timeline.mark("look");
        Ok(Assessed {
            need,
            built,
            endpoint,
            record,
        })
    }

    /// In what an endpoint's policy is not as the one in force says.
    fn drift(&self, endpoint: &Endpoint) -> Result<Option<String>, LifecycleError> {
        match self.enforcement().drift(endpoint) {
            // A map that is gone was told.
            Err(EnforceError::Maps(MapsError::Missing { .. })) => Ok(None),
            drift => Ok(drift?),
        }
    }

    /// What stands beside the programs: rules of its policy, and the limit of what it gets.
    /// What is wrong with the limit is for the operator to know: everything else is as it should be.
    fn restore(
        &self,
        endpoint: &Endpoint,
        timeline: &mut Timeline,
    ) -> Result<Option<String>, LifecycleError> {
        if self.drift(endpoint)?.is_some() {
            self.enforcement().restore(endpoint)?;
            timeline.mark("rules");
        }
        let limited = rates::restore(endpoint);
        Ok(limited.map_err(|error| chain(&error)).err())
    }

    /// What is on disk against what would be written now.
    fn compare_files(&self, record: &EndpointRecord, built: &Built, need: &mut Need) {
        let id = record.endpoint.id;
        for damage in self.store.verify(id) {
            need.raise(Level::Constants, chain(&damage));
        }
        if record.template != Some(built.key) {
            let old = record
                .template
                .map_or("none".to_owned(), TemplateKey::short);
            let reason = format!("template {old} becomes {}", built.key.short());
            return need.raise(Level::Template, reason);
        }
        let Ok(object) = self.store.read_object(id) else {
            // Damage of it was told above.
            return;
        };
        if object != built.object.bytes() {
            need.raise(Level::Constants, differences(&object, built));
        } else if self
            .store
            .read_header(id)
            .is_ok_and(|it| it != built.header)
        {
            need.raise(Level::Constants, "its header differs".to_owned());
        }
    }

    /// Puts a new generation in force. What it needs of maps that get another size comes with it.
    fn rebuild(
        &self,
        endpoint: &Endpoint,
        built: Built,
        need: Need,
        timeline: &mut Timeline,
    ) -> Result<Renewed, LifecycleError> {
        let id = endpoint.id;
        let next = self.store.begin(id)?;
        let repinned = repin(&self.maps, id)?;
        let moved = self.resize_own(id)?;
        let left = Left::of(&self.maps, endpoint)?;
        // Once more when nobody writes there any more: then only what came in between is new.
        left.carry(Update::Any)?;
        timeline.mark("carry");
        let in_force = match self.switch(next, endpoint, built, timeline) {
            Ok(in_force) => in_force,
            Err(error) => {
                resize::undo(moved)?;
                return Err(error);
            }
        };
        left.carry_rest()?;
        let mut renewed = Renewed::of(in_force, need);
        renewed.notices.extend(repinned);
        Ok(renewed)
    }

    /// Loads the generation of the disk again. Nothing is written, and nobody else writes meanwhile.
    fn reload(
        &self,
        record: &EndpointRecord,
        timeline: &mut Timeline,
    ) -> Result<Installed, LifecycleError> {
        let id = record.endpoint.id;
        let next = self.store.begin(id)?;
        repin(&self.maps, id)?;
        let object = EndpointObject::from_store(self.store.read_object(id)?);
        let installed = self.put_in_force(&object, &record.endpoint, timeline);
        drop(next);
        let installed = installed.inspect_err(|error| self.keep_reason(id, error))?;
        self.store.forget_failure(id)?;
        Ok(installed)
    }
}

impl Renewed {
    fn of(in_force: InForce, done: Need) -> Self {
        Self {
            record: in_force.record,
            done,
            installed: Some(in_force.installed),
            notices: in_force.notices,
        }
    }

    /// What is left of the generation before.
    pub fn retired(self) -> Option<Retired> {
        self.installed.map(|installed| installed.retired)
    }
}

/// What puts a fault right; none if nothing of ours does.
fn level_of(fault: &Fault) -> Option<(Level, String)> {
    let level = match fault {
        _ if fault.is_left_alone() => return None,
        _ if fault.is_in_entries() => Level::Policy,
        _ => Level::Programs,
    };
    Some((level, chain(fault)))
}

/// The first things that differ, in a line.
fn differences(old: &[u8], built: &Built) -> String {
    const SHOWN: usize = 3;
    let contents =
        Content::read(old).and_then(|old| Ok((old, Content::read(built.object.bytes())?)));
    let Ok((old, new)) = contents else {
        return "its object differs".to_owned();
    };
    let all = old.differences(&new);
    match all.len() {
        0 => "its object differs in names or debug information".to_owned(),
        count if count > SHOWN => {
            format!("{}, and {} more", all[..SHOWN].join(", "), count - SHOWN)
        }
        _ => all.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_level_counts_and_its_reason_comes_first() {
        let mut need = Need::nothing();
        for (level, reason, want, first) in [
            (Level::Policy, "a", Level::Policy, "a"),
            (Level::Template, "b", Level::Template, "b"),
            (Level::Programs, "c", Level::Template, "b"),
        ] {
            need.raise(level, reason.to_owned());
            assert_eq!((need.level, need.reasons[0].as_str()), (want, first));
        }
        assert_eq!(need.reasons, ["b", "a", "c"]);
    }

    #[test]
    fn levels_are_in_order_and_have_the_names_of_their_json() {
        assert!(Level::ALL.is_sorted() && Level::Nothing < Level::Policy);
        for level in Level::ALL {
            let json = serde_json::to_string(&level).unwrap();
            assert_eq!(json, format!("{:?}", level.name()));
        }
    }
}
