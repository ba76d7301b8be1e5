//! What the pages show can be typed.

use std::fs;
use std::path::{Path, PathBuf};

use weir_tests::node::repository;
use weir_tests::{binaries, process};

/// Words that stand for something of the reader's.
const PLACEHOLDERS: [(&str, &str); 10] = [
    ("ID", "1"),
    ("N", "1"),
    ("KEY", "x"),
    ("DIR", "x"),
    ("FILE", "x"),
    ("NAME", "x"),
    ("FILE...", "x"),
    ("POD", "shop/web"),
    ("POD:PORT", "shop/web:80"),
    ("SHELL", "bash"),
];

fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut folders = vec![repository("docs"), repository("conf")];
    let top = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SPECIFICATION.md",
    ];
    pages.extend(top.map(repository));
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path == repository("docs/reference") {
                // Written from the command line itself, with brackets around what may be left out.
            } else if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// The commands of a page: lines of its blocks, and what stands between backquotes.
fn shown(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for (index, part) in text.split("```").enumerate() {
        let is_block = index % 2 == 1;
        let is_output = is_block && part.starts_with("output");
        let texts: Vec<&str> = if is_output {
            Vec::new()
        } else if is_block {
            part.lines().skip(1).collect()
        } else {
            part.split('`').skip(1).step_by(2).collect()
        };
        let texts = texts.into_iter().map(|text| {
            let command = text.split(" #").next().unwrap_or_default();
            command.split_whitespace().collect::<Vec<_>>().join(" ")
        });
        commands.extend(texts.filter(|text| text.starts_with("weir ")));
    }
    commands
}

/// `weir map list|get` is two commands.
fn spelled_out(command: &str) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    let words = command.split_whitespace().skip(1);
    for word in words.take_while(|word| !is_of_the_shell(word)) {
        let choices: Vec<_> = word.split('|').collect();
        all = all
            .iter()
            .flat_map(|before: &Vec<String>| {
                choices
                    .iter()
                    .map(|choice| [before.as_slice(), &[filled_in(choice)]].concat())
            })
            .collect();
    }
    all
}

/// What follows is not the command's: where its output goes, or another command.
fn is_of_the_shell(word: &str) -> bool {
    let after_a_number = word.trim_start_matches(|c: char| c.is_ascii_digit());
    after_a_number.starts_with('>') || ["&", "&&", "|", "||", ";"].contains(&word)
}

fn filled_in(word: &str) -> String {
    // Variables of the page are endpoints.
    let word = if word.trim_start_matches('"').starts_with('$') {
        "ID"
    } else {
        word
    };
    let known = PLACEHOLDERS.iter().find(|(name, _)| *name == word);
    known.map_or(word, |(_, value)| value).to_owned()
}

/// A page's own words, from the root of the repository.
fn name(page: &Path) -> String {
    let root = repository("");
    page.strip_prefix(root).unwrap().display().to_string()
}

#[test]
fn every_command_of_the_pages_is_known() {
    let mut count = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let commands = shown(&text);
        // That of `weir COMMAND --help` may be any.
        let commands = commands.iter();
        let commands = commands.filter(|text| !text.contains("COMMAND") && *text != "weir help");
        for arguments in commands.flat_map(|text| spelled_out(text)) {
            // Help is given for what is known, with every word before it read.
            let said = process::run(binaries::weir().args(&arguments).arg("--help"));
            let name = name(&page);
            assert_eq!(said.code, Some(0), "{name}: weir {arguments:?}: {said:?}");
            count += 1;
        }
    }
    assert!(count > 40, "{count} commands: the pages are read wrongly");
}

#[test]
fn commands_are_found_and_spelled_out() {
    let page = "see `weir map list`\n```\nweir gc --dry-run   # what is left\nls\n```\nand `weird`, `weir bpf\nct|policy get ID`";
    let found = shown(page);
    assert_eq!(
        found,
        [
            "weir map list",
            "weir gc --dry-run",
            "weir bpf ct|policy get ID"
        ]
    );
    assert_eq!(
        spelled_out(&found[2]),
        [["bpf", "ct", "get", "1"], ["bpf", "policy", "get", "1"]]
    );
    assert_eq!(
        spelled_out("weir monitor --count 1 2>&1 >file &"),
        [["monitor", "--count", "1"]]
    );
}
