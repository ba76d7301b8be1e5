//! The structures of `abi.h`, `abi_events.h` and `abi_node.h` and their twins.

use std::fs;

use ep_builder::abi::LAYOUTS;
use ep_builder::layout_check::{Difference, Required, check};

use crate::bench::{ADDRESSES, BOTH, Bench, btf_of};

fn lines(differences: &[Difference]) -> Vec<String> {
    differences.iter().map(ToString::to_string).collect()
}

#[test]
fn every_structure_agrees() {
    let Some(bench) = Bench::new("every_structure_agrees") else {
        return;
    };
    let all = bench.compile("bpf-src/abi_layout.c");
    assert_eq!(lines(&check(&all, Required::All)), [""; 0]);
    let used = btf_of(&bench.datapath(BOTH, ADDRESSES));
    assert_eq!(lines(&check(&used, Required::Used)), [""; 0]);
    assert_ne!(
        check(&used, Required::All),
        [],
        "the datapath alone does not describe every structure"
    );
}

/// Where the structures are.
const HEADERS: [&str; 3] = [
    "bpf-src/abi.h",
    "bpf-src/abi_events.h",
    "bpf-src/abi_node.h",
];

/// The header that has this text, which may be in one place only, and all of its text.
fn header_with(bench: &Bench, what: &str) -> (&'static str, String) {
    let texts = HEADERS.map(|path| (path, fs::read_to_string(bench.path(path)).unwrap()));
    let places: usize = texts
        .iter()
        .map(|(_, text)| text.matches(what).count())
        .sum();
    assert_eq!(places, 1, "{what:?} must name one place");
    let found = texts.into_iter().find(|(_, text)| text.contains(what));
    found.unwrap()
}

/// A header without its asserts: the list begins with this.
fn without_asserts(text: &str) -> &str {
    let asserts = ["#define ABI_SIZE", "ABI_SIZE("];
    let at = asserts.iter().filter_map(|start| text.find(start)).min();
    &text[..at.expect("the asserts of C are there to be taken out")]
}

/// A change of a header, and the line that must come of it.
struct Mutation {
    from: &'static str,
    to: &'static str,
    line: &'static str,
}

const fn mutation(from: &'static str, to: &'static str, line: &'static str) -> Mutation {
    Mutation { from, to, line }
}

const MUTATIONS: [Mutation; 10] = [
    mutation(
        "\t__u32 identity;\n\t__u8 direction;\n\t__u8 protocol;",
        "\t__u32 identity;\n\t__u8 protocol;\n\t__u8 direction;",
        "struct policy_key: field direction: offset 13 in C, 12 in Rust",
    ),
    mutation(
        "\t__u32 lifetime;\n\t__u32 source_identity;",
        "\t__u32 source_identity;\n\t__u32 lifetime;",
        "struct ct_value: field lifetime: offset 36 in C, 32 in Rust",
    ),
    mutation(
        "__u64 monotonic_ns;",
        "__u32 monotonic_ns;",
        "struct event_header: size 12 in C, 16 in Rust",
    ),
    mutation(
        "#define EVENT_CAPTURE 128",
        "#define EVENT_CAPTURE 64",
        "struct event_packet: field start: size 64 in C, 128 in Rust",
    ),
    mutation(
        "\t__u8 match_bits;\n\t__u8 pad[2];",
        "\t__u8 match_bits;",
        "struct policy_value: field pad is missing in C",
    ),
    mutation(
        "__u8 encrypt_key;",
        "__u8 key;",
        "struct ipcache_value: field encrypt_key is missing in C",
    ),
    mutation(
        "__u8 encrypt_key;",
        "__u8 key;",
        "struct ipcache_value: field key is missing in Rust",
    ),
    mutation(
        "\t__u8 reason;\n\t__u8 direction;\n\t__u8 pad[2];",
        "\t__u8 reason;\n\t__u8 direction : 2;\n\t__u8 pad[2];",
        "struct metrics_key: field direction is a bit-field in C",
    ),
    mutation(
        "struct __abi frag_value {",
        "struct __abi frag_ports {",
        "struct frag_ports: it has no twin in abi.rs",
    ),
    mutation(
        "struct __abi frag_value {",
        "struct __abi frag_ports {",
        "struct frag_value: the object does not have it",
    ),
];

#[test]
fn every_mutation_is_found() {
    let Some(bench) = Bench::new("every_mutation_is_found") else {
        return;
    };
    let layout = fs::read_to_string(bench.path("bpf-src/abi_layout.c")).unwrap();
    let whole = HEADERS.map(|path| (path, fs::read_to_string(bench.path(path)).unwrap()));
    for Mutation { from, to, line } in &MUTATIONS {
        let (mutated, _) = header_with(&bench, from);
        for (path, text) in &whole {
            let text = without_asserts(text);
            let changed = text.replace(from, to);
            bench.write(path, if *path == mutated { &changed } else { text });
        }
        // A structure that is renamed is described under its new name.
        let renamed = if to.contains("frag_ports") {
            "frag_ports"
        } else {
            "frag_value"
        };
        bench.write(
            "bpf-src/abi_layout.c",
            &layout.replace("frag_value", renamed),
        );
        let found = lines(&check(
            &bench.compile("bpf-src/abi_layout.c"),
            Required::All,
        ));
        assert!(
            found.iter().any(|l| l == line),
            "{line:?} is not in {found:#?}"
        );
        for (path, text) in &whole {
            bench.write(path, text);
        }
    }
}

#[test]
fn c_asserts_every_size() {
    let Some(bench) = Bench::new("c_asserts_every_size") else {
        return;
    };
    for layout in LAYOUTS {
        let open = format!("struct __abi {} {{\n", layout.name);
        let (path, header) = header_with(&bench, &open);
        bench.write(
            path,
            &header.replace(&open, &format!("{open}\t__u64 more;\n")),
        );
        let error = bench.try_compile("bpf-src/abi_layout.c").unwrap_err();
        assert!(
            error.contains(&format!("ABI_SIZE({}", layout.name)),
            "{error}"
        );
        bench.write(path, &header);
    }
}
