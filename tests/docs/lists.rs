//! The lists of commands in the pages: each command by itself, on a node with two pods and a policy.

use std::collections::BTreeMap;

use crate::blocks::{self, Block, Kind};
use crate::need_session;
use crate::session::{self, Step};

/// Words that stand for something of the reader's, and what stands for them here: variables of `pods.sh`.
const PLACEHOLDERS: [(&str, &str); 12] = [
    ("ID", "$ID"),
    ("N", "2"),
    // How often a page proves something is for a machine that does nothing else.
    ("1000", "20"),
    ("KEY", "$KEY"),
    ("DIR", "$(mktemp -d)"),
    ("FILE", "$FILE"),
    ("FILE...", "$FILE"),
    ("NAME", "$NAME"),
    ("POD", "shop/web"),
    ("SHELL", "bash"),
    ("shop/web-0", "shop/web"),
    ("shop/db-0", "shop/db"),
];

/// Commands without an end of their own: interrupted after a moment, as a reader would.
const ENDLESS: [&str; 3] = ["weir monitor", "weir top", "weir metrics --listen"];

/// Commands that are not run, and why.
const LEFT_OUT: [(&str, &str); 7] = [
    (
        "weir bench ",
        "measures for minutes; tests/cli/bench.rs runs short ones",
    ),
    (
        "weir template build --all",
        "compiles for minutes; tests/cli/template.rs runs it",
    ),
    ("weir COMMAND", "stands for any command"),
    ("weir install", "needs a release; tests/cli/install runs it"),
    (
        "weir uninstall",
        "needs what was installed; tests/cli/install runs it",
    ),
    (
        "weir policy show --policy",
        "a command before it takes the file away; tests/netns/policy_show.rs runs it",
    ),
    (
        "weir policy apply --confirm-within",
        "waits for somebody; tests/cli/policy.rs runs it",
    ),
];

/// Commands that end with another code than 0 on such a node.
const CODES: [(&str, u8, &str); 4] = [
    ("weir node cleanup", 1, "refused while pods need it"),
    ("weir endpoint log", 4, "no build has failed"),
    ("weir doctor", 1, "the node's folders are the test's"),
    ("weir policy confirm", 4, "nothing waits for it"),
];

fn steps(blocks: &[Block]) -> BTreeMap<&str, Vec<Step>> {
    let mut pages = BTreeMap::<_, Vec<Step>>::new();
    let lists = blocks.iter().filter(|block| block.kind == Kind::List);
    for block in lists.filter(|block| block.left_out.is_none()) {
        for (index, line) in block.text.lines().enumerate() {
            let place = format!("{}:{}", block.page, block.line + index);
            let texts = commands(line).into_iter();
            let steps = texts.map(|text| Step {
                place: place.clone(),
                text,
                shown: None,
            });
            pages.entry(block.page.as_str()).or_default().extend(steps);
        }
    }
    pages.retain(|_, steps| !steps.is_empty());
    pages
}

/// What is typed for a line: nothing, or a command for each of its alternatives.
fn commands(line: &str) -> Vec<String> {
    let line = line.split(" #").next().unwrap_or_default().trim();
    let is_left_out = |(prefix, _): &(&str, &str)| line.starts_with(prefix);
    if !line.starts_with("weir ") || LEFT_OUT.iter().any(is_left_out) {
        return Vec::new();
    }
    let mut all = vec![String::new()];
    for word in line.split_whitespace() {
        let choices: Vec<_> = word.split('|').map(filled_in).collect();
        all = all
            .iter()
            .flat_map(|before| choices.iter().map(move |word| format!("{before}{word} ")))
            .collect();
    }
    all.iter().map(|text| typed(text.trim())).collect()
}

fn filled_in(word: &str) -> String {
    let known = PLACEHOLDERS.iter().find(|(name, _)| *name == word);
    known.map_or(word, |(_, value)| value).to_owned()
}

/// With the code that it ends with.
fn typed(command: &str) -> String {
    let endless = ENDLESS.iter().any(|prefix| command.starts_with(prefix));
    let command = if endless {
        format!("timeout --preserve-status -s INT 2 {command}")
    } else {
        command.to_owned()
    };
    let code = CODES
        .iter()
        .find(|(prefix, ..)| command.starts_with(prefix));
    match code {
        Some((_, code, _)) => {
            format!("code=0; {command} || code=$?; [ $code = 0 ] || [ $code = {code} ]\n")
        }
        None => command + "\n",
    }
}

#[test]
fn every_command_in_a_list_of_the_pages_works() {
    need_session!();
    let blocks = blocks::all();
    let pages = steps(&blocks);
    let count: usize = pages.values().map(Vec::len).sum();
    assert!(count > 40, "{count} commands: the pages are read wrongly");
    let sessions = pages
        .into_values()
        .map(|steps| [vec![session::pods()], steps].concat());
    let findings: Vec<_> = sessions.flat_map(|steps| session::run(&steps)).collect();
    assert!(findings.is_empty(), "{}", findings.join("\n\n"));
}

#[test]
fn a_line_is_the_commands_it_stands_for() {
    for (line, expected) in [
        ("weir map list        # all", vec!["weir map list\n"]),
        (
            "weir bpf ct|nat list ID",
            vec!["weir bpf ct list $ID\n", "weir bpf nat list $ID\n"],
        ),
        (
            "weir monitor --type drop",
            vec!["timeout --preserve-status -s INT 2 weir monitor --type drop\n"],
        ),
        (
            "weir endpoint log ID",
            vec!["code=0; weir endpoint log $ID || code=$?; [ $code = 0 ] || [ $code = 4 ]\n"],
        ),
        ("weir bench cni", vec![]),
        ("ls", vec![]),
    ] {
        assert_eq!(commands(line), expected, "{line}");
    }
}
