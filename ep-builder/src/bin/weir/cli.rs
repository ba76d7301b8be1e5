//! The command line.

mod bench;
mod bpf;
mod calls;
mod explain;
mod install;
mod metrics;
mod monitor;
mod node;
mod policy;
mod reference;
mod selftest;
mod show;
mod status;
mod time;
mod top;

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use ep_builder::endpoint::EndpointId;
use ep_builder::identity::LAST;
use ep_builder::lifecycle::LabelChange;

use crate::endpoint::{Extent, Prove};
use crate::screen::Output;
pub(crate) use bench::{Bench, BenchAll, BenchCni, BenchPolicy};
pub(crate) use bpf::{
    Bpf, BpfCt, BpfEndpoint, BpfIpcache, BpfMetrics, BpfNat, BpfPolicy, BpfPorts, RuleArguments,
    RuleDirection,
};
pub(crate) use calls::{CallCommand, Calls, Chosen};
pub(crate) use explain::{Destination, Explain, PortProtocol};
pub(crate) use install::{Install, Uninstall, Where};
pub(crate) use metrics::Metrics;
pub(crate) use monitor::{EventKind, LabelFilter, Limit, Monitor, Who};
pub(crate) use node::{NodeInit, NodePart};
pub(crate) use policy::{Ip, Policy, Verify};
pub(crate) use reference::Reference;
pub(crate) use selftest::Selftest;
pub(crate) use show::Show;
pub(crate) use status::Status;
pub(crate) use top::{Sort, Top};

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
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// What clap cannot know: which commands draw.
    pub(crate) fn check(&self) -> Result<(), clap::Error> {
        if self.output.picture().is_none() || self.command.draws() {
            return Ok(());
        }
        let text = "this command has no picture: `weir show`, `weir policy show`, `weir calls show` and `weir calls phases` have, and `-o` is table, wide, json or yaml here";
        Err(Self::command().error(ErrorKind::InvalidValue, text))
    }
}

impl Command {
    /// Whether it has a picture for `-o svg` and `-o html`.
    fn draws(&self) -> bool {
        match self {
            Self::Show(_) | Self::Policy(Policy::Show { .. }) => true,
            Self::Calls(calls) => !matches!(calls, Calls::List { .. }),
            _ => false,
        }
    }
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
    /// Show which endpoints or programs have how much to do, live in a terminal
    Top(Top),
    /// Print the numbers of this node for Prometheus, or answer its questions
    Metrics(Metrics),
    /// What runtimes asked of weir-cni, and how long each phase of it took
    #[command(subcommand)]
    Calls(Calls),
    /// Say what would become of a packet, and which rule decides
    Explain(Explain),
    /// Draw what stands where: pods, hooks, programs, tail calls, maps and how full they are
    Show(Show),
    /// Say in one screen whether this node is fine; exit code 1 if it is not
    Status(Status),
    /// Look for what is wrong with this node: what it is, why it matters, and what to do
    Doctor {
        /// Do what is safe: mount a BPF file system, make the node's own part again, regenerate endpoints that somebody meddled with, remove leftovers
        #[arg(long)]
        fix: bool,
    },
    /// Prove on this machine, in namespaces that nobody else sees, that pods get their network; exit code 1 if not
    Selftest(Selftest),
    /// Remove what killed processes left behind, and templates and identities that nobody uses
    Gc {
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,
    },
    /// Measure this machine
    #[command(subcommand)]
    Bench(Bench),
    /// Put a release onto this node, or into an image, and tell runtimes of it
    Install(Install),
    /// Take away what was installed, and all that weir made on this node
    Uninstall(Uninstall),
    /// Do nothing until a signal comes: what is left of a pod that installed weir
    #[command(hide = true)]
    Pause,
    /// Write reference, pages of the manual and completions to a folder
    #[command(subcommand, hide = true)]
    Reference(Reference),
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
    /// Every option switched from the configuration, and every two options together in one shape at least
    #[arg(long)]
    pub(crate) all: bool,
    /// And every shape that differs from the configuration in N settings at most: what a package carries
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "all", value_parser = clap::value_parser!(u8).range(..=3))]
    pub(crate) changes: u8,
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
pub(crate) enum Map {
    /// List the maps: type, sizes, how full each is
    List,
    /// Show one map, and which places of a program array are filled
    Get {
        /// Its name, with or without the prefix
        name: String,
    },
}
