//! Namespaces x, y and z with pods a, b and c each, the node, and a host beyond it; all of them serve.

use std::fs::File;
use std::net::IpAddr;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use weir_tests::plugin::{Call, Sandbox, configuration};
use weir_tests::pods::{GATEWAYS, MAPS, inside};
use weir_tests::{Finished, Lab};

use crate::beyond::Beyond;
use crate::serve::Server;

/// Who there is, in the order of a grid's columns.
pub(crate) const NAMES: [&str; 11] = [
    "xa", "xb", "xc", "ya", "yb", "yc", "za", "zb", "zc", "n", "w",
];
/// Those before are pods.
pub(crate) const NODE: usize = 9;
/// The host beyond the node.
pub(crate) const WORLD: usize = 10;

/// The labels of the namespaces, for cases that say nothing else of them.
const NAMESPACES: &str = include_str!("namespaces.yaml");

/// Everybody, wired and serving.
pub(crate) struct Cluster {
    pub(crate) lab: Lab,
    beyond: Beyond,
    node: File,
    pods: Vec<ClusterPod>,
    server: Server,
}

struct ClusterPod {
    sandbox: Sandbox,
    addresses: [IpAddr; 2],
    id: String,
}

impl Cluster {
    /// A node with these pods and no policy.
    pub(crate) fn new() -> Self {
        allow_many_files();
        let lab = Lab::with(&lines(""));
        let pods = NAMES[..NODE].iter().map(|name| ClusterPod::new(&lab, name));
        let pods: Vec<_> = pods.collect();
        let mut cluster = Self {
            beyond: Beyond::new(),
            node: File::open("/proc/thread-self/ns/net").unwrap(),
            pods,
            lab,
            server: Server::default(),
        };
        let places: Vec<_> = (0..NAMES.len()).collect();
        let sockets = places.iter().map(|place| {
            let addresses = cluster.addresses(*place);
            cluster.inside(*place, || Server::sockets(addresses))
        });
        let sockets = sockets.flatten().collect();
        cluster.server.start(sockets);
        cluster
    }

    /// The addresses of somebody, IPv4 first.
    pub(crate) fn addresses(&self, place: usize) -> [IpAddr; 2] {
        match place {
            NODE => GATEWAYS.map(|address| address.parse().unwrap()),
            WORLD => self.beyond.addresses(),
            pod => self.pods[pod].addresses,
        }
    }

    /// Does something where somebody is. Sockets that are made there stay there.
    pub(crate) fn inside<T: Send>(&self, place: usize, what: impl FnOnce() -> T + Send) -> T {
        match place {
            NODE => inside(&self.node, what),
            WORLD => self.beyond.inside(what),
            pod => inside(&self.pods[pod].sandbox.namespace, what),
        }
    }

    /// Changes the labels of a pod.
    pub(crate) fn label(&self, pod: &str, changes: &[&str]) {
        let pod = NAMES.iter().position(|name| *name == pod).unwrap();
        let words = [&["endpoint", "label", &self.pods[pod].id], changes].concat();
        self.lab.weir(&words).expect_success();
    }

    /// Puts these documents in force, and no others but those of the namespaces.
    pub(crate) fn apply(&self, documents: &str) {
        self.try_apply(documents).expect_success();
    }

    /// As [`Self::apply`], which may be refused.
    pub(crate) fn try_apply(&self, documents: &str) -> Finished {
        let text = if documents.contains("kind: Namespace") {
            documents.to_owned()
        } else {
            format!("{NAMESPACES}---\n{documents}")
        };
        self.lab.node().write_policy("case.yaml", &text);
        self.policy(&["apply"])
    }

    /// Runs `weir policy`.
    pub(crate) fn policy(&self, arguments: &[&str]) -> Finished {
        self.lab.weir(&[&["policy"], arguments].concat())
    }

    /// Writes another configuration of the node, with these lines on policy.
    pub(crate) fn configure(&self, policy: &str) {
        self.lab.configure(&lines(policy));
    }
}

impl ClusterPod {
    fn new(lab: &Lab, name: &str) -> Self {
        let (namespace, label) = name.split_at(1);
        let sandbox = Sandbox::new(name);
        let mut configuration = configuration(lab);
        configuration["args"] = json!({ "cni": {
            "ips": addresses(name),
            "labels": [{ "key": "pod", "value": label }],
            "ports": ports(label),
        }});
        let arguments =
            format!("IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={label}");
        let add = Call::about("ADD", &sandbox, &configuration).env("CNI_ARGS", arguments);
        let result = add.run().expect_success();
        let address = |index: usize| {
            let text = result["ips"][index]["address"].as_str().unwrap();
            text.split('/').next().unwrap().parse().unwrap()
        };
        Self {
            addresses: [address(0), address(1)],
            id: endpoint_id(lab, name),
            sandbox,
        }
    }
}

/// The pods of a namespace have a network of their own: 10.88.1.0/24 and `fd88::1:0/112` are those of x.
fn addresses(name: &str) -> [String; 2] {
    let number = NAMES.iter().position(|it| *it == name).unwrap();
    let (namespace, pod) = (number / 3 + 1, number % 3 + 1);
    [
        format!("10.88.{namespace}.{pod}"),
        format!("fd88::{namespace}:{pod}"),
    ]
}

/// Each port that is served has a name, the same for all pods; and `web` is another one for each kind of pod.
fn ports(label: &str) -> Value {
    let port = |name: String, protocol: &str, number: u16| json!({ "name": name, "protocol": protocol, "containerPort": number });
    let served = [80, 81].into_iter().flat_map(|number| {
        ["TCP", "UDP", "SCTP"].map(|protocol| {
            let name = format!("serve-{number}-{}", protocol.to_lowercase());
            port(name, protocol, number)
        })
    });
    let mut ports: Vec<_> = served.collect();
    match label {
        "a" => ports.push(port("web".to_owned(), "TCP", 80)),
        "b" => ports.push(port("web".to_owned(), "TCP", 81)),
        _ => ports.push(port("web".to_owned(), "UDP", 80)),
    }
    ports.into()
}

fn endpoint_id(lab: &Lab, container: &str) -> String {
    let said = lab.weir(&["endpoint", "list", "-o", "json"]);
    let rows: Value = serde_json::from_str(&said.expect_success()).unwrap();
    let mut rows = rows.as_array().unwrap().iter();
    let row = rows.find(|row| row["containerId"] == container).unwrap();
    row["id"].to_string()
}

/// Room for what eleven ends ask each other, and for the entries of both policies during a change.
fn lines(policy: &str) -> String {
    let maps = MAPS.replace("= 64\n", "= 1024\n");
    let maps = maps.replace("= 4096\n", "= 16384\n");
    format!("{maps}[policy]\n{policy}\n")
}

/// A round opens a socket for each question, and rounds of several clusters run at once.
fn allow_many_files() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
}
