//! The arithmetic behind the last line of `make test`: it must not call a dead test binary a success.

use std::fs::File;
use std::process::Command;

use weir_tests::node::repository;
use weir_tests::process;

const GOOD: &str = "     Running unittests src/lib.rs (x)\n\ntest result: ok. 7 passed; 0 failed; 2 ignored; 0 measured; \
                    0 filtered out; finished in 0.01s\n";
const BAD: &str = "     Running tests/a.rs (x)\ntest result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; \
                   0 filtered out; finished in 0.01s\n";
const DOCS: &str = "   Doc-tests a\n\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; \
                    finished in 0.01s\n";
const DEAD: &str = "     Running tests/b.rs (x)\n\nrunning 2 tests\nerror: test failed, to rerun pass `--test b`\n";
const BROKEN: &str = "error: could not compile `ep-builder` (lib) due to 1 previous error\n";

fn count(log: &str, skips: usize, status: i32) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    ep_builder::whole_file::write(&path, log.as_bytes()).unwrap();
    let mut awk = Command::new("awk");
    awk.args([
        "-v",
        &format!("skips={skips}"),
        "-v",
        &format!("status={status}"),
        "-f",
    ]);
    awk.arg(repository(".ci/count"))
        .stdin(File::open(&path).unwrap());
    process::run(&mut awk).expect_success()
}

#[test]
fn passed_failed_and_skipped_are_summed() {
    let rows = [
        (vec![], 0, 0, "0 0 0\n"),
        (vec![GOOD], 0, 0, "7 0 2\n"),
        (vec![GOOD, DOCS, GOOD], 0, 0, "15 0 4\n"),
        (vec![GOOD], 3, 0, "4 0 5\n"),
        (vec![GOOD, BAD], 1, 101, "9 2 3\n"),
    ];
    for (logs, skips, status, expected) in rows {
        assert_eq!(count(&logs.concat(), skips, status), expected, "{logs:?}");
    }
}

#[test]
fn what_gave_no_result_has_failed() {
    let rows = [
        (vec![DEAD], 101, "0 1 0\n"),
        (vec![DEAD, GOOD], 101, "7 1 2\n"),
        (vec![GOOD, DEAD], 101, "7 1 2\n"),
        (vec![DEAD, DEAD, BAD], 101, "3 4 0\n"),
        (vec![DEAD], 0, "0 1 0\n"),
        (vec![BROKEN], 101, "0 1 0\n"),
        (vec![GOOD, BROKEN], 101, "7 1 2\n"),
    ];
    for (logs, status, expected) in rows {
        assert_eq!(count(&logs.concat(), 0, status), expected, "{logs:?}");
    }
}
