//! The command line of `weir calls`.

use clap::{Args, Subcommand, ValueEnum};

#[derive(Subcommand)]
pub(crate) enum Calls {
    /// List the last calls: of which pod, how long each took, and how it ended
    List {
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        last: u32,
        #[command(flatten)]
        chosen: Chosen,
    },
    /// Show the last call phase by phase; `-o svg` and `-o html` draw it
    Show(Chosen),
    /// Say how long each phase takes in many calls; `-o svg` and `-o html` draw it
    Phases {
        /// How many calls at most, the last ones
        #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        last: u32,
        #[command(flatten)]
        chosen: Chosen,
    },
}

/// Which calls.
#[derive(Args)]
pub(crate) struct Chosen {
    /// Of this pod: as namespace/name, or (the beginning of) its container's id
    #[arg(value_name = "POD")]
    pub(crate) pod: Option<String>,
    /// Of this command
    #[arg(long, value_name = "COMMAND", value_enum, ignore_case = true)]
    pub(crate) command: Option<CallCommand>,
    /// That were answered with an error
    #[arg(long)]
    pub(crate) failed: bool,
}

/// A command of the CNI protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(crate) enum CallCommand {
    /// A pod gets its interface
    Add,
    /// It goes
    Del,
    /// Whether it is as it was made
    Check,
    /// Whether a pod could be wired
    Status,
    /// What nobody needs any more goes
    Gc,
    /// Which versions are spoken
    Version,
}

impl CallCommand {
    /// As the protocol writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
            Self::Check => "CHECK",
            Self::Status => "STATUS",
            Self::Gc => "GC",
            Self::Version => "VERSION",
        }
    }
}
