//! `weir bpf`

use ep_builder::abi::{
    Ct4Key, CtValue, EndpointKey, EndpointValue, IpcacheKey, IpcacheValue, PolicyKey, PolicyValue,
};
use ep_builder::maps::{Direction, Ports, Record, Rule, Traffic};
use serde_json::{Value, json};
use weir_tests::need::Need;
use weir_tests::{Finished, Node, need};

use crate::attached::{Attached, send, update};

const NEEDS: [Need; 4] = [
    Need::Root,
    Need::Tool("clang"),
    Need::Tool("unshare"),
    Need::Tool("bpftool"),
];

fn parse(finished: Finished) -> Value {
    serde_json::from_str(&finished.expect_success()).unwrap()
}

/// The documents of several commands that ran one after another.
fn documents(finished: Finished) -> Vec<Value> {
    let text = finished.expect_success();
    let documents = serde_json::Deserializer::from_str(&text).into_iter();
    documents.map(Result::unwrap).collect()
}

fn word(octets: [u8; 4]) -> u32 {
    u32::from_ne_bytes(octets)
}

#[test]
fn a_missing_map_is_said_with_what_makes_it() {
    let node = Node::with("map_prefix = \"weir_test_absent\"");
    for (arguments, map, words) in [
        (
            &["policy", "get", "7"][..],
            "policy_00007",
            "while the endpoint is attached",
        ),
        (&["ct", "list"], "ct4_global", "tracks connections"),
        (&["ipcache", "list"], "ipcache", "first endpoint"),
        (&["ipcache", "get", "10.0.0.1"], "ipcache", "first endpoint"),
        (&["endpoint", "list"], "lxc", "first endpoint"),
        (&["endpoint", "get", "10.0.0.1"], "lxc", "first endpoint"),
        (&["metrics", "list"], "metrics", "first endpoint"),
    ] {
        let failed = node.weir(&[&["bpf"], arguments].concat());
        assert_eq!(failed.code, Some(4), "{arguments:?}: {failed:?}");
        assert!(failed.stdout.is_empty(), "{failed:?}");
        let name = format!("weir_test_absent_{map}");
        assert!(
            failed.stderr.contains(&name) && failed.stderr.contains(words),
            "{arguments:?}: {failed:?}"
        );
    }
    assert_eq!(
        parse(node.weir(&["bpf", "policy", "list", "-o", "json"])),
        json!([])
    );
}

#[test]
fn a_wrong_argument_is_2() {
    let node = Node::new();
    for arguments in [
        &["policy", "get", "nobody"][..],
        &["policy", "get", "65535"],
        &["ipcache", "get", "10.0.0.1/8"],
        &["endpoint", "get", "eth0"],
        &["ct", "list", "--from", "10.0.0.0/8"],
    ] {
        let failed = node.weir(&[&["bpf"], arguments].concat());
        assert_eq!(failed.code, Some(2), "{arguments:?}: {failed:?}");
    }
}

#[test]
fn an_empty_map_says_what_would_fill_it() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let shown = Attached::without(&[]).run(
        "for what in 'policy list' 'policy get 2665' 'ct list' 'ipcache list' 'endpoint list' 'metrics list'; do
            weir bpf $what
            weir bpf $what -o json
        done",
    );
    assert_eq!(shown.stdout, "[]\n".repeat(6), "{shown:?}");
    for words in [
        "no policy",
        "no rules",
        "no such connections",
        "no identities",
        "no local addresses",
        "nothing counted",
    ] {
        assert!(shown.stderr.contains(words), "{words}: {shown:?}");
    }
}

#[test]
fn policy_is_told_in_words() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let rule = |identity, direction, traffic| {
        Rule {
            identity,
            direction,
            traffic,
        }
        .key(0)
    };
    let value = |deny, number| PolicyValue {
        packets: 3,
        bytes: 180,
        rule: number,
        deny,
        match_bits: 0,
        pad: [0; 2],
    };
    let range = Traffic::Ports(Ports {
        protocol: 17,
        first: 8_080,
        bits: 12,
    });
    let keys: [PolicyKey; 3] = [
        rule(0, Direction::Ingress, Traffic::Any),
        rule(
            12_022,
            Direction::Egress,
            Traffic::Ports(Ports::one(6, 443)),
        ),
        rule(2, Direction::Egress, range),
    ];
    let map = "weir_policy_02665";
    let fill = [
        update(map, &keys[0], &value(0, 1)),
        update(map, &keys[1], &value(1, 2)),
        update(map, &keys[2], &value(0, 3)),
    ];
    let script =
        "weir bpf policy get 2665 -o json; weir bpf policy list -o json; weir bpf policy list >&2";
    let shown = Attached::without(&[]).run(&(fill.concat() + script));
    let table = shown.stderr.clone();
    let [own, all] = documents(shown).try_into().unwrap();
    assert_eq!(own, all);
    assert_eq!(
        own[0],
        json!({
            "endpoint": 2665, "direction": "ingress", "identity": 0, "protocol": null, "dport": null,
            "dportLast": null, "deny": false, "rule": 1, "packets": 3, "bytes": 180, "prefixlen": 72, "matchBits": 0,
            "revision": 0, "inForce": true
        })
    );
    assert_eq!(
        (&own[2]["protocol"], &own[2]["dport"]),
        (&json!("tcp"), &json!(443))
    );
    for words in ["0 (any)", "2 (world)", "8080-8095", "deny", "ingress"] {
        assert!(table.contains(words), "{words} in {table}");
    }
}

/// The key of a connection between the pod 10.0.0.1, at port 40000, and a peer.
fn key_to(peer: [u8; 4], port: u16, protocol: u8) -> Ct4Key {
    Ct4Key {
        daddr: word(peer),
        saddr: word([10, 0, 0, 1]),
        dport: port.to_be(),
        sport: 40_000_u16.to_be(),
        protocol,
        flags: 0,
        pad: [0; 2],
    }
}

#[test]
fn connections_are_told_from_who_began() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let value = CtValue {
        tx_packets: 5,
        rx_bytes: 7,
        lifetime: u32::MAX,
        tx_tcp_flags: 0x12,
        rx_tcp_flags: 0x12,
        ..CtValue::from_bytes(&[])
    };
    let called = CtValue { flags: 1, ..value };
    let fill = [
        update("weir_ct4_global", &key_to([10, 0, 0, 2], 80, 6), &value),
        update(
            "weir_ct_any4_global",
            &key_to([10, 0, 0, 3], 53, 17),
            &called,
        ),
    ];
    let script = "weir bpf ct list -o json; weir bpf ct list --from 10.0.0.1 -o json
        weir bpf ct list --to 10.0.0.1 -o json; weir bpf ct list --from 10.0.0.9 -o json; weir bpf ct list >&2";
    let shown = Attached::without(&[]).run(&(fill.concat() + script));
    let table = shown.stderr.clone();
    let [all, from, to, none] = documents(shown).try_into().unwrap();
    assert_eq!(all.as_array().unwrap().len(), 2, "{all}");
    assert_eq!(none, json!([]));
    let ends = |rows: &Value| {
        let row = &rows[0];
        assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
        json!([
            row["protocol"],
            row["from"],
            row["fromPort"],
            row["to"],
            row["toPort"],
            row["direction"]
        ])
    };
    assert_eq!(
        ends(&from),
        json!(["tcp", "10.0.0.1", 40_000, "10.0.0.2", 80, "egress"])
    );
    assert_eq!(
        ends(&to),
        json!(["udp", "10.0.0.3", 53, "10.0.0.1", 40_000, "ingress"])
    );
    assert_eq!(
        (&from[0]["txPackets"], &from[0]["rxBytes"]),
        (&json!(5), &json!(7))
    );
    assert_eq!(
        (&from[0]["state"], &from[0]["txFlags"]),
        (&json!("established"), &json!(["SYN", "ACK"]))
    );
    assert!(table.contains("10.0.0.1:40000"), "{table}");
}

#[test]
fn identities_and_endpoints_are_found_by_address() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let address = [word([10, 1, 0, 0]), 0, 0, 0];
    let network = IpcacheKey {
        prefixlen: 64 + 16,
        revision: 0,
        family: 1,
        pad: [0; 3],
        address,
    };
    let peer = IpcacheValue {
        identity: 300,
        ..IpcacheValue::from_bytes(&[])
    };
    let own = EndpointKey {
        address: [word([10, 11, 255, 104]), 0, 0, 0],
        family: 1,
        pad: [0; 3],
    };
    let endpoint = EndpointValue {
        lxc_id: 2665,
        ifindex: 19,
        mac: 0xe5_6b_4e_7d_b0_6e,
        ..EndpointValue::from_bytes(&[])
    };
    let fill = [
        update("weir_ipcache", &network, &peer),
        update("weir_lxc", &own, &endpoint),
    ];
    let script = "weir bpf ipcache list -o json; weir bpf ipcache get 10.1.2.3 -o json
        weir bpf endpoint list -o json; weir bpf endpoint get 10.11.255.104 -o json
        code=0; weir bpf ipcache get 10.2.0.1 || code=$?; echo $code
        code=0; weir bpf endpoint get 10.2.0.1 || code=$?; echo $code";
    let shown = Attached::without(&[]).run(&(fill.concat() + script));
    let said = shown.stderr.clone();
    let [networks, covering, endpoints, one, absent, nobody] = documents(shown).try_into().unwrap();
    assert_eq!(networks, json!([covering]));
    assert_eq!(
        (&covering["prefix"], &covering["identity"]),
        (&json!("10.1.0.0/16"), &json!(300))
    );
    assert_eq!(endpoints, json!([one]));
    assert_eq!(
        (&one["endpoint"], &one["mac"]),
        (&json!(2665), &json!("6e:b0:7d:4e:6b:e5"))
    );
    assert_eq!((absent, nobody), (json!(4), json!(4)));
    assert!(
        said.contains("takes it for the world") && said.contains("no endpoint of this node"),
        "{said}"
    );
}

#[test]
fn counters_have_the_names_of_their_reasons() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let script = send(7) + "weir bpf metrics list -o json; weir bpf metrics list";
    let shown = Attached::without(&[]).run(&script).expect_success();
    let (json, table) = shown.split_at(shown.find("REASON").unwrap());
    let rows: Value = serde_json::from_str(json).unwrap();
    let dropped = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["code"] == 139);
    let dropped = dropped.unwrap();
    assert_eq!(dropped["reason"], "UNKNOWN_L3");
    assert_eq!(
        (&dropped["packets"], &dropped["direction"]),
        (&json!(7), &json!("egress"))
    );
    assert!(
        table.contains("UNKNOWN_L3") && table.contains("neither IPv4"),
        "{table}"
    );
}
