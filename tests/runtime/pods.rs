//! containerd: pods of a kubelet, and containers of `ctr`.

use serde_json::{Value, json};
use weir_tests::Lab;
use weir_tests::need;
use weir_tests::need::Need;
use weir_tests::pods::MAPS;

use crate::cri::messages::PortMapping;
use crate::host::{Host, text};
use crate::image;
use crate::kubelet::{Kubelet, NAMESPACE, Pod};
use crate::plugin::{self, Plugin};
use crate::residue::Residue;
use crate::until::until;

macro_rules! need_containerd {
    () => {
        need!(
            Need::Root,
            Need::Templates,
            Need::Tool("containerd"),
            Need::Tool("runc"),
            Need::Tool("iptables"),
            Need::Tool("bpftool"),
            Need::Tool("busybox"),
            Need::Tool("/usr/lib/cni/portmap"),
        )
    };
}

/// The annotations of a pod with limited rates.
fn rates() -> [(String, String); 2] {
    ["ingress", "egress"].map(|way| (format!("kubernetes.io/{way}-bandwidth"), "10M".into()))
}

/// Two pods, one with a host port and limited rates.
fn serve(plugin: Plugin) {
    let lab = plugin::lab();
    let host = Host::new(&lab);
    host.outside();
    let chained = [
        json!({ "type": "portmap", "capabilities": { "portMappings": true } }),
        json!({ "type": "bandwidth", "capabilities": { "bandwidth": true } }),
    ];
    let mut kubelet = Kubelet::new(&host, &plugin::list(plugin, &host, &chained));
    let before = Residue::of(&host);

    let mut first = kubelet.config("a");
    first.port_mappings = vec![PortMapping {
        protocol: 0,
        container_port: 80,
        host_port: 8080,
    }];
    first.annotations.extend(rates());
    let a = kubelet.run(first);
    let b = kubelet.run(kubelet.config("b"));
    for pod in [&a, &b] {
        assert_eq!(pod.addresses.len(), 2, "{:?}", pod.addresses);
        assert!(pod.addresses.iter().all(|it| plugin.owns(*it)));
    }
    kubelet.assert_reaches(&a, &b);
    kubelet.assert_reaches(&b, &a);
    let from_outside = "ip netns exec outside timeout 5 busybox wget -q -O -";
    let page = host.run(&format!("{from_outside} http://192.0.2.1:8080/"));
    assert_eq!(page, image::ANSWER);
    let queues = host.run("tc qdisc show");
    assert_eq!(queues.matches("qdisc tbf").count(), 2, "{queues}");

    for pod in [&a, &b] {
        kubelet.remove(pod);
    }
    before.assert_again(&host);
}

/// An ADD that fails behind the plugin, which is the first to have made something.
fn fail(plugin: Plugin) {
    let lab = plugin::lab();
    let host = Host::new(&lab);
    let refusing =
        json!({ "type": "tuning", "sysctl": { "net.ipv4.conf.eth0.of_no_kernel": "1" } });
    let mut kubelet = Kubelet::new(&host, &plugin::list(plugin, &host, &[refusing]));
    let before = Residue::of(&host);
    let refused = kubelet.try_run(kubelet.config("refused")).unwrap_err();
    assert!(refused.message().contains("of_no_kernel"), "{refused}");
    before.assert_again(&host);
}

/// A container of `ctr`: without arguments of Kubernetes, its namespace named by a process.
fn by_hand(plugin: Plugin) {
    let lab = plugin::lab();
    let host = Host::new(&lab);
    let list = plugin::list(plugin, &host, &[]);
    // The only place where ctr looks.
    let target = host.folder("ctr").join("10-test.conflist");
    ep_builder::whole_file::write(&target, list.to_string().as_bytes()).unwrap();
    host.run(&format!("cp {} /etc/cni/net.d/", text(&target)));
    let kubelet = Kubelet::new(&host, &list);
    let before = Residue::of(&host);
    let said = kubelet.ctr(&format!(
        "run --rm --cni --cgroup {}/by-hand {} by-hand /bin/ip -o address show dev eth0",
        host.cgroup(),
        image::NAME
    ));
    let mut addresses = said.split_whitespace().filter_map(|word| {
        let (address, _) = word.split_once('/')?;
        address.parse().ok()
    });
    assert!(addresses.any(|it| plugin.owns(it)), "{said}");
    before.assert_again(&host);
}

/// The rows of the operator's list, by the name of the pod.
fn endpoint<'a>(rows: &'a Value, name: &str) -> &'a Value {
    let mut rows = rows.as_array().unwrap().iter();
    let found = rows.find(|row| row["pod"]["name"] == name);
    found.unwrap_or_else(|| panic!("{name} is not in the list"))
}

/// What the rules of `b` let `a` and `c` do.
#[track_caller]
fn assert_served(kubelet: &mut Kubelet<'_>, [a, b, c]: [&Pod; 3], third: bool) {
    kubelet.assert_reaches(a, b);
    for address in &b.addresses {
        assert_eq!(kubelet.fetch(c, *address).is_ok(), third, "{address}");
    }
}

#[test]
fn pods_of_ptp() {
    need_containerd!();
    serve(Plugin::Ptp);
}

#[test]
fn pods_of_weir() {
    need_containerd!();
    serve(Plugin::Weir);
}

#[test]
fn a_failed_add_of_ptp_leaves_nothing() {
    need_containerd!();
    fail(Plugin::Ptp);
}

#[test]
fn a_failed_add_of_weir_leaves_nothing() {
    need_containerd!();
    fail(Plugin::Weir);
}

#[test]
fn ctr_with_ptp() {
    need_containerd!();
    by_hand(Plugin::Ptp);
}

#[test]
fn ctr_with_weir() {
    need_containerd!();
    by_hand(Plugin::Weir);
}

/// Without a plugin for them.
#[test]
fn rates_are_limited_by_weir() {
    need_containerd!();
    let lab = plugin::lab();
    let host = Host::new(&lab);
    let mut kubelet = Kubelet::new(&host, &plugin::list(Plugin::Weir, &host, &[]));
    let before = Residue::of(&host);
    let mut limited = kubelet.config("a");
    limited.annotations.extend(rates());
    let a = kubelet.run(limited);
    let b = kubelet.run(kubelet.config("b"));
    kubelet.assert_reaches(&a, &b);
    kubelet.assert_reaches(&b, &a);
    let rows = lab.weir(&["endpoint", "list", "-o", "json"]);
    let rows: Value = serde_json::from_str(&rows.expect_success()).unwrap();
    // containerd names no burst.
    let limit = json!({ "rate": 10_000_000, "burst": 655_360 });
    let bandwidth = json!({ "ingress": limit, "egress": limit });
    assert_eq!(endpoint(&rows, "a")["bandwidth"], bandwidth);
    assert_eq!(endpoint(&rows, "b")["bandwidth"], json!({}));
    // The other one is inside of the pod.
    let queues = host.run("tc qdisc show");
    assert_eq!(queues.matches("qdisc tbf").count(), 1, "{queues}");
    for pod in [&a, &b] {
        kubelet.remove(pod);
    }
    before.assert_again(&host);
}

/// Likewise: a port is asked for from outside, by another pod and by its own, and pods leave with the node's address.
#[test]
fn ports_and_the_nodes_address_are_given_by_weir() {
    need_containerd!();
    let lab = Lab::with(&format!("{MAPS}[node]\ndevices = [\"out0\"]\n"));
    let host = Host::new(&lab);
    host.outside();
    // It has no way to pods, but to the node.
    host.run("ip -n outside route del default");
    let mut kubelet = Kubelet::new(&host, &plugin::list(Plugin::Weir, &host, &[]));
    let before = Residue::of(&host);
    let mut first = kubelet.config("a");
    first.port_mappings = vec![PortMapping {
        protocol: 0,
        container_port: 80,
        host_port: 8080,
    }];
    let a = kubelet.run(first);
    let b = kubelet.run(kubelet.config("b"));
    let url = "http://192.0.2.1:8080/";
    let from_outside = format!("ip netns exec outside timeout 5 busybox wget -q -O - {url}");
    until(|| {
        let said = host.try_run(&from_outside);
        let answered = said.code == Some(0) && said.stdout == image::ANSWER;
        answered.then_some(()).ok_or(said.stderr)
    });
    for pod in [&b, &a] {
        until(|| kubelet.get(pod, url));
        until(|| kubelet.ping(pod, [192, 0, 2, 2].into()));
    }
    let rules = host.run("iptables-save");
    assert!(!rules.contains("8080"), "{rules}");
    kubelet.remove(&a);
    assert!(kubelet.get(&b, url).is_err());
    kubelet.remove(&b);
    before.assert_again(&host);
}

#[test]
fn a_third_pod_is_refused_by_policy() {
    need_containerd!();
    let lab = plugin::lab();
    let host = Host::new(&lab);
    let mut kubelet = Kubelet::new(&host, &plugin::list(Plugin::Weir, &host, &[]));
    let [a, b, c] = ["a", "b", "c"].map(|name| kubelet.run(kubelet.config(name)));
    assert_served(&mut kubelet, [&a, &b, &c], true);

    let rows = lab.weir(&["endpoint", "list", "-o", "json"]);
    let rows: Value = serde_json::from_str(&rows.expect_success()).unwrap();
    for name in ["a", "b", "c"] {
        assert_eq!(endpoint(&rows, name)["pod"]["namespace"], NAMESPACE);
    }
    let id = endpoint(&rows, "b")["id"].to_string();
    let identity = endpoint(&rows, "a")["identity"].to_string();
    let policy = |arguments: &[&str]| {
        let all = [&["bpf", "policy"], arguments].concat();
        lab.weir(&all).expect_success()
    };
    policy(&["set", &id, "ingress", "--identity", &identity]);
    policy(&["unset", &id, "ingress"]);
    assert_served(&mut kubelet, [&a, &b, &c], false);
    policy(&["set", &id, "ingress"]);
    assert_served(&mut kubelet, [&a, &b, &c], true);

    for pod in [&a, &b, &c] {
        kubelet.remove(pod);
    }
    let rows = lab.weir(&["endpoint", "list", "-o", "json"]);
    assert_eq!(rows.expect_success().trim(), "[]");
}
