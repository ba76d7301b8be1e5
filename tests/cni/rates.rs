//! Limits of a pod's rates: made by ADD, counted by everybody's packets, seen by CHECK, gone with DEL.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};
use weir_tests::Lab;
use weir_tests::plugin::{Answer, Call, Sandbox, configuration};
use weir_tests::pods::{GATEWAYS, inside, run};

use crate::stage::{Stage, needs};
use crate::verbs::add_killed;

/// Much more than any bucket here.
const BYTES: usize = 1 << 20;
/// 32 Mbit/s: what passes takes a quarter of a second.
const RATE: u64 = 32_000_000;

/// A pod with a limit, and one without.
struct Scene {
    lab: Lab,
    pod: Sandbox,
    other: Sandbox,
    configuration: Value,
    result: Value,
    others: Value,
}

impl Scene {
    fn new(bandwidth: &Value) -> Self {
        let lab = Lab::new();
        let plain = configuration(&lab);
        let mut configuration = plain.clone();
        configuration["runtimeConfig"] = json!({ "bandwidth": bandwidth });
        let (pod, other) = (Sandbox::new("limited"), Sandbox::new("other"));
        let result = Call::about("ADD", &pod, &configuration).run();
        let others = Call::about("ADD", &other, &plain).run();
        Self {
            result: result.expect_success(),
            others: others.expect_success(),
            lab,
            pod,
            other,
            configuration,
        }
    }

    fn call(&self, verb: &str) -> Answer {
        let mut configuration = self.configuration.clone();
        configuration["prevResult"] = self.result.clone();
        Call::about(verb, &self.pod, &configuration).run()
    }

    fn device(&self) -> &str {
        self.result["interfaces"][0]["name"].as_str().unwrap()
    }

    /// The root queues of the pod's link: what goes to the pod, and what comes from it.
    fn queues(&self) -> [Value; 2] {
        let show = "tc -s -j qdisc show dev";
        let host = run(&format!("{show} {}", self.device()));
        let pod = inside(&self.pod.namespace, || run(&format!("{show} eth0")));
        [host, pod].map(|said| root(&said))
    }

    fn endpoint(&self) -> Value {
        let said = self.lab.weir(&["endpoint", "list", "-o", "json"]);
        let rows: Value = serde_json::from_str(&said.expect_success()).unwrap();
        let mut rows = rows.as_array().unwrap().iter();
        rows.find(|row| row["containerId"] == "limited")
            .unwrap()
            .clone()
    }

    /// The doctor's lines about limits.
    fn limits(&self) -> Vec<Value> {
        let said = self.lab.weir(&["doctor", "-o", "json"]).stdout;
        let findings: Value = serde_json::from_str(&said).unwrap();
        let findings = findings.as_array().unwrap().iter();
        let limits = findings.filter(|finding| finding["check"] == "limit");
        limits.cloned().collect()
    }
}

fn root(said: &str) -> Value {
    let queues: Value = serde_json::from_str(said).unwrap();
    let mut queues = queues.as_array().unwrap().iter();
    queues.find(|queue| queue["root"] == true).unwrap().clone()
}

fn addresses(result: &Value) -> [IpAddr; 2] {
    let of = |at: usize| {
        let text = result["ips"][at]["address"].as_str().unwrap();
        text.split_once('/').unwrap().0.parse().unwrap()
    };
    [of(0), of(1)]
}

/// Where a connection begins and ends: in a namespace, or on the node.
fn at<T: Send>(namespace: Option<&File>, what: impl FnOnce() -> T + Send) -> T {
    match namespace {
        Some(namespace) => inside(namespace, what),
        None => what(),
    }
}

/// Sends bytes over a connection of TCP, which must come in as they went out.
fn transfer(from: Option<&File>, to: Option<&File>, address: IpAddr) {
    let sent: Vec<u8> = (0..251).cycle().take(BYTES).collect();
    let listener = at(to, || TcpListener::bind((address, 0)).unwrap());
    let port = listener.local_addr().unwrap().port();
    let reader = thread::spawn(move || {
        let mut got = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut got).unwrap();
        got
    });
    at(from, || {
        let mut stream = TcpStream::connect((address, port)).unwrap();
        stream.write_all(&sent).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
    });
    let got = reader.join().unwrap();
    assert!(got == sent, "{} of {BYTES} octets came in", got.len());
}

fn counted(queue: &Value, name: &str) -> u64 {
    queue[name].as_u64().unwrap()
}

/// That this queue has had the bytes since then, and has held some up.
#[track_caller]
fn assert_held(before: &Value, after: &Value, what: &str) {
    let more = |name| counted(after, name) - counted(before, name);
    assert!(more("bytes") >= BYTES as u64, "{what}: {before} {after}");
    assert!(more("overlimits") > 0, "{what}: {before} {after}");
}

fn limited(burst: u64) -> Value {
    json!({
        "ingressRate": RATE, "ingressBurst": burst,
        "egressRate": RATE, "egressBurst": burst,
    })
}

/// Everybody's packets count: another pod's, which do not come by the node's stack, and the node's own.
fn everybody_counts(scene: &Scene) {
    let (pod, other) = (&scene.pod.namespace, &scene.other.namespace);
    let (own, others) = (addresses(&scene.result), addresses(&scene.others));
    for family in [0, 1] {
        let node: IpAddr = GATEWAYS[family].parse().unwrap();
        for (what, from, to, address, way) in [
            ("from a pod", Some(other), Some(pod), own[family], 0),
            ("from the node", None, Some(pod), own[family], 0),
            ("to a pod", Some(pod), Some(other), others[family], 1),
            ("to the node", Some(pod), None, node, 1),
        ] {
            let before = scene.queues();
            transfer(from, to, address);
            assert_held(&before[way], &scene.queues()[way], what);
        }
    }
}

#[test]
fn limits_hold_for_everybody_and_through_a_regeneration() {
    needs!("tc");
    // The second is smaller than a packet: it is made as large as one, and TCP's large ones are cut.
    for burst in [655_360, 8] {
        let scene = Scene::new(&limited(burst));
        let expected = burst.max((1500 + 14) * 8);
        let bandwidth = json!({ "rate": RATE, "burst": expected });
        let bandwidth = json!({ "ingress": bandwidth, "egress": bandwidth });
        assert_eq!(scene.endpoint()["bandwidth"], bandwidth);
        for queue in scene.queues() {
            assert_eq!(queue["kind"], "tbf");
            assert_eq!(queue["options"]["rate"], RATE / 8);
        }
        scene.call("CHECK").expect_success();
        everybody_counts(&scene);
        let regenerate = ["endpoint", "regenerate", "--all", "--level", "constants"];
        scene.lab.weir(&regenerate).expect_success();
        assert_eq!(scene.endpoint()["bandwidth"], bandwidth);
        everybody_counts(&scene);
        scene.call("CHECK").expect_success();
        scene.call("DEL").expect_success();
        let links = run("ip -o link");
        assert!(!links.contains(scene.device()), "{links}");
    }
}

#[test]
fn one_direction_leaves_the_other_alone() {
    needs!("tc");
    for (keys, kinds) in [
        (["ingressRate", "ingressBurst"], ["tbf", "noqueue"]),
        (["egressRate", "egressBurst"], ["noqueue", "tbf"]),
        (["x", "y"], ["noqueue", "noqueue"]),
    ] {
        let [rate, burst] = keys;
        // The largest number is what containerd writes for a burst that nobody asked for.
        let scene = Scene::new(&json!({ rate: RATE, burst: u32::MAX }));
        let found = scene.queues().map(|queue| queue["kind"].clone());
        assert_eq!(found, kinds, "{keys:?}");
        scene.call("CHECK").expect_success();
        let [to, from] = [addresses(&scene.result), addresses(&scene.others)].map(|it| it[0]);
        let (pod, other) = (&scene.pod.namespace, &scene.other.namespace);
        transfer(Some(other), Some(pod), to);
        transfer(Some(pod), Some(other), from);
        scene.call("DEL").expect_success();
    }
}

/// What is fixed of a queue, without what it has counted.
fn shape(queue: &Value) -> [Value; 2] {
    ["kind", "options"].map(|key| queue[key].clone())
}

#[test]
fn a_limit_that_was_taken_away_is_told_and_put_back() {
    needs!("tc");
    let scene = Scene::new(&limited(655_360));
    let [before, _] = scene.queues();
    let limits = scene.limits();
    assert_eq!(limits.len(), 1, "{limits:?}");
    assert_eq!(limits[0]["result"], "ok");
    let check = |expected: &str| {
        let answer = scene.call("CHECK");
        let (_, message) = answer.expect_failure();
        assert!(message.contains(expected), "{expected}: {answer:?}");
    };
    let device = scene.device();
    let regenerate = || {
        let regenerate = ["endpoint", "regenerate", "--all", "-o", "json"];
        let said = scene.lab.weir(&regenerate).expect_success();
        let rows: Value = serde_json::from_str(&said).unwrap();
        let mut rows = rows.as_array().unwrap().iter();
        rows.find(|row| row["device"] == device).unwrap().clone()
    };
    for command in [
        format!("tc qdisc del dev {device} root"),
        format!("tc qdisc replace dev {device} root tbf rate 1gbit burst 100k latency 25ms"),
        format!("tc qdisc replace dev {device} root pfifo limit 10"),
    ] {
        run(&command);
        check(&format!("{device} is not limited to 32 Mbit/s"));
        let limits = scene.limits();
        assert_eq!(limits[0]["result"], "fail", "{limits:?}");
        let fix = limits[0]["fix"].as_str().unwrap();
        assert!(fix.contains("weir endpoint regenerate"), "{limits:?}");
        let row = regenerate();
        assert_eq!(row["done"], "policy", "{command}: {row}");
        let reason = row["reasons"][0].as_str().unwrap();
        assert!(reason.contains("no more than 32 Mbit/s"), "{row}");
        let [queue, _] = scene.queues();
        assert_eq!(shape(&queue), shape(&before), "{command}");
        scene.call("CHECK").expect_success();
        assert_eq!(regenerate()["done"], "nothing");
    }
    everybody_counts(&scene);
    // What is inside of the pod is the pod's: it is told, and nobody goes there.
    inside(&scene.pod.namespace, || run("tc qdisc del dev eth0 root"));
    check("eth0 is not limited to 32 Mbit/s");
    assert_eq!(regenerate()["done"], "nothing");
    scene.call("DEL").expect_success();
}

#[test]
fn a_killed_add_with_limits_leaves_nothing_after_del() {
    needs!();
    let mut stage = Stage::new();
    stage.change(|configuration| {
        configuration["runtimeConfig"] = json!({ "bandwidth": limited(655_360) });
    });
    add_killed(&stage, "DEL", Stage::del);
    stage.check_neighbour();
}

#[test]
fn an_add_that_cannot_limit_leaves_nothing() {
    needs!("tc");
    let lab = Lab::new();
    let pod = Sandbox::new("refused");
    for (bandwidth, code, words) in [
        (
            json!({ "ingressRate": 7, "ingressBurst": 8 }),
            7,
            "ingressRate is 7",
        ),
        (json!({ "egressBurst": 8_000 }), 7, "egressBurst is 8000"),
        (json!({ "egressRate": -8 }), 7, "egressRate is -8"),
        (json!([]), 6, "runtimeConfig.bandwidth"),
    ] {
        let mut configuration = configuration(&lab);
        configuration["runtimeConfig"] = json!({ "bandwidth": bandwidth });
        let answer = Call::about("ADD", &pod, &configuration).run();
        let (found, message) = answer.expect_failure();
        assert_eq!(found, code, "{answer:?}");
        assert!(message.contains(words), "{answer:?}");
        let links = run("ip -o link");
        assert!(!links.contains(": lxc"), "{links}");
        // What an ADD refuses keeps no DEL from its work.
        let deleted = Call::about("DEL", &pod, &configuration).run();
        deleted.expect_success();
    }
}
