//! `weir node`: what it makes, that it makes it once, and that nothing is left of it.

use std::collections::BTreeSet;
use std::path::Path;

use ep_builder::builder::Builder;
use ep_builder::compile::Search;
use ep_builder::endpoint::HostPort;
use ep_builder::node::{Need as NodeNeed, Thoroughness, ensure};
use ep_builder::policy::Protocol;
use ep_builder::settings::Settings;
use ep_builder::timeline::Timeline;
use ep_builder::unit::Unit;
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;
use weir_tests::need::Need;
use weir_tests::pods::{command, run, set_sysctl};
use weir_tests::residue::Snapshot;
use weir_tests::{Lab, need};

/// A bare node with a device that leads outside, by default routes of these families.
pub(crate) fn node(families: &[&str], lines: &str) -> Lab {
    let lab = Lab::with(&format!("{lines}{}", weir_tests::pods::MAPS));
    // Links get no address by themselves, some time later.
    set_sysctl("ipv6/conf/default/addr_gen_mode", "1");
    set_sysctl("ipv4/ip_forward", "0");
    set_sysctl("ipv6/conf/all/forwarding", "0");
    device("up0", 2);
    for family in families {
        let gateway = if *family == "-4" {
            "192.0.2.254"
        } else {
            "2001:db8:2::fe"
        };
        run(&format!("ip {family} route add default via {gateway}"));
    }
    lab
}

/// A device with addresses of both families in networks of its own.
fn device(name: &str, network: u8) {
    run(&format!(
        "ip link add {name} type veth peer name {name}-far"
    ));
    run(&format!("ip link set {name}-far up"));
    run(&format!("ip link set {name} up"));
    run(&format!("ip addr add 192.0.{network}.1/24 dev {name}"));
    run(&format!(
        "ip addr add 2001:db8:{network}::1/64 dev {name} nodad"
    ));
}

/// Everything that a setup may change: beside the snapshot filters, settings and pins.
pub(crate) fn listing(lab: &Lab) -> (Snapshot, Vec<String>) {
    let mut lines = vec![lab.pins().join(" ")];
    lines.push(run("tc qdisc show dev up0"));
    for hook in ["ingress", "egress"] {
        lines.push(command(&format!("tc filter show dev up0 {hook}")).stdout);
    }
    for file in [
        "ipv4/ip_forward",
        "ipv6/conf/all/forwarding",
        "ipv4/conf/up0/forwarding",
        "ipv4/conf/up0/rp_filter",
        "ipv6/conf/up0/accept_ra",
    ] {
        let text = std::fs::read_to_string(Path::new("/proc/sys/net").join(file));
        lines.push(format!("{file} {}", text.unwrap().trim()));
    }
    (Snapshot::of(lab, &[], &BTreeSet::new()), lines)
}

#[track_caller]
pub(crate) fn assert_as_before(lab: &Lab, before: &(Snapshot, Vec<String>), what: &str) {
    let (snapshot, lines) = listing(lab);
    if let Some(change) = snapshot.since(&before.0) {
        panic!("{what}:\n{change}");
    }
    assert_eq!(lines, before.1, "{what}");
}

fn status(lab: &Lab) -> (Value, Option<i32>) {
    let said = lab.weir(&["node", "status", "-o", "json"]);
    (serde_json::from_str(&said.stdout).unwrap(), said.code)
}

/// The devices that lead outside, with what pods leave them with.
fn natives(status: &Value) -> Vec<String> {
    let devices = status["devices"].as_array().unwrap().iter();
    let native = devices.filter(|it| it["kind"] == "native");
    native
        .map(|it| {
            let text = |key: &str| it[key].as_str().unwrap_or("-").to_owned();
            format!(
                "{} {} {}",
                text("name"),
                text("ipv4Masquerade"),
                text("ipv6Masquerade")
            )
        })
        .collect()
}

/// The kernel has no table of routes before the first route.
#[test]
fn a_node_that_never_had_a_route_gets_its_part() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let lab = Lab::with(weir_tests::pods::MAPS);
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    lab.weir(&["node", "init"]).expect_success();
}

#[test]
fn it_is_made_once_and_nothing_is_left_of_it() {
    need!(
        Need::Root,
        Need::Templates,
        Need::Tool("ip"),
        Need::Tool("tc")
    );
    let lab = node(&["-4", "-6"], "");
    let before = listing(&lab);
    assert_eq!(status(&lab).1, Some(1), "nothing is there yet");
    lab.weir(&["node", "init"]).expect_success();
    let (first, code) = status(&lab);
    assert_eq!(
        (first["ready"].as_bool(), code),
        (Some(true), Some(0)),
        "{first}"
    );
    assert_eq!(natives(&first), ["up0 192.0.2.1 2001:db8:2::1"]);
    let link = run("ip -d link show weir_host");
    assert!(
        link.contains("weir:node:weir") && link.contains("NOARP,UP"),
        "{link}"
    );
    lab.weir(&["node", "init"]).expect_success();
    let (second, _) = status(&lab);
    assert_eq!(
        first["devices"][0]["ifindex"],
        second["devices"][0]["ifindex"]
    );
    lab.weir(&["node", "cleanup"]).expect_success();
    assert_as_before(&lab, &before, "after cleanup");
    lab.weir(&["node", "cleanup"]).expect_success();
}

#[test]
fn what_comes_later_is_said_and_taken_up() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let lab = node(&[], "");
    let said = lab.weir(&["node", "init"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains("no device leads outside"), "{said:?}");
    assert_eq!(natives(&status(&lab).0), [""; 0]);
    run("ip -6 route add default via 2001:db8:2::fe");
    device("up1", 3);
    run("ip route add default via 192.0.3.254");
    let (found, code) = status(&lab);
    let missing = found["missing"].to_string();
    assert!(
        missing.contains("leads outside") && code == Some(1),
        "{missing}"
    );
    lab.weir(&["node", "init"]).expect_success();
    let expected = ["up1 192.0.3.1 2001:db8:3::1", "up0 192.0.2.1 2001:db8:2::1"];
    assert_eq!(natives(&status(&lab).0), expected);
    // Another address, and a device that leads outside no more.
    run("ip addr del 192.0.2.1/24 dev up0");
    run("ip addr add 192.0.2.9/24 dev up0");
    run("ip route del default");
    assert_eq!(status(&lab).1, Some(1));
    lab.weir(&["node", "init"]).expect_success();
    assert_eq!(natives(&status(&lab).0), ["up0 192.0.2.9 2001:db8:2::1"]);
    assert_eq!(run("tc filter show dev up1 ingress"), "");
}

#[test]
fn a_pair_of_somebody_else_is_left_alone() {
    need!(
        Need::Root,
        Need::Templates,
        Need::Tool("ip"),
        Need::Tool("tc")
    );
    let lab = node(&["-4"], "");
    run("ip link add weir_host type veth peer name weir_net");
    let before = listing(&lab);
    let refused = lab.weir(&["node", "init"]);
    assert!(
        refused.stderr.contains("is there already and is not ours"),
        "{refused:?}"
    );
    lab.weir(&["node", "cleanup"]).expect_success();
    assert_as_before(&lab, &before, "after a refusal");
    run("ip link del weir_host");
    lab.weir(&["node", "init"]).expect_success();
}

#[test]
fn what_somebody_else_made_for_filters_stays() {
    need!(
        Need::Root,
        Need::Templates,
        Need::Tool("ip"),
        Need::Tool("tc")
    );
    let lab = node(&["-4"], "");
    run("tc qdisc add dev up0 clsact");
    let before = listing(&lab);
    // Begun anew, it is known from the first time.
    for _ in 0..2 {
        lab.weir(&["node", "init"]).expect_success();
    }
    // The programs go alone from a device that leads outside no more, too.
    run("ip route del default");
    lab.weir(&["node", "init"]).expect_success();
    assert!(run("tc qdisc show dev up0").contains("clsact"));
    run("ip route add default via 192.0.2.254");
    lab.weir(&["node", "init"]).expect_success();
    lab.weir(&["node", "cleanup"]).expect_success();
    assert_as_before(&lab, &before, "after cleanup");
}

/// As an ADD does whose pod has host ports.
pub(crate) fn meet_sockets(lab: &Lab) {
    let settings = Settings::load(Some(&lab.node().config())).unwrap();
    let builder = Builder::open(settings, Search::from_environment(None)).unwrap();
    let need = NodeNeed {
        thoroughness: Thoroughness::Glance,
        sockets: true,
    };
    ensure(&builder, need, &mut Timeline::default()).unwrap();
}

/// The units of the templates that nobody uses.
fn unused(lab: &Lab) -> Vec<String> {
    let json = |arguments: &[&str]| -> Value {
        let said = lab.weir(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&said.expect_success()).unwrap()
    };
    let removed = json(&["template", "gc", "--all", "--dry-run"]).to_string();
    let templates = json(&["template", "list"]);
    let templates = templates.as_array().unwrap().iter();
    let unused = templates.filter(|it| removed.contains(it["key"].as_str().unwrap()));
    let mut units: Vec<_> = unused
        .map(|it| it["unit"].as_str().unwrap().to_owned())
        .collect();
    units.sort();
    units
}

#[test]
fn what_the_node_runs_on_is_in_use_until_it_is_cleaned() {
    need!(
        Need::Root,
        Need::Tool("clang"),
        Need::Tool("ip"),
        Need::Tool("tc")
    );
    let lab = node(&["-4"], "");
    // Only what is compiled here can be collected.
    std::fs::remove_dir_all(lab.node().bundle()).unwrap();
    let before = listing(&lab);
    meet_sockets(&lab);
    assert_eq!(unused(&lab), [""; 0]);
    let table = lab.weir(&["node", "status"]).expect_success();
    let sockets = table.lines().find(|line| line.contains("sockets")).unwrap();
    assert!(sockets.contains("connect4 "), "{table}");
    assert!(!sockets.contains("missing"), "{table}");
    lab.weir(&["node", "cleanup"]).expect_success();
    assert_eq!(
        unused(&lab),
        [Unit::Host, Unit::Sock].map(|it| it.to_string())
    );
    lab.weir(&["template", "gc", "--all"]).expect_success();
    assert_as_before(&lab, &before, "after cleanup");
}

#[test]
fn ports_of_pods_are_opened_in_a_map_that_is_new() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let lab = node(&["-4"], "");
    lab.weir(&["node", "init"]).expect_success();
    let mut pod = lab.bare_pod(1);
    pod.endpoint.host_ports.push(HostPort {
        host_ip: [0; 4].into(),
        host_port: 8_080,
        protocol: Protocol::Tcp,
        container_port: 80,
    });
    lab.attach(&pod.endpoint);
    let entries = || lab.maps().host_ports().unwrap().entries().unwrap();
    let before = entries();
    assert_eq!(before.len(), 1, "{before:?}");
    std::fs::remove_file(lab.maps().folder().join("weir_host_ports")).unwrap();
    lab.weir(&["node", "init"]).expect_success();
    assert_eq!(entries(), before);
    // Whose port is another's by now is told so, and the rest goes on.
    let mut ports = lab.maps().host_ports().unwrap();
    let (port, lead) = before[0];
    let other = ep_builder::maps::Lead { id: 2, ..lead };
    let _other = lab.pod(2);
    ports.insert(&port, &other).unwrap();
    let said = lab.weir(&["node", "init"]);
    assert!(
        said.stderr.contains("the host ports of endpoint 1"),
        "{said:?}"
    );
    assert_eq!((said.code, entries()), (Some(0), vec![(port, other)]));
}

/// What the doctor says of the node's own part.
fn diagnosis(lab: &Lab) -> Vec<Value> {
    let said = lab.weir(&["doctor", "-o", "json"]);
    let rows: Vec<Value> = serde_json::from_str(&said.stdout).unwrap();
    let rows = rows.into_iter();
    rows.filter(|row| row["check"] == "node").collect()
}

#[test]
fn the_doctor_sees_what_is_missing() {
    need!(
        Need::Root,
        Need::Templates,
        Need::Tool("ip"),
        Need::Tool("tc")
    );
    let lab = node(&["-4"], "");
    let check = |result: &str, parts: &[&str]| {
        let rows = diagnosis(&lab);
        assert_eq!(rows.len(), 1, "{parts:?}: {rows:?}");
        assert_eq!(rows[0]["result"], result, "{rows:?}");
        for part in parts {
            assert!(rows[0].to_string().contains(part), "{part}: {rows:?}");
        }
    };
    assert_eq!(diagnosis(&lab), [Value::Null; 0]);
    lab.weir(&["node", "init"]).expect_success();
    check("ok", &["weir_host, up0"]);
    run("tc filter del dev up0 ingress");
    check("warn", &["the programs of up0 are gone", "weir node init"]);
    let mut pod = lab.bare_pod(1);
    pod.endpoint.masquerade = true;
    lab.attach(&pod.endpoint);
    check(
        "fail",
        &["the programs of up0 are gone", "1 endpoints need"],
    );
    lab.weir(&["node", "init"]).expect_success();
    check("ok", &["up0"]);
    lab.weir(&["node", "cleanup", "--force"]).expect_success();
    check("fail", &["the node was not set up", "weir node init"]);
    lab.weir(&["endpoint", "delete", "1"]).expect_success();
    assert_eq!(diagnosis(&lab), [Value::Null; 0]);
}
