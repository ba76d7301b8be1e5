//! Why an invocation was refused, and the number the protocol has for it.

use crate::request::{COMMANDS, Command};

/// A refusal. The text is read by a person in the runtime's log, far from here: it says what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// `CNI_COMMAND` holds no command of the protocol.
    #[error("CNI_COMMAND is {0:?}: the commands are {list}, in capitals", list = names())]
    UnknownCommand(String),
    /// A command of the protocol that this build leaves out.
    #[error("this build of weir-cni answers VERSION only, not {0}: install one that wires pods")]
    NotInThisBuild(Command),
    /// The plugin panicked; the text is the panic's.
    #[error("weir-cni failed on a defect of its own, please report it: {0}")]
    Panic(String),
}

impl Error {
    /// The code of the protocol: below 100 its own ones, from 100 the plugin's, 999 "internal" by custom.
    pub(crate) fn code(&self) -> u32 {
        match self {
            Self::UnknownCommand(_) => 4,
            Self::NotInThisBuild(_) => 100,
            Self::Panic(_) => 999,
        }
    }
}

fn names() -> String {
    COMMANDS.map(|command| command.to_string()).join(", ")
}
