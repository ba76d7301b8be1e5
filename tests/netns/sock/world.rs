//! A node with addresses of its own, two pods, and the programs of sockets.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::OnceLock;

use ep_builder::bpf::{Map, Update};
use ep_builder::builder::Builder;
use ep_builder::compile::Search;
use ep_builder::maps::{Lead, MapName, Maps, NodePort, Record, endpoint_key};
use ep_builder::settings::Settings;
use ep_builder::shape::MapPrefix;
use ep_builder::sock::{Installed, NetnsCookie, Owner, Sockets};
use ep_builder::timeline::Timeline;
use ep_builder::unit::Unit;
use weir_tests::bundle;
use weir_tests::node::repository;
use weir_tests::pods::SMALLEST_MAPS;

use super::group::Group;
use super::speak::Server;
use crate::node::{Host, run};
use crate::pod::Pod;

/// The node's own addresses.
pub(super) const NODE: [&str; 2] = ["192.0.2.1", "2001:db8::1"];
/// One more that it has.
pub(super) const OTHER: &str = "192.0.2.2";
/// The host port of most tests, and where it leads to.
pub(super) const HOST_PORT: u16 = 8080;
pub(super) const POD_PORT: u16 = 80;

/// Everything of a test. What it attached goes before its control group does.
pub(super) struct World {
    pub(super) sockets: Sockets,
    pub(super) maps: Maps,
    pub(super) settings: Settings,
    pub(super) pods: [Pod; 2],
    _servers: [Server; 2],
    pub(super) host: Host,
    _group: Group,
}

impl World {
    /// Both pods serve, and anybody may call them; no host port leads anywhere.
    pub(super) fn new() -> Self {
        let group = Group::enter();
        let host = Host::new();
        run("ip link add eth0 up type veth peer name world");
        run("ip link set world up");
        for address in ["192.0.2.1/24", "192.0.2.2/24", "2001:db8::1/64 nodad"] {
            run(&format!("ip addr add {address} dev eth0"));
        }
        let pods = [Pod::new(&host, 1), Pod::new(&host, 2)];
        for pod in &pods {
            pod.install();
        }
        let settings = settings(&group.path);
        let mut world = Self {
            sockets: Sockets::new(&settings),
            maps: Maps::new(&host.bpffs_dir, &MapPrefix::default()),
            _servers: [
                pods[0].inside(|| Server::start("first", POD_PORT)),
                pods[1].inside(|| Server::start("second", POD_PORT)),
            ],
            settings,
            pods,
            host,
            _group: group,
        };
        world.install();
        for pod in &world.pods {
            let cookie = pod.inside(|| NetnsCookie::here().unwrap());
            let netns = world.sockets.netns().unwrap();
            netns.enter(cookie, Owner::Pod(pod.endpoint.id)).unwrap();
        }
        for address in NODE.into_iter().chain([OTHER]) {
            world.name_node(address);
        }
        world
    }

    /// Puts the programs in force.
    pub(super) fn install(&mut self) -> Installed {
        self.sockets.install(object()).unwrap()
    }

    fn name_node(&self, address: &str) {
        let key = endpoint_key(address.parse().unwrap()).to_bytes();
        let map = Map::open_pin(&self.maps.pin(MapName::NodeAddresses)).unwrap();
        map.update(&key, &1_u32.to_ne_bytes(), Update::Any).unwrap();
    }

    /// Lets a port of the node lead to a pod.
    pub(super) fn lead(&self, host: &str, protocol: u8, pod: usize) {
        let host = host.parse().unwrap();
        let lead = Lead {
            pod: SocketAddr::new(self.address(pod, host), POD_PORT),
            id: self.pods[pod].endpoint.id.get(),
        };
        let mut ports = self.maps.host_ports().unwrap();
        ports.insert(&NodePort { host, protocol }, &lead).unwrap();
    }

    /// Likewise the usual port, at every address, for both protocols.
    pub(super) fn lead_everywhere(&self, pod: usize) {
        for host in ["0.0.0.0", "[::]"] {
            for protocol in [6, 17] {
                self.lead(&format!("{host}:{HOST_PORT}"), protocol, pod);
            }
        }
    }

    /// The pod's address in the family of this one.
    fn address(&self, pod: usize, like: SocketAddr) -> IpAddr {
        let [ipv4, ipv6] = self.pods[pod].addresses();
        if like.is_ipv4() { ipv4 } else { ipv6 }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // A control group with links is gone only when they are.
        drop(self.sockets.remove());
    }
}

/// Settings with small maps, and the control group of a test.
pub(super) fn settings(group: &Path) -> Settings {
    let path = |path: &Path| format!("{:?}", path.display().to_string());
    let text = format!(
        "{SMALLEST_MAPS}[paths]\ncgroup_dir = {}\nbpf_dir = {}\nbpf_templates_dir = {}\nbundle_dir = {}\n",
        path(group),
        path(&repository("bpf-src")),
        path(&repository("bpf-templates")),
        path(&bundle::given().unwrap_or_else(|| "/nowhere".into())),
    );
    Settings::from_toml(&text, Path::new("weir.toml")).unwrap()
}

/// The object of the programs; compiled once for all tests.
fn object() -> &'static [u8] {
    static OBJECT: OnceLock<Vec<u8>> = OnceLock::new();
    OBJECT.get_or_init(|| object_of("weir"))
}

/// The object of a node whose maps have names that begin so.
pub(super) fn object_of(prefix: &str) -> Vec<u8> {
    let state = tempfile::tempdir().unwrap();
    let mut settings = settings(Path::new("/sys/fs/cgroup"));
    settings.node.map_prefix = MapPrefix::new(prefix).unwrap();
    settings.paths.state_dir = state.path().to_owned();
    let shape = settings.endpoint.clone();
    let builder = Builder::open(settings, Search::from_environment(None)).unwrap();
    let obtained = builder.template_of(Unit::Sock, &shape, &mut Timeline::default());
    obtained.unwrap().entry.template.bytes().to_vec()
}
