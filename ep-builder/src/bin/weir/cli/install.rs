//! The command lines of `weir install` and `weir uninstall`.

use std::path::PathBuf;

use clap::Args;
use ep_builder::maps::Prefix;

/// Where, on both.
#[derive(Args)]
pub(crate) struct Where {
    /// Work in an image whose root is this folder: files alone, nothing of the running machine
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Command, data and pages below DIR: DIR/bin, DIR/lib/weir, DIR/share; without it /usr/local/bin, /usr/lib/weir
    /// and /usr/local/share
    #[arg(long, value_name = "DIR", value_parser = absolute)]
    pub(crate) prefix: Option<PathBuf>,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Args)]
pub(crate) struct Install {
    /// The release; without it the one around this program
    #[arg(long, value_name = "DIR")]
    pub(crate) from: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: Where,
    /// A network for pods in place of the shipped ones; may be given several times
    #[arg(long = "range", value_name = "NETWORK")]
    pub(crate) ranges: Vec<Prefix>,
    /// Give the network configuration a name before those of others: runtimes take the first
    #[arg(long)]
    pub(crate) first: bool,
    /// Where runtimes look for plugins; without it /opt/cni/bin
    #[arg(long, value_name = "DIR", value_parser = absolute)]
    pub(crate) cni_bin_dir: Option<PathBuf>,
    /// Where runtimes look for network configurations; without it /etc/cni/net.d
    #[arg(long, value_name = "DIR", value_parser = absolute)]
    pub(crate) cni_conf_dir: Option<PathBuf>,
    /// Even if a check says no: another's file of the same name is replaced, a range is taken twice
    #[arg(long)]
    pub(crate) force: bool,
    /// Do not run `weir selftest` in the end; in an image it is never run
    #[arg(long)]
    pub(crate) no_selftest: bool,
}

#[derive(Args)]
pub(crate) struct Uninstall {
    #[command(flatten)]
    pub(crate) place: Where,
    /// What the operator changed as well: configuration and policy documents
    #[arg(long)]
    pub(crate) purge: bool,
    /// Even if pods are wired: they lose their network
    #[arg(long)]
    pub(crate) force: bool,
}

/// A folder of a node, wherever the command is called.
fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let is_plain = path.components().all(|part| part.as_os_str() != "..");
    if path.is_absolute() && is_plain && path.parent().is_some() {
        Ok(path.components().collect())
    } else {
        Err("it must be an absolute path of a folder, without ..".to_owned())
    }
}
