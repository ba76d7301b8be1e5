//! `weir explain`.

use serde_json::Value;
use weir_tests::pods::{GATEWAYS, Lab};

use crate::lifecycle::needs;

const CLOSED: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: closed
spec:
  podSelector: {}
  ingress:
  - ports:
    - port: 80
";

fn explain(lab: &Lab, arguments: &[&str]) -> Value {
    let all = [&["explain", "-o", "json"], arguments].concat();
    serde_json::from_str(&lab.weir(&all).expect_success()).unwrap()
}

fn policy(lab: &Lab) -> String {
    let file = lab.node().state().with_file_name("closed.yaml");
    ep_builder::whole_file::write(&file, CLOSED.as_bytes()).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn every_end_can_be_named() {
    needs!();
    let lab = Lab::new();
    let (a, b) = (lab.pod(71), lab.pod(72));
    let [v4, v6] = b.addresses().map(|address| address.to_string());
    let [from_v4, _] = a.addresses().map(|address| address.to_string());
    for (from, to, kind, verdict, protocol) in [
        ("71", "72:80", "pod", "delivered", "tcp"),
        ("71", "72", "pod", "delivered", "echo"),
        (
            "container-71",
            "container-72:53/udp",
            "pod",
            "delivered",
            "udp",
        ),
        (
            &from_v4,
            &format!("{v4}:9/sctp"),
            "pod",
            "delivered",
            "sctp",
        ),
        ("71", &format!("[{v6}]:80"), "pod", "delivered", "tcp"),
        ("host", "72:80", "host", "delivered", "tcp"),
        ("127.0.0.1", "72:80", "host", "delivered", "tcp"),
        ("world", "72:80", "outside", "delivered", "tcp"),
        ("198.51.100.1", "72", "outside", "delivered", "echo"),
        ("71", &format!("{}:80", GATEWAYS[0]), "pod", "stack", "tcp"),
        ("71", "198.51.100.1:80", "pod", "stack", "tcp"),
    ] {
        let said = explain(&lab, &["--from", from, "--to", to]);
        let told = ["verdict", "drop"].map(|key| said[key].clone());
        assert_eq!(told, [verdict.into(), Value::Null], "{from} {to}: {said}");
        assert_eq!(said["from"]["kind"], kind, "{from} {to}: {said}");
        assert_eq!(said["packet"]["protocol"], protocol, "{from} {to}: {said}");
        let delivered = if verdict == "stack" {
            Value::Null
        } else {
            72.into()
        };
        assert_eq!(said["deliveredTo"], delivered, "{from} {to}: {said}");
    }
    let six = explain(&lab, &["--from", "71", "--to", "72:80", "-6"]);
    assert_eq!(six["packet"]["destination"], v6.as_str());
}

#[test]
fn documents_that_are_not_in_force_are_tried_and_named() {
    needs!();
    let lab = Lab::new();
    let (_a, _b) = (lab.pod(73), lab.pod(74));
    let file = policy(&lab);
    let what_if = |from, to| explain(&lab, &["--from", from, "--to", to, "--policy", &file]);
    let allowed = what_if("73", "74:80");
    assert_eq!(allowed["verdict"], "delivered", "{allowed}");
    assert_eq!(allowed["now"]["changes"], false, "{allowed}");
    let rule = &allowed["rule"];
    assert_eq!(
        (&rule["name"], &rule["line"]),
        (&"closed".into(), &8.into()),
        "{allowed}"
    );
    assert_eq!(rule["file"], file.as_str(), "{allowed}");
    for from in ["73", "world"] {
        let refused = what_if(from, "74:81");
        assert_eq!(refused["verdict"], "dropped", "{refused}");
        assert_eq!(refused["drop"]["reason"], 133, "{refused}");
        assert_eq!(refused["drop"]["name"], "POLICY", "{refused}");
        assert_eq!(refused["drop"]["direction"], "ingress", "{refused}");
        assert_eq!(refused["drop"]["endpoint"], 74, "{refused}");
        assert_eq!(refused["drop"]["file"], "lib/policy.h", "{refused}");
        let now = &refused["now"];
        assert_eq!(
            (&now["changes"], &now["verdict"]),
            (&true.into(), &"delivered".into())
        );
        let isolating = &refused["isolatedBy"];
        assert_eq!(isolating[0]["name"], "closed", "{refused}");
        assert_eq!(isolating[0]["line"], 1, "{refused}");
        assert_eq!(refused["rule"], Value::Null, "{refused}");
    }
    let probe = what_if("host", "74:81");
    assert_eq!(probe["verdict"], "delivered", "{probe}");
    // Only said: nothing of it is in force.
    let said = explain(&lab, &["--from", "73", "--to", "74:81"]);
    assert_eq!(said["verdict"], "delivered", "{said}");
}

const BLOCK: &str = "apiVersion: weir.dev/v1alpha1
kind: WeirPolicy
metadata:
  name: no-documentation
spec:
  egress:
  - action: deny
    to:
    - ipBlock:
        cidr: 198.51.100.0/24
    ports:
    - port: 443
";

#[test]
fn the_policy_in_force_is_named_by_its_documents() {
    needs!();
    let lab = Lab::new();
    let (_a, _b) = (lab.pod(65), lab.pod(66));
    for (name, text) in [("closed.yaml", CLOSED), ("block.yaml", BLOCK)] {
        lab.node().write_policy(name, text);
    }
    lab.weir(&["policy", "apply"]).expect_success();
    let ask = |to| explain(&lab, &["--from", "65", "--to", to]);
    let allowed = ask("66:80");
    assert_eq!(allowed["rule"]["name"], "closed", "{allowed}");
    assert_eq!(allowed["rule"]["action"], "allow", "{allowed}");
    let refused = ask("66:81");
    assert_eq!(refused["isolatedBy"][0]["name"], "closed", "{refused}");
    let denied = ask("198.51.100.7:443");
    assert_eq!(denied["drop"]["reason"], 181, "{denied}");
    let rule = &denied["rule"];
    assert_eq!(rule["kind"], "WeirPolicy", "{denied}");
    assert_eq!(
        (&rule["namespace"], &rule["line"]),
        (&"".into(), &7.into()),
        "{denied}"
    );
    assert!(
        rule["file"].as_str().unwrap().ends_with("block.yaml"),
        "{denied}"
    );
    let judged = &denied["steps"][0]["judgements"][0];
    assert!(judged["network"].as_u64() >= Some(1 << 24), "{denied}");
    assert_eq!(judged["lookUps"][1]["about"], "network", "{denied}");
    assert!(
        denied["advice"].as_str().unwrap().contains("block.yaml:7"),
        "{denied}"
    );
    assert_eq!(ask("198.51.100.7:444")["verdict"], "stack");
}

#[test]
fn a_table_says_the_same() {
    needs!();
    let lab = Lab::new();
    let (_a, _b) = (lab.pod(75), lab.pod(76));
    let file = policy(&lab);
    let line = [
        "explain", "--from", "75", "--to", "76:81", "--policy", &file,
    ];
    let text = lab.weir(&line).expect_success();
    for says in [
        "verdict      dropped on its way into endpoint 76: 133 POLICY, no rule allows it (lib/policy.h:",
        "now          delivered",
        "isolated by  NetworkPolicy default/closed at",
        "anybody: no entry",
        "fix          add an ingress rule",
    ] {
        assert!(text.contains(says), "{says}: {text}");
    }
}

#[test]
fn a_connection_that_is_tracked_is_taken_up() {
    needs!();
    let lab = Lab::new();
    let (a, b) = (lab.pod(77), lab.pod(78));
    let file = policy(&lab);
    let arguments = ["--from", "77", "--to", "78:4711/udp", "--established"];
    let none = lab.weir(&[&["explain"], &arguments[..]].concat());
    assert_eq!(none.code, Some(4), "{none:?}");
    let address = b.addresses()[0];
    let server = b.inside(|| std::net::UdpSocket::bind((address, 4711)).unwrap());
    let client = a.inside(|| std::net::UdpSocket::bind((a.addresses()[0], 0)).unwrap());
    client.send_to(b"x", (address, 4711)).unwrap();
    server.recv_from(&mut [0; 8]).unwrap();
    let said = explain(&lab, &arguments);
    let port = client.local_addr().unwrap().port();
    assert_eq!(said["packet"]["sport"], port, "{said}");
    assert_eq!(said["steps"][1]["connection"], "known", "{said}");
    let changed = explain(&lab, &[&arguments[..], &["--policy", &file]].concat());
    assert_eq!(changed["drop"]["reason"], 133, "{changed}");
}

#[test]
fn what_cannot_be_explained_is_refused_by_class() {
    needs!();
    let lab = Lab::new();
    let _pod = lab.pod(79);
    for (code, arguments) in [
        (2, &["--from", "79"][..]),
        (2, &["--from", "79", "--to", "79:http"]),
        (4, &["--from", "79", "--to", "80:1"]),
        (4, &["--from", "shop/db", "--to", "79"]),
        (1, &["--from", "79", "--to", "world"]),
        (1, &["--from", "10.1.1.1", "--to", "10.1.1.2:80"]),
        (1, &["--from", "79", "--to", "10.1.1.2", "-6"]),
        (
            4,
            &[
                "--from",
                "79",
                "--to",
                "10.1.1.2",
                "--policy",
                "/nowhere.yaml",
            ],
        ),
    ] {
        let failed = lab.weir(&[&["explain"], arguments].concat());
        assert_eq!(failed.code, Some(code), "{arguments:?}: {failed:?}");
        assert!(failed.stdout.is_empty(), "{failed:?}");
    }
}
