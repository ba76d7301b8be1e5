//! W6, W7: the network configuration in every spelling that runtimes have.

use serde_json::json;

use super::*;
use crate::netconf::Valid;
use crate::netconf::mappings::{PortMapping, Protocol};
use crate::netconf::runtime::Limit;
use crate::result::Outcome;

#[track_caller]
fn deleted(stdin: &str) -> request::Del {
    match read(&variables("DEL"), stdin).unwrap() {
        Request::Del(del) => *del,
        other => panic!("{other:?}"),
    }
}

fn collected(more: Value) -> Valid {
    match read(&variables("GC"), conf(more)).unwrap() {
        Request::Gc(gc) => gc.valid,
        other => panic!("{other:?}"),
    }
}

/// W6: `capabilities`, unknown keys, keys of any case, nulls and large numbers.
#[test]
fn w6_what_go_reads_is_read() {
    let plain = added(json!({}));
    let same = [
        json!({"unknown": {"a": [1, null, {}]}, "capabilities": {"portMappings": true}}),
        json!({"ipam": null, "prevResult": null, "runtimeConfig": null, "dns": null, "args": null}),
        json!({"ipam": {}, "runtimeConfig": {}, "dns": {"nameservers": null}, "args": {"cni": null}}),
        json!({"ipam": {"type": ""}, "mtu": null, "ipMasq": null, "config": ""}),
        json!({"mtu": 0, "big": 9_007_199_254_740_993_u64, "disableCheck": "true"}),
        json!({"runtimeConfig": {"portMappings": null, "bandwidth": null, "dns": null, "ips": null}}),
        json!({"runtimeConfig": {"ipRanges": null, "mac": null, "aliases": null, "cgroupPath": null}}),
    ];
    for more in same {
        let mut add = added(more.clone());
        add.conf.common.raw.clone_from(&plain.conf.common.raw);
        assert_eq!(add, plain, "{more}");
    }
    let add = added(json!({"MTU": 1400, "IPMasq": true, "Ipam": {"TYPE": "weir", "Ranges": 1}}));
    assert_eq!((add.conf.mtu, add.conf.ip_masq), (Some(1400), true));
    let ipam = add.conf.common.ipam.unwrap();
    assert_eq!(
        (ipam.kind.as_str(), &ipam.block["Ranges"]),
        ("weir", &json!(1))
    );
}

#[test]
fn w6_of_equal_keys_the_last_counts_and_the_exact_spelling_first() {
    let cases = [
        (r#"{"cniVersion":"1.0.0","name":"a","name":"b"}"#, "b"),
        (r#"{"cniVersion":"1.0.0","Name":"a","name":"b"}"#, "b"),
        (r#"{"cniVersion":"1.0.0","name":"b","NAME":"a"}"#, "b"),
        (r#"{"cniVersion":"1.0.0","NAME":"a","Name":"b"}"#, "b"),
        ("\n {\"cniVersion\":\"1.0.0\",\"name\":\"b\"}\r\n\n", "b"),
    ];
    for (stdin, name) in cases {
        let del = deleted(stdin);
        assert_eq!(del.attachment.network.as_str(), name, "{stdin}");
        // W14: what a delegate will read is what was read here.
        assert_eq!(del.conf.raw, stdin.as_bytes());
    }
}

#[test]
fn w6_numbers_in_every_spelling() {
    for (text, expected) in [
        ("1400", 1400),
        ("1.4e3", 1400),
        ("1400.0", 1400),
        ("65535", 65_535),
    ] {
        let stdin = format!(r#"{{"cniVersion":"1.0.0","name":"a","mtu":{text},"x":1e29}}"#);
        let Request::Add(add) = read(&variables("ADD"), stdin).unwrap() else {
            panic!("{text}");
        };
        assert_eq!(add.conf.mtu, Some(expected), "{text}");
    }
}

/// W7, field inputs of section 2.10: containerd's capitals, podman's map, everybody's nulls.
#[test]
fn w7_containerd_writes_capitals_and_nulls() {
    let containerd = json!({
        "portMappings": [
            {"HostPort": 8080, "ContainerPort": 80, "Protocol": "TCP", "HostIP": ""},
            {"HostPort": 0, "ContainerPort": 81, "Protocol": "tcp", "HostIP": ""},
        ],
        "bandwidth": {"IngressRate": 1_000_000, "IngressBurst": 4_294_967_295_u64, "EgressRate": 0, "EgressBurst": 0},
        "dns": {"Servers": ["10.96.0.10"], "Searches": null, "Options": ["ndots:5"]},
        "cgroupPath": "/kubepods.slice/x.slice",
        "io.kubernetes.cri.pod-annotations": {"a/b": "c"},
    });
    let add = added(json!({"runtimeConfig": containerd}));
    let runtime = add.conf.runtime;
    assert_eq!(runtime.port_mappings, [mapping(8080, 80, Protocol::Tcp)]);
    assert_eq!(
        runtime.ingress,
        Some(Limit {
            rate: 1_000_000,
            burst: None
        })
    );
    assert_eq!(runtime.egress, None);
    let dns = runtime.dns.unwrap();
    assert_eq!(
        (dns.nameservers, dns.options),
        (vec!["10.96.0.10".into()], vec!["ndots:5".into()])
    );
    assert_eq!(
        runtime.cgroup_path.as_deref(),
        Some("/kubepods.slice/x.slice")
    );
    assert_eq!(runtime.annotations["a/b"], "c");
}

#[test]
fn w7_podman_sends_a_map_of_aliases() {
    let podman = json!({
        "aliases": {"rec100": ["df63ccabb50b"], "other": null},
        "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "udp"}],
    });
    let runtime = added(json!({"runtimeConfig": podman})).conf.runtime;
    assert_eq!(runtime.port_mappings, [mapping(8080, 80, Protocol::Udp)]);
    assert_eq!(runtime.aliases, ["df63ccabb50b"]);
}

#[test]
fn w7_cri_o_writes_as_the_conventions_do() {
    let crio = json!({
        "aliases": ["a", "b"],
        "bandwidth": {"egressRate": 8, "egressBurst": 34_359_738_359_u64, "ingressRate": 16, "ingressBurst": 64},
        "portMappings": [{"hostPort": 53, "containerPort": 53, "protocol": "sctp", "hostIP": "::1"}],
        "ipRanges": [[{"subnet": "10.1.0.0/16"}]],
    });
    let runtime = added(json!({"RuntimeConfig": crio})).conf.runtime;
    assert_eq!(
        runtime.egress,
        Some(Limit {
            rate: 8,
            burst: None
        })
    );
    assert_eq!(
        runtime.ingress,
        Some(Limit {
            rate: 16,
            burst: Some(64)
        })
    );
    assert_eq!(
        runtime.port_mappings[0].host_ip,
        Some("::1".parse().unwrap())
    );
    assert_eq!(runtime.ip_ranges.unwrap()[0][0]["subnet"], "10.1.0.0/16");
    assert_eq!(runtime.aliases, ["a", "b"]);
}

fn mapping(host_port: u16, container_port: u16, protocol: Protocol) -> PortMapping {
    PortMapping {
        host_port,
        container_port,
        protocol,
        host_ip: None,
    }
}

#[test]
fn labels_are_pairs_or_a_map() {
    for labels in [
        json!([{"key": "a", "value": "b"}, {"Key": "c"}]),
        json!({"a": "b", "c": ""}),
    ] {
        let add = added(json!({"args": {"cni": {"labels": labels}}}));
        let own: Vec<_> = add.conf.wishes.labels.into_iter().collect();
        assert_eq!(
            own,
            [
                ("a".to_owned(), "b".to_owned()),
                ("c".to_owned(), String::new())
            ]
        );
    }
}

/// A key of the configuration, the code of the refusal, and the place that the message names.
#[rustfmt::skip]
const REFUSED: &[(&str, u32, &str)] = &[
    (r#""name":"""#, 7, "name"),
    (r#""name":null"#, 7, "name"),
    (r#""name":"../../etc""#, 7, "../../etc"),
    (r#""name":7"#, 6, "name"),
    (r#""mtu":-1"#, 7, "mtu"),
    (r#""mtu":67"#, 7, "mtu"),
    (r#""mtu":65536"#, 7, "mtu"),
    (r#""mtu":1.5"#, 7, "mtu"),
    (r#""mtu":1e29"#, 7, "mtu"),
    (r#""mtu":"1500""#, 6, "mtu"),
    (r#""ipMasq":"yes""#, 6, "ipMasq"),
    (r#""config":"weir.toml""#, 7, "config"),
    (r#""ipam":[]"#, 6, "ipam"),
    (r#""ipam":{"type":1}"#, 6, "ipam.type"),
    (r#""ipam":{"ranges":[]}"#, 7, "ipam.type"),
    (r#""ipam":{"type":"../evil"}"#, 7, "ipam.type"),
    (r#""ipam":{"type":".."}"#, 7, "ipam.type"),
    (r#""dns":{"nameservers":"1.1.1.1"}"#, 6, "dns.nameservers"),
    (r#""runtimeConfig":{"ips":["x"]}"#, 7, "runtimeConfig.ips[0]"),
    (r#""runtimeConfig":{"ips":[null,"1.1.1.1/33"]}"#, 7, "runtimeConfig.ips[1]"),
    (r#""runtimeConfig":{"mac":"00"}"#, 7, "runtimeConfig.mac"),
    (r#""runtimeConfig":{"bandwidth":{"ingressRate":-1}}"#, 7, "runtimeConfig.bandwidth.ingressRate"),
    (r#""runtimeConfig":{"bandwidth":{"egressRate":7}}"#, 7, "runtimeConfig.bandwidth.egressRate is 7: it is in bits"),
    (r#""runtimeConfig":{"bandwidth":{"egressRate":"1M"}}"#, 6, "runtimeConfig.bandwidth.egressRate"),
    (r#""runtimeConfig":{"bandwidth":{"ingressBurst":8000,"egressRate":8}}"#, 7, "ingressBurst is 8000: a burst says nothing without ingressRate"),
    (r#""runtimeConfig":{"portMappings":[{"hostPort":65536}]}"#, 7, "runtimeConfig.portMappings[0].hostPort"),
    (r#""runtimeConfig":{"portMappings":[{"hostPort":1}]}"#, 7, "portMappings[0].containerPort"),
    (r#""runtimeConfig":{"portMappings":[{"hostPort":1,"containerPort":1,"protocol":"icmp"}]}"#, 7, "[0].protocol"),
    (r#""runtimeConfig":{"aliases":{"net":[1]}}"#, 6, "runtimeConfig.aliases.net[0]"),
    (r#""args":{"cni":{"labels":[{"value":"x"}]}}"#, 7, "args.cni.labels[0].key"),
    (r#""args":{"cni":{"ports":{"http":80}}}"#, 6, "args.cni.ports"),
    (r#""args":{"cni":{"ports":[{"name":"http"}]}}"#, 7, "args.cni.ports[0].containerPort"),
    (r#""prevResult":[]"#, 6, "prevResult"),
    (r#""prevResult":{"ips":[{"address":"10.0.0.1"}]}"#, 7, "prevResult.ips[0].address"),
    (r#""prevResult":{"ips":[{}]}"#, 7, "prevResult.ips[0].address"),
    (r#""prevResult":{"cniVersion":"7.0.0"}"#, 7, "prevResult.cniVersion"),
];

#[test]
fn what_cannot_be_used_is_refused_by_its_place() {
    for (key, code, place) in REFUSED {
        // The last of two equal keys counts, so a row may have a name of its own.
        let stdin = format!(r#"{{"cniVersion":"1.1.0","name":"net",{key}}}"#);
        let error = refusal(&variables("ADD"), stdin);
        assert_eq!(error["code"], *code, "{key}: {error}");
        assert!(
            error["msg"].as_str().unwrap().contains(place),
            "{key}: {error}"
        );
    }
}

/// Field failures 5, 7 and 8: DEL reads nothing that could be broken, and no previous result at all.
#[test]
fn del_works_with_what_add_would_refuse() {
    let broken = [
        json!({"prevResult": {"ips": 7}}),
        json!({"prevResult": "truncated"}),
        json!({"mtu": "x", "ipMasq": 7, "config": 7, "dns": [], "args": 1}),
        json!({"runtimeConfig": {"portMappings": 1}}),
        json!({"ipam": {"type": "../evil"}}),
        json!({"ipam": 7}),
    ];
    for more in broken {
        let del = deleted(&conf(more.clone()));
        assert_eq!((del.conf.ipam, del.conf.settings), (None, None), "{more}");
    }
    let fine = json!({"ipam": {"type": "weir"}, "config": "/etc/other.toml"});
    let del = deleted(&conf(fine));
    assert_eq!(del.conf.ipam.unwrap().kind, "weir");
    assert_eq!(del.conf.settings.unwrap().to_str(), Some("/etc/other.toml"));
}

/// Field failure 26: absent is not null is not a list; both keys are heard.
#[test]
fn gc_is_told_three_different_things() {
    let (new, old) = ("cni.dev/valid-attachments", "cni.dev/attachments");
    let list = |id: &str| json!([{"containerID": id, "ifname": "eth0"}]);
    let cases = [
        (json!({}), "unsaid"),
        (json!({new: null}), "null"),
        (json!({old: null}), "null"),
        (json!({new: null, old: null}), "null"),
        (json!({new: []}), "listed"),
        (json!({new: list("a")}), "listed a"),
        (json!({old: list("a")}), "listed a"),
        (json!({new: list("a"), old: list("b")}), "listed a b"),
        (json!({new: null, old: list("b")}), "listed b"),
        (json!({new: list("a"), old: null}), "listed a"),
        (
            json!({"CNI.dev/Valid-Attachments": [{"ContainerID": "a", "IfName": "eth0"}]}),
            "listed a",
        ),
    ];
    for (more, expected) in cases {
        let got = match collected(more.clone()) {
            Valid::Unsaid => "unsaid".to_owned(),
            Valid::Null => "null".to_owned(),
            Valid::Listed(list) => {
                let ids = list.iter().map(|own| format!(" {}", own.container));
                format!("listed{}", ids.collect::<String>())
            }
        };
        assert_eq!(got, expected, "{more}");
    }
}

#[test]
fn gc_deletes_nothing_on_the_word_of_half_a_list() {
    let key = "cni.dev/valid-attachments";
    let cases = [
        (json!({key: {}}), 6),
        (json!({key: ["a"]}), 6),
        (json!({key: [{"containerID": "a"}]}), 7),
        (json!({key: [{"ifname": "eth0"}]}), 7),
        (json!({key: [{"containerID": "", "ifname": "eth0"}]}), 7),
        (json!({key: [{"containerID": 7, "ifname": "eth0"}]}), 6),
    ];
    for (more, code) in cases {
        let error = refusal(&variables("GC"), conf(more.clone()));
        assert_eq!(error["code"], code, "{more}: {error}");
    }
}

/// cnitool has been seen to send CHECK for what it had deleted.
#[test]
fn check_is_understood_without_the_result_of_add() {
    for more in [json!({}), json!({"prevResult": null})] {
        let Request::Check(check) = read(&variables("CHECK"), conf(more)).unwrap() else {
            panic!("no CHECK");
        };
        assert_eq!(check.expected, Outcome::default());
    }
}
