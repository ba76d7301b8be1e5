//! Policies of several revisions in one map, and their networks.

use std::collections::BTreeSet;

use ep_builder::endpoint::EndpointId;
use ep_builder::maps::{
    BY_HAND, Counters, Decision, Direction, MapName, Maps, MapsError, Peer, Prefix, Rule, Traffic,
};
use weir_tests::need::Need;
use weir_tests::{here, need};

use crate::bench::{inside, make, maps};

/// More than the kernel is given at once.
const MANY: u32 = 5_000;

fn id(id: u16) -> EndpointId {
    EndpointId::new(id).unwrap()
}

fn rule(identity: u32) -> Rule {
    Rule {
        identity,
        direction: Direction::Egress,
        traffic: Traffic::Any,
    }
}

fn decision(rule: u32) -> Decision {
    Decision { deny: false, rule }
}

fn rules(range: std::ops::Range<u32>) -> Vec<(Rule, Decision, Counters)> {
    let counters = |number| Counters {
        packets: u64::from(number),
        bytes: 9,
    };
    range
        .map(|number| (rule(number), decision(number), counters(number)))
        .collect()
}

#[test]
fn generations_come_and_go_as_a_whole() {
    need!(Need::Root, Need::Tool("unshare"));
    if !inside(here!()) {
        return;
    }
    let maps = maps();
    make(&maps, MapName::Policy(id(7)), 3 * MANY);
    let mut policy = maps.policy(id(7)).unwrap();
    policy.insert_all(5, &rules(0..MANY)).unwrap();
    policy.insert_all(6, &rules(10..MANY)).unwrap();
    policy.insert(6, &rule(0), decision(1)).unwrap();
    assert_eq!(policy.entries().unwrap().len(), 2 * MANY as usize - 9);
    let (old, new) = (policy.counters(5).unwrap(), policy.generation(6).unwrap());
    assert_eq!((old.len(), new.len()), (MANY as usize, MANY as usize - 9));
    assert_eq!(old[&rule(77)].packets, 77);
    assert_eq!(new[&rule(77)].0, decision(77));
    assert_eq!(new[&rule(77)].1.bytes, 9);
    policy.keep_only(6).unwrap();
    assert_eq!(policy.generation(6).unwrap(), new);
    assert_eq!(policy.entries().unwrap().len(), new.len());
    policy.remove_generation(5).unwrap();
    policy.remove_generation(6).unwrap();
    assert_eq!(policy.entries().unwrap(), []);
}

#[test]
fn a_generation_that_does_not_fit_is_refused_and_can_be_taken_back() {
    need!(Need::Root, Need::Tool("unshare"));
    if !inside(here!()) {
        return;
    }
    let maps = maps();
    make(&maps, MapName::Policy(id(7)), 10);
    let mut policy = maps.policy(id(7)).unwrap();
    assert_eq!(policy.max_entries(), 10);
    policy.insert_all(1, &rules(0..6)).unwrap();
    let error = policy.insert_all(2, &rules(0..6)).unwrap_err();
    assert!(
        matches!(
            error,
            MapsError::Full {
                max_entries: 10,
                ..
            }
        ),
        "{error}"
    );
    policy.remove_generation(2).unwrap();
    assert_eq!(policy.entries().unwrap().len(), 6);
}

#[test]
fn networks_are_none_of_who_is_there() {
    need!(Need::Root, Need::Tool("unshare"));
    if !inside(here!()) {
        return;
    }
    let maps = maps();
    make(&maps, MapName::Ipcache, 64);
    let mut ipcache = maps.ipcache().unwrap();
    let prefix = |text: &str| -> Prefix { text.parse().unwrap() };
    let pod = prefix("10.1.2.3");
    ipcache.insert(pod, Peer::with_identity(300)).unwrap();
    let first = [
        (prefix("10.0.0.0/8"), 100),
        (prefix("10.1.0.0/16"), 101),
        (prefix("fd00::/8"), 102),
    ];
    let second = [(prefix("0.0.0.0/0"), 100)];
    ipcache.insert_networks(4, &first).unwrap();
    ipcache.insert_networks(5, &second).unwrap();
    for (revision, address, network) in [
        (4, "10.1.2.3", Some(101)),
        (4, "10.2.2.3", Some(100)),
        (4, "11.0.0.1", None),
        (4, "fd00::1", Some(102)),
        (5, "11.0.0.1", Some(100)),
        (5, "fd00::1", None),
        (6, "10.1.2.3", None),
        (0, "10.1.2.3", None),
    ] {
        let found = ipcache.network_of(revision, address.parse().unwrap());
        assert_eq!(found.unwrap(), network, "{revision} {address}");
    }
    assert_eq!(ipcache.networks(4).unwrap(), first);
    assert_eq!(ipcache.networks(0).unwrap(), []);
    assert_eq!(ipcache.revisions().unwrap(), BTreeSet::from([4, 5]));
    assert_eq!(
        ipcache.entries().unwrap(),
        [(pod, Peer::with_identity(300))]
    );
    assert_eq!(ipcache.get("10.9.9.9".parse().unwrap()).unwrap(), None);
    ipcache.remove_networks(4).unwrap();
    ipcache.remove_networks(0).unwrap();
    assert_eq!(ipcache.revisions().unwrap(), BTreeSet::from([5]));
    assert_eq!(ipcache.entries().unwrap().len(), 1);
}

#[test]
fn revisions_are_set_for_many_at_once() {
    need!(Need::Root, Need::Tool("unshare"));
    if !inside(here!()) {
        return;
    }
    let maps = maps();
    make(&maps, MapName::PolicyRevision, 65_536);
    let mut revisions = maps.policy_revisions().unwrap();
    let wanted: Vec<_> = (1..=250).map(|number| (id(number * 7), 9)).collect();
    revisions.set_all(&wanted).unwrap();
    assert_eq!(revisions.all().unwrap(), wanted);
    revisions.set(id(7), 0).unwrap();
    assert_eq!(revisions.all().unwrap(), wanted[1..]);
}

/// An endpoint at a revision with these rules and one network, in maps of this size.
fn endpoint_at(maps: &Maps, revision: u32, rules: &[(Rule, Decision, Counters)], size: u32) {
    make(maps, MapName::Policy(id(7)), size);
    make(maps, MapName::Ipcache, 64);
    make(maps, MapName::PolicyRevision, 65_536);
    let mut policy = maps.policy(id(7)).unwrap();
    policy.insert_all(revision, rules).unwrap();
    let network = [("10.0.0.0/8".parse().unwrap(), 100)];
    let mut ipcache = maps.ipcache().unwrap();
    ipcache.insert_networks(revision, &network).unwrap();
    let mut revisions = maps.policy_revisions().unwrap();
    revisions.set(id(7), revision).unwrap();
}

#[test]
fn a_change_by_hand_is_a_revision_of_its_own() {
    need!(Need::Root, Need::Tool("unshare"));
    if !inside(here!()) {
        return;
    }
    let maps = maps();
    endpoint_at(&maps, 5, &rules(1..4), 64);
    let revision = || maps.policy_revisions().unwrap().get(id(7)).unwrap();
    let edit = |number| {
        let edited = maps.edit_policy(id(7), |entries| {
            entries.insert(rule(number), (decision(8), Counters::default()));
        });
        edited.unwrap();
    };
    edit(10);
    let first = revision();
    assert!(first & BY_HAND != 0, "{first:#x}");
    edit(11);
    let second = revision();
    assert!(second > first, "{first:#x} {second:#x}");
    let policy = maps.policy(id(7)).unwrap();
    let entries = policy.generation(second).unwrap();
    assert_eq!(entries.len(), 5);
    assert_eq!(entries[&rule(2)].1.packets, 2, "what was counted stays");
    assert_eq!(policy.entries().unwrap().len(), 5, "nothing else is left");
    let ipcache = maps.ipcache().unwrap();
    assert_eq!(ipcache.revisions().unwrap(), BTreeSet::from([5, second]));
    assert_eq!(ipcache.networks(second).unwrap().len(), 1);
}

#[test]
fn a_change_by_hand_that_does_not_fit_changes_nothing() {
    need!(Need::Root, Need::Tool("unshare"));
    if !inside(here!()) {
        return;
    }
    let maps = maps();
    endpoint_at(&maps, 5, &rules(1..4), 6);
    let edited = maps.edit_policy(id(7), |entries| {
        entries.insert(rule(10), (decision(8), Counters::default()));
    });
    let error = edited.unwrap_err();
    assert!(matches!(error, MapsError::Full { .. }), "{error}");
    let policy = maps.policy(id(7)).unwrap();
    assert_eq!(policy.entries().unwrap().len(), 3);
    assert_eq!(policy.generation(5).unwrap().len(), 3);
    assert_eq!(maps.policy_revisions().unwrap().get(id(7)).unwrap(), 5);
    let ipcache = maps.ipcache().unwrap();
    assert_eq!(ipcache.revisions().unwrap(), BTreeSet::from([5]));
}
