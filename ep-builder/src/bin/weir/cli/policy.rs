//! The command line of `weir policy` and `weir ip`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use ep_builder::policy::{DocumentKind, Holder};

use super::time::patience;

#[derive(Subcommand)]
pub(crate) enum Policy {
    /// Check policy documents without a node: every mistake with file, line and field
    Validate {
        /// Files, or folders of files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Put the documents of `policy_dir` in force for all endpoints, at once
    Apply {
        /// Only say what would change
        #[arg(long)]
        dry_run: bool,
        /// Go back to the policy before if nobody confirms this one within so long, as 30s or 5m: by `weir policy
        /// confirm`, or by Enter where this waits
        #[arg(long, value_name = "TIME", value_parser = patience, conflicts_with = "dry_run")]
        confirm_within: Option<Duration>,
    },
    /// Keep the policy that was put in force by `apply --confirm-within`
    Confirm,
    /// Show which policy is in force, whether it waits to be confirmed, and whether one judges the node itself
    Status,
    /// Show the documents in force; of one endpoint or the node, each entry with its rule and how often it decided
    Get {
        /// The endpoint's id, or `node`
        #[arg(value_parser = Holder::parse)]
        id: Option<Holder>,
    },
    /// Take a document out of its file, and put the others in force
    Delete {
        /// Its name, with its namespace where it has one: `shop/allow-web`
        name: String,
        /// Its kind, where two have that name
        #[arg(long, value_enum)]
        kind: Option<Kind>,
    },
    /// Show who may reach whom, on which ports and by which rules; `-o svg` and `-o html` draw it
    Show {
        /// What these policy documents would make of it, in place of those in force
        #[arg(long, value_name = "FILE", num_args = 1..)]
        policy: Vec<PathBuf>,
    },
    /// Compare the documents of `policy_dir` with those in force
    Diff,
    /// Play random policies, pods and packets on copies of the programs, and compare each answer with what the
    /// documents mean; nothing of the node is touched
    Verify(Verify),
}

#[derive(Args)]
pub(crate) struct Verify {
    /// For how long; 0 for until it is stopped
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) seconds: u64,
    /// Until it is stopped
    #[arg(long, conflicts_with_all = ["seconds", "cases"])]
    pub(crate) forever: bool,
    /// How many cases, however long that takes
    #[arg(long, value_name = "N", conflicts_with = "seconds",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) cases: Option<u64>,
    /// The number that the first case is made from; the next ones follow. Without it one at random
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
}

/// A kind of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// networking.k8s.io/v1
    #[value(name = "NetworkPolicy", alias = "networkpolicy")]
    NetworkPolicy,
    /// v1
    #[value(name = "Namespace", alias = "namespace")]
    Namespace,
    /// weir.dev/v1alpha1
    #[value(name = "WeirPolicy", alias = "weirpolicy")]
    WeirPolicy,
}

impl From<Kind> for DocumentKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::NetworkPolicy => Self::NetworkPolicy,
            Kind::Namespace => Self::Namespace,
            Kind::WeirPolicy => Self::WeirPolicy,
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum Ip {
    /// List whose address is whose: pods and nodes, and the networks that policies name
    List,
}
