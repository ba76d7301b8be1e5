//! The command line of `weir node`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What is said of the node when it is set up.
#[derive(Args)]
pub(crate) struct NodeInit {
    /// Whether there is to be a health endpoint, a pod that answers ping; without it `health` of `[node]` in weir.toml
    /// says so, or what was said here before
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) health: Option<bool>,
    /// The network configuration of the health endpoint; without it the first in /etc/cni/net.d that calls weir-cni
    #[arg(long, value_name = "PATH")]
    pub(crate) conflist: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum NodePart {
    /// Make the node what pods need that leave it with its address or have ports of it, and take up devices,
    /// addresses and configuration that are new
    Init(NodeInit),
    /// Show the node's devices, addresses and programs, and what is missing; exit code 1 if something is
    Status,
    /// Take the node's part away, so that the machine is as before
    Cleanup {
        /// Even if endpoints need it
        #[arg(long)]
        force: bool,
    },
}
