//! The scripts of the pages, each page's in order, on a node that has nothing yet.

use std::collections::BTreeMap;
use std::io::Write;

use crate::blocks::{self, Block, Kind};
use crate::need_session;
use crate::session::{self, Step};

/// What a page says that needs pods, and no place to make them.
const WITH_PODS: &str = "\n<!-- node: pods -->\n";

/// What comes before a page's own steps: nothing, or the pods it speaks of.
fn begin(page: &str) -> Vec<Step> {
    if blocks::text(page).contains(WITH_PODS) {
        vec![session::pods()]
    } else {
        Vec::new()
    }
}

/// The steps of every page that has some.
fn steps(blocks: &[Block]) -> BTreeMap<&str, Vec<Step>> {
    let mut pages = BTreeMap::<_, Vec<Step>>::new();
    for (index, block) in blocks.iter().enumerate() {
        if block.kind != Kind::Script || block.left_out.is_some() {
            continue;
        }
        let next = blocks.get(index + 1);
        let output = next.filter(|next| next.kind == Kind::Output && next.page == block.page);
        let steps = pages.entry(block.page.as_str());
        steps.or_insert_with(|| begin(&block.page)).push(Step {
            place: format!("{}:{}", block.page, block.line),
            text: block.text.clone(),
            shown: output.map(|output| output.text.clone()),
        });
    }
    pages
}

#[test]
fn every_script_of_the_pages_runs_and_prints_what_is_shown() {
    need_session!();
    let blocks = blocks::all();
    let pages = steps(&blocks);
    assert!(pages.contains_key("docs/tutorial.md"), "{:?}", pages.keys());
    let findings: Vec<_> = pages
        .values()
        .flat_map(|steps| session::run(steps))
        .collect();
    assert!(findings.is_empty(), "{}", findings.join("\n\n"));
}

#[test]
fn a_step_that_fails_or_prints_something_else_is_found() {
    need_session!();
    let step = |text: &str, shown: Option<&str>| Step {
        place: "a.md:1".to_owned(),
        text: text.to_owned(),
        shown: shown.map(ToOwned::to_owned),
    };
    for (steps, findings) in [
        (vec![step("a=1\n", None), step("echo $a\n", Some("1"))], 0),
        (
            vec![step("echo 1\n", Some("2")), step("echo 2\n", Some("3"))],
            2,
        ),
        (
            vec![step("false\necho 1\n", Some("1")), step("true\n", None)],
            1,
        ),
        (vec![step("echo x >/etc/weir-was-here\n", None)], 0),
    ] {
        let found = session::run(&steps);
        assert_eq!(found.len(), findings, "{steps:?}: {found:?}");
    }
    assert!(!std::path::Path::new("/etc/weir-was-here").exists());
}

/// What cannot be run is told with its reason, each time.
#[test]
fn what_is_not_run_says_why() {
    let blocks = blocks::all();
    let left_out: Vec<_> = blocks
        .iter()
        .filter_map(|block| Some((block, block.left_out.as_deref()?)))
        .collect();
    let mut note = vec![format!("docs: {} blocks are not run", left_out.len())];
    for (block, reason) in &left_out {
        let place = format!("{}:{}", block.page, block.line);
        assert!(reason.len() > 10, "{place}: {reason:?}");
        assert!(
            matches!(block.kind, Kind::Script | Kind::List),
            "{place}: nothing would be run here"
        );
        note.push(format!("  {place}: {reason}"));
    }
    let note = note.join("\n") + "\n";
    std::io::stderr().write_all(note.as_bytes()).unwrap();
}
