//! Policies in force: from the operator's files to what real connections may do, and back.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::thread;
use std::time::Duration;

use ep_builder::endpoint::{EndpointId, Label};
use ep_builder::policy::state_of;
use ep_builder::state::PolicyState;
use ep_builder::whole_file;
use serde_json::Value;
use weir_tests::need::Need;
use weir_tests::pods::MAPS;
use weir_tests::{Finished, Lab, Pod, need};

/// How long is waited for what must come. The first neighbour request of a busy machine may take a second.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long is waited in vain for what must not.
const SILENCE: Duration = Duration::from_millis(700);

const PORTS: [u16; 2] = [80, 8080];

/// Nobody reaches pods with `app: db`.
pub(crate) const CLOSED: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
";

/// Those with `app: web` do.
pub(crate) const WEB: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from:
    - podSelector: {matchLabels: {app: web}}
    ports:
    - port: 80
";

/// A node with pods that listen.
pub(crate) struct Stage {
    pub(crate) lab: Lab,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(MAPS)
    }

    pub(crate) fn with(lines: &str) -> Self {
        let lab = Lab::with(lines);
        Self { lab }
    }

    /// A pod with these labels that answers on the ports.
    pub(crate) fn pod(&self, id: u16, labels: &[(&str, &str)]) -> Pod {
        let mut pod = self.lab.bare_pod(id);
        let labels = labels.iter();
        pod.endpoint.labels = labels
            .map(|(key, value)| Label::new(key, value, "k8s"))
            .collect();
        self.lab.attach(&pod.endpoint);
        for port in PORTS {
            let listener = pod.inside(|| TcpListener::bind(("::", port)).unwrap());
            thread::spawn(move || {
                for stream in listener.incoming() {
                    echo(stream.unwrap());
                }
            });
        }
        pod
    }

    /// Writes a file of documents.
    pub(crate) fn write(&self, name: &str, documents: &[&str]) {
        let text = documents.join("---\n");
        self.lab.node().write_policy(name, &text);
    }

    pub(crate) fn policy(&self, arguments: &[&str]) -> Finished {
        self.lab.weir(&[&["policy"], arguments].concat())
    }

    /// Puts these documents in force, and no others.
    pub(crate) fn apply(&self, documents: &[&str]) {
        self.write("a.yaml", documents);
        self.policy(&["apply"]).expect_success();
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self.lab.weir(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&text.expect_success()).unwrap()
    }

    pub(crate) fn state(&self, id: u16) -> PolicyState {
        state_of(&self.lab.maps(), EndpointId::new(id).unwrap()).unwrap()
    }
}

/// Answers what comes, as long as something comes.
fn echo(mut stream: TcpStream) {
    thread::spawn(move || {
        let mut byte = [0];
        while matches!(stream.read(&mut byte), Ok(1)) {
            if stream.write_all(&byte).is_err() {
                break;
            }
        }
    });
}

fn connect(from: &Pod, to: IpAddr, port: u16, wait: Duration) -> Option<TcpStream> {
    from.inside(|| TcpStream::connect_timeout(&SocketAddr::new(to, port), wait).ok())
}

/// What was said by a command that failed in this way.
#[track_caller]
pub(crate) fn refusal(finished: Finished, code: i32) -> String {
    assert_eq!(finished.code, Some(code), "{}", finished.stderr);
    finished.stderr
}

/// Asserts who reaches whom, over IPv4 and IPv6.
#[track_caller]
pub(crate) fn check(rows: &[(&Pod, &Pod, u16, bool)]) {
    for (from, to, port, expected) in rows {
        for address in to.addresses() {
            let wait = if *expected { PATIENCE } else { SILENCE };
            let reaches = connect(from, address, *port, wait).is_some();
            assert_eq!(reaches, *expected, "{} to {address} port {port}", from.id());
        }
    }
}

#[test]
fn policies_come_change_and_go() {
    need!(Need::Root, Need::Tool("ip"));
    let stage = Stage::new();
    let [web, db, other] = [
        stage.pod(1, &[("app", "web")]),
        stage.pod(2, &[("app", "db")]),
        stage.pod(3, &[("app", "other")]),
    ];
    check(&[(&web, &db, 80, true), (&other, &db, 80, true)]);
    stage.apply(&[CLOSED]);
    assert_eq!(
        stage.state(2),
        PolicyState {
            ingress: true,
            egress: false,
            revision: 1
        }
    );
    check(&[
        (&web, &db, 80, false),
        (&other, &db, 80, false),
        (&db, &web, 80, true),
        (&other, &web, 80, true),
    ]);
    stage.apply(&[CLOSED, WEB]);
    check(&[
        (&web, &db, 80, true),
        (&web, &db, 8080, false),
        (&other, &db, 80, false),
    ]);
    // Of the entries for `web` those for TCP port 80 have decided.
    let entries = stage.json(&["policy", "get", "2"]);
    let allowing = entries.as_array().unwrap().iter();
    let mut allowing = allowing.filter(|entry| entry["rule"]["name"] == "web");
    let entry = allowing.next().unwrap();
    assert_eq!(
        (entry["identity"].as_u64(), entry["dport"].as_u64()),
        (Some(1001), Some(80))
    );
    assert!(entry["packets"].as_u64() >= Some(2), "{entry}");
    assert!(entry["rule"]["place"]["line"] == 14, "{entry}");
    assert_eq!(allowing.next(), None);
    // The same again keeps the counters.
    stage.policy(&["apply"]).expect_success();
    let again = stage.json(&["policy", "get", "2"]);
    assert_eq!(again, entries);

    let said = stage.policy(&["delete", "default/web"]).expect_success();
    assert!(said.contains("1002"), "{said}");
    check(&[(&web, &db, 80, false)]);
    let unnamed = stage.policy(&["delete", "closed", "--kind", "NetworkPolicy"]);
    assert!(refusal(unnamed, 4).contains("NAMESPACE/NAME"));
    stage.policy(&["delete", "default/closed"]).expect_success();
    assert!(!stage.lab.node().policy_dir().join("a.yaml").exists());
    check(&[(&web, &db, 80, true), (&other, &db, 8080, true)]);
    assert!(!stage.state(2).ingress);
}

#[test]
fn an_open_connection_feels_a_change() {
    need!(Need::Root, Need::Tool("ip"));
    let stage = Stage::new();
    let (web, db) = (
        stage.pod(1, &[("app", "web")]),
        stage.pod(2, &[("app", "db")]),
    );
    stage.apply(&[CLOSED, WEB]);
    let mut open = connect(&web, db.addresses()[0], 80, PATIENCE).unwrap();
    let mut is_answered = |wait| {
        open.set_read_timeout(Some(wait)).unwrap();
        open.write_all(b"x").unwrap();
        open.read(&mut [0]).is_ok()
    };
    assert!(is_answered(PATIENCE));
    stage.apply(&[CLOSED, WEB, &CLOSED.replace("closed", "another")]);
    assert!(is_answered(PATIENCE), "it is allowed as before");
    stage.apply(&[CLOSED]);
    assert!(!is_answered(SILENCE), "no rule allows it any more");
}

#[test]
fn a_pod_that_comes_later_is_known_to_those_before() {
    need!(Need::Root, Need::Tool("ip"));
    let stage = Stage::new();
    let db = stage.pod(2, &[("app", "db")]);
    stage.apply(&[CLOSED, WEB]);
    let before = stage.state(2).revision;
    // The first one of its identity, then a second one, then one that no rule names.
    let web = stage.pod(1, &[("app", "web")]);
    let other = stage.pod(4, &[("app", "other")]);
    check(&[(&web, &db, 80, true), (&other, &db, 80, false)]);
    // A new pod is isolated from the start.
    let second = stage.pod(5, &[("app", "db"), ("second", "")]);
    check(&[(&web, &second, 80, true), (&other, &second, 80, false)]);
    assert_eq!(stage.state(2).revision, before, "nothing was switched");
    for id in [1, 2, 4, 5] {
        assert_eq!(stage.state(id).revision, before);
    }
}

#[test]
fn labels_change_under_a_pod() {
    need!(Need::Root, Need::Tool("ip"));
    let stage = Stage::new();
    let [web, db] = [
        stage.pod(1, &[("app", "other")]),
        stage.pod(2, &[("app", "db")]),
    ];
    stage.apply(&[CLOSED, WEB]);
    check(&[(&web, &db, 80, false)]);
    let label = |change: &[&str]| stage.lab.weir(&[&["endpoint", "label"], change].concat());
    label(&["1", "app=web"]).expect_success();
    check(&[(&web, &db, 80, true), (&web, &db, 8080, false)]);
    let endpoint = stage.json(&["endpoint", "get", "1"]);
    assert!(endpoint["identity"].as_u64() >= Some(256), "{endpoint}");
    // As a subject, too.
    label(&["2", "app=free"]).expect_success();
    check(&[(&web, &db, 8080, true)]);
    label(&["2", "app-"]).expect_success();
    check(&[(&web, &db, 8080, false), (&web, &db, 80, true)]);
    let ips = stage.json(&["ip", "list"]);
    let identities = ips.as_array().unwrap().iter();
    let own: Vec<_> = identities.filter(|row| row["endpoint"] == 1).collect();
    assert_eq!(own.len(), 2);
    assert!(
        own.iter()
            .all(|row| row["identity"] == endpoint["identity"])
    );
    // Back to the generation before, with its labels and their policy.
    stage
        .lab
        .weir(&["endpoint", "rollback", "1"])
        .expect_success();
    check(&[(&web, &db, 80, false)]);
    for (change, code) in [("app", 2), ("weir.dev/ports=x", 2), ("no-", 1)] {
        refusal(label(&["1", change]), code);
    }
}

#[test]
fn networks_and_the_node() {
    need!(Need::Root, Need::Tool("ip"));
    let stage = Stage::new();
    let [web, db] = [
        stage.pod(1, &[("app", "web")]),
        stage.pod(2, &[("app", "db")]),
    ];
    let blocks = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: blocks}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from:
    - ipBlock: {cidr: 10.88.1.0/24, except: [10.88.1.3/32]}
    - ipBlock: {cidr: 'fd88::/32', except: ['fd88::1:0:3/128']}
";
    stage.apply(&[&blocks.replace("fd88::1:0:3", "fd88::1:3")]);
    let except = stage.pod(3, &[]);
    check(&[(&web, &db, 80, true), (&except, &db, 80, false)]);
    let networks = stage.json(&["ip", "list"]);
    let networks = networks.as_array().unwrap().iter();
    assert_eq!(networks.filter(|row| row["revision"] == 1).count(), 4);
    // The node reaches its pods, policy or not.
    stage.apply(&[CLOSED]);
    for address in db.addresses() {
        assert!(TcpStream::connect_timeout(&SocketAddr::new(address, 80), PATIENCE).is_ok());
    }
    check(&[(&web, &db, 80, false)]);
    let networks = stage.json(&["ip", "list"]);
    let mut networks = networks.as_array().unwrap().iter();
    assert!(networks.all(|row| row["revision"].is_null()));
}

/// Judged without its labels a pod would be somebody else, to whom more is open, or less.
#[test]
fn a_pod_whose_labels_cannot_be_read_lets_no_policy_in() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let stage = Stage::new();
    let web = stage.pod(1, &[("app", "web")]);
    let db = stage.pod(2, &[("app", "db")]);
    stage.apply(&[CLOSED, WEB]);
    let root = stage.lab.node().state();
    let aside = root.join("aside");
    for id in ["00001", "00002"] {
        // A link is not followed: a folder that is there, and cannot be read.
        fs::rename(root.join(id), &aside).unwrap();
        symlink("aside", root.join(id)).unwrap();
        let refused = stage.policy(&["apply"]);
        assert_ne!(refused.code, Some(0), "{id}: {refused:?}");
        assert!(refused.stderr.contains(id), "{refused:?}");
        check(&[(&web, &db, 80, true), (&web, &db, 8080, false)]);
        fs::remove_file(root.join(id)).unwrap();
        fs::rename(&aside, root.join(id)).unwrap();
    }
    stage.apply(&[CLOSED]);
    check(&[(&web, &db, 80, false)]);
}

#[test]
fn what_is_refused_leaves_the_policy_in_force() {
    need!(Need::Root, Need::Tool("ip"));
    let stage = Stage::new();
    let [web, db] = [
        stage.pod(1, &[("app", "web")]),
        stage.pod(2, &[("app", "db")]),
    ];
    stage.apply(&[CLOSED, WEB]);
    let before = (stage.json(&["policy", "get", "2"]), stage.state(2));
    let many: Vec<_> = (0..62)
        .map(|n| format!("    - port: {}\n", 1000 + 2 * n))
        .collect();
    for (documents, code, says) in [
        (CLOSED.replace("podSelector", "podSelectr"), 9, "a.yaml:5"),
        (
            WEB.replace("    - port: 80\n", &many.concat()),
            9,
            "has room for 64 entries",
        ),
    ] {
        stage.write("a.yaml", &[&documents]);
        for arguments in [&["apply"][..], &["apply", "--dry-run"], &["diff"]] {
            let refused = stage.policy(arguments);
            let said = refusal(refused, code);
            assert!(said.contains(says), "{said}");
        }
        assert_eq!(
            (stage.json(&["policy", "get", "2"]), stage.state(2)),
            before
        );
    }
    check(&[(&web, &db, 80, true), (&web, &db, 8080, false)]);
    // What cannot be read keeps a pod from beginning, and is mended by an apply.
    let current = stage.lab.node().state().join("policy/current");
    whole_file::write(&current, b"garbage").unwrap();
    let pod = stage.lab.bare_pod(7);
    let file = stage.lab.node().state().with_file_name("endpoint.json");
    whole_file::write(&file, &serde_json::to_vec(&pod.endpoint).unwrap()).unwrap();
    let refused = stage
        .lab
        .weir(&["endpoint", "attach", file.to_str().unwrap()]);
    let said = refusal(refused, 7);
    assert!(said.contains("weir policy apply"), "{said}");
    stage.apply(&[CLOSED, WEB]);
    stage.lab.attach(&pod.endpoint);
    check(&[(&web, &db, 80, true), (&pod, &db, 80, false)]);
}
