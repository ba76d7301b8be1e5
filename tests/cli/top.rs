//! `weir top`, in a terminal and without one.

use weir_tests::need::Need;
use weir_tests::{Finished, need};

use crate::attached::Attached;

const NEEDS: [Need; 5] = [
    Need::Root,
    Need::Tool("clang"),
    Need::Tool("unshare"),
    Need::Tool("bpftool"),
    Need::Tool("script"),
];

const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// Runs a line in a terminal of its own, into which `keys` is typed: a shell's commands that wait and print.
fn in_terminal(line: &str, keys: &str) -> Finished {
    let script = format!(
        "cat >\"$OUT.sh\" <<'END'\nstty rows 12 cols 100\nstty -g >\"$OUT.before\"\n{line}\nstty -g >\"$OUT.after\"\nEND\n\
        ({keys}) | script -qefc \"sh $OUT.sh\" \"$OUT.typescript\" >/dev/null || echo failed $?\n\
        cmp \"$OUT.before\" \"$OUT.after\" && cat \"$OUT.typescript\""
    );
    Attached::without(&[]).run(&script)
}

/// Does something once a text has been drawn.
fn after(text: &str, command: &str) -> String {
    format!("until grep -qs '{text}' \"$OUT.typescript\"; do sleep 0.05; done; {command}; ")
}

#[test]
fn keys_are_obeyed_and_the_terminal_is_put_back() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3], NEEDS[4]);
    let line = "\"$WEIR\" --config \"$CONFIG\" top --interval 100ms";
    let keys = after("1 of 1  by Packets", "printf d")
        + &after("1 of 1  by Drops", "printf '/none\\r'")
        + &after("0 of 1  by Drops", "printf q");
    let shown = in_terminal(line, &keys).expect_success();
    assert!(!shown.contains("failed"), "{shown}");
    let (_, page) = shown.split_once(ENTER).unwrap();
    let (page, rest) = page.split_once(LEAVE).unwrap();
    for text in [
        "1 of 1  by Packets",
        "1 of 1  by Drops",
        "0 of 1  by Drops  with \"none\"",
        "POLICY",
    ] {
        assert!(page.contains(text), "{text}: {shown}");
    }
    assert!(!rest.contains(ENTER), "{shown}");
}

#[test]
fn a_signal_puts_the_terminal_back() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3], NEEDS[4]);
    let line = "sh -c 'echo $$ >\"$OUT.pid\"; exec \"$WEIR\" --config \"$CONFIG\" top' || true";
    let shown = in_terminal(line, &after("1 of 1", "kill -TERM $(cat \"$OUT.pid\")"));
    let shown = shown.expect_success();
    assert!(shown.contains(ENTER) && shown.contains(LEAVE), "{shown}");
}

#[test]
fn without_a_terminal_there_is_one_table() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let attached = Attached::without(&[]);
    let table = attached.run("weir top --interval 100ms").expect_success();
    let mut lines = table.lines();
    let headings: Vec<_> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(
        headings.first().zip(headings.last()),
        Some((&"ID", &"IFACE"))
    );
    assert!(lines.next().unwrap().starts_with("2665 "), "{table}");
    assert_eq!(lines.next(), None);
    let none = attached.run("weir top --interval 100ms --filter nobody");
    assert!(none.stderr.contains("nothing to show"), "{none:?}");
}
