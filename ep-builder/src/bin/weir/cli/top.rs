//! The command line of `weir top`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::time::time;

/// What is compared, how often, and in which order it is shown.
#[derive(Args)]
pub(crate) struct Top {
    /// The time between two looks
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time)]
    pub(crate) interval: Duration,
    /// What stands first; in the terminal p, b, d, m and n choose it
    #[arg(long, value_enum, default_value_t)]
    pub(crate) sort: Sort,
    /// Only what has this text in its name; in the terminal / asks for it
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) filter: String,
    /// Two looks and one table, as where there is no terminal
    #[arg(long)]
    pub(crate) once: bool,
    /// The datapath's programs in place of the endpoints: how often each runs, and how long. Meanwhile the kernel
    /// measures every run, which costs each two looks at the clock
    #[arg(long)]
    pub(crate) programs: bool,
}

/// What the table is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// Packets in a second; of programs runs
    #[default]
    Packets,
    /// Bytes in a second; of programs time
    Bytes,
    /// Drops in a second
    Drops,
    /// How full the policy map is
    Map,
    /// The name
    Name,
}
