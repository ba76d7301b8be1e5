//! `weir template`: the compiled templates.

mod build;
mod list;
mod parallel;
mod show;
mod verify;

use std::process::ExitCode;
use std::time::Duration;

use ep_builder::cache::{Collection, Why};
use ep_builder::error::chain;
use ep_builder::key::TemplateKey;

use crate::cli::Template;
use crate::failure::Failure;
use crate::gc::{self, Removed};
use crate::node::Node;
use crate::screen::{Screen, talk};

pub(crate) fn run(command: &Template, node: &Node, screen: &Screen) -> Result<ExitCode, Failure> {
    match command {
        Template::List => list::run(node, screen)?,
        Template::Show { key } => show::run(node, key, screen)?,
        Template::Build(arguments) => build::run(node, arguments, screen)?,
        Template::Verify { rebuild } => return verify::run(node, *rebuild, screen),
        Template::Gc { dry_run, all } => {
            let keep = if *all {
                Duration::ZERO
            } else {
                node.settings.cache.keep_unused
            };
            gc::show(&collect(node, keep, *dry_run)?, screen)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Collects templates that nobody used for `keep`.
pub(crate) fn collect(node: &Node, keep: Duration, dry_run: bool) -> Result<Vec<Removed>, Failure> {
    let cache = node.cache()?;
    let Collection { removed, left } = cache.collect(&node.templates_in_use()?, keep, dry_run)?;
    for reason in &left {
        talk(&format!(
            "note: a template is left alone: {}",
            chain(reason)
        ));
    }
    let why = |why| match why {
        Why::Unused => "no endpoint uses this template",
        Why::Quarantined => "a template that was put aside",
        Why::Leftover => "left by a compile that was killed",
    };
    Ok(removed
        .into_iter()
        .map(|c| Removed::new(c.path.display().to_string(), why(c.why)))
        .collect())
}

/// The one key that begins with `prefix`.
fn resolve(prefix: &str, keys: &[TemplateKey]) -> Result<TemplateKey, Failure> {
    let matching: Vec<_> = keys
        .iter()
        .filter(|key| key.to_string().starts_with(prefix))
        .collect();
    match matching.as_slice() {
        [key] => Ok(**key),
        [] => Err(Failure::NotFound(format!(
            "no template's key begins with {prefix:?}: `weir template list -o wide` shows the keys"
        ))),
        several => Err(Failure::Input(format!(
            "{} templates have a key that begins with {prefix:?}: give more of it",
            several.len()
        ))),
    }
}
