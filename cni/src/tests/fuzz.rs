//! The doors of the fuzzer, in every test run: its corpus, and mutations of it.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use crate::fuzz;

type Door = fn(&[u8]) -> Result<(), String>;

const DOORS: [(&str, Door); 2] = [
    ("request", fuzz::request),
    ("prevresult", fuzz::previous_result),
];

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(name);
    let files = fs::read_dir(folder).unwrap();
    files
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect()
}

#[test]
fn the_corpus_breaks_no_promise() {
    for (name, door) in DOORS {
        let corpus = corpus(name);
        assert!(corpus.len() > 10, "{name}: {}", corpus.len());
        for input in corpus {
            door(&input)
                .unwrap_or_else(|e| panic!("{name}: {}: {e}", String::from_utf8_lossy(&input)));
        }
    }
}

/// One change of an input.
#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index, prop::sample::Index),
    Insert(prop::sample::Index, &'static str),
}

/// What turns a value into another one.
const PIECES: [&str; 16] = [
    "null",
    "{}",
    "[]",
    "-1",
    "\"\"",
    "1e30",
    "\"1.0.0\"",
    "\"0.2.0\"",
    "\"ip4\":",
    "\"mtu\":",
    "\"IPS\":",
    "[null,",
    "\"../x\"",
    ",",
    "\\u0000",
    "\"interface\":",
];

fn change() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (index(), index()).prop_map(|(from, to)| Change::Cut(from, to)),
        (index(), prop::sample::select(&PIECES[..]))
            .prop_map(|(at, text)| Change::Insert(at, text)),
    ]
}

fn changed(mut input: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let length = input.len() + 1;
        match change {
            Change::Set(at, byte) => {
                let at = at.index(length).min(input.len().saturating_sub(1));
                input.splice(at..(at + 1).min(input.len()), [*byte]);
            }
            Change::Cut(from, to) => {
                let (from, to) = (from.index(length), to.index(length));
                // A short cut: a long one leaves nothing of interest.
                input.drain(from.min(to)..from.max(to).min(from.min(to) + 12));
            }
            Change::Insert(at, text) => {
                let at = at.index(length);
                input.splice(at..at, text.bytes());
            }
        }
    }
    input
}

fn check(name: &str, door: Door) {
    let corpus = corpus(name);
    let strategy = (
        prop::sample::select(corpus),
        prop::collection::vec(change(), 0..6),
    );
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&strategy, |(input, changes)| {
        let input = changed(input, &changes);
        door(&input)
            .map_err(|e| TestCaseError::fail(format!("{e}: {}", String::from_utf8_lossy(&input))))
    });
    outcome.unwrap();
}

#[test]
fn w6_changed_requests_break_no_promise() {
    check(DOORS[0].0, DOORS[0].1);
}

#[test]
fn changed_results_break_no_promise() {
    check(DOORS[1].0, DOORS[1].1);
}
