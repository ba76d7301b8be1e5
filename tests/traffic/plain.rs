//! What may pass passes unharmed: every protocol, both families, between pods and to the node and back.

use weir_tests::Lab;
use weir_tests::need::Need;

use weir_tests::noise::noise;

use crate::talk::{At, PATIENCE, comes_back, needs, reaches, transfers};

/// Every pair of ends of which a pod is one.
fn pairs<'a>(a: At<'a>, b: At<'a>) -> [(At<'a>, At<'a>); 4] {
    [(a, b), (b, a), (a, At::Node), (At::Node, a)]
}

#[test]
fn datagrams_of_every_size_come_back_as_they_were() {
    needs!();
    let lab = Lab::new();
    let (a, b) = (lab.pod(1), lab.pod(2));
    let bytes = noise(20_000);
    for (from, to) in pairs(At::In(&a), At::In(&b)) {
        for family in [0, 1] {
            // A whole packet at the MTU, and fragments from one byte more on.
            let whole = [1472, 1452][family];
            for length in [0, 1, 512, whole, whole + 1, 4_000, 20_000] {
                assert!(
                    comes_back(from, to, family, (0, 0), &bytes[..length], PATIENCE),
                    "{length} bytes from {} to {}",
                    from.address(family),
                    to.address(family)
                );
            }
        }
    }
}

#[test]
fn a_large_transfer_has_the_checksum_it_was_sent_with() {
    needs!();
    let lab = Lab::new();
    let (a, b) = (lab.pod(1), lab.pod(2));
    let bytes = noise(16 << 20);
    for (from, to) in pairs(At::In(&a), At::In(&b)) {
        for family in [0, 1] {
            assert!(
                transfers(from, to, family, &bytes),
                "from {} to {}",
                from.address(family),
                to.address(family)
            );
        }
    }
}

#[test]
fn pings_are_answered_whole_and_in_fragments() {
    needs!(Need::Tool("ping"));
    let lab = Lab::new();
    let (a, b) = (lab.pod(1), lab.pod(2));
    for (from, to) in pairs(At::In(&a), At::In(&b)) {
        for family in [0, 1] {
            for size in [0, 56, 4_000] {
                let address = to.address(family);
                let line = format!("ping -n -q -c 3 -i 0.05 -W 5 -s {size} {address}");
                let said = from.inside(|| weir_tests::pods::run(&line));
                assert!(said.contains("3 received, 0% packet loss"), "{said}");
            }
        }
    }
}

#[test]
fn what_passes_is_counted_in_both_directions_and_nothing_is_dropped() {
    needs!();
    let lab = Lab::new();
    let (a, b) = (lab.pod(1), lab.pod(2));
    reaches(At::In(&a), At::In(&b));
    reaches(At::In(&a), At::Node);
    let counters = lab.maps().metrics().unwrap().counters().unwrap();
    let passed = counters.iter().filter(|counter| counter.reason == 0);
    // Both families, a question and its answer, both ways: eight to pods from pods, and half of that each
    // between a pod and the node.
    let passed: Vec<_> = passed.map(|c| (c.direction, c.packets >= 12)).collect();
    assert_eq!(passed.len(), 2, "{counters:?}");
    assert!(passed.iter().all(|(_, enough)| *enough), "{counters:?}");
    let dropped = counters.iter().find(|counter| counter.reason > 1);
    assert_eq!(dropped, None);
}
