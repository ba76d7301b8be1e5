//! Lists by the library's semantics: results in a cache, CHECK right after ADD, DEL in every state, and the
//! reference plugins behind the first.

use std::net::IpAddr;

use serde_json::{Value, json};
use weir_tests::need;
use weir_tests::need::Need;

use crate::driver::{Attachment, Driver};
use crate::host::Host;
use crate::plugin::{self, Plugin};
use crate::residue::Residue;
use crate::until::until;

macro_rules! need_plugins {
    () => {
        need!(
            Need::Root,
            Need::Templates,
            Need::Tool("ip"),
            Need::Tool("iptables"),
            Need::Tool("bpftool"),
            Need::Tool("/usr/lib/cni/portmap"),
        )
    };
}

fn addresses(result: &Value) -> Vec<IpAddr> {
    let all = result["ips"].as_array().unwrap().iter();
    let all = all.map(|ip| ip["address"].as_str().unwrap().split_once('/').unwrap().0);
    all.map(|address| address.parse().unwrap()).collect()
}

/// From the addresses of one to those of the other.
fn ping(host: &Host<'_>, from: &Attachment, own: &Value, to: &Value) {
    for (own, address) in addresses(own).iter().zip(addresses(to)) {
        let inside = format!("nsenter --net={}", from.netns);
        until(|| {
            // The reference plugin leaves its gateway's IPv6 address to duplicate detection.
            let said = host.try_run(&format!("{inside} ping -c 1 -W 1 -I {own} {address}"));
            let answered = said.code == Some(0);
            answered.then_some(()).ok_or(said.stdout)
        });
    }
}

/// Everything a runtime may ask of two attachments, in an order that one meets in the field.
fn live(plugin: Plugin, host: &Host<'_>, list: &Value) {
    let mut driver = Driver::new(host, list, "1.0.0");
    let before = Residue::of(host);
    let rates = json!({
        "ingressRate": 8_000_000, "ingressBurst": 8_000_000,
        "egressRate": 8_000_000, "egressBurst": 8_000_000,
    });
    // The CHECK of Debian 12's bandwidth ends with a crash for a container without rates.
    let [a, b] = [("a", 8080), ("b", 8081)].map(|(id, port)| {
        let ports = json!([{ "hostPort": port, "containerPort": 80, "protocol": "tcp" }]);
        let attachment = Attachment::new(host, id).with("portMappings", ports);
        attachment.with("bandwidth", rates.clone())
    });
    // The DEL of the reference plugin sbr works once, and while the interface is there. It has moved routes that
    // the CHECK of ptp then misses.
    let repeats = !list["plugins"].to_string().contains("\"sbr\"");
    let checks = repeats || plugin == Plugin::Weir;
    if repeats {
        // nerdctl begins so.
        driver.del(&a).unwrap();
    }
    let first = driver.add(&a).unwrap();
    if checks {
        driver.check(&a).unwrap();
    }
    let second = driver.add(&b).unwrap();
    if checks {
        driver.check(&b).unwrap();
    }
    ping(host, &a, &first, &second);
    ping(host, &b, &second, &first);

    driver.del(&a).unwrap();
    if repeats {
        driver.del(&a).unwrap();
        // After a reboot there is no namespace, and the runtime says so.
        let gone = Attachment {
            netns: String::new(),
            ..b.clone()
        };
        driver.del(&gone).unwrap();
    }
    driver.del(&b).unwrap();
    // Others leave the link to the end of the namespace.
    let links = host.run("ip -o link");
    assert!(!links.contains(": lxc"), "{links}");
    host.run("ip netns delete a");
    host.run("ip netns delete b");
    before.assert_again(host);
}

fn portmap() -> Value {
    json!({ "type": "portmap", "capabilities": { "portMappings": true } })
}

fn bandwidth() -> Value {
    json!({ "type": "bandwidth", "capabilities": { "bandwidth": true } })
}

fn check(plugin: Plugin) {
    for chained in [
        json!([]),
        json!([portmap()]),
        json!([{ "type": "sbr" }]),
        json!([
            bandwidth(),
            { "type": "tuning", "mtu": 1400, "sysctl": { "net.ipv4.conf.eth0.arp_filter": "1" } },
            { "type": "firewall" },
        ]),
    ] {
        println!("{plugin:?} and {chained}");
        let lab = plugin::lab();
        let host = Host::new(&lab);
        let chained = chained.as_array().unwrap();
        let mut list = plugin::list(plugin, &host, chained);
        if chained.contains(&portmap()) {
            without_ipv6(&host, &mut list);
        }
        live(plugin, &host, &list);
    }
}

/// The CHECK of Debian 12's portmap wants every rule in the tables of both families, wherever `ip6tables` works:
/// it passes on nodes of IPv4 alone.
fn without_ipv6(host: &Host<'_>, list: &mut Value) {
    host.run("ln -sf /bin/false /etc/alternatives/ip6tables");
    let ipam = &mut list["plugins"][0]["ipam"];
    for key in ["ranges", "routes"] {
        if let Some(families) = ipam[key].as_array_mut() {
            families.truncate(1);
        }
    }
}

/// An ADD that is refused has no entry in the cache: its DEL knows no result.
fn fail(plugin: Plugin) {
    let lab = plugin::lab();
    let host = Host::new(&lab);
    let refusing =
        json!({ "type": "tuning", "sysctl": { "net.ipv4.conf.eth0.of_no_kernel": "1" } });
    let mut driver = Driver::new(&host, &plugin::list(plugin, &host, &[refusing]), "1.0.0");
    let before = Residue::of(&host);
    let a = Attachment::new(&host, "a");
    let refusal = driver.add(&a).unwrap_err();
    assert_eq!(refusal.plugin, "tuning", "{refusal:?}");
    driver.del(&a).unwrap();
    host.run("ip netns delete a");
    before.assert_again(&host);
}

#[test]
fn chains_behind_ptp() {
    need_plugins!();
    check(Plugin::Ptp);
}

#[test]
fn chains_behind_weir() {
    need_plugins!();
    check(Plugin::Weir);
}

#[test]
fn a_refused_chain_behind_ptp() {
    need_plugins!();
    fail(Plugin::Ptp);
}

#[test]
fn a_refused_chain_behind_weir() {
    need_plugins!();
    fail(Plugin::Weir);
}

/// What only plugins of version 1.1.0 know.
#[test]
fn status_and_collection_by_weir() {
    need_plugins!();
    let lab = plugin::lab();
    let host = Host::new(&lab);
    let mut list = plugin::list(Plugin::Weir, &host, &[]);
    list["cniVersions"] = json!(["1.0.0", "1.1.0"]);
    let mut driver = Driver::new(&host, &list, "1.1.0");
    driver.status().unwrap();
    let before = Residue::of(&host);
    let [a, b, c] = ["a", "b", "c"].map(|id| Attachment::new(&host, id));
    let results = [&a, &b, &c].map(|it| driver.add(it).unwrap());
    driver.status().unwrap();
    ping(&host, &a, &results[0], &results[2]);

    // A runtime that lost its cache: only the plugin can know of the others.
    let stranger = Driver::new(&host, &list, "1.1.0");
    stranger.collect(None).unwrap();
    for attachment in [&a, &b, &c] {
        driver.check(attachment).unwrap();
    }
    // What is alive and of no runtime that asked goes at the second time.
    stranger.collect(Some(&[&a, &c])).unwrap();
    driver.check(&b).unwrap();
    stranger.collect(Some(&[&a, &c])).unwrap();
    driver.check(&b).unwrap_err();
    for attachment in [&a, &c] {
        driver.check(attachment).unwrap();
    }
    ping(&host, &a, &results[0], &results[2]);
    // With the cache: DEL for what it knows, then the collection.
    driver.gc(Some(&[&a])).unwrap();
    driver.check(&a).unwrap();
    driver.gc(Some(&[])).unwrap();
    for attachment in [&a, &b, &c] {
        host.run(&format!("ip netns delete {}", attachment.id));
    }
    before.assert_again(&host);
}
