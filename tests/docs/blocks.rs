//! The fenced blocks of a page, and which of them are commands.
//!
//! ```` ```sh ```` is a script: a page's scripts are run in order, in one shell. A block marked `output` that follows a
//! script is what it prints. A block without a mark that has lines which begin with `weir ` is a list of commands to
//! choose from: each is run by itself. A comment `<!-- not run: REASON -->` before a block leaves it out.

use std::fs;
use std::path::Path;

use weir_tests::node::repository;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A script, with all its lines.
    Script,
    /// What the script before it prints.
    Output,
    /// Commands to choose from.
    List,
    /// Anything else.
    Other,
}

/// A block of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The page, from the root of the repository.
    pub(crate) page: String,
    /// The line of its first line.
    pub(crate) line: usize,
    pub(crate) kind: Kind,
    pub(crate) text: String,
    /// Why it is not run.
    pub(crate) left_out: Option<String>,
}

/// The pages for whoever uses weir, sorted: `docs/decisions` is for those who change it.
pub(crate) fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned(), "conf/README.md".to_owned()];
    let mut folders = vec![repository("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("docs/decisions") {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                pages.push(from_root(&path));
            }
        }
    }
    pages.sort();
    pages
}

fn from_root(path: &Path) -> String {
    let below = path.strip_prefix(repository("")).unwrap();
    below.display().to_string()
}

/// The text of a page.
pub(crate) fn text(page: &str) -> String {
    fs::read_to_string(repository(page)).unwrap()
}

/// The blocks of every page.
pub(crate) fn all() -> Vec<Block> {
    let pages = pages();
    pages
        .iter()
        .flat_map(|page| of(page, &text(page)))
        .collect()
}

/// The blocks of one page.
pub(crate) fn of(page: &str, text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut reason = None;
    let mut open: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        let mark = line.trim_start().strip_prefix("```");
        match (mark, open.take()) {
            (Some(mark), None) => {
                open = Some(Block {
                    page: page.to_owned(),
                    line: index + 2,
                    kind: kind(mark.trim()),
                    text: String::new(),
                    left_out: reason.take(),
                });
            }
            (Some(_), Some(block)) => blocks.push(finished(block)),
            (None, Some(mut block)) => {
                block.text += line;
                block.text += "\n";
                open = Some(block);
            }
            (None, None) if line.trim().is_empty() => {}
            (None, None) => reason = reason_in(line),
        }
    }
    assert!(open.is_none(), "{page}: the last block has no end");
    blocks
}

fn kind(mark: &str) -> Kind {
    match mark {
        "sh" => Kind::Script,
        "output" => Kind::Output,
        "" => Kind::List,
        _ => Kind::Other,
    }
}

fn finished(mut block: Block) -> Block {
    let shows_weir = block.text.lines().any(|line| line.starts_with("weir "));
    if block.kind == Kind::List && !shows_weir {
        block.kind = Kind::Other;
    }
    block
}

fn reason_in(line: &str) -> Option<String> {
    let comment = line.trim().strip_prefix("<!-- not run:")?;
    Some(comment.strip_suffix("-->")?.trim().to_owned())
}

#[test]
fn blocks_are_told_apart() {
    let page = "# A\n```sh\nls\n```\nprints\n```output\na\n```\n<!-- not run: needs a cluster -->\n\n```\nweir gc  # all\n```\n\
                words\n```\n{}\n```\n   ```toml\na = 1\n   ```\n";
    let found = of("a.md", page);
    let found: Vec<_> = found
        .iter()
        .map(|b| (b.line, b.kind, b.text.as_str(), b.left_out.as_deref()))
        .collect();
    assert_eq!(
        found,
        [
            (3, Kind::Script, "ls\n", None),
            (7, Kind::Output, "a\n", None),
            (12, Kind::List, "weir gc  # all\n", Some("needs a cluster")),
            (16, Kind::Other, "{}\n", None),
            (19, Kind::Other, "a = 1\n", None),
        ]
    );
}
