//! The codes in `docs/errors.md` and the codes in `cni/src/error.rs`: who meets one looks there.

use std::collections::BTreeSet;

use crate::house::{accepts, text};

const DOC: &str = "docs/errors.md";
const CODE: &str = "cni/src/error.rs";

/// What the page calls a number that is not ours.
const FOREIGN: &str = "its own";

/// A variant and its number.
type Row = (String, String);

/// The arms `Self::Name .. => 7,` of a source, a variant at a time.
fn in_code(source: &str) -> BTreeSet<Row> {
    let mut rows = BTreeSet::new();
    for line in source.lines() {
        let Some((pattern, value)) = line.trim().split_once(" => ") else {
            continue;
        };
        let value = value.trim_end_matches(',');
        let number = match value {
            "code" => FOREIGN,
            _ if value.bytes().all(|byte| byte.is_ascii_digit()) => value,
            _ => continue,
        };
        let names = pattern.split("Self::").skip(1).map(|rest| {
            let end = rest.find(|c: char| !c.is_alphanumeric());
            &rest[..end.unwrap_or(rest.len())]
        });
        rows.extend(names.map(|name| (name.to_owned(), number.to_owned())));
    }
    rows
}

/// The rows of the page's table.
fn in_doc(page: &str) -> BTreeSet<Row> {
    let mut rows = BTreeSet::new();
    for line in page.lines() {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let (Some(number), Some(names)) = (cells.next(), cells.next()) else {
            continue;
        };
        if number != FOREIGN && number.parse::<u32>().is_err() {
            continue;
        }
        let names = names.split('`').skip(1).step_by(2);
        rows.extend(names.map(|name| (name.to_owned(), number.to_owned())));
    }
    rows
}

fn check(source: &str, page: &str) -> Vec<String> {
    let (code, doc) = (in_code(source), in_doc(page));
    let tell = |(name, number): &Row, place: &str| format!("{place}: no {name} with code {number}");
    let missing = code.difference(&doc).map(|row| tell(row, DOC));
    let outdated = doc.difference(&code).map(|row| tell(row, CODE));
    missing.chain(outdated).collect()
}

#[test]
fn the_page_of_errors_has_every_code() {
    let source = text(CODE);
    assert!(in_code(source).len() > 10, "{CODE} is read wrongly");
    accepts(&check(source, text(DOC)));
}

#[test]
fn a_code_that_one_side_lacks_is_found() {
    let source = "Self::A => 2,\nSelf::B(X::Y(_)) | Self::C(_) => 7,\nSelf::D(code) => code,\nSelf::E(it) => it.f(),";
    for (page, findings) in [
        (
            "|code|in|\n|---|---|\n| 2 | `A` |\n| 7 | `B` `C` |\n| its own | `D` |",
            0,
        ),
        ("| 2 | `A` |\n| 7 | `B` |\n| its own | `D` |", 1),
        ("| 2 | `A` |\n| 8 | `B` `C` |\n| its own | `D` |", 4),
        (
            "| 2 | `A` |\n| 7 | `B` `C` |\n| its own | `D` |\n| 9 | `F` |",
            1,
        ),
        ("", 4),
    ] {
        let found = check(source, page);
        assert_eq!(found.len(), findings, "{page:?}: {found:?}");
    }
}
