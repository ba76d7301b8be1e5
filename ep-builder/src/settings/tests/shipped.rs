//! `conf/weir.toml` against the code: it can never go stale.

use super::super::Settings;
use super::super::keys::{self, Bounds, Key, Kind, Takes};
use super::parse;

pub(super) const SHIPPED: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/weir.toml"));

/// The file with the "# " before each key taken away, and the names of those keys with their table.
pub(super) fn uncommented(text: &str) -> (String, Vec<(String, String)>) {
    let (mut table, mut keys) = (String::new(), Vec::new());
    let lines = text.lines().map(|line| {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            name.clone_into(&mut table);
        }
        let body = line.strip_prefix("# ").unwrap_or_default();
        match body.split_once(" = ") {
            Some((name, _)) if !name.contains(' ') => {
                keys.push((table.clone(), name.to_owned()));
                body
            }
            _ => line,
        }
    });
    (lines.collect::<Vec<_>>().join("\n"), keys)
}

#[test]
fn the_shipped_file_changes_nothing() {
    assert_eq!(parse(SHIPPED).unwrap(), Settings::default());
    assert_eq!(parse("").unwrap(), Settings::default());
}

#[test]
fn the_shipped_file_shows_every_key_with_its_default() {
    let (text, shown) = uncommented(SHIPPED);
    assert_eq!(parse(&text).unwrap(), Settings::default());
    let known: Vec<_> = keys::all()
        .map(|key| (key.table.to_owned(), key.name.to_owned()))
        .collect();
    assert_eq!(
        shown, known,
        "conf/weir.toml and settings/keys.rs, in order"
    );
}

/// The comment above a key, as one line.
fn comment_of(key: &Key) -> String {
    let header = format!("[{}]\n", key.table);
    let table = match key.table {
        "" => SHIPPED,
        _ => SHIPPED.split_once(&header).unwrap().1,
    };
    let above = table.split_once(&format!("\n# {} = ", key.name)).unwrap().0;
    let lines = above.lines().rev().map_while(|l| l.strip_prefix("# "));
    let lines: Vec<_> = lines.collect();
    assert!((1..=3).contains(&lines.len()), "{}: {lines:?}", key.name);
    lines.into_iter().rev().collect::<Vec<_>>().join(" ")
}

/// Each key has one to three lines of comment, and a number's range stands in them.
#[test]
fn the_shipped_file_explains_every_key() {
    for key in keys::all() {
        let comment = comment_of(&key);
        if let Takes::Number(Bounds(low, high)) = key.kind.takes() {
            let range = format!("{low} to {high}");
            assert!(comment.contains(&range), "{}: {comment}", key.name);
        }
    }
}

/// A value of the key that is not its default, as a file.
fn other_value(key: &Key) -> String {
    let line = format!("\n# {} = true", key.name);
    let other = match key.kind.takes() {
        Takes::Text => "\"other\"".to_owned(),
        Takes::Path => "\"/other\"".to_owned(),
        Takes::Switch => (!SHIPPED.contains(&line)).to_string(),
        Takes::Number(Bounds(_, high)) => high.to_string(),
        Takes::Devices => "[\"other\"]".to_owned(),
        Takes::Networks => "[\"10.9.0.0/16\"]".to_owned(),
        Takes::Labels => "[\"role=other\"]".to_owned(),
        Takes::Ports => "[\"9/sctp\"]".to_owned(),
        Takes::Either(_, other) => format!("{other:?}"),
    };
    match (key.table, key.name) {
        ("", name) => format!("{name} = {other}"),
        (table, "conntrack") => {
            format!("[{table}]\nconntrack = {other}\nconntrack_accounting = {other}")
        }
        (table, name) => format!("[{table}]\n{name} = {other}"),
    }
}

/// A row of the table that sets a field of another name, or the same field as another row, is found here.
#[test]
fn every_key_sets_its_own_field() {
    let default = format!("{:#?}", Settings::default());
    let mut seen = Vec::new();
    for key in keys::all() {
        // Of a part that is yet to come: refused (bad.rs).
        if ["debug_lb", "nat46"].contains(&key.name) {
            continue;
        }
        let settings = parse(&other_value(&key)).unwrap();
        let debug = format!("{settings:#?}");
        let mut lines = debug.lines().zip(default.lines());
        let (changed, _) = lines.find(|(new, old)| new != old).unwrap();
        if let Kind::Folder(_) | Kind::Switch(_) | Kind::Size(..) = key.kind {
            let field = format!("{}: ", key.name);
            assert!(changed.trim().starts_with(&field), "{changed} by {field}");
        }
        assert!(!seen.contains(&settings), "{}", key.name);
        seen.push(settings);
    }
}
