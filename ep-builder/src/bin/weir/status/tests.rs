//! The screen, from facts that are made up.

use super::facts::{Dropped, Facts, Failing, Fill, Ping, Unseen};
use super::text::{alone, headline, text};
use super::verdict::Verdict;
use super::{Look, Report};
use ep_builder::endpoint::EndpointId;

fn id(id: u16) -> EndpointId {
    EndpointId::new(id).unwrap()
}

/// A node on which all is well.
fn fine() -> Facts {
    let mut facts = Facts::new("1.2.3", "6.12.1".to_owned());
    facts.templates.cached = 2;
    facts.templates.bundled = 212;
    facts.endpoints.all = 3;
    facts.endpoints.ready = 3;
    facts.node.is_set_up = true;
    facts.node.devices = vec!["eth0".to_owned()];
    facts.node.addresses = vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    facts.node.masqueraded = 3;
    facts.node.host_ports = 1;
    facts.policy.revision = Some(7);
    facts.policy.documents = 2;
    facts.policy.isolated_ingress = 1;
    facts.maps = vec![
        fill("weir_policy_00002", 12),
        fill("weir_lxc", 3),
        fill("weir_ipcache", 2),
        fill("weir_frag4", 1),
    ];
    facts.drops.by_policy = 5;
    facts.drops.others = ["INVALID_SOURCE_IP", "UNROUTABLE", "NO_FIB", "UNKNOWN_L3"]
        .into_iter()
        .zip([9, 4, 3, 1])
        .map(|(reason, packets)| Dropped {
            reason: reason.to_owned(),
            packets,
        })
        .collect();
    facts.health.endpoint = Some(id(1));
    facts.health.is_wanted = true;
    facts.health.pings = vec![ping("10.88.0.2", Some(110)), ping("fd88::2", Some(2_045))];
    facts
}

fn fill(name: &str, entries: usize) -> Fill {
    Fill {
        name: name.to_owned(),
        entries,
        max_entries: 64,
        percent: entries * 100 / 64,
        forgets: name.contains("ct"),
    }
}

fn ping(address: &str, microseconds: Option<u64>) -> Ping {
    Ping {
        address: address.parse().unwrap(),
        microseconds,
        problem: microseconds
            .is_none()
            .then(|| "no answer within a second".to_owned()),
    }
}

#[test]
fn a_node_that_is_fine_fits_a_screen() {
    let facts = fine();
    let expected = "\
fine: 3 endpoints are ready, the health endpoint answers

weir       1.2.3 on Linux 6.12.1
templates  2 in the cache, 212 in the bundle; compiler: none
endpoints  3 ready
node       eth0 at 192.0.2.1, 2001:db8::1; 3 masqueraded, 1 host ports
policy     revision 7 of 2 documents; isolated: 1 in ingress, 0 in egress
maps       fullest: weir_policy_00002 12 of 64 (18 %), weir_lxc 3 of 64 (4 %), weir_ipcache 2 of 64 (3 %)
drops      5 packets by policy, 17 for other reasons: 9 INVALID_SOURCE_IP, 4 UNROUTABLE, 3 NO_FIB
health     10.88.0.2 in 0.110 ms, fd88::2 in 2.045 ms
leftovers  none
";
    let verdict = Verdict::of(&facts);
    assert_eq!(text(&facts, &verdict, false), expected);
    let wide = text(&facts, &verdict, true);
    assert!(
        wide.contains("weir_frag4 1 of 64 (1 %)") && wide.contains("1 UNKNOWN_L3"),
        "{wide}"
    );
}

#[test]
fn an_empty_node_is_fine_and_says_what_would_fill_it() {
    let facts = Facts::new("1.2.3", "6.12.1".to_owned());
    let expected = "\
fine: no endpoint yet

weir       1.2.3 on Linux 6.12.1
templates  0 in the cache, 0 in the bundle; compiler: none
endpoints  none: an ADD of weir-cni makes one
node       not set up: the first pod that leaves it with its address does
policy     none: every pod may talk to everybody
maps       none: they come with the first endpoint
drops      0 packets by policy, 0 for other reasons
health     no health endpoint: `weir node init --health` makes one
leftovers  none
";
    assert_eq!(text(&facts, &Verdict::of(&facts), false), expected);
}

#[test]
fn several_problems_are_listed_below_the_first() {
    let mut facts = fine();
    facts.endpoints.ready = 2;
    facts.endpoints.failing = vec![Failing {
        id: id(3),
        problem: "device lxc\u{1b}3 is gone".to_owned(),
    }];
    facts.health.pings[1] = ping("fd88::2", None);
    facts.leftovers = vec!["endpoint 9 (dead)".to_owned()];
    let verdict = Verdict::of(&facts);
    let screen = text(&facts, &verdict, false);
    let expected = "\
not fine, and 1 more: endpoint 3: device lxc\\u{1b}3 is gone; `weir doctor` tells more
problem    endpoints: endpoint 3: device lxc\\u{1b}3 is gone; see `weir doctor`
problem    health: the health endpoint at fd88::2: no answer within a second; see `weir doctor`
warning    leftovers: 1 that nobody uses, first endpoint 9 (dead); see `weir gc`

";
    assert!(screen.starts_with(expected), "{screen}");
    for part in [
        "endpoints  2 ready, 1 failing: 3\n",
        "health     10.88.0.2 in 0.110 ms, fd88::2 does not answer\n",
        "leftovers  1: `weir gc --dry-run` lists them\n",
    ] {
        assert!(screen.contains(part), "{screen}");
    }
}

/// What a change of the facts makes of the first line.
fn check(change: impl FnOnce(&mut Facts), expected: &str) {
    let mut facts = fine();
    change(&mut facts);
    let verdict = Verdict::of(&facts);
    assert_eq!(headline(&facts, &verdict), expected);
    assert_eq!(verdict.is_fine(), expected.starts_with("fine"));
}

const FINE: &str = "fine: 3 endpoints are ready, the health endpoint answers";

#[test]
fn the_first_line_says_what_is_wrong_and_where_to_look() {
    check(
        |it| {
            it.unseen.push(Unseen {
                part: "maps",
                why: "no rights".to_owned(),
            });
        },
        "not fine: maps cannot be looked at: no rights; `weir doctor` tells more",
    );
    check(
        |it| it.node.missing.push("up0 has no programs".to_owned()),
        "not fine: up0 has no programs; `weir node init` tells more",
    );
    check(
        |it| {
            it.node.missing.push("up0 has no programs".to_owned());
            (it.node.masqueraded, it.node.host_ports) = (0, 0);
        },
        &format!("{FINE}, 1 thing to look at"),
    );
    check(
        |it| it.missing_files = vec!["/opt/cni/bin/weir-cni".into()],
        "not fine: /opt/cni/bin/weir-cni is gone, of what was installed; `weir doctor` tells more",
    );
    check(
        |it| it.policy.is_unsettled = true,
        "not fine: a change of the policy did not come to its end; `weir policy apply` tells more",
    );
    check(
        |it| it.policy.behind = (1..=7).map(id).collect(),
        "not fine: revision 7 is not in force at endpoints 1, 2, 3, 4, 5, ...; `weir policy apply` tells more",
    );
    check(
        |it| it.policy.unconfirmed_seconds = Some(25),
        &format!("{FINE}, 1 thing to look at"),
    );
    check(
        |it| it.policy.by_hand = vec![id(2)],
        &format!("{FINE}, 1 thing to look at"),
    );
    check(
        |it| {
            it.health.endpoint = None;
            it.health.pings.clear();
        },
        "not fine: there is to be a health endpoint, and there is none; `weir node init` tells more",
    );
}

#[test]
fn a_full_map_is_wrong_unless_it_forgets() {
    let with =
        |name: &'static str, entries| move |it: &mut Facts| it.maps = vec![fill(name, entries)];
    check(with("weir_lxc", 51), FINE);
    check(with("weir_lxc", 52), &format!("{FINE}, 1 thing to look at"));
    check(
        with("weir_lxc", 64),
        "not fine: weir_lxc is full: 64 of 64; `weir map list` tells more",
    );
    check(
        with("weir_ct4_global", 64),
        &format!("{FINE}, 1 thing to look at"),
    );
}

#[test]
fn many_failing_endpoints_are_no_flood() {
    let mut facts = fine();
    let failing = |number| Failing {
        id: id(number),
        problem: "x".to_owned(),
    };
    facts.endpoints.failing = (1..=100).map(failing).collect();
    let verdict = Verdict::of(&facts);
    assert_eq!(verdict.problems.len(), 6);
    assert_eq!(verdict.problems[5].what, "and 95 more");
}

#[test]
fn where_nothing_can_be_seen_one_line_says_why() {
    let verdict = Verdict::only(
        "rights",
        "only root can look".to_owned(),
        "sudo weir status",
    );
    assert_eq!(
        alone(&verdict),
        "not fine: only root can look; `sudo weir status` tells more\n"
    );
}

/// What `-o json` gives of a node that is fine.
fn reported() -> serde_json::Value {
    let facts = fine();
    let verdict = Verdict::of(&facts);
    let look = Look {
        facts,
        verdict,
        has_facts: true,
    };
    let report: Report<'_> = look.report();
    serde_json::to_value(report).unwrap()
}

/// Fields of the report, with what they say. Who reads them by a program relies on them.
const FIELDS: [(&str, &str); 12] = [
    ("/schema", "1"),
    ("/fine", "true"),
    (
        "/templates",
        r#"{"bundled":212,"cached":2,"compiler":null}"#,
    ),
    (
        "/endpoints",
        r#"{"all":3,"building":0,"failing":[],"odd":[],"ready":3}"#,
    ),
    ("/node/addresses/0", r#""192.0.2.1""#),
    ("/node/isSetUp", "true"),
    (
        "/policy",
        r#"{"behind":[],"byHand":[],"documents":2,"isUnsettled":false,"isolatedEgress":0,"isolatedIngress":1,"revision":7,"unconfirmedSeconds":null}"#,
    ),
    (
        "/maps/0",
        r#"{"entries":12,"forgets":false,"maxEntries":64,"name":"weir_policy_00002","percent":18}"#,
    ),
    (
        "/drops/others/0",
        r#"{"packets":9,"reason":"INVALID_SOURCE_IP"}"#,
    ),
    ("/drops/lostEvents", "0"),
    ("/health/endpoint", "1"),
    (
        "/health/pings/0",
        r#"{"address":"10.88.0.2","microseconds":110,"problem":null}"#,
    ),
];

/// A field may come; none goes or changes.
#[test]
fn the_schema_is_kept() {
    let report = reported();
    for (pointer, expected) in FIELDS {
        let found = report.pointer(pointer).unwrap_or(&serde_json::Value::Null);
        let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
        assert_eq!(*found, expected, "{pointer}");
    }
}

#[test]
fn every_part_is_always_there() {
    let report = reported();
    let mut names: Vec<_> = report.as_object().unwrap().keys().collect();
    names.sort_unstable();
    let expected = [
        "drops",
        "endpoints",
        "fine",
        "health",
        "kernel",
        "leftovers",
        "maps",
        "missingFiles",
        "node",
        "policy",
        "problems",
        "schema",
        "summary",
        "templates",
        "unseen",
        "version",
        "warnings",
    ];
    assert_eq!(names, expected);
}
