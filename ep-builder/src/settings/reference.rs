//! What can be read about every key: its words stand in `conf/weir.toml`, what it takes in the table of keys.

use super::keys;

/// The file that is shipped, whose comments are the words.
const SHIPPED: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/weir.toml"));

/// What is said about one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyText {
    /// Its table; empty at the top level.
    pub table: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it takes, for a person.
    pub takes: String,
    /// Its default, as it would be written.
    pub default: &'static str,
    /// What it does.
    pub about: String,
}

/// What is said about one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableText {
    /// Its name; empty at the top level.
    pub name: &'static str,
    /// What it is for; of the top level, what holds for the file.
    pub about: String,
    /// When a change of its keys counts.
    pub counts: &'static str,
    /// Its keys, in the order of the file.
    pub keys: Vec<KeyText>,
}

/// Every table with its keys.
pub fn reference() -> Vec<TableText> {
    let names = std::iter::once("").chain(keys::tables());
    let tables = names.map(|name| TableText {
        name,
        about: above(name, SHIPPED),
        counts: counts(name),
        keys: keys::of_table(name).filter_map(text_of).collect(),
    });
    tables.collect()
}

/// When a change counts, table by table.
fn counts(table: &str) -> &'static str {
    match table {
        "" => {
            "`map_prefix`: for endpoints that come then, which share nothing with those that are there. `attach`: for each endpoint when its programs are attached next; `weir endpoint regenerate --all --force` does that"
        }
        "paths" | "clang" | "cache" => "with the next call of weir or weir-cni",
        "policy" | "node.firewall" => "with the next `weir policy apply`",
        "node" => "with the next ADD that needs the node's part, or with `weir node init`",
        "datapath" => {
            "for endpoints that come then; for those that are there with `weir endpoint regenerate --all`, for the node's own programs with `weir node init`"
        }
        "maps" => {
            "when the map is made. `weir endpoint regenerate --all` moves conntrack and policy maps that are there to another size; every other map keeps its own while an endpoint is there"
        }
        "options" => "for endpoints that come then: those that are there keep what they began with",
        _ => "",
    }
}

fn text_of(key: keys::Key) -> Option<KeyText> {
    let mut table = "";
    let mut about = Vec::new();
    for line in SHIPPED.lines() {
        if let Some(name) = heading(line) {
            (table, about) = (name, Vec::new());
            continue;
        }
        let Some(comment) = line.strip_prefix("# ") else {
            about.clear();
            continue;
        };
        match comment.split_once(" = ") {
            Some((name, default)) if table == key.table && name == key.name => {
                return Some(KeyText {
                    table: key.table,
                    name: key.name,
                    takes: key.kind.takes().to_string(),
                    default,
                    about: about.join(" "),
                });
            }
            _ => about.push(comment),
        }
    }
    None
}

/// The comment right above a table's heading, or at the top of the file.
fn above(table: &str, text: &str) -> String {
    let before = match table {
        "" => text.lines().map_while(|line| line.strip_prefix('#')),
        _ => return last_comment(text.split_once(&format!("\n[{table}]\n"))),
    };
    paragraphs(before)
}

fn last_comment(cut: Option<(&str, &str)>) -> String {
    let lines = cut.map(|(before, _)| before).unwrap_or_default().lines();
    let mut lines: Vec<_> = lines.rev().map_while(|l| l.strip_prefix('#')).collect();
    lines.reverse();
    paragraphs(lines.into_iter())
}

fn paragraphs<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<_> = lines.map(str::trim).collect();
    let paragraphs = words.split(|line| line.is_empty());
    let joined: Vec<_> = paragraphs.map(|lines| lines.join(" ")).collect();
    joined.join("\n\n")
}

fn heading(line: &str) -> Option<&str> {
    line.strip_prefix('[')?.strip_suffix(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_words() {
        let tables = reference();
        let keys: Vec<_> = tables.iter().flat_map(|table| &table.keys).collect();
        assert_eq!(keys.len(), keys::all().count());
        for key in keys {
            assert!(key.about.len() > 20, "{key:?}");
            assert!(!key.default.is_empty(), "{key:?}");
        }
        for table in tables {
            assert!(!table.about.is_empty(), "{table:?}");
            assert!(
                !table.counts.is_empty(),
                "say in settings/reference.rs when a change of [{}] counts",
                table.name
            );
        }
    }

    #[test]
    fn words_are_those_above_the_key() {
        let tables = reference();
        let clang = tables.iter().find(|table| table.name == "clang").unwrap();
        assert!(clang.about.starts_with("The compiler. "), "{clang:?}");
        let seconds = clang.keys.iter().find(|key| key.name == "timeout_seconds");
        let seconds = seconds.unwrap();
        assert_eq!(seconds.default, "60");
        assert_eq!(seconds.takes, "a whole number from 1 to 3600");
        assert!(seconds.about.starts_with("How many seconds one compile"));
        let top = &tables[0];
        assert!(
            top.about.contains("\n\nEvery key is optional."),
            "{}",
            top.about
        );
    }
}
