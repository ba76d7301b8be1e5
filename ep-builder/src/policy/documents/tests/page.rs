//! `docs/policy.md` shows what is so.

use super::schema::schema_accepts;
use super::{MAX_DEPTH, MAX_VALUES, said};
use crate::policy::documents::{MAX_MISTAKES, files, labels, networks, policies, rules};

const PAGE: &str = include_str!("../../../../../docs/policy.md");

/// The examples.
fn examples() -> Vec<&'static str> {
    let blocks = PAGE.split("```yaml\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

#[test]
fn its_examples_are_right_and_say_what_it_tells() {
    let found: Vec<_> = examples().into_iter().map(said).collect();
    let expected = [
        vec![
            "np sales/shop: [app=shop] of sales",
            "ingress isolated",
            "ingress allow [role=kiosk|till] of [team=sales] on tcp https, tcp 9000-9010",
            "egress isolated",
            "egress allow anybody on udp 53, tcp 53",
        ],
        vec![
            "wp /no-metadata-service: [] of []",
            "egress deny 169.254.169.254/32 on all",
            "wp /exporters: [exporter=true] of []",
            "ingress deny world, [app!=monitoring] of [] on tcp 9100",
            "wp /closed-by-default: [] of []",
            "ingress isolated",
        ],
        vec![
            "wp /node: node []",
            "ingress isolated",
            "ingress allow 192.0.2.0/24 on all",
            "ingress allow [app=monitoring] of [] on tcp 9100",
        ],
    ];
    assert_eq!(found, expected);
}

#[test]
fn its_weir_policies_are_right_by_the_schema() {
    let weir = examples()
        .into_iter()
        .filter(|text| text.contains("kind: WeirPolicy"));
    let checked = weir.inspect(|text| assert!(schema_accepts(text), "{text}"));
    assert_eq!(checked.count(), 2);
}

#[test]
fn it_names_every_field_word_and_limit() {
    let fields = [
        policies::WEIR_SPEC,
        policies::WEIR_INGRESS,
        policies::WEIR_EGRESS,
        policies::POLICY_TYPES,
        rules::WEIR_PEER,
        rules::PORT_FIELDS,
        rules::ENTITIES,
        rules::ACTIONS,
        labels::SELECTOR,
        networks::IP_BLOCK,
    ];
    for field in fields.concat() {
        assert!(PAGE.contains(&format!("`{field}`")), "{field}");
    }
    let values = format!(
        "{MAX_DEPTH}; {},{:03}",
        MAX_VALUES / 1000,
        MAX_VALUES % 1000
    );
    let sizes = format!(
        "{} MiB; {} MiB",
        files::MAX_FILE >> 20,
        files::MAX_TOTAL >> 20
    );
    for limit in [values, sizes, MAX_MISTAKES.to_string()] {
        assert!(PAGE.contains(&format!("| {limit} |")), "{limit}");
    }
}
