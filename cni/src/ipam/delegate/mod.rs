//! Another plugin manages the addresses: it is asked by the rules of the specification.
//!
//! It is found along `CNI_PATH`, gets our stdin byte for byte and our environment with another command, and
//! answers on stdout. What it says on stderr is for people and goes on to ours.

mod error;
mod exec;
mod find;

use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) use error::DelegateError;
use exec::{Ended, Order};

use super::Call;
use crate::request::Command;
use crate::result::Outcome;
use crate::version::Version;

/// The plugin named by `ipam.type`, for one call.
#[derive(Clone, Debug)]
pub(crate) struct Delegate<'a> {
    name: &'a str,
    call: &'a Call<'a>,
}

impl<'a> Delegate<'a> {
    /// The plugin of this name.
    pub(super) fn new(name: &'a str, call: &'a Call<'a>) -> Self {
        Self { name, call }
    }

    /// Asks for addresses. When that fails it is told to give back what it may have reserved; the first
    /// error is the one that counts.
    pub(super) fn add(&self) -> Result<Outcome, DelegateError> {
        let added = self
            .ask(Command::Add)
            .and_then(|stdout| self.outcome(&stdout));
        if matches!(&added, Err(error) if error.may_have_reserved()) {
            self.ask(Command::Del).unwrap_or_default();
        }
        added
    }

    /// Tells it to give the addresses back.
    pub(super) fn del(&self) -> Result<(), DelegateError> {
        self.ask(Command::Del).map(drop)
    }

    /// Asks whether the addresses are still reserved.
    pub(super) fn check(&self) -> Result<(), DelegateError> {
        self.ask(Command::Check).map(drop)
    }

    /// Asks whether an ADD would succeed. A plugin too old for the question has no answer, which is no
    /// refusal.
    pub(super) fn status(&self) -> Result<(), DelegateError> {
        self.ask_if_known(Command::Status)
    }

    /// Tells it to give back what no runtime knows any more, if it knows how.
    pub(super) fn gc(&self) -> Result<(), DelegateError> {
        self.ask_if_known(Command::Gc)
    }

    /// Plugins before 1.1.0 answer an unknown command with some error or other: they are asked for their
    /// versions first. Both questions share the time of one.
    fn ask_if_known(&self, command: Command) -> Result<(), DelegateError> {
        let start = Instant::now();
        if self.knows_newest()? {
            let left = self.call.deadline.saturating_sub(start.elapsed());
            self.run(command, &self.call.conf.raw, left)?;
        }
        Ok(())
    }

    fn knows_newest(&self) -> Result<bool, DelegateError> {
        let stdin = format!("{{\"cniVersion\":\"{}\"}}", self.call.conf.version);
        let answer = self.run(Command::Version, stdin.as_bytes(), self.call.deadline);
        let stdout = match answer {
            Ok(stdout) => stdout,
            // The oldest do not even know this one.
            Err(DelegateError::Refused { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let answer: Value = serde_json::from_slice(&stdout).unwrap_or_default();
        let versions = answer.get("supportedVersions").and_then(Value::as_array);
        let newest = Version::NEWEST.as_str();
        Ok(versions.is_some_and(|versions| versions.iter().any(|version| version == newest)))
    }

    fn ask(&self, command: Command) -> Result<Vec<u8>, DelegateError> {
        self.run(command, &self.call.conf.raw, self.call.deadline)
    }

    fn run(
        &self,
        command: Command,
        stdin: &[u8],
        deadline: Duration,
    ) -> Result<Vec<u8>, DelegateError> {
        let program = find::program(self.name, self.call.path)?;
        let order = Order {
            program: &program,
            command: command.as_str(),
            environment: self.call.environment,
            stdin,
            deadline,
        };
        let name = || self.name.to_owned();
        let said = exec::run(&order).map_err(|source| DelegateError::Start {
            name: name(),
            path: program.clone(),
            source,
        })?;
        match said.ended {
            Ended::Well => Ok(said.stdout),
            Ended::Late => Err(DelegateError::Timeout {
                name: name(),
                command: command.as_str(),
                deadline,
            }),
            Ended::Flooding => Err(DelegateError::TooMuch { name: name() }),
            Ended::Badly(how) => Err(error::of_failure(
                self.name,
                &said.stdout,
                &said.stderr,
                &how,
            )),
        }
    }

    fn outcome(&self, stdout: &[u8]) -> Result<Outcome, DelegateError> {
        let name = || self.name.to_owned();
        if stdout.trim_ascii().is_empty() {
            return Err(DelegateError::Silent { name: name() });
        }
        let value = serde_json::from_slice(stdout).map_err(|source| DelegateError::Garbage {
            name: name(),
            source,
        })?;
        let place = format!("the result of {}", self.name);
        let outcome = Outcome::decode((place, value), self.call.conf.version);
        outcome.map_err(|source| DelegateError::Result {
            name: name(),
            source,
        })
    }
}

#[cfg(test)]
mod tests;
