//! What the runtime asks for. The only file that knows the names of the protocol's variables.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt;

use crate::error::Error;

/// The environment, passed in: reading the real one is left to `main`.
#[derive(Clone, Debug, Default)]
pub struct Environment(HashMap<OsString, OsString>);

impl Environment {
    /// The value of a variable. libcni sets every variable, to nothing where it has no value: so an empty
    /// one is an unset one.
    fn get(&self, name: &str) -> Option<&OsStr> {
        let value = self.0.get(OsStr::new(name))?;
        (!value.is_empty()).then_some(value)
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let pairs = variables.into_iter();
        Self(pairs.map(|(k, v)| (k.into(), v.into())).collect())
    }
}

/// A command of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Wire a pod.
    Add,
    /// Undo ADD.
    Del,
    /// Compare what is with what ADD made.
    Check,
    /// Say whether ADD could work.
    Status,
    /// Remove what no runtime knows any more.
    Gc,
    /// Say which versions of the protocol are spoken.
    Version,
}

/// Every command, in the order in which the specification tells of them.
pub(crate) const COMMANDS: [Command; 6] = [
    Command::Add,
    Command::Del,
    Command::Check,
    Command::Status,
    Command::Gc,
    Command::Version,
];

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
            Self::Check => "CHECK",
            Self::Status => "STATUS",
            Self::Gc => "GC",
            Self::Version => "VERSION",
        })
    }
}

/// One invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// No command: a person typed the plugin's name.
    About,
    /// A runtime asks.
    Command(Command),
}

/// Reads the command, and for VERSION no other variable: libcni fills the rest with dummies there.
pub(crate) fn read(environment: &Environment) -> Result<Request, Error> {
    let Some(value) = environment.get("CNI_COMMAND") else {
        return Ok(Request::About);
    };
    COMMANDS
        .into_iter()
        .find(|command| value == command.to_string().as_str())
        .map(Request::Command)
        .ok_or_else(|| Error::UnknownCommand(value.to_string_lossy().into_owned()))
}
