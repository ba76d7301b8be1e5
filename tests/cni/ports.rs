//! Ports of the node that lead to a pod: opened by ADD for one pod alone, seen by CHECK, closed with DEL or by
//! whoever cleans up behind a call that was killed.

use std::thread;

use ep_builder::maps::{HostPortsMap, Lead, NodePort};
use serde_json::{Value, json};
use weir_tests::plugin::{Answer, Call, Sandbox, configuration};

use crate::stage::{Stage, needs};
use crate::verbs::{CleanUp, add_killed, removal_killed};

/// What somebody does to the map.
type Damage<'a> = &'a dyn Fn(&mut HostPortsMap);

const POD: &str = "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0";

/// A mapping as runtimes write it.
fn mapping(host_ip: &str, host_port: u16, protocol: &str) -> Value {
    json!({"hostPort": host_port, "containerPort": 80, "protocol": protocol, "hostIP": host_ip})
}

/// A node whose pod asks for these ports. It has been set up for pods that have any.
fn stage(ports: &Value) -> Stage {
    let mut stage = Stage::new();
    ask(&mut stage, ports);
    stage.add();
    stage.del();
    stage
}

fn ask(stage: &mut Stage, ports: &Value) {
    stage.change(|configuration| {
        configuration["runtimeConfig"] = json!({ "portMappings": ports });
    });
}

fn map(stage: &Stage) -> HostPortsMap {
    stage.lab.maps().host_ports().unwrap()
}

/// The ports and where they lead, as text.
fn open(stage: &Stage) -> Vec<String> {
    let entries = map(stage).entries().unwrap().into_iter();
    entries
        .map(|(port, lead)| format!("{port} -> {}", lead.pod.port()))
        .collect()
}

fn entries(stage: &Stage) -> Vec<(NodePort, Lead)> {
    map(stage).entries().unwrap()
}

fn check(stage: &Stage, result: &Value) -> Answer {
    let mut configuration = stage.configuration().clone();
    configuration["prevResult"] = result.clone();
    Call::about("CHECK", &stage.pod, &configuration).run()
}

/// What `weir` says in JSON.
fn told(stage: &Stage, arguments: &[&str]) -> Value {
    let said = stage.lab.weir(&[arguments, &["-o", "json"]].concat());
    serde_json::from_str(&said.expect_success()).unwrap()
}

#[test]
fn ports_are_open_from_add_to_del() {
    needs!();
    let two = json!([mapping("", 8_080, "TCP"), mapping("192.0.2.1", 53, "udp"), {"hostPort": 0}]);
    let stage = stage(&two);
    assert_eq!(open(&stage), [""; 0]);
    let result = stage.add();
    let expected = [
        "0.0.0.0:8080/tcp -> 80",
        "192.0.2.1:53/udp -> 80",
        "[::]:8080/tcp -> 80",
    ];
    assert_eq!(open(&stage), expected);
    check(&stage, &result).expect_success();
    let rows = told(&stage, &["bpf", "ports", "list"]);
    assert_eq!(rows.as_array().unwrap().len(), 3);
    let endpoint = rows[0]["endpoint"].to_string();
    let endpoint = told(&stage, &["endpoint", "get", &endpoint]);
    assert_eq!(endpoint["containerId"], "c1");
    let ports = endpoint["hostPorts"].as_array().unwrap();
    let first =
        json!({"hostIP": "0.0.0.0", "hostPort": 8_080, "protocol": "TCP", "containerPort": 80});
    assert_eq!((ports.len(), &ports[0]), (3, &first));
    stage.del();
    assert_eq!(open(&stage), [""; 0]);
}

/// Each by hand, and put back by a regeneration.
#[test]
fn check_names_the_first_port_that_does_not_lead_to_the_pod() {
    needs!();
    let stage = stage(&json!([mapping("", 8_080, "tcp")]));
    let result = stage.add();
    let (port, lead) = entries(&stage)[0];
    let id = lead.id.to_string();
    let elsewhere = Lead {
        pod: (lead.pod.ip(), 81).into(),
        ..lead
    };
    let close = |map: &mut HostPortsMap| assert!(map.remove(&port).unwrap());
    let turn = |map: &mut HostPortsMap| map.insert(&port, &elsewhere).unwrap();
    let damages: [(&str, Damage<'_>); 2] = [("nobody", &close), (":81", &turn)];
    for (found, damage) in damages {
        damage(&mut map(&stage));
        let answer = check(&stage, &result);
        let (code, message) = answer.expect_failure();
        assert_eq!(code, 100, "{message}");
        for part in [
            "host port 0.0.0.0:8080/tcp",
            found,
            "weir endpoint regenerate",
        ] {
            assert!(message.contains(part), "{part:?} is not in {message:?}");
        }
        stage
            .lab
            .weir(&["endpoint", "regenerate", &id])
            .expect_success();
        check(&stage, &result).expect_success();
        assert_eq!(entries(&stage)[0], (port, lead));
    }
}

#[test]
fn a_port_has_one_pod() {
    needs!();
    let wide = mapping("", 8_080, "tcp");
    let mut stage = stage(&json!([wide]));
    let pods = configuration(&stage.lab);
    let other = Sandbox::new("other");
    for (theirs, ours, is_free) in [
        (&wide, mapping("", 8_080, "tcp"), false),
        (&wide, mapping("", 8_080, "TCP"), false),
        (&wide, mapping("192.0.2.1", 8_080, "tcp"), false),
        (&wide, mapping("::", 8_080, "tcp"), false),
        (&wide, mapping("", 8_080, "udp"), true),
        (&wide, mapping("", 8_081, "tcp"), true),
        (
            &mapping("192.0.2.1", 8_080, "tcp"),
            mapping("", 8_080, "tcp"),
            false,
        ),
        (
            &mapping("192.0.2.1", 8_080, "tcp"),
            mapping("192.0.2.2", 8_080, "tcp"),
            true,
        ),
        (
            &mapping("192.0.2.1", 8_080, "tcp"),
            mapping("::", 8_080, "tcp"),
            true,
        ),
        (
            &mapping("0.0.0.0", 8_080, "tcp"),
            mapping("2001:db8::1", 8_080, "tcp"),
            true,
        ),
    ] {
        let mut configuration = pods.clone();
        configuration["runtimeConfig"] = json!({ "portMappings": [theirs] });
        let about = |verb| Call::about(verb, &other, &configuration).env("CNI_ARGS", POD);
        about("ADD").run().expect_success();
        let before = entries(&stage);
        ask(&mut stage, &json!([mapping("", 9_999, "tcp"), ours]));
        let what = format!("{ours} beside {theirs}");
        let answer = stage.try_add();
        if is_free {
            assert_eq!(answer.finished.code, Some(0), "{what}: {answer:?}");
            stage.del();
        } else {
            let (code, message) = answer.expect_failure();
            assert_eq!(code, 103, "{what}: {message}");
            let id = before[0].1.id;
            for part in ["shop/web-0", "container other", &format!("endpoint {id}")] {
                assert!(message.contains(part), "{part:?} is not in {message:?}");
            }
        }
        assert_eq!(entries(&stage), before, "{what}");
        about("DEL").run().expect_success();
    }
}

#[test]
fn of_many_that_want_a_port_one_gets_it() {
    needs!();
    let stage = stage(&json!([mapping("", 8_080, "tcp")]));
    let pods: Vec<_> = (0..8)
        .map(|number| Sandbox::new(&format!("p{number}")))
        .collect();
    // At every address, or at one: different keys of the map.
    let asked = |number: usize| {
        let mut configuration = configuration(&stage.lab);
        let host_ip = ["", "192.0.2.1", "0.0.0.0", "2001:db8::1"][number % 4];
        let both = json!([mapping(host_ip, 8_080, "tcp"), mapping("", 8_081, "tcp")]);
        configuration["runtimeConfig"] = json!({ "portMappings": both });
        configuration
    };
    let (asked, pods) = (&asked, &pods);
    let about = |verb: &str, number: usize| Call::about(verb, &pods[number], &asked(number)).run();
    let about = &about;
    let answers: Vec<_> = thread::scope(|scope| {
        let calls: Vec<_> = (0..pods.len())
            .map(|number| scope.spawn(move || about("ADD", number)))
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let (won, lost): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|answer| answer.finished.code == Some(0));
    assert_eq!(won.len(), 1, "{answers:?}");
    for answer in lost {
        assert_eq!(answer.expect_failure().0, 103, "{answer:?}");
    }
    let leads: std::collections::BTreeSet<_> =
        entries(&stage).iter().map(|(_, lead)| lead.id).collect();
    assert_eq!(leads.len(), 1);
    for number in 0..pods.len() {
        about("DEL", number).expect_success();
    }
    assert_eq!(open(&stage), [""; 0]);
    stage.check_neighbour();
}

/// The map forgets nobody by itself: what is left of one that is gone is closed by whoever wants the port, or
/// looks for leftovers.
#[test]
fn a_port_of_nobody_is_free() {
    needs!();
    let stage = stage(&json!([mapping("", 8_080, "tcp")]));
    let lost = Lead {
        pod: ([10, 88, 9, 9], 80).into(),
        id: 60_000,
    };
    let port = |port| NodePort {
        host: ([0; 4], port).into(),
        protocol: 6,
    };
    for number in [8_080, 8_081] {
        assert!(map(&stage).insert_new(&port(number), &lost).unwrap());
    }
    stage.add();
    let leads = entries(&stage);
    assert!(
        leads
            .iter()
            .all(|(open, lead)| (lead == &lost) == (*open == port(8_081)))
    );
    let removed = told(&stage, &["gc", "--dry-run"]);
    assert!(
        removed.to_string().contains("0.0.0.0:8081/tcp"),
        "{removed}"
    );
    stage.lab.weir(&["gc"]).expect_success();
    assert_eq!(entries(&stage).len(), leads.len() - 1);
    assert!(map(&stage).insert_new(&port(8_081), &lost).unwrap());
    stage.gc();
    assert_eq!(map(&stage).get(&port(8_081)).unwrap(), None);
}

/// What pods without ports had made is there no longer than they are, either.
#[test]
fn nothing_of_sockets_is_left_on_a_node_that_is_cleaned() {
    needs!();
    let mut stage = Stage::alone();
    ask(&mut stage, &json!([mapping("", 8_080, "tcp")]));
    let left = || {
        let pins = stage.lab.pins().into_iter();
        pins.filter(|pin| pin.contains("sock_") || pin.contains("netns"))
            .collect::<Vec<_>>()
    };
    let cleanup = |arguments: &[&str]| {
        let said = stage.lab.weir(&[&["node", "cleanup"], arguments].concat());
        said.expect_success();
    };
    stage.add();
    assert!(left().len() > 8, "{:?}", left());
    stage.del();
    cleanup(&[]);
    assert_eq!(left(), [""; 0]);
    // Under pods that are there it goes with the second cleanup.
    stage.add();
    cleanup(&["--force"]);
    assert_eq!(left(), ["weir_netns"]);
    stage.del();
    cleanup(&[]);
    assert_eq!(left(), [""; 0]);
}

#[test]
fn a_mapping_that_leads_nowhere_is_refused() {
    needs!();
    let mut stage = stage(&json!([mapping("", 8_080, "tcp")]));
    stage.change(|configuration| {
        configuration["ipam"]["ranges"] = json!([[{ "subnet": "10.88.0.0/16" }]]);
    });
    ask(&mut stage, &json!([mapping("::", 8_080, "tcp")]));
    let mut watch = stage.watch();
    let answer = stage.try_add();
    let (code, message) = answer.expect_failure();
    assert_eq!(code, 7, "{message}");
    assert!(message.contains("port 8080 of ::"), "{message}");
    watch.note_ids();
    watch.assert_nothing();
}

#[test]
fn a_killed_add_leaves_no_port_after_del() {
    needs!();
    let stage = stage(&json!([mapping("", 8_080, "tcp")]));
    add_killed(&stage, "DEL", Stage::del);
    stage.check_neighbour();
}

#[test]
fn a_killed_del_leaves_no_port_after_another() {
    needs!();
    let stage = stage(&json!([mapping("", 8_080, "tcp")]));
    let make: CleanUp = |stage| drop(stage.add());
    let del: fn(&Stage) -> Call = |stage| stage.call("DEL");
    removal_killed(&stage, "DEL, then DEL", make, del, Stage::del);
    stage.check_neighbour();
}
