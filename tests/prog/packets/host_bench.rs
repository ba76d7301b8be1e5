//! A bench for the node's programs: those of a native device, beside the two pods, whose addresses they know.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use ep_builder::abi::{
    EndpointKey, EndpointValue, HostPortKey, HostPortValue, NativeCidrKey, Snat4Key, Snat4Value,
    Snat6Key, Snat6Value,
};
use ep_builder::bpf::{Map, Program, SkContext, TestInput, TestOutput, Update};
use ep_builder::builder::Builder;
use ep_builder::compile::Search;
use ep_builder::device::{DeviceFacts, DeviceKind};
use ep_builder::endpoint::{MacAddr, Values};
use ep_builder::events::clock;
use ep_builder::maps::{Family, NatHalf, Record};
use ep_builder::patch::Template;
use ep_builder::timeline::Timeline;
use ep_builder::unit::Unit;
use ep_builder::whole_file;

use super::Net;
use super::build::*;
use super::scenario::{self, open};
use crate::bench::{Bench, NODE, OTHER, OTHER_IDENTITY, POD, POD_IDENTITY, settings};

/// `ENDPOINT_MASQUERADE` of `bpf-src/abi.h`.
const MASQUERADE: u16 = 0x0002;
/// `MARK_ANSWER` of `bpf-src/lib/identity.h`: what the pod's programs say of an answer to somebody outside.
pub(super) const ANSWER: u32 = 0x1000;
/// A map of halves with room for every port twice.
const LINES: &str = "snat = 131072\nhost_ports = 16\n";
/// The slot of the program that tells of drops (`bpf-src/lib/tail.h`).
const SLOT_DROP_NOTIFY: u32 = 1;
/// The node's place among the endpoints.
const NODE_ID: u32 = 0;

pub(super) struct Host {
    pub(super) bench: Bench,
    from: Program,
    to: Program,
    to_pods: Program,
}

/// The template of the node's programs, compiled once.
fn template() -> Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    let compile = || {
        let state = tempfile::tempdir().unwrap();
        let mut settings = settings(LINES);
        settings.paths.state_dir = state.path().to_owned();
        let shape = settings.endpoint.clone();
        let builder = Builder::open(settings, Search::from_environment(None)).unwrap();
        let obtained = builder.template_of(Unit::Host, &shape, &mut Timeline::default());
        obtained.unwrap().entry.template
    };
    TEMPLATE.get_or_init(compile).clone()
}

fn device() -> DeviceFacts {
    let address = |is_ipv6| Bench::address(is_ipv6, NODE);
    let (IpAddr::V4(ipv4), IpAddr::V6(ipv6)) = (address(false), address(true)) else {
        panic!("one address of each family")
    };
    DeviceFacts {
        name: "out".to_owned(),
        ifindex: 7,
        mac: MacAddr(HOST_MAC),
        kind: DeviceKind::Native,
        ipv4_masquerade: Some(ipv4),
        ipv6_masquerade: Some(ipv6),
        has_ethernet: true,
    }
}

/// Loads the node's programs beside the maps that are there, as stock tools do: these look for them in the root.
fn load(pins: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let object = folder.path().join("bpf_host.o");
    let patched = template().patch(&Values::of_device(&device()));
    whole_file::write(&object, patched.bytes()).unwrap();
    let script = format!(
        "mount --make-rprivate / && mount --bind {} /sys/fs/bpf && bpftool prog loadall {} /sys/fs/bpf/host type classifier",
        pins.display(),
        object.display(),
    );
    let mut shell = Command::new("unshare");
    let output = shell.args(["-m", "sh", "-c", &script]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

impl Host {
    pub(super) fn new() -> Self {
        let bench = Bench::new(LINES);
        let pins = bench.maps.folder().to_owned();
        load(&pins);
        let program = |name: &str| Program::open_pin(&pins.join("host").join(name)).unwrap();
        let calls = Map::open_pin(&pins.join("weir_calls_netdev_0000000007")).unwrap();
        let slot = SLOT_DROP_NOTIFY.to_ne_bytes();
        let tells = program("tail_drop");
        calls.update_fd(&slot, &tells).unwrap();
        // What the loader does with those of the node's own device.
        let called = bench.map("call_policy").unwrap();
        let judges = program("policy_ingress");
        called.update_fd(&NODE_ID.to_ne_bytes(), &judges).unwrap();
        Self {
            from: program("from_netdev"),
            to: program("to_netdev"),
            to_pods: program("from_host"),
            bench,
        }
    }

    /// As if nothing had happened yet: two open pods that are masqueraded, on a node with its addresses.
    pub(super) fn reset(&mut self) {
        self.bench.reset();
        for name in [
            "snat_v4_external",
            "snat_v6_external",
            "host_ports",
            "node_addresses",
            "native_cidrs",
            "policy_00000",
            "node_open",
        ] {
            let map = self.bench.map(name).unwrap();
            let keys: Vec<_> = map.keys().map(Result::unwrap).collect();
            for key in keys {
                map.delete(&key).unwrap();
            }
        }
        self.set_revision(0);
        for step in open() {
            scenario::take(&mut self.bench, &step).unwrap();
        }
        for net in Net::BOTH.map(Net::of) {
            self.pod(net.pod, POD, MASQUERADE);
            self.pod(net.other, OTHER, MASQUERADE);
            let key = endpoint_key(net.node);
            self.put("node_addresses", &key, 7_u32.to_ne_bytes());
        }
    }

    /// Whether the pod at an address is masqueraded.
    pub(super) fn masquerade(&self, address: IpAddr, is_on: bool) {
        self.pod(address, POD, if is_on { MASQUERADE } else { 0 });
    }

    /// Nobody has this address any more.
    pub(super) fn forget(&self, address: IpAddr) {
        let map = self.bench.map("lxc").unwrap();
        assert!(map.delete(&endpoint_key(address).to_bytes()).unwrap());
    }

    fn pod(&self, address: IpAddr, id: u16, flags: u16) {
        let is_pod = id == POD;
        let [mac, host_mac] = if is_pod {
            [POD_MAC, HOST_MAC]
        } else {
            [OTHER_MAC, OTHER_HOST_MAC]
        };
        let number = |mac: [u8; 6]| {
            let mut octets = [0; 8];
            octets[..6].copy_from_slice(&mac);
            u64::from_le_bytes(octets)
        };
        let value = EndpointValue {
            mac: number(mac),
            host_mac: number(host_mac),
            ifindex: u32::from(id) + 100,
            identity: if is_pod { POD_IDENTITY } else { OTHER_IDENTITY },
            lxc_id: id,
            flags,
            pad: [0; 4],
        };
        self.put("lxc", &endpoint_key(address), value.to_bytes());
    }

    /// A port of the node leads to the pod; at every address of the node, if none is named.
    pub(super) fn host_port(&self, at: SocketAddr, protocol: u8, pod: SocketAddr) {
        let key = HostPortKey {
            address: words(at.ip()),
            port: at.port().to_be(),
            protocol,
            family: family(at.ip()),
        };
        let value = HostPortValue {
            address: words(pod.ip()),
            port: pod.port().to_be(),
            lxc_id: POD,
        };
        self.put("host_ports", &key, value.to_bytes());
    }

    /// In this network pods keep their address.
    pub(super) fn native(&self, network: IpAddr, bits: u32) {
        let key = NativeCidrKey {
            prefixlen: 32 + bits,
            family: family(network),
            pad: [0; 3],
            address: words(network),
        };
        self.put("native_cidrs", &key, [1]);
    }

    fn put<K: Record>(&self, map: &str, key: &K, value: impl AsRef<[u8]>) {
        let map = self.bench.map(map).unwrap();
        let key = key.to_bytes();
        map.update(key.as_ref(), value.as_ref(), Update::Any)
            .unwrap();
    }

    /// The other pod has every port of the node to this peer.
    pub(super) fn occupy(&self, net: Net, protocol: u8, peer: (IpAddr, u16)) {
        let now = clock::monotonic().unwrap().as_secs();
        let lifetime = u32::try_from(now).unwrap() + 600;
        for port in 1..=u16::MAX {
            if net.is_ipv6 {
                let (key, value) = half6(net, protocol, peer, port, lifetime);
                self.put("snat_v6_external", &key, value.to_bytes());
            } else {
                let (key, value) = half4(net, protocol, peer, port, lifetime);
                self.put("snat_v4_external", &key, value.to_bytes());
            }
        }
    }

    /// Every half, of both families.
    pub(super) fn halves(&self) -> Vec<NatHalf> {
        let families = [Family::Ipv4, Family::Ipv6].into_iter();
        families
            .flat_map(|family| self.bench.maps.nat(family).unwrap().entries().unwrap())
            .collect()
    }

    /// Every half that is chosen is over its time.
    pub(super) fn expire(&self, chosen: impl Fn(&[u8]) -> bool) {
        for (name, lifetime) in [("snat_v4_external", 8), ("snat_v6_external", 20)] {
            let map = self.bench.map(name).unwrap();
            let keys: Vec<_> = map.keys().map(Result::unwrap).collect();
            for key in keys.iter().filter(|key| chosen(key)) {
                let mut value = map.lookup(key).unwrap().unwrap();
                value[lifetime..lifetime + 4].fill(0);
                map.update(key, &value, Update::Replace).unwrap();
            }
        }
    }

    /// Takes the halves of this direction out, as a full map does.
    pub(super) fn evict(&self, is_in: bool) {
        for (name, flags) in [("snat_v4_external", 13), ("snat_v6_external", 37)] {
            let map = self.bench.map(name).unwrap();
            let keys: Vec<_> = map.keys().map(Result::unwrap).collect();
            for key in keys.iter().filter(|key| (key[flags] == 1) == is_in) {
                assert!(map.delete(key).unwrap());
            }
        }
    }

    /// A packet that the node's stack sends out by the device.
    pub(super) fn send(&self, frame: &[u8], mark: u32) -> TestOutput {
        run(&self.to, frame, mark)
    }

    /// Likewise one that came to the node by another device.
    pub(super) fn forward(&self, frame: &[u8]) -> TestOutput {
        let context = SkContext {
            ingress_ifindex: 8,
            ..SkContext::default()
        };
        let input = TestInput {
            packet: frame,
            context,
            repeat: 1,
        };
        self.to.test_run(&input).unwrap()
    }

    /// A packet that it sends to `weir_host`.
    pub(super) fn send_to_pods(&self, frame: &[u8]) -> TestOutput {
        run(&self.to_pods, frame, 0)
    }

    /// A packet that comes in by it.
    pub(super) fn receive(&self, frame: &[u8]) -> TestOutput {
        run(&self.from, frame, 0)
    }
}

fn run(program: &Program, packet: &[u8], mark: u32) -> TestOutput {
    let context = SkContext {
        mark,
        ..SkContext::default()
    };
    let input = TestInput {
        packet,
        context,
        repeat: 1,
    };
    program.test_run(&input).unwrap()
}

/// The half by which answers to a port of the node reach the same port of the other pod.
fn half4(
    net: Net,
    protocol: u8,
    peer: (IpAddr, u16),
    port: u16,
    life: u32,
) -> (Snat4Key, Snat4Value) {
    let key = Snat4Key {
        daddr: words(peer.0)[0],
        saddr: words(net.node)[0],
        dport: peer.1.to_be(),
        sport: port.to_be(),
        protocol,
        flags: 1,
        pad: [0; 2],
    };
    let value = Snat4Value {
        address: words(net.other)[0],
        port: port.to_be(),
        seen: 0,
        seen_back: 0,
        lifetime: life,
        created: 0,
    };
    (key, value)
}

fn half6(
    net: Net,
    protocol: u8,
    peer: (IpAddr, u16),
    port: u16,
    life: u32,
) -> (Snat6Key, Snat6Value) {
    let key = Snat6Key {
        daddr: words(peer.0),
        saddr: words(net.node),
        dport: peer.1.to_be(),
        sport: port.to_be(),
        protocol,
        flags: 1,
        pad: [0; 2],
    };
    let value = Snat6Value {
        address: words(net.other),
        port: port.to_be(),
        seen: 0,
        seen_back: 0,
        lifetime: life,
        created: 0,
    };
    (key, value)
}

fn words(address: IpAddr) -> [u32; 4] {
    let mut octets = [0; 16];
    match address {
        IpAddr::V4(address) if address.is_unspecified() => {}
        IpAddr::V4(address) => octets[..4].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => octets = address.octets(),
    }
    let (quads, _) = octets.as_chunks::<4>();
    std::array::from_fn(|at| u32::from_ne_bytes(quads[at]))
}

fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { 1 } else { 2 }
}

fn endpoint_key(address: IpAddr) -> EndpointKey {
    EndpointKey {
        address: words(address),
        family: family(address),
        pad: [0; 3],
    }
}
