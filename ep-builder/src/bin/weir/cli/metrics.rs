//! The command line of `weir metrics`.

use std::net::SocketAddr;

use clap::Args;

/// Once to standard output, or to whoever asks.
#[derive(Args)]
pub(crate) struct Metrics {
    /// Answer HTTP requests for /metrics and /healthz here until a signal comes. There is no TLS and no password:
    /// an address of this machine alone, or one that a firewall guards
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// List the metrics there are, in place of their values
    #[arg(long, conflicts_with = "listen")]
    pub(crate) describe: bool,
}
