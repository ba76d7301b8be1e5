//! The records in `docs/decisions/`: `NNNN-what-was-decided.md`, each number used once.

use std::collections::BTreeMap;

use crate::house::{accepts, files};

const FOLDER: &str = "docs/decisions/";

fn check(names: &[&str]) -> Vec<String> {
    let mut numbers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut found = Vec::new();
    for name in names {
        match number(name) {
            Some(number) => numbers.entry(number).or_default().push(name),
            None => found.push(format!(
                "{FOLDER}{name}: is not named NNNN-what-was-decided.md"
            )),
        }
    }
    let twice = numbers.iter().filter(|(_, names)| names.len() > 1);
    found.extend(
        twice.map(|(number, names)| {
            format!("{FOLDER}: {number} is used by {}", names.join(" and "))
        }),
    );
    found
}

fn number(name: &str) -> Option<&str> {
    let (number, rest) = name.split_once('-')?;
    let title = rest.strip_suffix(".md")?;
    let is_number = number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit());
    let is_title = !title.is_empty()
        && title
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    (is_number && is_title).then_some(number)
}

#[test]
fn every_decision_has_a_number_of_its_own() {
    let names = files()
        .iter()
        .filter_map(|file| file.path.strip_prefix(FOLDER));
    let names: Vec<_> = names.filter(|name| *name != "README.md").collect();
    assert!(!names.is_empty(), "{FOLDER} is empty");
    accepts(&check(&names));
}

#[test]
fn numbers_used_twice_and_odd_names_are_found() {
    let rows: &[(&[&str], usize)] = &[
        (&["0001-a.md", "0002-b-c.md"], 0),
        (&["0001-a.md", "0001-b.md"], 1),
        (&["0001-a.md", "0001-b.md", "0002-a.md", "0002-b.md"], 2),
        (&["1-a.md"], 1),
        (
            &["0001-a.txt", "0001.md", "0001-.md", "a.md", "0001-A b.md"],
            5,
        ),
    ];
    for (names, findings) in rows {
        assert_eq!(
            check(names).len(),
            *findings,
            "{names:?}: {:?}",
            check(names)
        );
    }
}
