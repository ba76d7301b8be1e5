//! The level that touches no program: an endpoint's policy, where somebody meddled with it.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ep_builder::maps::{Counters, Decision, Direction, Rule, Traffic};
use weir_tests::Lab;

use crate::lifecycle::needs;
use crate::policy::{CLOSED, Stage, WEB};
use crate::regenerate::{generation, in_force, number, regenerate, remove};

const PATIENCE: Duration = Duration::from_secs(5);

/// What happens to the policy of endpoint 1, and words of what is said of it.
type Meddled = (&'static str, fn(&Lab, u32), &'static [&'static str]);

const POLICY: [Meddled; 4] = [
    (
        "an entry is gone",
        |lab, revision| {
            let mut policy = lab.maps().policy(number(1)).unwrap();
            let rules: Vec<_> = policy.generation(revision).unwrap().into_keys().collect();
            assert!(policy.remove(revision, &rules[0]).unwrap());
        },
        &["lacks 1 entries"],
    ),
    (
        "an entry too much lets everybody in",
        |lab, revision| {
            let mut policy = lab.maps().policy(number(1)).unwrap();
            policy.insert(revision, &EVERYBODY, ALLOW).unwrap();
        },
        &["lacks 0 entries", "has 1 that"],
    ),
    (
        "it stands at another revision",
        |lab, revision| {
            let mut revisions = lab.maps().policy_revisions().unwrap();
            revisions.set(number(1), revision + 1).unwrap();
        },
        &["is of revision", "is in force"],
    ),
    (
        "all of it is gone",
        |lab, revision| {
            let mut policy = lab.maps().policy(number(1)).unwrap();
            policy.remove_generation(revision).unwrap();
        },
        &["lacks"],
    ),
];

const EVERYBODY: Rule = Rule {
    identity: 0,
    direction: Direction::Ingress,
    traffic: Traffic::Any,
};
const ALLOW: Decision = Decision {
    deny: false,
    rule: 0,
};

#[test]
fn a_policy_that_somebody_meddled_with_is_put_right_and_one_by_hand_is_not() {
    needs!();
    let stage = Stage::new();
    let (db, web) = (
        stage.pod(1, &[("app", "db")]),
        stage.pod(2, &[("app", "web")]),
    );
    stage.write("a.yaml", &[CLOSED, WEB]);
    let lab = &stage.lab;
    lab.weir(&["policy", "apply"]).expect_success();
    let entries = || {
        let revision = lab
            .maps()
            .policy_revisions()
            .unwrap()
            .get(number(1))
            .unwrap();
        let policy = lab.maps().policy(number(1)).unwrap();
        let generation = policy.generation(revision).unwrap();
        let decisions = generation
            .into_iter()
            .map(|(rule, (decision, _))| (rule, decision));
        (revision, decisions.collect::<Vec<_>>())
    };
    let before = (entries(), in_force(lab, 1), generation(lab, 1));
    let (revision, _) = before.0;
    for (what, meddle, says) in POLICY {
        meddle(lab, revision);
        let rows = regenerate(lab, &["1"]);
        assert_eq!(rows[0]["done"], "policy", "{what}: {rows:?}");
        let reason = rows[0]["reasons"][0].as_str().unwrap();
        for part in says {
            assert!(reason.contains(part), "{what}: {part} in {reason}");
        }
        let now = (entries(), in_force(lab, 1), generation(lab, 1));
        assert_eq!(now, before, "{what}");
        let place = SocketAddr::new(db.addresses()[0], 80);
        let reached = web.inside(|| TcpStream::connect_timeout(&place, PATIENCE));
        assert!(reached.is_ok(), "{what}: {reached:?}");
    }
    // With the programs, too: rules of a map that is gone come from the policy.
    remove("weir_policy_00001");
    remove("weir_call_policy");
    let rows = regenerate(lab, &["--all"]);
    assert_eq!(rows[0]["done"], "programs", "{rows:?}");
    assert_eq!(entries(), before.0);

    lab.maps()
        .edit_policy(number(1), |rules| {
            rules.insert(EVERYBODY, (ALLOW, Counters::default()));
        })
        .unwrap();
    let by_hand = entries();
    assert_eq!(regenerate(lab, &["1"])[0]["done"], "nothing");
    regenerate(lab, &["1", "--force"]);
    assert_eq!(entries(), by_hand, "what was done by hand stays");
}
