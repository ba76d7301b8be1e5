//! Every reason for which packets are dropped.

use ep_builder::events::{Reason, Vocabulary, advice, is_given};
use ep_builder::sources::Sources;

use super::cell;
use crate::failure::Failure;
use crate::node::Node;

const HEAD: &str = "# Why packets are dropped

`weir monitor --type drop` shows each drop with its reason and the line of C that decided, `weir bpf metrics list` the counts.
A number is never used for something else.

| number | reason | means | what to do |
|---|---|---|---|
";

const RESERVED: &str = "
## Kept for their number

No program of this version gives these reasons.

| number | reason | means |
|---|---|---|
";

/// The page, from the sources that this node compiles.
pub(super) fn page(node: &Node) -> Result<String, Failure> {
    let sources =
        Sources::read(&node.settings.paths.bpf_dir).map_err(ep_builder::error::Error::from)?;
    let known = Vocabulary::of(&sources);
    let (given, kept): (Vec<_>, Vec<_>) = known
        .drops()
        .partition(|(_, reason)| is_given(&reason.name, &sources));
    let given = given.into_iter().map(|(code, reason)| {
        let what = advice(&reason.name).unwrap_or_default();
        format!("{} {} |\n", row(code, reason), cell(what))
    });
    let kept = kept
        .into_iter()
        .map(|(code, reason)| row(code, reason) + "\n");
    let (given, kept): (String, String) = (given.collect(), kept.collect());
    Ok(format!("{HEAD}{given}{RESERVED}{kept}"))
}

fn row(code: u8, reason: &Reason) -> String {
    format!("| {code} | `{}` | {} |", reason.name, cell(&reason.meaning))
}
