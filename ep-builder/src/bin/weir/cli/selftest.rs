//! The command line of `weir selftest`.

use std::path::PathBuf;

use clap::Args;

/// What is tried.
#[derive(Args, Default)]
pub(crate) struct Selftest {
    /// The plugin; without it the weir-cni beside this program, else the one in the folders of plugins
    #[arg(long, value_name = "PATH")]
    pub(crate) plugin: Option<PathBuf>,
    /// The network configuration that runtimes call it with; without it the first one in /etc/cni/net.d that names
    /// weir-cni, else one like the shipped
    #[arg(long, value_name = "PATH")]
    pub(crate) conflist: Option<PathBuf>,
}
