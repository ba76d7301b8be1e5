//! Whoever explains changes nothing of the node, and leaves nothing.

use std::thread::sleep;
use std::time::{Duration, Instant};

use ep_builder::bpf::{Map, Program};
use ep_builder::explain::{ExplainError, Sender};
use ep_builder::maps::{Maps, Prefix};
use ep_builder::policy::Holder;
use weir_tests::pods::{Lab, Pod};

use super::{silence, tcp, twins};
use crate::lifecycle::needs;

/// How long the kernel may take to free what nobody has any more.
const PATIENCE: Duration = Duration::from_mins(1);

/// Everything of the node that packets change, and that loading does.
fn state(lab: &Lab, pods: &[&Pod]) -> String {
    let maps = lab.maps();
    let counted = maps.metrics().unwrap().counters().unwrap();
    let entries = |pod: &&Pod| maps.policy(pod.endpoint.id).unwrap().entries().unwrap();
    let policies: Vec<_> = pods.iter().map(entries).collect();
    let counts: Vec<_> = maps
        .list()
        .unwrap()
        .into_iter()
        .map(|map| (map, maps.facts(map).unwrap().id, maps.count(map).unwrap()))
        .collect();
    let identities = maps.ipcache().unwrap().entries().unwrap();
    format!(
        "{counted:?}\n{policies:?}\n{counts:?}\n{identities:?}\n{:?}",
        lab.pins()
    )
}

fn ids(maps: &Maps) -> Vec<u32> {
    let names = maps.list().unwrap().into_iter();
    let ids = names.map(|name| maps.facts(name).unwrap().id);
    ids.collect()
}

/// The programs that can be called in a node.
fn programs(maps: &Maps) -> Vec<u32> {
    let (delivery, verdicts) = (maps.call_policy().unwrap(), maps.verdicts().unwrap());
    let filled = delivery.filled().unwrap().into_iter();
    let all = filled.chain(verdicts.filled().unwrap());
    all.map(|(_, id)| id).collect()
}

#[test]
fn the_node_is_as_before_and_everything_is_gone() {
    needs!();
    let lab = Lab::new();
    let (a, b) = (lab.pod(41), lab.pod(42));
    silence(&[&a, &b]);
    let before = state(&lab, &[&a, &b]);
    let twins = twins(&lab, &[&a, &b]);
    let (maps, programs) = (ids(twins.maps()), programs(twins.maps()));
    for (own, peer) in a.addresses().into_iter().zip(b.addresses()) {
        for sender in [Sender::Pod(a.endpoint.id), Sender::Host, Sender::Outside] {
            twins.send(sender, &tcp(own, peer, 80)).unwrap();
        }
    }
    assert_eq!(state(&lab, &[&a, &b]), before);
    drop(twins);
    assert_eq!(state(&lab, &[&a, &b]), before);
    let live = ids(&lab.maps());
    let own: Vec<_> = maps.into_iter().filter(|id| !live.contains(id)).collect();
    assert!(own.len() > 8 && programs.len() == 4, "{own:?} {programs:?}");
    let deadline = Instant::now() + PATIENCE;
    let is_there = || {
        own.iter().any(|id| Map::open_id(*id).is_ok())
            || programs.iter().any(|id| Program::open_id(*id).is_ok())
    };
    while is_there() {
        assert!(Instant::now() < deadline, "maps or programs are left");
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_is_shared_with_the_node_is_never_written() {
    needs!();
    let lab = Lab::new();
    let a = lab.pod(43);
    silence(&[&a]);
    let twins = twins(&lab, &[&a]);
    let before = state(&lab, &[&a]);
    let prefix: Prefix = "10.0.0.0/8".parse().unwrap();
    for refused in [
        twins.know(prefix, 300),
        twins.set_networks(9, &[(prefix, 1 << 24)]),
    ] {
        assert!(matches!(refused, Err(ExplainError::Shared)), "{refused:?}");
    }
    twins
        .set_policy(Holder::Endpoint(a.endpoint.id), 9, &[])
        .unwrap();
    assert_eq!(state(&lab, &[&a]), before);
}
