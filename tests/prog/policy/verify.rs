//! The programs answer what the documents mean.

use ep_builder::policy::Moment;
use weir_tests::need;
use weir_tests::need::Need;
use weir_tests::node::repository;

use super::{template, told, verification};

/// How many cases, unless `WEIR_VERIFY` says so.
const CASES: u64 = 60;

/// Lines of the configuration: each way by which packets go from pod to pod.
const WAYS: [&str; 3] = [
    "",
    "[datapath]\nrouting = false\n",
    "[datapath]\nforce_local_policy_eval_at_source = false\n",
];

fn cases() -> u64 {
    std::env::var("WEIR_VERIFY").map_or(CASES, |text| text.parse().unwrap())
}

fn check(lines: &str, seeds: std::ops::Range<u64>) {
    let template = template(&repository("bpf-src"), lines);
    let mut verification = verification(&template);
    let cases = seeds.end - seeds.start;
    for seed in seeds {
        if let Some(example) = verification.check(seed).unwrap() {
            panic!("{lines}{}", told(&example));
        }
    }
    let least = cases * u64::try_from(Moment::ALL.len()).unwrap();
    assert!(verification.questions() > least, "{lines}");
}

#[test]
fn the_programs_answer_what_documents_mean() {
    need!(Need::Root, Need::Tool("clang"));
    check(WAYS[0], 0..cases());
}

#[test]
fn they_do_whatever_way_packets_go() {
    need!(Need::Root, Need::Tool("clang"));
    for lines in &WAYS[1..] {
        check(lines, 1_000_000..1_000_000 + cases() / 4);
    }
}
