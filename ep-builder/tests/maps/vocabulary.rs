//! The names of events as they are read from the text, beside what the compiler reads there.

use std::process::Command;

use ep_builder::btf::{self, Btf};
use ep_builder::compile::FLAGS;
use ep_builder::events::Vocabulary;
use ep_builder::sources::Sources;
use ep_builder::whole_file;
use object::{Object, ObjectSection};
use weir_tests::need;
use weir_tests::need::Need;
use weir_tests::node::repository;

/// The enumerations, as text that stands by itself, so that the compiler needs none of the other headers.
fn enumerations() -> String {
    let sources = Sources::read(&repository("bpf-src")).unwrap();
    let mut text = String::new();
    for file in sources.files() {
        let source = String::from_utf8(file.bytes.clone()).unwrap();
        for (start, end) in [
            ("#define DROP_REASONS(X)", "\n\n"),
            ("#define DROP_REASON(", "\n"),
            ("enum drop_reason {", "};"),
            ("enum trace_point {", "};"),
            ("enum trace_reason {", "};"),
            ("enum debug_message {", "};"),
        ] {
            if let Some(at) = source.find(start) {
                let length = source[at..].find(end).unwrap() + end.len();
                text = text + &source[at..at + length] + "\n";
            }
        }
    }
    let names = [
        "drop_reason",
        "trace_point",
        "trace_reason",
        "debug_message",
    ];
    let used = names.map(|name| format!("enum {name} of_{name} = 0;\n"));
    text + &used.concat()
}

/// An enumeration, what its names begin with, and who knows them.
type List = (&'static str, &'static str, fn(&Vocabulary, u8) -> String);

#[test]
fn names_are_those_that_the_compiler_has() {
    need!(Need::Tool("clang"));
    let folder = tempfile::tempdir().unwrap();
    whole_file::write(&folder.path().join("names.c"), enumerations().as_bytes()).unwrap();
    let output = Command::new("clang")
        .current_dir(folder.path())
        .args(FLAGS.iter().filter(|flag| !flag.starts_with("-I")))
        .args(["-c", "names.c", "-o", "names.o"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let bytes = std::fs::read(folder.path().join("names.o")).unwrap();
    let object = object::File::parse(bytes.as_slice()).unwrap();
    let section = object.section_by_name(btf::SECTION).unwrap();
    let compiled = Btf::parse(section.data().unwrap()).unwrap();

    let known = Vocabulary::of(&Sources::read(&repository("bpf-src")).unwrap());
    let reasons: Vec<_> = known
        .drops()
        .map(|(code, reason)| (format!("DROP_{}", reason.name), i64::from(code)))
        .collect();
    let mut expected = compiled.enumeration("drop_reason").unwrap().to_vec();
    expected.sort_by_key(|(_, code)| *code);
    assert_eq!(reasons, expected);
    let lists: [List; 3] = [
        ("trace_point", "TRACE_", Vocabulary::trace_point),
        ("trace_reason", "TRACE_", Vocabulary::trace_reason),
        ("debug_message", "DEBUG_", Vocabulary::debug_message),
    ];
    for (list, prefix, name) in lists {
        for (expected, number) in compiled.enumeration(list).unwrap() {
            let found = name(&known, u8::try_from(*number).unwrap());
            let found = format!("{prefix}{}", found.to_uppercase().replace('-', "_"));
            assert_eq!(found, *expected);
        }
    }
}
