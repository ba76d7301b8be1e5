//! Nodes that never were.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ep_builder::endpoint::{EndpointId, Label, Labels, Pod};
use ep_builder::state::PolicyState;

use super::super::scene::{
    Allowed, Called, Device, Endpoint, Hook, Map, Policy, Program, Scene, Side, Slot, Stand, Tails,
};
use crate::endpoint::Row;
use crate::status::Drops;

fn hook(section: &str, direction: &str, program: u32) -> Hook {
    Hook {
        section: section.to_owned(),
        direction: direction.to_owned(),
        standing: vec![Stand {
            ours: true,
            kind: "bpf".to_owned(),
            priority: Some(1),
            program: Some(program),
            note: String::new(),
        }],
    }
}

fn endpoint(number: u16) -> Endpoint {
    let id = EndpointId::new(number).unwrap();
    let [high, low] = number.to_be_bytes();
    let program = u32::from(number) * 10;
    let label = Label {
        source: "k8s".to_owned(),
        key: "app".to_owned(),
        value: format!("web-{number}"),
    };
    let called = |map: &str, program| Called {
        map: map.to_owned(),
        program,
    };
    Endpoint {
        row: Row {
            id,
            state: "ready",
            container_id: Some(format!("{number:064x}")),
            ifname: Some("eth0".to_owned()),
            host_ifname: Some(format!("lxc{number:012x}")),
            host_ifindex: Some(number.into()),
            mac: None,
            host_mac: None,
            ipv4: Some(Ipv4Addr::new(10, 88, high, low)),
            ipv6: None,
            identity: Some(256 + u32::from(number)),
            labels: Labels::from_iter([label]),
            policy: Some(PolicyState {
                revision: 3,
                ingress: number.is_multiple_of(2),
                egress: false,
            }),
            generation: Some(1),
            template: None,
            pod: Some(Pod {
                namespace: "shop".to_owned(),
                name: format!("web-{number}"),
                uid: String::new(),
            }),
            host_ports: Vec::new(),
            bandwidth: None,
            problem: None,
        },
        hooks: vec![
            hook("from-container", "ingress", program),
            hook("to-container", "egress", program + 1),
        ],
        tails: Some(900),
        called: vec![
            called("weir_call_policy", program + 2),
            called("weir_verdict", program + 3),
        ],
    }
}

fn map(id: u32, name: &str, entries: u64, endpoint: Option<EndpointId>) -> Map {
    Map {
        id,
        name: name.to_owned(),
        kind: "hash".to_owned(),
        entries: Some(entries),
        max_entries: 1000,
        percent: Some(entries / 10),
        endpoint,
    }
}

fn device(name: &str, kind: &'static str, program: u32) -> Device {
    Device {
        name: name.to_owned(),
        ifindex: program,
        kind,
        masquerade: vec![Ipv4Addr::new(192, 0, 2, 1).into()],
        hooks: vec![
            hook("from-netdev", "ingress", program),
            hook("to-netdev", "egress", program + 1),
        ],
        tails: Some(901),
    }
}

fn tails(map: u32, name: &str, count: u32) -> Tails {
    let slot = |slot| Slot {
        slot,
        program: map * 100 + slot,
    };
    Tails {
        map,
        name: name.to_owned(),
        slots: (0..count).map(slot).collect(),
    }
}

/// A node with so many pods, all well.
pub(super) fn node(pods: u16) -> Scene {
    let own = (1..=pods).map(|number| {
        let id = EndpointId::new(number).unwrap();
        let name = format!("weir_policy_{number:05}");
        map(2000 + u32::from(number), &name, 4, Some(id))
    });
    let shared = [
        "weir_lxc",
        "weir_ipcache",
        "weir_ct4_global",
        "weir_snat_v4_external",
        "weir_metrics",
    ];
    let shared = (1000..).zip(shared);
    let shared = shared.map(|(id, name)| map(id, name, u64::from(id - 999) * 190, None));
    let mut scene = Scene {
        schema: Scene::SCHEMA,
        version: "0.0.0",
        host: "node-1".to_owned(),
        kernel: "6.12.0".to_owned(),
        endpoints: (1..=pods).map(endpoint).collect(),
        names: BTreeMap::new(),
        devices: vec![
            device("weir_host", "host", 700),
            device("eth0", "native", 710),
        ],
        sockets: vec![hook("connect4", "cgroup", 720)],
        tails: vec![
            tails(900, "weir_tails_0123456789abcdef", 22),
            tails(901, "weir_calls_d0001", 6),
        ],
        programs: BTreeMap::new(),
        maps: shared.chain(own).collect(),
        policy: Policy {
            revision: Some(3),
            allowed: Vec::new(),
        },
        drops: Drops::default(),
        unseen: Vec::new(),
    };
    let names = scene.endpoints.iter();
    scene.names = names.map(|it| (it.row.id, it.name())).collect();
    let program = |id: u32| Program {
        name: format!("handle_{id}"),
        tag: "0102030405060708".to_owned(),
        verified_instructions: id,
        bytes: 4096,
        maps: vec![1000, 2001],
    };
    let programs = scene.standing().into_iter();
    scene.programs = programs.map(|id| (id, program(id))).collect();
    scene
}

fn side(number: u16) -> Side {
    Side {
        endpoints: vec![EndpointId::new(number).unwrap()],
        others: Vec::new(),
    }
}

pub(super) fn allow(scene: &mut Scene, from: u16, to: u16) {
    scene.policy.allowed.push(Allowed {
        from: side(from),
        to: side(to),
        traffic: "tcp 80".to_owned(),
        only: Vec::new(),
    });
}
