//! Limits of rates on real links: what the kernel has is what stock `tc` shows, and CHECK knows it again.

use ep_builder::endpoint::{Bandwidth, Limit};
use serde_json::Value;
use weir_tests::need;
use weir_tests::need::Need;
use weir_tests::pods::run;

use super::super::shaping::limit;
use super::check::{apply, difference};
use super::{Pair, Pod, become_host, outcome};

const MTU: u32 = 1400;
const M: u64 = 1_000_000;

/// The root of a link as `tc` shows it: kind, octets a second, size of the bucket, time in the queue in us.
fn shown(text: &str) -> (String, u64, u64, u64) {
    let all: Value = serde_json::from_str(text).unwrap();
    let mut all = all.as_array().unwrap().iter();
    let root = all.find(|queue| queue["root"] == true).unwrap();
    let option = |name: &str| root["options"][name].as_u64().unwrap_or(0);
    let kind = root["kind"].as_str().unwrap().to_owned();
    (kind, option("rate"), option("burst"), option("lat"))
}

fn roots(pod: &Pod, pair: &Pair) -> [(String, u64, u64, u64); 2] {
    let host = run(&format!("tc -j qdisc show dev {}", pair.host_name));
    let inside = pod.run("tc -j qdisc show dev eth0");
    [shown(&host), shown(&inside)]
}

#[test]
fn the_kernel_has_what_was_asked_for() {
    need!(Need::Root, Need::Tool("ip"), Need::Tool("tc"));
    let given = outcome(&["10.88.0.5/16"], &[]);
    for (ingress, egress) in [
        (None, None),
        (Some((M, None)), None),
        (None, Some((M, Some(M)))),
        (Some((8, Some(1))), Some((1_000 * M, None))),
        // More than the field of 32 bits holds.
        (Some((40_000 * M, Some(100 * M))), Some((100_000 * M, None))),
        // A bucket that takes longer to fill than the kernel can tell.
        (Some((16, Some(4_000 * M))), None),
    ] {
        become_host();
        let mut pod = Pod::new(5);
        let decided =
            |asked: Option<(u64, Option<u64>)>| asked.map(|(rate, burst)| limit(rate, burst, MTU));
        pod.bandwidth = Bandwidth {
            ingress: decided(ingress),
            egress: decided(egress),
        };
        let pair = pod.wire(&given, MTU);
        let Bandwidth { ingress, egress } = pod.bandwidth;
        for ((kind, rate, burst, wait), limit) in
            roots(&pod, &pair).into_iter().zip([ingress, egress])
        {
            let Some(Limit {
                rate: bits,
                burst: size,
            }) = limit
            else {
                assert_eq!(kind, "noqueue");
                continue;
            };
            assert_eq!((kind.as_str(), rate), ("tbf", bits / 8), "{limit:?}");
            // `tc` computes it back from a time in 32 bits of 64 ns.
            if size / bits < 200 {
                assert!(
                    burst.abs_diff(size / 8) <= 1 + burst / 1000,
                    "{burst} {limit:?}"
                );
            }
            if bits > M && bits < 10_000 * M {
                assert!((24_000..=26_000).contains(&wait), "{wait} us, {limit:?}");
            }
        }
        assert_eq!(difference(&pod, &given), None, "{:?}", pod.bandwidth);
    }
}

#[test]
fn a_lost_limit_is_named() {
    need!(Need::Root, Need::Tool("ip"), Need::Tool("tc"));
    let given = outcome(&["10.88.0.5/16"], &[]);
    for (step, expected) in [
        (
            "host tc qdisc del dev HOST root",
            "the link HOST is not limited to 8 Mbit/s (burst 655360 bit): it has the queue noqueue",
        ),
        (
            "pod tc qdisc del dev eth0 root",
            "the link eth0 is not limited to 16 Mbit/s (burst 80 kbit): it has the queue noqueue",
        ),
        (
            "pod tc qdisc replace dev eth0 root pfifo limit 10",
            "the link eth0 is not limited to 16 Mbit/s (burst 80 kbit): it has the queue pfifo",
        ),
        (
            "host tc qdisc replace dev HOST root tbf rate 16mbit burst 80kb limit 1mb",
            "the link HOST is not limited to 8 Mbit/s (burst 655360 bit): it has a bucket of 16000000 bit/s that fills in 40960 us, with a queue of 1048576 octets",
        ),
        // Anybody may watch.
        ("host tc qdisc add dev HOST clsact", ""),
    ] {
        become_host();
        let mut pod = Pod::new(5);
        pod.bandwidth = Bandwidth {
            ingress: Some(limit(8 * M, None, MTU)),
            egress: Some(limit(16 * M, Some(80_000), MTU)),
        };
        let pair = pod.wire(&given, MTU);
        assert_eq!(difference(&pod, &given), None);
        apply(step, &pod, &pair);
        let found = difference(&pod, &given).map(|it| it.to_string());
        let expected = expected.replace("HOST", &pair.host_name);
        assert_eq!(found.unwrap_or_default(), expected, "{step}");
    }
}
