//! What happens while a program that others call is not there.

use weir_tests::need;
use weir_tests::need::Need;

use super::Net;
use super::build::*;
use super::scenario::{Step, Want, check, from, opened, scenario, take, to};
use crate::bench::{Bench, POD};

const MISSED: u8 = 140;

/// Without an answer nothing passes, and what waits for none goes on: established connections.
#[test]
fn a_policy_program_that_is_not_loaded_lets_nothing_new_pass() {
    need!(Need::Root, Need::Tool("clang"));
    let mut bench = Bench::new("");
    let known = |net: Net| ((net.pod, 1000), (net.world, 80));
    for net in Net::BOTH.map(Net::of) {
        let (pod, world) = known(net);
        let opened = opened([from(&tcp(pod, world, SYN), Want::Stack)]);
        check(&mut bench, &[scenario(net.name("open"), opened)]);
        let verdicts = bench.map("verdict").unwrap();
        let place = u32::from(POD).to_ne_bytes();
        assert!(verdicts.delete(&place).unwrap());
        let take_on = |step: &Step| take(&mut bench, step).unwrap();
        [
            from(&tcp(pod, world, ACK), Want::Stack),
            from(&tcp((net.pod, 1001), world, SYN), Want::Drop(MISSED)),
            to(&tcp(world, (net.pod, 1001), SYN), Want::Drop(MISSED)),
        ]
        .iter()
        .for_each(take_on);
        bench.offer();
    }
}
