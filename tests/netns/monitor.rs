//! Whom events are about, and which line of which document decided.

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use ep_builder::endpoint::{Label, Pod as Names};
use serde_json::{Value, json};
use weir_tests::need::Need;
use weir_tests::running::Monitor;
use weir_tests::{Pod, need};

use crate::policy::{CLOSED, Stage, WEB};

fn watch(stage: &Stage, filters: &str) -> Monitor {
    let filters: Vec<_> = filters.split(' ').collect();
    Monitor::start(stage.lab.node(), &filters)
}

/// A pod with names, and a label.
fn named(stage: &Stage, id: u16, name: &str) -> Pod {
    let mut pod = stage.lab.bare_pod(id);
    pod.endpoint.labels = [Label::new("app", name, "k8s")].into_iter().collect();
    pod.endpoint.pod = Some(Names {
        namespace: "shop".to_owned(),
        name: format!("{name}-0"),
        uid: String::new(),
    });
    stage.lab.attach(&pod.endpoint);
    pod
}

/// Asks for a connection that nobody takes.
fn knock(from: &Pod, to: &Pod, port: u16) {
    let to = SocketAddr::new(to.addresses()[0], port);
    from.inside(|| {
        // Whether it is refused or not heard is not what is asked here.
        let _refused = TcpStream::connect_timeout(&to, Duration::from_millis(300));
    });
}

fn pod(name: &str) -> Value {
    json!({"namespace": "shop", "name": name})
}

#[test]
fn a_verdict_names_pods_and_the_line_that_decided() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let stage = Stage::new();
    let (web, db) = (named(&stage, 1, "web"), named(&stage, 2, "db"));
    stage.apply(&[CLOSED, WEB]);
    // The sender's side judges, and then the receiver's.
    let filters =
        "--type verdict --from shop/web-0 --to shop/db-0 --port 80 --protocol tcp --count 2";
    let monitor = watch(&stage, filters);
    knock(&web, &db, 8080);
    knock(&web, &db, 80);
    let verdict = monitor.event();
    for (field, expected) in [
        ("verdict", json!("allow")),
        ("direction", json!("ingress")),
        ("dport", json!(80)),
        ("sourceEndpoint", json!(1)),
        ("sourcePod", pod("web-0")),
        ("destinationPod", pod("db-0")),
    ] {
        assert_eq!(verdict[field], expected, "{field} in {verdict}");
    }
    let rule = &verdict["rule"];
    for (field, expected) in [
        ("kind", json!("NetworkPolicy")),
        ("namespace", json!("default")),
        ("name", json!("web")),
        ("line", json!(14)),
        ("number", verdict["policyRule"].clone()),
    ] {
        assert_eq!(rule[field], expected, "{field} in {verdict}");
    }
    let file = rule["file"].as_str().unwrap();
    assert!(file.ends_with("a.yaml"), "{verdict}");
}

#[test]
fn a_drop_names_both_ends() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let stage = Stage::new();
    let db = named(&stage, 2, "db");
    let other = stage.pod(3, &[("app", "other")]);
    stage.apply(&[CLOSED]);
    let filters = "--type drop --reason policy --label app=db --address 10.88.0.0/16 --count 1";
    let monitor = watch(&stage, filters);
    knock(&other, &db, 80);
    let drop = monitor.event();
    for (field, expected) in [
        ("sourceEndpoint", json!(3)),
        ("sourcePod", Value::Null),
        ("destinationEndpoint", json!(2)),
        ("destinationPod", pod("db-0")),
        ("rule", Value::Null),
    ] {
        assert_eq!(drop[field], expected, "{field} in {drop}");
    }
}

/// What a pod claims to be is not what it is called.
#[test]
fn a_pod_that_lies_is_named_by_where_it_is() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let stage = Stage::new();
    let (web, db) = (named(&stage, 1, "web"), named(&stage, 2, "db"));
    let claimed = db.addresses()[0];
    let filters = "--type drop --from shop/web-0 --protocol udp --count 1";
    let monitor = watch(&stage, filters);
    for line in [
        format!("ip addr add {claimed}/32 dev eth0"),
        // The question for the gateway's address would be the first lie.
        format!(
            "ip neigh replace 10.88.0.1 lladdr {} dev eth0",
            web.endpoint.host_mac
        ),
    ] {
        web.exec(&line).expect_success();
    }
    web.inside(|| {
        let socket = UdpSocket::bind((claimed, 0)).unwrap();
        socket.send_to(b"?", ("10.88.0.1", 53)).unwrap();
    });
    let drop = monitor.event();
    assert_eq!(drop["reason"], "INVALID_SOURCE_IP", "{drop}");
    assert_eq!(drop["sourcePod"]["name"], "web-0", "{drop}");
    assert_eq!(drop["packet"]["source"], claimed.to_string(), "{drop}");
}
