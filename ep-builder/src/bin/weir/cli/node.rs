//! The command line of `weir node`.

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum NodePart {
    /// Make the node what pods need that leave it with its address or have ports of it, and take up devices,
    /// addresses and configuration that are new
    Init,
    /// Show the node's devices, addresses and programs, and what is missing; exit code 1 if something is
    Status,
    /// Take the node's part away, so that the machine is as before
    Cleanup {
        /// Even if endpoints need it
        #[arg(long)]
        force: bool,
    },
}
