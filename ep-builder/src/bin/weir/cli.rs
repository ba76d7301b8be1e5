//! The command line.

mod bpf;
mod explain;
mod node;
mod policy;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use ep_builder::endpoint::EndpointId;
use ep_builder::identity::LAST;
use ep_builder::lifecycle::LabelChange;

use crate::endpoint::{Extent, Prove};
use crate::screen::Format;
pub(crate) use bpf::{
    Bpf, BpfCt, BpfEndpoint, BpfIpcache, BpfMetrics, BpfNat, BpfPolicy, BpfPorts, RuleArguments,
    RuleDirection,
};
pub(crate) use explain::{Explain, PortProtocol};
pub(crate) use node::NodePart;
pub(crate) use policy::{BenchPolicy, Ip, Policy, Verify};

/// Build, inspect and keep the eBPF datapaths of this node's pods.
#[derive(Parser)]
#[command(
    name = "weir",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
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
    /// The numbers of label sets, by which policy knows the pods
    #[command(subcommand)]
    Identity(Identity),
    /// Who may talk to whom: the operator's documents, and what endpoints make of them
    #[command(subcommand)]
    Policy(Policy),
    /// The node's own part: devices that lead outside, masquerade, host ports
    #[command(subcommand)]
    Node(NodePart),
    /// The addresses that are known, and whose they are
    #[command(subcommand)]
    Ip(Ip),
    /// The maps of the datapath, as the kernel has them
    #[command(subcommand)]
    Map(Map),
    /// What stands in the maps of the datapath
    #[command(subcommand)]
    Bpf(Bpf),
    /// Show what the datapath reports, as it happens
    Monitor(Monitor),
    /// Say what would become of a packet, and which rule decides
    Explain(Explain),
    /// Look for what is wrong with this node: what it is, why it matters, and what to do
    Doctor {
        /// Do what is safe: remove leftovers, and regenerate endpoints that somebody meddled with
        #[arg(long)]
        fix: bool,
    },
    /// Remove what killed processes left behind, and templates and identities that nobody uses
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
    /// Remove templates that no endpoint uses and nobody used for a while (`keep_unused_hours`)
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
        #[arg(value_parser = EndpointId::parse)]
        id: EndpointId,
    },
    /// Build an endpoint's object offline and say how long each stage took
    Compile(EndpointCompile),
    /// Attach an endpoint to an existing interface of this node
    Attach {
        /// What describes the endpoint: `endpoint.json`, a record, or `ep_config.h`; - for standard input
        #[arg(value_name = "FILE")]
        endpoint: String,
    },
    /// Make endpoints what sources, configuration and their records say, by no more than that takes, and without
    /// losing a packet
    Regenerate {
        /// The endpoints' ids
        #[arg(value_parser = EndpointId::parse, required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<EndpointId>,
        /// Every endpoint of this node
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        extent: Extent,
        #[command(flatten)]
        prove: Prove,
    },
    /// Change an endpoint's labels, and with them its identity and its policy
    Label {
        /// The endpoint's id
        #[arg(value_parser = EndpointId::parse)]
        id: EndpointId,
        /// KEY=VALUE sets a label, KEY- removes it
        #[arg(required = true, value_name = "CHANGE")]
        changes: Vec<LabelChange>,
    },
    /// Print why the last build failed, with the verifier's log
    Log {
        /// The endpoint's id
        #[arg(value_parser = EndpointId::parse)]
        id: EndpointId,
    },
    /// Show what a regeneration would change: template, options, lines of the header, constants, programs
    Diff {
        /// The endpoint's id
        #[arg(value_parser = EndpointId::parse)]
        id: EndpointId,
        /// What has changed since the previous generation instead
        #[arg(long)]
        previous: bool,
    },
    /// Put the previous generation back in force
    Rollback {
        /// The endpoint's id
        #[arg(value_parser = EndpointId::parse)]
        id: EndpointId,
    },
    /// Detach an endpoint and remove everything of it
    Delete {
        /// The endpoint's id
        #[arg(value_parser = EndpointId::parse)]
        id: EndpointId,
    },
}

#[derive(Args)]
pub(crate) struct EndpointCompile {
    /// The id of an endpoint, or a file that describes one (`endpoint.json`, a record, or `ep_config.h`; - for
    /// standard input)
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
pub(crate) enum Identity {
    /// List the identities, their labels, and the endpoints that have them
    List {
        /// The reserved ones, too, which `-o wide` always shows
        #[arg(long)]
        reserved: bool,
    },
    /// Show one identity
    Get {
        /// Its number
        #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(LAST)))]
        id: u32,
    },
}

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

#[derive(Subcommand)]
pub(crate) enum Map {
    /// List the maps: type, sizes, how full each is
    List,
    /// Show one map, and which places of a program array are filled
    Get {
        /// Its name, with or without the prefix
        name: String,
    },
}

#[derive(Args)]
pub(crate) struct Monitor {
    /// Only events of this kind; may be given several times
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    pub(crate) kinds: Vec<EventKind>,
    /// Only packets that this endpoint sends
    #[arg(long, value_name = "ID", value_parser = EndpointId::parse)]
    pub(crate) from: Option<EndpointId>,
    /// Only packets that this endpoint gets
    #[arg(long, value_name = "ID", value_parser = EndpointId::parse)]
    pub(crate) to: Option<EndpointId>,
    /// End after this many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Begin with the events that were waiting for a monitor, which may be old
    #[arg(long)]
    pub(crate) backlog: bool,
}

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventKind {
    /// A packet was dropped
    Drop,
    /// A packet was seen on its way
    Trace,
    /// The policy judged
    Verdict,
    /// A message to developers
    Debug,
}
