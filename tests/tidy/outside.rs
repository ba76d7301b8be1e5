//! No file names a place that is not in the repository or on every node: it would be somebody's own machine.

use crate::house::{File, accepts, files, finds, line_of};
use crate::lex::is_word;

/// Assembled, so that this file does not name them itself.
const PLACES: [&str; 5] = [
    concat!("/", "work"),
    concat!("/", "home"),
    concat!("/", "root"),
    concat!("/", "tmp"),
    concat!("../", "shared"),
];

fn outside(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    for place in PLACES {
        let hits = file.text.match_indices(place).map(|(at, _)| at);
        let names = hits.filter(|at| is_path(&file.text, *at, place.len()));
        found.extend(
            names.map(|at| format!("{}:{}: names {place}", file.path, line_of(&file.text, at))),
        );
    }
    found
}

/// A path starts after a byte that no path holds, and ends with its last whole name.
fn is_path(text: &str, at: usize, length: usize) -> bool {
    let before = text[..at].chars().next_back();
    let after = text[at + length..].chars().next();
    let starts = before.is_none_or(|c| !is_word(c) && !".)}-/*".contains(c));
    starts && after.is_none_or(|c| !is_word(c) && c != '-')
}

#[test]
fn no_file_names_a_place_outside() {
    accepts(&files().iter().flat_map(outside).collect::<Vec<_>>());
}

#[test]
fn a_place_outside_is_found() {
    let bad = |text: &str| text.replace('@', "/");
    finds(
        outside,
        &[
            ("a.md", &bad("see\n@work@shared"), &["a.md:2: names"]),
            ("a.rs", &bad("open(\"@home@me\")"), &["a.rs:1:"]),
            ("a.sh", &bad("X=@tmp; cd @root"), &["a.sh:1:", "a.sh:1:"]),
            ("a.md", &bad("`..@shared@x`"), &["a.md:1:"]),
            (
                "a.rs",
                &bad("net@work @workshop @tmpfs @run@weir @root-only $(X)@work"),
                &[],
            ),
        ],
    );
}
