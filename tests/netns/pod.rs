//! A pod: a namespace with one end of a veth pair, and the facts of its endpoint.

use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::thread;

use ep_builder::abi::EndpointValue;
use ep_builder::bpf::{Map, Update};
use ep_builder::endpoint::{Endpoint, MacAddr};
use ep_builder::load::{Installed, Target};
use ep_builder::patch::EndpointObject;
use nix::sched::{CloneFlags, setns, unshare};

use crate::node::{Host, install, map, object, run};

/// What the pods see as their gateway.
const GATEWAYS: [(&str, &str); 2] = [("-4", "169.254.1.1"), ("-6", "fe80::1")];

pub(crate) struct Pod {
    pub(crate) endpoint: Endpoint,
    pub(crate) target: Target,
    namespace: File,
}

impl Pod {
    /// Makes a namespace, a veth pair into it, addresses and routes. Neighbours are static: what is tested
    /// here is the loader, not the answers of the datapath.
    pub(crate) fn new(host: &Host, id: u16) -> Self {
        let device = format!("lxc{id}");
        let namespace = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        let mut pod = Self {
            endpoint: endpoint(id, &device),
            target: host.target(id, &device),
            namespace: namespace.join().unwrap(),
        };
        let (mac, host_mac) = (pod.endpoint.mac, pod.endpoint.host_mac);
        let place = format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            pod.namespace.as_raw_fd()
        );
        run(&format!(
            "ip link add {device} address {host_mac} type veth peer name eth0 address {mac} netns {place}"
        ));
        run(&format!("ip link set {device} up"));
        pod.inside(|| pod.configure());
        for address in pod.addresses() {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            run(&format!("ip route add {address}/{bits} dev {device}"));
            run(&format!(
                "ip neigh add {address} lladdr {mac} dev {device} nud permanent"
            ));
        }
        let mut rtnl = ep_builder::attach::Rtnl::open().unwrap();
        pod.endpoint.host_ifindex = rtnl.device(&device).unwrap().index;
        pod
    }

    fn configure(&self) {
        run("ip link set lo up");
        run("ip link set eth0 up");
        for address in self.addresses() {
            match address {
                IpAddr::V4(_) => run(&format!("ip addr add {address}/32 dev eth0")),
                IpAddr::V6(_) => run(&format!("ip addr add {address}/128 dev eth0 nodad")),
            };
        }
        for (family, gateway) in GATEWAYS {
            let host_mac = self.endpoint.host_mac;
            run(&format!(
                "ip neigh add {gateway} lladdr {host_mac} dev eth0 nud permanent"
            ));
            run(&format!("ip {family} route add {gateway} dev eth0"));
            run(&format!(
                "ip {family} route add default via {gateway} dev eth0 onlink"
            ));
        }
    }

    pub(crate) fn addresses(&self) -> [IpAddr; 2] {
        [
            self.endpoint.ipv4.unwrap().into(),
            self.endpoint.ipv6.unwrap().into(),
        ]
    }

    /// Runs something in the pod's namespace: sockets that are made there stay there.
    pub(crate) fn inside<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.namespace, CloneFlags::CLONE_NEWNET).unwrap();
                what()
            });
            inside.join().unwrap()
        })
    }

    /// Loads and attaches the endpoint's object, and lets everything pass.
    pub(crate) fn install(&self) -> Installed {
        self.install_object(&object(&self.endpoint))
    }

    /// Likewise with this object.
    pub(crate) fn install_object(&self, object: &EndpointObject) -> Installed {
        let installed = install(object, &self.target).unwrap();
        self.allow_all();
        self.announce();
        installed
    }

    /// Rules for anybody, in both directions.
    fn allow_all(&self) {
        let pins = self.target.pins();
        let policy = map(&pins, &pins.policy_name());
        for direction in [1_u8, 2] {
            // Revision and identity, which are 0 and fixed.
            let mut key = [72_u32.to_ne_bytes(), [0; 4], [0; 4], [direction, 0, 0, 0]].concat();
            key.resize(size(policy.shape().key_size), 0);
            let value = vec![0; size(policy.shape().value_size)];
            policy.update(&key, &value, Update::Any).unwrap();
        }
    }

    /// Enters its addresses into the map of local endpoints.
    fn announce(&self) {
        let pins = self.target.pins();
        let endpoints = map(&pins, &pins.endpoints_name());
        let endpoint = &self.endpoint;
        let mac = |mac: MacAddr| [&mac.0[..], &[0, 0]].concat();
        let mut value = vec![0; size(endpoints.shape().value_size)];
        for (field, bytes) in [
            ("mac", mac(endpoint.mac)),
            ("host_mac", mac(endpoint.host_mac)),
            ("ifindex", endpoint.host_ifindex.to_ne_bytes().to_vec()),
            ("identity", endpoint.identity.to_ne_bytes().to_vec()),
            ("lxc_id", endpoint.id.get().to_ne_bytes().to_vec()),
        ] {
            let mut fields = EndpointValue::LAYOUT.fields.iter();
            let offset = fields.find(|known| known.name == field).unwrap().offset;
            value[offset..offset + bytes.len()].copy_from_slice(&bytes);
        }
        for address in self.addresses() {
            endpoints
                .update(&endpoint_key(address, &endpoints), &value, Update::Any)
                .unwrap();
        }
    }
}

fn size(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap()
}

/// The key of an address in the map of local endpoints.
pub(crate) fn endpoint_key(address: IpAddr, endpoints: &Map) -> Vec<u8> {
    let (mut key, family) = match address {
        IpAddr::V4(it) => (it.octets().to_vec(), 1),
        IpAddr::V6(it) => (it.octets().to_vec(), 2),
    };
    key.resize(16, 0);
    key.push(family);
    key.resize(size(endpoints.shape().key_size), 0);
    key
}

/// An endpoint whose facts follow from its id, on this device.
pub(crate) fn endpoint(id: u16, device: &str) -> Endpoint {
    let [high, low] = id.to_be_bytes();
    Endpoint {
        host_ifname: device.to_owned(),
        ipv4: Some([10, 1, high, low].into()),
        ipv6: Some([0xfd00, 0, 0, 0, 0, 0, 0, id].into()),
        ..weir_tests::pods::endpoint(id)
    }
}
