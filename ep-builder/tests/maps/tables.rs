//! Reading and writing each map.

use std::net::IpAddr;

use ep_builder::abi::{Ct4Key, Ct6Key, CtValue};
use ep_builder::endpoint::EndpointId;
use ep_builder::error::chain;
use ep_builder::maps::{
    Conntrack, Decision, Definition, Direction, Lead, LocalEndpoint, MapName, MapType, MapsError,
    NodePort, Peer, Ports, Prefix, Record, Rule, Traffic,
};
use weir_tests::need::Need;
use weir_tests::{here, need};

use crate::bench::{create, inside, make, maps};

fn id(id: u16) -> EndpointId {
    EndpointId::new(id).unwrap()
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

#[test]
fn policy_is_set_read_and_removed() {
    need!(Need::Root, Need::Tool("unshare"));
    if !inside(here!()) {
        return;
    }
    let maps = maps();
    make(&maps, MapName::Policy(id(7)), 3);
    let mut policy = maps.policy(id(7)).unwrap();
    let rule = |identity, traffic| Rule {
        identity,
        direction: Direction::Ingress,
        traffic,
    };
    let rules = [
        rule(0, Traffic::Any),
        rule(12_022, Traffic::Protocol(6)),
        rule(12_022, Traffic::Ports(Ports::one(6, 443))),
    ];
    for (number, rule) in (0..).zip(&rules) {
        let decision = Decision {
            deny: number == 1,
            rule: number,
        };
        policy.insert(5, rule, decision).unwrap();
    }
    let found = policy.entries().unwrap();
    assert_eq!(found.len(), 3);
    for (key, value) in found {
        assert_eq!(key.revision, 5);
        let rule = Rule::of(&key).unwrap();
        let number = usize::try_from(value.rule).unwrap();
        assert_eq!(rule, rules[number]);
        assert_eq!(value.deny, u8::from(number == 1));
        assert_eq!(value.match_bits, rule.traffic.match_bits());
    }
    let full = policy.insert(
        5,
        &rule(9, Traffic::Any),
        Decision {
            deny: false,
            rule: 9,
        },
    );
    let full = full.unwrap_err();
    assert!(
        matches!(full, MapsError::Full { max_entries: 3, .. }),
        "{full}"
    );
    assert!(full.to_string().contains("/weir_policy_00007"), "{full}");
    assert!(policy.remove(5, &rules[1]).unwrap() && !policy.remove(5, &rules[1]).unwrap());
    assert!(!policy.remove(6, &rules[0]).unwrap(), "another revision's");
    assert_eq!(maps.count(MapName::Policy(id(7))).unwrap(), Some(2));
}

#[test]
fn a_host_port_has_one_pod_and_there_is_room_for_so_many() {
    need!(Need::Root, Need::Tool("unshare"));
    if !inside(here!()) {
        return;
    }
    let maps = maps();
    let missing = maps.host_ports().err().unwrap();
    assert!(missing.advice().unwrap().contains("weir node init"));
    make(&maps, MapName::HostPorts, 2);
    let mut ports = maps.host_ports().unwrap();
    let port = |host: &str| NodePort {
        host: host.parse().unwrap(),
        protocol: 6,
    };
    let lead = |pod: &str, id| Lead {
        pod: pod.parse().unwrap(),
        id,
    };
    let (every, one) = (port("[::]:80"), port("[2001:db8::1]:80"));
    let (ours, theirs) = (lead("[fd88::7]:8080", 7), lead("[fd88::8]:8080", 8));
    assert!(ports.insert_new(&every, &ours).unwrap());
    assert!(!ports.insert_new(&every, &theirs).unwrap());
    assert!(ports.insert_new(&one, &theirs).unwrap());
    assert_eq!(ports.entries().unwrap(), [(every, ours), (one, theirs)]);
    let full = ports.insert_new(&port("0.0.0.0:80"), &lead("10.88.0.7:8080", 7));
    assert!(matches!(full, Err(MapsError::Full { max_entries: 2, .. })));
    assert!(ports.remove(&every).unwrap() && !ports.remove(&every).unwrap());
    assert_eq!(ports.get(&every).unwrap(), None);
    assert_eq!(ports.get(&one).unwrap(), Some(theirs));
    assert_eq!(maps.count(MapName::HostPorts).unwrap(), Some(1));
}

#[test]
fn identities_are_found_by_the_longest_prefix() {
    need!(Need::Root, Need::Tool("unshare"));
    if !inside(here!()) {
        return;
    }
    let maps = maps();
    make(&maps, MapName::Ipcache, 8);
    let mut ipcache = maps.ipcache().unwrap();
    let tunnelled = Peer {
        identity: 300,
        tunnel_endpoint: Some("192.0.2.9".parse().unwrap()),
        encrypt_key: 1,
    };
    for (network, peer) in [
        ("0.0.0.0/0", Peer::with_identity(2)),
        ("10.1.0.0/16", Peer::with_identity(256)),
        ("10.1.2.3", tunnelled),
        ("fd00::/8", Peer::with_identity(257)),
    ] {
        ipcache.insert(prefix(network), peer).unwrap();
    }
    for (wanted, found) in [
        ("10.1.2.3", Some(("10.1.2.3/32", 300))),
        ("10.1.2.4", Some(("10.1.0.0/16", 256))),
        ("10.1.2.0/24", Some(("10.1.0.0/16", 256))),
        ("192.0.2.1", Some(("0.0.0.0/0", 2))),
        ("fd00::1", Some(("fd00::/8", 257))),
        ("fe80::1", None),
    ] {
        let covering = ipcache.covering(prefix(wanted)).unwrap();
        let covering = covering.map(|(prefix, peer)| (prefix.to_string(), peer.identity));
        let found = found.map(|(prefix, identity): (&str, _)| (prefix.to_owned(), identity));
        assert_eq!(covering, found, "{wanted}");
    }
    let (_, peer) = ipcache.covering(prefix("10.1.2.3")).unwrap().unwrap();
    assert_eq!(peer, tunnelled);
    assert!(ipcache.remove(prefix("10.1.2.3")).unwrap());
    assert!(!ipcache.remove(prefix("10.1.2.3")).unwrap());
    assert_eq!(ipcache.entries().unwrap().len(), 3);
}

#[test]
fn endpoints_are_found_by_address() {
    need!(Need::Root, Need::Tool("unshare"));
    if !inside(here!()) {
        return;
    }
    let maps = maps();
    make(&maps, MapName::Endpoints, 4);
    let mut endpoints = maps.endpoints().unwrap();
    let endpoint = LocalEndpoint {
        lxc_id: 2665,
        ifindex: 19,
        mac: "6e:b0:7d:4e:6b:e5".parse().unwrap(),
        host_mac: "42:23:dc:4d:79:b1".parse().unwrap(),
        identity: 12_022,
        is_host: false,
        masquerade: false,
    };
    let addresses: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()];
    for address in addresses {
        assert_eq!(endpoints.get(address).unwrap(), None);
        endpoints.insert(address, &endpoint).unwrap();
        assert_eq!(endpoints.get(address).unwrap(), Some(endpoint));
    }
    let all = endpoints.entries().unwrap();
    assert_eq!(all, addresses.map(|address| (address, endpoint)));
    assert!(endpoints.remove(addresses[0]).unwrap());
    assert!(!endpoints.remove(addresses[0]).unwrap());
    assert_eq!(maps.count(MapName::Endpoints).unwrap(), Some(1));
}

/// Connections of the pods 10.0.0.1 to 10.0.0.3 with one peer, as the datapath writes them.
fn fill_conntrack(pin: &std::path::Path) {
    let data = aya::maps::MapData::from_pin(pin).unwrap();
    let map = aya::maps::Map::LruHashMap(data);
    let mut map = aya::maps::HashMap::<_, [u8; 16], [u8; 64]>::try_from(map).unwrap();
    for pod in 1..=3 {
        let key = Ct4Key {
            daddr: u32::from_ne_bytes([10, 0, 1, 1]),
            saddr: u32::from_ne_bytes([10, 0, 0, pod]),
            dport: 80_u16.to_be(),
            sport: 40_000_u16.to_be(),
            protocol: 6,
            flags: 0,
            pad: [0; 2],
        };
        map.insert(key.to_bytes(), CtValue::from_bytes(&[]).to_bytes(), 0)
            .unwrap();
    }
}

#[test]
fn connections_of_an_address_are_forgotten() {
    need!(Need::Root, Need::Tool("unshare"));
    if !inside(here!()) {
        return;
    }
    let maps = maps();
    for map in Conntrack::all(None) {
        make(&maps, MapName::Conntrack(map), 64);
        assert_eq!(maps.conntrack(map).unwrap().entries().unwrap(), []);
    }
    let [tcp4, _, tcp6, _] = Conntrack::all(None);
    fill_conntrack(&maps.pin(MapName::Conntrack(tcp4)));
    let mut conntrack = maps.conntrack(tcp4).unwrap();
    let pods = |all: Vec<ep_builder::maps::Tracked>| -> Vec<String> {
        let sockets = all.iter().map(|tracked| tracked.connection.pod.to_string());
        sockets.collect()
    };
    let [one, two, three] = ["10.0.0.1:40000", "10.0.0.2:40000", "10.0.0.3:40000"];
    assert_eq!(pods(conntrack.entries().unwrap()), [one, two, three]);
    assert_eq!(conntrack.flush("10.0.0.2".parse().unwrap()).unwrap(), 1);
    assert_eq!(conntrack.flush("10.0.0.2".parse().unwrap()).unwrap(), 0);
    assert_eq!(pods(conntrack.entries().unwrap()), [one, three]);
    assert_eq!(
        conntrack.flush("10.0.1.1".parse().unwrap()).unwrap(),
        2,
        "the peer counts, too"
    );
    assert_eq!(conntrack.count().unwrap(), 0);
    let mut other = maps.conntrack(tcp6).unwrap();
    assert_eq!(other.flush("10.0.0.1".parse().unwrap()).unwrap(), 0);
    assert_eq!(
        size_of::<Ct6Key>(),
        MapName::Conntrack(tcp6).definition().key_size
    );
}

#[test]
fn what_is_not_written_by_us_is_empty_at_first() {
    need!(Need::Root, Need::Tool("unshare"));
    if !inside(here!()) {
        return;
    }
    let maps = maps();
    for (name, entries) in [
        (MapName::Metrics, 768),
        (MapName::CallPolicy, 100),
        (MapName::Verdict, 100),
        (MapName::Tails(7), 48),
        (MapName::Calls(id(7)), 48),
        (MapName::Frag4, 16),
        (MapName::Frag6, 16),
    ] {
        make(&maps, name, entries);
        assert_eq!(maps.count(name).unwrap(), Some(0), "{name:?}");
    }
    for (name, entries) in [(MapName::Events, 4_096), (MapName::Running, 1)] {
        make(&maps, name, entries);
        assert_eq!(maps.count(name).unwrap(), None, "{name:?}");
    }
    assert_eq!(maps.metrics().unwrap().lost_events().unwrap(), 0);
    assert_eq!(maps.call_policy().unwrap().get(7).unwrap(), None);
    assert_eq!(maps.verdicts().unwrap().get(7).unwrap(), None);
    assert_eq!(maps.tails(7).unwrap().get(7).unwrap(), None);
    let mut ring = ep_builder::events::EventRing::open(&maps).unwrap();
    assert!(ring.next().is_none());
    assert_eq!(maps.list().unwrap().len(), 9);
    let facts = maps.facts(MapName::Events).unwrap();
    assert_eq!(
        (facts.max_entries, facts.definition.map_type),
        (4_096, MapType::Ring)
    );
}

#[test]
fn revisions_are_set_by_endpoint() {
    need!(Need::Root, Need::Tool("unshare"));
    if !inside(here!()) {
        return;
    }
    let maps = maps();
    make(&maps, MapName::PolicyRevision, 65_536);
    let mut revisions = maps.policy_revisions().unwrap();
    assert_eq!(revisions.get(id(7)).unwrap(), 0);
    revisions.set(id(7), 3).unwrap();
    revisions.set(id(65_534), 1).unwrap();
    assert_eq!(
        (revisions.get(id(7)).unwrap(), revisions.get(id(8)).unwrap()),
        (3, 0)
    );
    assert_eq!(maps.count(MapName::PolicyRevision).unwrap(), Some(2));
}

#[test]
fn a_map_that_is_not_there_is_said_with_what_makes_it() {
    need!(Need::Root, Need::Tool("unshare"));
    if !inside(here!()) {
        return;
    }
    let maps = maps();
    assert_eq!(maps.list().unwrap(), []);
    for (error, words) in [
        (maps.ipcache().err().unwrap(), "first endpoint"),
        (maps.policy(id(7)).err().unwrap(), "weir endpoint list"),
        (maps.metrics().err().unwrap(), "first endpoint"),
        (maps.count(MapName::Events).unwrap_err(), "first endpoint"),
    ] {
        assert!(matches!(error, MapsError::Missing { .. }), "{error:?}");
        assert!(error.to_string().contains("/sys/fs/bpf/weir_"), "{error}");
        assert!(error.advice().unwrap().contains(words), "{error:?}");
    }
}

#[test]
fn another_map_under_our_name_is_refused_with_both_definitions() {
    need!(Need::Root, Need::Tool("unshare"));
    if !inside(here!()) {
        return;
    }
    let maps = maps();
    let own = MapName::Endpoints.definition();
    let others = [
        Definition {
            key_size: 16,
            ..own
        },
        Definition {
            value_size: 40,
            ..own
        },
        Definition {
            map_type: MapType::Lru,
            ..own
        },
    ];
    for other in others {
        create(&maps.pin(MapName::Endpoints), other, 4);
        let error = maps.endpoints().err().unwrap();
        for words in ["weir_lxc", &other.to_string(), &own.to_string()] {
            assert!(error.to_string().contains(words), "{words}: {error}");
        }
        assert!(error.advice().unwrap().contains("map_prefix"), "{error:?}");
        assert_eq!(maps.facts(MapName::Endpoints).unwrap().definition, other);
        std::fs::remove_file(maps.pin(MapName::Endpoints)).unwrap();
    }
    let folder = maps.pin(MapName::Ipcache);
    std::fs::create_dir(&folder).unwrap();
    let error = maps.ipcache().err().unwrap();
    assert!(
        chain(&error).contains("cannot open map /sys/fs/bpf/weir_ipcache: "),
        "{}",
        chain(&error)
    );
}
