//! The protocol's variables: the only file that knows their names, and which command needs which.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::Command;
use crate::document::Fault;
use crate::names::{ContainerId, InterfaceName, InvalidName};
use crate::netconf::Arguments;

const COMMAND: &str = "CNI_COMMAND";
const CONTAINER: &str = "CNI_CONTAINERID";
const NETNS: &str = "CNI_NETNS";
const IFNAME: &str = "CNI_IFNAME";
const ARGS: &str = "CNI_ARGS";
const PATH: &str = "CNI_PATH";
/// Not in the specification: the runtime says that the pod may share the plugin's own namespace.
const NETNS_OVERRIDE: &str = "CNI_NETNS_OVERRIDE";
/// Newer runtimes pass the trace they are in, as the W3C's header has it.
const TRACE_PARENT: &str = "TRACEPARENT";
/// The header of today has 55 bytes.
const TRACE_MAX: usize = 128;

/// What a command cannot do without, in the order of the specification.
const fn required(command: Command) -> &'static [&'static str] {
    match command {
        Command::Add | Command::Check => &[CONTAINER, NETNS, IFNAME],
        Command::Del => &[CONTAINER, IFNAME],
        Command::Gc => &[PATH],
        Command::Status | Command::Version => &[],
    }
}

/// The environment, passed in: reading the real one is left to `main`.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: HashMap<OsString, OsString>,
    argument: Option<OsString>,
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let pairs = variables.into_iter();
        Self {
            variables: pairs.map(|(k, v)| (k.into(), v.into())).collect(),
            argument: None,
        }
    }
}

/// An environment that does not say what it must.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EnvironmentError {
    /// `CNI_COMMAND` holds no command.
    #[error("CNI_COMMAND is {0:?}: the commands are {list}, in capitals", list = Command::list())]
    UnknownCommand(String),
    /// Variables are unset or empty: all of them.
    #[error("{command} needs the environment variables [{}], which are missing: set them", names.join(","))]
    Missing {
        /// The command.
        command: Command,
        /// The variables' names.
        names: Vec<&'static str>,
    },
    /// A name breaks its rules.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A path that JSON cannot carry, and the result has to.
    #[error("{0} is no UTF-8 text, which results and names must be")]
    NotText(&'static str),
    /// What `CNI_ARGS` asks for has no meaning.
    #[error("CNI_ARGS cannot be used")]
    Argument(#[source] Fault),
}

impl Environment {
    /// The same with the first argument of the command line.
    #[must_use]
    pub fn with_argument(mut self, argument: Option<OsString>) -> Self {
        self.argument = argument;
        self
    }

    /// All of it: what another plugin that is asked gets.
    pub(crate) fn variables(&self) -> Vec<(OsString, OsString)> {
        let variables = self.variables.iter();
        variables
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// The first argument of the command line.
    pub(super) fn argument(&self) -> Option<&str> {
        self.argument.as_deref()?.to_str()
    }

    /// The value of a variable. libcni sets every variable, to nothing where it has no value: so an empty
    /// one is an unset one.
    fn get(&self, name: &str) -> Option<&OsStr> {
        let value = self.variables.get(OsStr::new(name))?;
        (!value.is_empty()).then_some(value)
    }

    fn text(&self, name: &'static str) -> Result<&str, EnvironmentError> {
        let value = self.get(name).unwrap_or_default();
        value.to_str().ok_or(EnvironmentError::NotText(name))
    }

    /// The command, if there is one.
    pub(super) fn command(&self) -> Result<Option<Command>, EnvironmentError> {
        let Some(value) = self.get(COMMAND) else {
            return Ok(None);
        };
        let command = Command::ALL
            .into_iter()
            .find(|command| value == command.as_str());
        let unknown = || EnvironmentError::UnknownCommand(value.to_string_lossy().into_owned());
        command.map(Some).ok_or_else(unknown)
    }

    /// Refuses an environment that lacks what the command needs, naming all of it.
    pub(super) fn complete_for(&self, command: Command) -> Result<(), EnvironmentError> {
        let needed = required(command).iter().copied();
        let names: Vec<_> = needed.filter(|name| self.get(name).is_none()).collect();
        if names.is_empty() {
            return Ok(());
        }
        Err(EnvironmentError::Missing { command, names })
    }

    /// The container.
    pub(super) fn container(&self) -> Result<ContainerId, EnvironmentError> {
        Ok(ContainerId::new(self.text(CONTAINER)?)?)
    }

    /// The interface inside the pod.
    pub(super) fn ifname(&self) -> Result<InterfaceName, EnvironmentError> {
        Ok(InterfaceName::new(self.text(IFNAME)?)?)
    }

    /// The pod's namespace, as a result can repeat it.
    pub(super) fn netns(&self) -> Result<String, EnvironmentError> {
        self.text(NETNS).map(str::to_owned)
    }

    /// The pod's namespace for a command that can do without: whatever it is.
    pub(super) fn netns_if_any(&self) -> Option<PathBuf> {
        self.get(NETNS).map(PathBuf::from)
    }

    /// Whether the pod may have the plugin's own namespace.
    pub(super) fn own_netns_is_fine(&self) -> bool {
        let value = self.get(NETNS_OVERRIDE).unwrap_or_default();
        value == "1" || value.eq_ignore_ascii_case("true")
    }

    /// What the runtime says about the pod.
    pub(super) fn arguments(&self) -> Arguments {
        let text = self.get(ARGS).unwrap_or_default();
        Arguments::parse(&text.to_string_lossy())
    }

    /// The folders of plugins, in order.
    pub(super) fn path(&self) -> Vec<PathBuf> {
        let path = self.get(PATH).unwrap_or_default().as_bytes();
        let folders = path.split(|byte| *byte == b':');
        let named = folders.filter(|folder| !folder.is_empty());
        named
            .map(|folder| PathBuf::from(OsStr::from_bytes(folder)))
            .collect()
    }

    /// The trace this call belongs to, fit for a line of a log.
    pub(super) fn trace(&self) -> Option<String> {
        let trace = self.get(TRACE_PARENT)?.to_str()?;
        let is_plain =
            trace.len() <= TRACE_MAX && trace.bytes().all(|byte| byte.is_ascii_graphic());
        is_plain.then(|| trace.to_owned())
    }
}
