//! What the numbers in events and counters mean, as the sources of the datapath say it.
//!
//! A drop reason, a trace point or a file is one line of C; nothing here repeats it. The text that is read is
//! the text that objects are compiled from, so names fit the programs that run, also where an operator has
//! sources of their own. A test compares what is read here with what the compiler makes of it.

use std::collections::BTreeMap;

use crate::maps::{EVENT_LOST, FORWARDED};
use crate::sources::Sources;

/// Names by number. One that is unknown is shown as the number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vocabulary {
    drops: BTreeMap<u8, Reason>,
    files: BTreeMap<u8, String>,
    trace_points: BTreeMap<u8, String>,
    trace_reasons: BTreeMap<u8, String>,
    debug_messages: BTreeMap<u8, String>,
}

/// Why packets are dropped, or counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Its name in C, without what all of them begin with.
    pub name: String,
    /// What it means.
    pub meaning: String,
}

impl Vocabulary {
    /// Reads the names out of the datapath's sources.
    pub fn of(sources: &Sources) -> Self {
        let files = sources.files().iter().map(|file| {
            let text = String::from_utf8_lossy(&file.bytes);
            (file.path.display().to_string(), plain(&text))
        });
        Self::read(&files.collect::<Vec<_>>())
    }

    /// Paths and texts without comments.
    fn read(files: &[(String, String)]) -> Self {
        let named = |name, prefix| {
            let found = files.iter().find_map(|(_, text)| enumeration(text, name));
            let values = found.unwrap_or_default().into_iter();
            let readable = |name: &str| {
                let stem = name.strip_prefix(prefix).unwrap_or(name);
                stem.to_ascii_lowercase().replace('_', "-")
            };
            values
                .filter_map(|(name, value)| Some((u8::try_from(value).ok()?, readable(&name))))
                .collect()
        };
        Self {
            drops: files
                .iter()
                .find_map(|(_, text)| reasons(text))
                .unwrap_or_default(),
            files: source_files(files),
            trace_points: named("trace_point", "TRACE_"),
            trace_reasons: named("trace_reason", "TRACE_"),
            debug_messages: named("debug_message", "DEBUG_"),
        }
    }

    /// Every drop code with its reason.
    pub fn drops(&self) -> impl Iterator<Item = (u8, &Reason)> {
        self.drops.iter().map(|(code, reason)| (*code, reason))
    }

    /// The reason of a drop code.
    pub fn drop_reason(&self, code: u8) -> Option<&Reason> {
        self.drops.get(&code)
    }

    /// What a counter of the metrics map counts.
    pub fn counted(&self, reason: u8) -> Reason {
        let of = |name: &str, meaning: &str| Reason {
            name: name.to_owned(),
            meaning: meaning.to_owned(),
        };
        match (reason, self.drop_reason(reason)) {
            (_, Some(reason)) => reason.clone(),
            (FORWARDED, _) => of("FORWARDED", "passed on"),
            (EVENT_LOST, _) => of("EVENT_LOST", "an event found no room in the ring buffer"),
            _ => of(&reason.to_string(), "not known to the datapath's sources"),
        }
    }

    /// The path of the file with this number, below the folder of the sources.
    pub fn file(&self, number: u8) -> Option<&str> {
        self.files.get(&number).map(String::as_str)
    }

    /// Where a packet was seen.
    pub fn trace_point(&self, number: u8) -> String {
        name(&self.trace_points, number)
    }

    /// What a packet's connection was.
    pub fn trace_reason(&self, number: u8) -> String {
        name(&self.trace_reasons, number)
    }

    /// What a debug event says.
    pub fn debug_message(&self, number: u8) -> String {
        name(&self.debug_messages, number)
    }
}

fn name(names: &BTreeMap<u8, String>, number: u8) -> String {
    names
        .get(&number)
        .map_or_else(|| number.to_string(), Clone::clone)
}

/// The text without comments, and with lines that go on in the next one joined.
fn plain(text: &str) -> String {
    let joined = text.replace("\\\n", " ");
    let mut plain = String::new();
    let mut rest = joined.as_str();
    while let Some((before, comment)) = rest.split_once("/*") {
        plain.push_str(before);
        plain.push(' ');
        rest = comment.split_once("*/").map_or("", |(_, behind)| behind);
    }
    plain.push_str(rest);
    let code = plain.lines();
    code.map(|line| line.split_once("//").map_or(line, |(code, _)| code))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Names and values of `enum name { ... }`.
fn enumeration(text: &str, name: &str) -> Option<Vec<(String, i64)>> {
    let mut places = text.match_indices("enum ");
    let body = places.find_map(|(at, word)| {
        let rest = text.get(at + word.len()..)?.strip_prefix(name)?;
        let body = rest.trim_start().strip_prefix('{')?;
        body.split_once('}').map(|(body, _)| body)
    })?;
    let mut next = 0;
    let mut values = Vec::new();
    for entry in body.split(',').map(str::trim).filter(|e| !e.is_empty()) {
        let (name, value) = match entry.split_once('=') {
            Some((name, value)) => (name.trim(), number(value.trim())?),
            None => (entry, next),
        };
        values.push((name.to_owned(), value));
        next = value.checked_add(1)?;
    }
    Some(values)
}

fn number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The rows `X(code, name, meaning)` of `DROP_REASONS`.
fn reasons(text: &str) -> Option<BTreeMap<u8, Reason>> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("#define DROP_REASONS(X)"))?;
    Some(line.split("X(").skip(1).filter_map(reason).collect())
}

fn reason(row: &str) -> Option<(u8, Reason)> {
    let (code, rest) = row.split_once(',')?;
    let (name, rest) = rest.split_once(',')?;
    // Adjacent literals are one; what stands between quotes is at every other place.
    let meaning: String = rest.split('"').skip(1).step_by(2).collect();
    let reason = Reason {
        name: name.trim().to_owned(),
        meaning,
    };
    Some((code.trim().parse().ok()?, reason))
}

/// The files that make verdicts: each says its own number's name.
fn source_files(files: &[(String, String)]) -> BTreeMap<u8, String> {
    let numbers = files
        .iter()
        .find_map(|(_, text)| enumeration(text, "source_file"));
    let path = |name: &str| {
        let says = |text: &str| {
            text.lines().any(|line| {
                let words: Vec<_> = line.split_whitespace().collect();
                words == ["#define", "THIS_FILE", name]
            })
        };
        files
            .iter()
            .find(|(_, text)| says(text))
            .map(|(path, _)| path.clone())
    };
    let numbers = numbers.unwrap_or_default().into_iter();
    numbers
        .filter_map(|(name, number)| Some((u8::try_from(number).ok()?, path(&name)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn of_repository() -> Vocabulary {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bpf-src");
        Vocabulary::of(&Sources::read(&root).unwrap())
    }

    #[test]
    fn every_list_of_the_sources_is_found() {
        let known = of_repository();
        assert!(known.drops.len() > 50, "{:?}", known.drops);
        assert_eq!(known.drop_reason(140).unwrap().name, "MISSED_TAIL_CALL");
        assert_eq!(known.file(2), Some("lib/eth.h"));
        assert_eq!(known.trace_point(5), "from-container");
        assert_eq!(known.trace_reason(1), "established");
        assert_eq!(known.debug_message(1), "from-container");
    }

    #[test]
    fn every_reason_has_a_name_and_a_meaning() {
        for (code, reason) in of_repository().drops() {
            let is_name = reason
                .name
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
            assert!(is_name && !reason.name.is_empty(), "{code} {reason:?}");
            assert!(!reason.meaning.is_empty(), "{code} {reason:?}");
            assert!(code > EVENT_LOST, "{code} counts something else");
        }
    }

    #[test]
    fn every_file_with_a_number_is_one_that_makes_verdicts() {
        let known = of_repository();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bpf-src");
        let sources = Sources::read(&root).unwrap();
        let drop = sources
            .files()
            .iter()
            .find(|file| file.path == Path::new("lib/drop.h"));
        let text = plain(&String::from_utf8_lossy(&drop.unwrap().bytes));
        let numbers = enumeration(&text, "source_file").unwrap();
        assert_eq!(known.files.len(), numbers.len(), "{:?}", known.files);
    }

    #[test]
    fn c_is_read_as_the_compiler_reads_it() {
        let text = plain(
            "enum other { A = 7 };\nenum b_c;\nvoid f(enum b);\nenum b { /* one, */ C,\n D = 0x10, // two,\n E,\n};\n\
             #define DROP_REASONS(X) \\\n\tX(130, LONG, \"it is \" \\\n\t\t\"long\")  \\\n\tX(131, SHORT, \"short\")\n",
        );
        let values = enumeration(&text, "b").unwrap();
        let expected =
            [("C", 0), ("D", 16), ("E", 17)].map(|(name, value)| (name.to_owned(), value));
        assert_eq!(values, expected);
        assert_eq!(enumeration(&text, "f"), None);
        let reasons = reasons(&text).unwrap();
        assert_eq!(reasons[&130].meaning, "it is long");
        assert_eq!(reasons[&131].name, "SHORT");
    }

    #[test]
    fn what_is_unknown_is_a_number() {
        let nothing = Vocabulary::default();
        assert_eq!(nothing.trace_point(9), "9");
        assert_eq!(nothing.counted(133).name, "133");
        assert_eq!(nothing.counted(0).name, "FORWARDED");
        assert_eq!((nothing.drop_reason(133), nothing.file(1)), (None, None));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in "(enum trace_point|\\{|\\}|X\\(|,|=|\"|[a-z0-9 \n\\\\*/])*") {
            let whole = format!("#define DROP_REASONS(X) {text}");
            Vocabulary::read(&[(String::new(), plain(&text)), (String::new(), plain(&whole))]);
        }
    }
}
