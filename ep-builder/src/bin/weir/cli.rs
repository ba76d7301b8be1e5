//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::screen::Format;

/// Build, inspect and keep the eBPF datapaths of this node's pods.
#[derive(Parser)]
#[command(version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// The configuration; without it the variable `WEIR_CONFIG`, else /etc/weir/weir.toml if that exists
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,
    /// How to print what is asked for
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub(crate) output: Format,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// The compiled templates that endpoints are patched from
    #[command(subcommand)]
    Template(Template),
    /// The endpoints of this node
    #[command(subcommand)]
    Endpoint(Endpoint),
    /// Remove what killed processes left behind, and templates that nobody uses
    Gc {
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,
    },
    /// Measure this machine
    #[command(subcommand)]
    Bench(Bench),
    /// Print the version
    Version,
    /// Print a completion script
    Completion {
        /// For which shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

#[derive(Subcommand)]
pub(crate) enum Template {
    /// List the templates of the cache and of the bundle
    List,
    /// Show one template: how it was made, and where an endpoint's values go
    Show {
        /// The key, or enough of its beginning
        key: String,
    },
    /// Compile the template of the configuration, unless it is there
    Build(TemplateBuild),
    /// Check every template: digest, key, and with --rebuild byte for byte against a new compile
    Verify {
        /// Compile each again and compare
        #[arg(long)]
        rebuild: bool,
    },
    /// Remove templates that no endpoint uses and nobody used for a while ([cache] `keep_unused_hours`)
    Gc {
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,
        /// However lately it was used
        #[arg(long)]
        all: bool,
    },
}

#[derive(Args)]
pub(crate) struct TemplateBuild {
    /// Every option switched from the configuration, and every two options together
    #[arg(long)]
    pub(crate) all: bool,
    /// Write a bundle for nodes without clang to this folder, in place of the node's cache
    #[arg(long, value_name = "DIR")]
    pub(crate) bundle: Option<PathBuf>,
    /// How many to compile at once; without it one per processor
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
}

#[derive(Subcommand)]
pub(crate) enum Endpoint {
    /// List the endpoints
    List,
    /// Show one endpoint
    Get {
        /// The endpoint's id
        id: String,
    },
    /// Build an endpoint's object offline and say how long each stage took
    Compile(EndpointCompile),
}

#[derive(Args)]
pub(crate) struct EndpointCompile {
    /// The id of an endpoint, or a file that describes one: `endpoint.json`, a record, or `ep_config.h`
    #[arg(value_name = "ID|FILE")]
    pub(crate) endpoint: String,
    /// Compile the endpoint's own header, with no template, and compare with the patched template
    #[arg(long)]
    pub(crate) direct: bool,
    /// Write the object to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) object: Option<PathBuf>,
    /// Keep the result in the state folder as the endpoint's next generation
    #[arg(long, conflicts_with = "direct")]
    pub(crate) save: bool,
}

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// The template compiler: patch, cache hit, cold compile
    Template {
        /// How often to measure what is fast
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(10..=100_000))]
        rounds: u32,
    },
}
