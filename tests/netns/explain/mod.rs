//! Packets explained: what the twins say is what becomes of packets, and the node does not notice.

mod agreement;
mod command;
mod drops;
mod node;
mod traces;
mod unprovoked;

use std::net::IpAddr;

use ep_builder::endpoint::EndpointId;
use ep_builder::explain::{Addresses, Content, Packet, SYN, Surroundings, Twins};
use ep_builder::maps::{Counters, Decision, Rule};
use ep_builder::patch::EndpointObject;
use ep_builder::policy::Holder;
use ep_builder::shape::MapPrefix;
use ep_builder::state::Store;
use weir_tests::pods::{Lab, Pod, run};

/// The twins of pods, on the node's own identities and with the node's policies.
fn twins(lab: &Lab, pods: &[&Pod]) -> Twins {
    let store = Store::open(&lab.node().state()).unwrap();
    let object = |id: EndpointId| EndpointObject::from_store(store.read_object(id).unwrap());
    let endpoint = |id| store.read(id).unwrap().record.endpoint;
    let maps = lab.maps();
    let mut ids = pods.iter().map(|pod| pod.endpoint.id);
    let first = ids.next().unwrap();
    let (prefix, surroundings) = (MapPrefix::default(), Surroundings::Node(&maps));
    let twins = Twins::new(surroundings, &prefix, &object(first), &endpoint(first));
    let mut twins = twins.unwrap();
    for id in ids {
        twins.load(&object(id), &endpoint(id)).unwrap();
    }
    for pod in pods {
        twins
            .copy_policy(Holder::Endpoint(pod.endpoint.id), &maps)
            .unwrap();
    }
    twins
}

/// Puts a policy in force for a pod.
fn enforce(lab: &Lab, pod: &Pod, revision: u32, entries: &[(Rule, Decision)]) {
    let entries = entries
        .iter()
        .map(|(rule, decision)| (*rule, *decision, Counters::default()));
    let (maps, id) = (lab.maps(), pod.endpoint.id);
    let mut policy = maps.policy(id).unwrap();
    policy
        .insert_all(revision, &entries.collect::<Vec<_>>())
        .unwrap();
    maps.policy_revisions().unwrap().set(id, revision).unwrap();
    policy.keep_only(revision).unwrap();
}

/// Stops what the kernel itself sends to and from pods, which would be counted in between.
fn silence(pods: &[&Pod]) {
    for pod in pods {
        run(&format!("ip link set {} down", pod.endpoint.host_ifname));
    }
}

fn tcp(from: IpAddr, to: IpAddr, dport: u16) -> Packet {
    let content = Content::Tcp {
        sport: 40_000,
        dport,
        flags: SYN,
    };
    Packet::new(Addresses::new(from, to).unwrap(), content)
}

fn decision(deny: bool, rule: u32) -> Decision {
    Decision { deny, rule }
}
