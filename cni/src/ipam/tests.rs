use std::fs;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::error::Kind;
use crate::names::{ContainerId, InterfaceName, NetworkName};
use crate::version::Version;

/// A node with one configuration.
struct Node {
    root: TempDir,
    conf: Common,
    wished: Vec<WishedIp>,
}

impl Node {
    fn new(ipam: Value) -> Self {
        let mut node = Self {
            root: tempfile::tempdir().unwrap(),
            conf: Common {
                raw: Vec::new(),
                version: Version::V1_0_0,
                network: NetworkName::new("net").unwrap(),
                settings: None,
                ipam: None,
            },
            wished: Vec::new(),
        };
        node.configure(ipam);
        node
    }

    fn configure(&mut self, ipam: Value) {
        self.conf.ipam = match ipam {
            Value::Object(block) => Some(crate::netconf::Ipam {
                kind: block["type"].as_str().unwrap().to_owned(),
                block,
            }),
            _ => None,
        };
    }

    fn with<T>(&self, use_it: impl FnOnce(&Ipam<'_>) -> T) -> T {
        let call = Call {
            conf: &self.conf,
            wished: &self.wished,
            ip_ranges: None,
            environment: &[],
            path: &[],
            state_dir: self.root.path(),
            reserved: &["10.1.0.2".parse().unwrap()],
            wait: Duration::from_mins(1),
            deadline: Duration::from_mins(1),
        };
        use_it(&Ipam::of(&call))
    }

    fn add(&self, number: usize) -> Result<Outcome, Error> {
        self.with(|ipam| ipam.add(&owner(number)))
    }
}

fn owner(number: usize) -> Attachment {
    Attachment {
        network: NetworkName::new("net").unwrap(),
        container: ContainerId::new(&format!("c{number}")).unwrap(),
        ifname: InterfaceName::new("eth0").unwrap(),
    }
}

fn addresses(outcome: &Outcome) -> Vec<IpAddr> {
    outcome.ips.iter().map(|ip| ip.address.addr()).collect()
}

#[test]
fn a_pod_gets_its_addresses_with_all_that_belongs_to_them() {
    let resolv = tempfile::NamedTempFile::new().unwrap();
    ep_builder::whole_file::write(resolv.path(), b"nameserver 10.1.0.53\n").unwrap();
    let node = Node::new(
        json!({"type": "weir", "subnet": "10.1.0.0/24", "ranges": [[{"subnet": "fd00::/64"}]],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0", "gw": "fd00::7"}], "resolvConf": resolv.path()}),
    );
    let outcome = node.add(1).unwrap();
    let texts: Vec<_> = outcome
        .ips
        .iter()
        .map(|ip| ip.address.to_string())
        .collect();
    // 10.1.0.1 is the gateway's, 10.1.0.2 the node's.
    assert_eq!(texts, ["10.1.0.3/24", "fd00::2/64"]);
    let gateways: Vec<_> = outcome.ips.iter().filter_map(|ip| ip.gateway).collect();
    assert_eq!(
        gateways,
        [
            "10.1.0.1".parse::<IpAddr>().unwrap(),
            "fd00::1".parse().unwrap()
        ]
    );
    assert!(outcome.interfaces.is_empty() && outcome.ips.iter().all(|ip| ip.interface.is_none()));
    assert_eq!(
        (outcome.routes.len(), outcome.dns.nameservers.len()),
        (2, 1)
    );
    assert!(node.root.path().join("ipam/net/10.1.0.3").exists());
    let given = addresses(&outcome);
    node.with(|ipam| {
        ipam.check(&owner(1), &given).unwrap();
        assert_eq!(
            ipam.check(&owner(2), &given).unwrap_err().kind(),
            Kind::Refused
        );
        assert_eq!(ipam.del(&owner(1), &given).unwrap(), given);
        assert_eq!(ipam.del(&owner(1), &given).unwrap(), Vec::<IpAddr>::new());
        assert_eq!(
            ipam.check(&owner(1), &given).unwrap_err().kind(),
            Kind::Refused
        );
    });
}

#[test]
fn a_configuration_that_has_become_invalid_keeps_nothing_from_going() {
    let data = tempfile::tempdir().unwrap();
    let mut node =
        Node::new(json!({"type": "weir", "subnet": "10.1.0.0/24", "dataDir": data.path()}));
    for number in 1..=3 {
        node.add(number).unwrap();
    }
    node.configure(json!({"type": "weir", "ranges": 7, "dataDir": data.path()}));
    assert_eq!(node.add(4).unwrap_err().kind(), Kind::Config);
    node.with(|ipam| {
        assert_eq!(ipam.del(&owner(1), &[]).unwrap().len(), 1);
        assert_eq!(ipam.status().unwrap_err().kind(), Kind::Config);
        let collected = ipam.gc(&|reservation| reservation.holder.container == "c2");
        assert_eq!(collected.unwrap().freed.len(), 1);
    });
    node.configure(json!({"type": "weir", "dataDir": {}}));
    node.with(|ipam| assert_eq!(ipam.del(&owner(2), &[]).unwrap(), Vec::<IpAddr>::new()));
}

#[test]
fn failures_have_the_kind_that_runtimes_know() {
    let mut node =
        Node::new(json!({"type": "weir", "subnet": "10.1.0.0/30", "gateway": "10.1.0.1"}));
    // .1 is the gateway's and .2 the node's.
    assert_eq!(node.add(1).unwrap_err().kind(), Kind::TryAgain);
    node.with(|ipam| assert_eq!(ipam.status().unwrap_err().kind(), Kind::TryAgain));
    node.configure(json!({"type": "weir", "subnet": "10.1.0.0/24"}));
    node.with(|ipam| ipam.status().unwrap());
    node.add(1).unwrap();
    assert_eq!(node.add(1).unwrap_err().kind(), Kind::InterfaceExists);
    node.wished = vec![WishedIp {
        address: "10.9.0.1".parse().unwrap(),
        prefix: None,
    }];
    assert_eq!(node.add(2).unwrap_err().kind(), Kind::Config);
    node.wished.clear();
    node.configure(json!({"type": "weir", "subnet": "10.1.0.0/24", "resolvConf": "/no/such/file"}));
    assert_eq!(node.add(2).unwrap_err().kind(), Kind::Io);
    node.configure(json!({"type": "no-such-plugin"}));
    assert_eq!(node.add(2).unwrap_err().kind(), Kind::Config);
}

#[test]
fn a_network_without_addresses_gives_none() {
    let node = Node::new(Value::Null);
    assert_eq!(node.add(1).unwrap(), Outcome::default());
    node.with(|ipam| {
        assert!(matches!(ipam, Ipam::None));
        ipam.check(&owner(1), &[]).unwrap();
        ipam.status().unwrap();
        assert_eq!(ipam.del(&owner(1), &[]).unwrap(), Vec::<IpAddr>::new());
        assert!(ipam.gc(&|_| false).unwrap().freed.is_empty());
    });
    assert_eq!(fs::read_dir(node.root.path()).unwrap().count(), 0);
}
