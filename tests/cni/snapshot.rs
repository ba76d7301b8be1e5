//! The snapshot itself: a look that sees nothing would let everything pass.

use std::fs;
use std::net::IpAddr;

use ep_builder::endpoint::EndpointId;
use ep_builder::maps::{Lead, NodePort, Peer, Prefix};
use ep_builder::settings::Settings;
use ep_builder::sock::{NetnsCookie, Owner, Sockets};
use ep_builder::whole_file;
use weir_tests::need::Need;
use weir_tests::pods::{run, set_sysctl};
use weir_tests::residue::{Snapshot, ids_on};
use weir_tests::{Lab, need};

/// Asserts that a snapshot shows a change, and that it is none any more when it is undone.
fn sees(lab: &Lab, what: &str, make: impl FnOnce(), undo: impl FnOnce()) {
    let pod = weir_tests::pods::new_namespace();
    let before = Snapshot::of(lab, &[&pod], &ids_on(lab));
    make();
    let change = Snapshot::of(lab, &[&pod], &ids_on(lab)).since(&before);
    let change = change
        .unwrap_or_else(|| panic!("{what} is not seen"))
        .to_string();
    assert!(change.contains(what), "{what} is not named in\n{change}");
    undo();
    let left = Snapshot::of(lab, &[&pod], &ids_on(lab)).since(&before);
    assert!(left.is_none(), "{what}: {}", left.unwrap());
}

/// What is seen, how it is made, how it is undone.
const COMMANDS: [(&str, &str, &str); 8] = [
    (
        "IfAlias(\"weir:7:c:eth0\")",
        "ip link set lxc7 alias weir:7:c:eth0",
        "ip link set lxc7 alias mine",
    ),
    (
        "address",
        "ip addr add 10.9.9.9/32 dev lo",
        "ip addr del 10.9.9.9/32 dev lo",
    ),
    (
        "route",
        "ip route add 10.9.9.9 dev lxc7",
        "ip route del 10.9.9.9 dev lxc7",
    ),
    (
        "route",
        "ip -6 route add fd99::9 dev lxc7",
        "ip -6 route del fd99::9 dev lxc7",
    ),
    (
        "rule",
        "ip rule add from 10.9.9.9 table 99",
        "ip rule del from 10.9.9.9 table 99",
    ),
    (
        "neighbour",
        "ip neigh add 10.9.9.9 lladdr 02:00:00:00:00:01 dev lxc7 nud permanent",
        "ip neigh del 10.9.9.9 dev lxc7",
    ),
    (
        "clsact",
        "tc qdisc add dev lo clsact",
        "tc qdisc del dev lo clsact",
    ),
    (
        "link",
        "ip link add lxc8 type veth peer name lxc9",
        "ip link del lxc8",
    ),
];

#[test]
fn every_kind_of_trace_is_seen() {
    need!(
        Need::Root,
        Need::Templates,
        Need::Tool("ip"),
        Need::Tool("tc")
    );
    let lab = Lab::new();
    // Links get no address by themselves, some time later.
    set_sysctl("ipv6/conf/default/addr_gen_mode", "1");
    let pod = lab.pod(7);
    run("ip link set lxc7 alias mine");
    for (what, make, undo) in COMMANDS {
        sees(&lab, what, || drop(run(make)), || drop(run(undo)));
    }
    for name in ["00009", "attachments", "ipam/pods/10.9.9.9", ".tmp-1"] {
        let path = lab.node().state().join(name);
        let stays = name == "attachments";
        let file = if stays { path.join("lxc9.json") } else { path };
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let what = format!("state: {name}");
        sees(
            &lab,
            &what,
            || whole_file::write(&file, b"").unwrap(),
            || fs::remove_file(&file).unwrap(),
        );
    }
    sees_maps(&lab);
    sees_host_ports(&lab);
    sees(
        &lab,
        "policy program of endpoint 8",
        || drop(lab.pod(8)),
        || {
            lab.weir(&["endpoint", "delete", "8"]).expect_success();
            run("ip link del lxc8");
        },
    );
    drop(pod);
}

fn sees_host_ports(lab: &Lab) {
    lab.weir(&["node", "init"]).expect_success();
    let maps = lab.maps();
    let port = NodePort {
        host: ([0; 4], 80).into(),
        protocol: 6,
    };
    let lead = Lead {
        pod: ([10, 9, 9, 9], 80).into(),
        id: 9,
    };
    sees(
        lab,
        "0.0.0.0:80/tcp leads to endpoint 9",
        || assert!(maps.host_ports().unwrap().insert_new(&port, &lead).unwrap()),
        || assert!(maps.host_ports().unwrap().remove(&port).unwrap()),
    );
}

fn sees_maps(lab: &Lab) {
    let address: IpAddr = "10.9.9.9".parse().unwrap();
    let (maps, pin) = (lab.maps(), lab.maps().folder().join("weir_policy_00009"));
    let mut ipcache = maps.ipcache().unwrap();
    sees(
        lab,
        "10.9.9.9/32 has identity 9",
        || {
            ipcache
                .insert(Prefix::of(address), Peer::with_identity(9))
                .unwrap();
        },
        || assert!(maps.ipcache().unwrap().remove(Prefix::of(address)).unwrap()),
    );
    let mut endpoints = maps.endpoints().unwrap();
    let (_, other) = endpoints.entries().unwrap()[0];
    sees(
        lab,
        "10.9.9.9 is endpoint 7",
        || endpoints.insert(address, &other).unwrap(),
        || assert!(maps.endpoints().unwrap().remove(address).unwrap()),
    );
    let text = fs::read_to_string(lab.node().config()).unwrap();
    let settings = Settings::from_toml(&text, &lab.node().config()).unwrap();
    let netns = Sockets::new(&settings).netns().unwrap();
    let owner = Owner::Pod(EndpointId::new(9).unwrap());
    sees(
        lab,
        "network namespace of Pod(",
        || netns.enter(NetnsCookie::here().unwrap(), owner).unwrap(),
        || assert_eq!(netns.forget(owner).unwrap(), 1),
    );
    sees(
        lab,
        "pin weir_policy_00009",
        || fs::create_dir(&pin).unwrap(),
        || fs::remove_dir(&pin).unwrap(),
    );
}
