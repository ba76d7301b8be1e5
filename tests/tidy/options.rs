//! An option is one row in Rust, one key an operator can read about, one macro the datapath knows.

use ep_builder::options::{OPTIONS, OptionSpec};

use crate::house::{accepts, text};
use crate::lex::words;

const CONFIGURATION: &str = "conf/weir.toml";
const MACROS: &str = "bpf-src/lib/config.h";

fn check(options: &[OptionSpec], configuration: &str, macros: &str) -> Vec<String> {
    let mut found = Vec::new();
    for option in options {
        if !configuration.lines().any(|line| sets(line, option.key)) {
            found.push(format!("{CONFIGURATION}: lacks the key {}", option.key));
        }
        if !words(macros).any(|(_, word)| word == option.define) {
            found.push(format!("{MACROS}: lacks {}", option.define));
        }
    }
    found
}

/// Whether the line sets the key, or shows commented out how to.
fn sets(line: &str, key: &str) -> bool {
    let line = line.trim_start_matches(['#', ' ']);
    let rest = line.strip_prefix(key).map(str::trim_start);
    rest.is_some_and(|rest| rest.starts_with('='))
}

#[test]
fn every_option_is_configured_and_compiled() {
    accepts(&check(OPTIONS, text(CONFIGURATION), text(MACROS)));
}

#[test]
fn an_option_that_is_missing_somewhere_is_found() {
    let one = &OPTIONS[..1];
    let fill = |text: &str| {
        text.replace("KEY", one[0].key)
            .replace("MACRO", one[0].define)
    };
    let rows = [
        ("# KEY = true\n", "#ifdef MACRO\n", 0),
        ("KEY= 1", "MACRO", 0),
        ("# what KEY does\n", "MACRO", 1),
        ("KEY_more = 1\n", "MACRO", 1),
        ("KEY = 1", "MACRO_MORE", 1),
        ("", "", 2),
    ];
    for (configuration, macros, findings) in rows {
        let found = check(one, &fill(configuration), &fill(macros));
        assert_eq!(
            found.len(),
            findings,
            "{configuration:?} {macros:?}: {found:?}"
        );
    }
}
