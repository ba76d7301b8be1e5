//! Options of the headers, as `lib/config.h` makes numbers of them.

use ep_builder::options::{OPTIONS, OptionKind};

use crate::bench::Bench;

/// Macros of the header that no option sets.
const FEATURES: [&str; 5] = [
    "FORCE_LOCAL_POLICY_EVAL_AT_SOURCE",
    "ENABLE_ROUTING",
    "ENABLE_ARP_RESPONDER",
    "ENABLE_HOST_REDIRECT",
    "LOCAL_DELIVERY_METRICS",
];

#[test]
fn every_option_becomes_its_number() {
    let Some(bench) = Bench::new("every_option_becomes_its_number") else {
        return;
    };
    let switches = FEATURES.iter().chain(&["ENABLE_IPV4", "ENABLE_IPV6"]);
    let all: Vec<(&str, u8)> = OPTIONS
        .iter()
        .map(|option| match option.kind {
            OptionKind::Switch => (option.define, 1),
            OptionKind::Level(max) => (option.define, max),
        })
        .chain(switches.map(|name| (*name, 1)))
        .collect();
    let cases = all
        .iter()
        .flat_map(|(name, max)| (0..=*max).map(move |value| (*name, value)));
    for (at, (name, value)) in cases.enumerate() {
        let asserts: Vec<String> = all
            .iter()
            .map(|(other, _)| (*other, if *other == name { value } else { 0 }))
            .map(|(name, value)| format!("_Static_assert(CONFIG_{name} == {value}, \"{name}\");\n"))
            .collect();
        let define = match value {
            0 => format!("#undef {name}\n"),
            _ => format!("#define {name} {value}\n"),
        };
        let source = format!("option_{at}.c");
        bench.write(
            &source,
            &format!("{define}#include \"lib/config.h\"\n{}", asserts.concat()),
        );
        bench.try_compile(&source).unwrap();
    }
}
