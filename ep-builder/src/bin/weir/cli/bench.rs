//! Arguments of `weir bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// The template compiler: patch, cache hit, cold compile
    Template {
        /// How often to measure what is fast
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(10..=100_000))]
        rounds: u32,
    },
    /// The loader: attach, regenerate and delete, on veth pairs that are made for it; needs root
    Load {
        /// How many endpoints
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1_000))]
        endpoints: u16,
    },
    /// The programs: nanoseconds for a packet, as a ratio to an empty program; needs root
    Datapath {
        /// How often to measure each
        #[arg(long, default_value_t = 301, value_parser = clap::value_parser!(u32).range(3..=10_000))]
        rounds: u32,
    },
    /// Policy: putting a thousand in force, and an endpoint that comes then; needs root
    Policy(BenchPolicy),
    /// The plugin: ADD and DEL beside those of `ptp` and `bridge` with `host-local`; needs root
    Cni(BenchCni),
    /// All of these, as one table that can be kept and compared with a later one; needs root
    All(BenchAll),
}

#[derive(Args, Default)]
pub(crate) struct BenchCni {
    /// How many rounds; many calls at once are in every fourth, or every sixteenth
    #[arg(long, default_value_t = 96, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rounds: u32,
    /// How many calls at once
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 64],
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) at_once: Vec<u16>,
    /// How many pods are there in the second half; in the first there are none
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u16).range(0..=2_000))]
    pub(crate) pods: u16,
    /// The plugin; without it the weir-cni beside this program
    #[arg(long, value_name = "PATH")]
    pub(crate) plugin: Option<PathBuf>,
    /// The folder of the reference plugins
    #[arg(long, value_name = "FOLDER", default_value = "/usr/lib/cni")]
    pub(crate) reference: PathBuf,
}

#[derive(Args, Clone)]
pub(crate) struct BenchPolicy {
    /// How many endpoints
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) endpoints: u16,
    /// How many policies, each with a rule
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) policies: u16,
    /// How often to measure each
    #[arg(long, default_value_t = 51, value_parser = clap::value_parser!(u32).range(3..=10_000))]
    pub(crate) rounds: u32,
}

#[derive(Args)]
pub(crate) struct BenchAll {
    /// A few rounds of each: whether it can be measured here, not what it costs
    #[arg(long)]
    pub(crate) quick: bool,
    /// Write what was measured to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// Show beside it what such a file says
    #[arg(long, value_name = "FILE")]
    pub(crate) compare: Option<PathBuf>,
    /// The plugin; without it the weir-cni beside this program
    #[arg(long, value_name = "PATH")]
    pub(crate) plugin: Option<PathBuf>,
    /// The folder of the reference plugins
    #[arg(long, value_name = "FOLDER", default_value = "/usr/lib/cni")]
    pub(crate) reference: PathBuf,
}
