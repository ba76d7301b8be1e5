//! The command line of `weir status`.

use std::time::Duration;

use clap::Args;

use super::time::time;

#[derive(Args)]
pub(crate) struct Status {
    /// Look again until it is fine, for as long as this: 30s, 5m
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) wait: Option<Duration>,
}
