//! `weir status`: one screen that answers "is it fine?". What to do about it is the doctor's business.

mod counts;
mod facts;
mod gather;
mod health;
mod text;
mod verdict;

#[cfg(test)]
mod tests;

use std::fs;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ep_builder::load::check_bpffs;
use nix::unistd::geteuid;
use serde::Serialize;

use crate::cli::Status;
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Format, Screen};
pub(crate) use counts::{drops, fills_up};
use facts::Facts;
pub(crate) use facts::{Drops, Unseen};
pub(crate) use gather::problem;
use verdict::Verdict;

/// How long between two looks of `--wait`.
const PAUSE: Duration = Duration::from_millis(200);

/// What a look has given.
struct Look {
    facts: Facts,
    verdict: Verdict,
    /// Whether there was anything to look at.
    has_facts: bool,
}

/// What `-o json` gives: the verdict, then the facts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    fine: bool,
    summary: String,
    #[serde(flatten)]
    verdict: &'a Verdict,
    #[serde(flatten)]
    facts: &'a Facts,
}

/// Exit code 1 if something is wrong.
pub(crate) fn run(arguments: &Status, node: &Node, screen: &Screen) -> Result<ExitCode, Failure> {
    let start = Instant::now();
    let patience = arguments.wait.unwrap_or_default();
    let mut look = Look::at(node);
    while !look.verdict.is_fine() && start.elapsed() < patience {
        sleep(PAUSE.min(patience.saturating_sub(start.elapsed())));
        look = Look::at(node);
    }
    look.show(screen)?;
    Ok(ExitCode::from(u8::from(!look.verdict.is_fine())))
}

impl Look {
    fn at(node: &Node) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let kernel = release.trim().to_owned();
        if let Some(verdict) = obstacle(node) {
            let facts = Facts::new(version, kernel);
            return Self {
                facts,
                verdict,
                has_facts: false,
            };
        }
        let facts = gather::gather(node, version, kernel);
        let verdict = Verdict::of(&facts);
        Self {
            facts,
            verdict,
            has_facts: true,
        }
    }

    fn show(&self, screen: &Screen) -> Result<(), Failure> {
        let Self {
            facts,
            verdict,
            has_facts,
        } = self;
        let is_wide = match screen.format() {
            Format::Json | Format::Yaml => return screen.value(&self.report()),
            format => format == Format::Wide,
        };
        if *has_facts {
            screen.data(&text::text(facts, verdict, is_wide))
        } else {
            screen.data(&text::alone(verdict))
        }
    }

    fn report(&self) -> Report<'_> {
        let Self { facts, verdict, .. } = self;
        Report {
            fine: verdict.is_fine(),
            summary: text::headline(facts, verdict),
            verdict,
            facts,
        }
    }
}

/// What keeps anybody from saying more.
fn obstacle(node: &Node) -> Option<Verdict> {
    let paths = &node.settings.paths;
    if !geteuid().is_root() {
        let what = "only root can look at programs and maps".to_owned();
        return Some(Verdict::only("rights", what, "sudo weir status"));
    }
    if !paths.bpf_dir.exists() && !paths.state_dir.exists() {
        let what = format!(
            "weir is not installed here: {} is missing",
            paths.bpf_dir.display()
        );
        return Some(Verdict::only("weir", what, "weir install"));
    }
    let error = check_bpffs(&paths.bpffs_dir).err()?;
    let what = ep_builder::error::chain(&error);
    Some(Verdict::only("bpffs", what, "weir doctor"))
}
