//! A bench for packets: two endpoints of a node without devices, whose programs get packets by test runs.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use ep_builder::attach::AttachMode;
use ep_builder::bpf::{Map, SkContext, TestInput, TestOutput, Update};
use ep_builder::builder::Builder;
use ep_builder::compile::Search;
use ep_builder::endpoint::{Bandwidth, Endpoint, EndpointId, MacAddr, Values};
use ep_builder::events::{Event, EventRing};
use ep_builder::header::envelope;
use ep_builder::load::{self, Datapath, Owner, Target};
use ep_builder::maps::Maps;
use ep_builder::patch::Template;
use ep_builder::settings::Settings;
use ep_builder::shape::MapPrefix;
use ep_builder::timeline::Timeline;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use weir_tests::node::repository;
use weir_tests::pods::{run, set_sysctl};

use crate::packets::build::{HOST_MAC, OTHER_HOST_MAC, OTHER_MAC, POD_MAC};

/// Small maps: a test run needs few entries, and the kernel takes time for large ones.
const SMALL: &str = "[maps]\nendpoints = 16\nipcache = 64\npolicy = 64\nmetrics = 64\nevents = 65536\nfragments = 64\nct_tcp = 64\nct_any = 64\n";

/// Where the maps are pinned.
const PINS: &str = "/sys/fs/bpf/tc/globals";

const CONNTRACK: [&str; 4] = [
    "ct4_global",
    "ct_any4_global",
    "ct6_global",
    "ct_any6_global",
];

/// The pod whose programs run, and another one of the same node.
pub(crate) const POD: u16 = 1;
pub(crate) const OTHER: u16 = 2;
pub(crate) const POD_IDENTITY: u32 = 1000;
pub(crate) const OTHER_IDENTITY: u32 = 0x0002_0001;

/// The last part of the node's addresses.
pub(crate) const NODE: u16 = 254;
/// The number of the device by which packets of others come to the node; nobody looks whether it is there.
pub(crate) const OUTSIDE: u32 = 7;

/// The two endpoints under one shape.
pub(crate) struct Bench {
    pod: Datapath,
    other: Datapath,
    pub(crate) maps: Maps,
    events: EventRing,
}

/// A template is compiled once in a process.
fn template(lines: &str) -> Template {
    static TEMPLATES: OnceLock<Mutex<HashMap<String, Template>>> = OnceLock::new();
    let mut templates = TEMPLATES.get_or_init(Mutex::default).lock().unwrap();
    let entry = templates.entry(lines.to_owned());
    entry.or_insert_with(|| compile(settings(lines))).clone()
}

/// The configuration of a node with small maps and these lines.
pub(crate) fn settings(lines: &str) -> Settings {
    let path = |path: &Path| format!("{:?}", path.display().to_string());
    let text = format!(
        "{SMALL}{lines}[paths]\nbpf_dir = {}\nbpf_templates_dir = {}\nbundle_dir = \"/nowhere\"\n",
        path(&repository("bpf-src")),
        path(&repository("bpf-templates")),
    );
    Settings::from_toml(&text, Path::new("weir.toml")).unwrap()
}

/// The template of a node's default shape.
pub(crate) fn compile(mut settings: Settings) -> Template {
    let state = tempfile::tempdir().unwrap();
    settings.paths.state_dir = state.path().to_owned();
    let shape = settings.endpoint.clone();
    let builder = Builder::open(settings, Search::from_environment(None)).unwrap();
    let obtained = builder.template(&shape, &mut Timeline::default());
    obtained.unwrap().entry.template
}

/// Gives the calling thread namespaces of its own, and a BPF file system in them.
pub(crate) fn enter_namespaces() {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).unwrap();
    let none: Option<&str> = None;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(none, "/", none, private, none).unwrap();
    let (name, place) = (Some("bpf"), "/sys/fs/bpf");
    mount(name, place, name, MsFlags::empty(), none).unwrap();
}

/// A node that routes: it has addresses, a network beside it and everything beyond.
fn make_routes() {
    for line in [
        "ip link set lo up",
        "ip link add out type veth peer name beyond",
        "ip link set out up",
        "ip link set beyond up",
        "ip addr add 10.0.0.254/24 dev out",
        "ip addr add fd00::fe/64 dev out nodad",
        "ip route add default via 10.0.0.253",
        "ip -6 route add default via fd00::fd dev out",
    ] {
        run(line);
    }
    set_forwarding(true);
}

/// Whether the node passes on what is not for itself.
pub(crate) fn set_forwarding(is_on: bool) {
    for switch in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        set_sysctl(switch, if is_on { "1" } else { "0" });
    }
}

/// Loads an endpoint's programs, for no device.
fn load(template: &Template, endpoint: &Endpoint) -> Datapath {
    let target = Target {
        owner: Owner::Endpoint(endpoint.id),
        device: "none".to_owned(),
        mode: AttachMode::Tc,
        bpffs_dir: PINS.into(),
        prefix: MapPrefix::default(),
    };
    let object = template.patch(&Values::of_endpoint(endpoint));
    load::load_detached(&object, &target, &mut Timeline::default()).unwrap()
}

fn endpoint(id: u16) -> Endpoint {
    let record = std::fs::read(repository("ep-builder/tests/golden/endpoint-2665.json")).unwrap();
    let is_pod = id == POD;
    Endpoint {
        id: EndpointId::new(id).unwrap(),
        ipv4: Some(format!("10.0.0.{id}").parse().unwrap()),
        ipv6: Some(format!("fd00::{id}").parse().unwrap()),
        mac: MacAddr(if is_pod { POD_MAC } else { OTHER_MAC }),
        host_mac: MacAddr(if is_pod { HOST_MAC } else { OTHER_HOST_MAC }),
        identity: if is_pod { POD_IDENTITY } else { OTHER_IDENTITY },
        host_ifindex: u32::from(id) + 100,
        verdict_log_filter: 0,
        masquerade: false,
        host_ports: Vec::new(),
        ..envelope::from_record(&record).unwrap()
    }
}

impl Bench {
    /// Loads both with these lines of `weir.toml`, in namespaces of the calling thread.
    pub(crate) fn new(lines: &str) -> Self {
        Self::limited(lines, Bandwidth::default())
    }

    /// Likewise, and the other pod has these limits.
    pub(crate) fn limited(lines: &str, bandwidth: Bandwidth) -> Self {
        enter_namespaces();
        make_routes();
        let template = template(lines);
        let pod = load(&template, &endpoint(POD));
        let other = Endpoint {
            bandwidth,
            ..endpoint(OTHER)
        };
        let other = load(&template, &other);
        let maps = Maps::new(PINS, &MapPrefix::default());
        let events = EventRing::open(&maps).unwrap();
        let bench = Self {
            pod,
            other,
            maps,
            events,
        };
        bench.offer();
        bench
    }

    /// Puts the programs into their places that others call.
    pub(crate) fn offer(&self) {
        for datapath in [&self.pod, &self.other] {
            datapath.offer().unwrap();
        }
    }

    /// A map by its name without the prefix.
    pub(crate) fn map(&self, name: &str) -> Option<Map> {
        Map::find_pin(&self.maps.folder().join(format!("weir_{name}"))).unwrap()
    }

    /// The maps of connections.
    pub(crate) fn conntrack(&self) -> Vec<Map> {
        CONNTRACK.iter().filter_map(|name| self.map(name)).collect()
    }

    /// As if nothing had happened yet.
    pub(crate) fn reset(&mut self) {
        let names = [
            "policy_00001",
            "policy_00002",
            "lxc",
            "ipcache",
            "frag4",
            "frag6",
        ];
        for map in names
            .iter()
            .chain(&CONNTRACK)
            .filter_map(|name| self.map(name))
        {
            let keys: Vec<_> = map.keys().map(Result::unwrap).collect();
            for key in keys {
                map.delete(&key).unwrap();
            }
        }
        for id in [POD, OTHER] {
            self.set_revision(id, 0);
        }
        self.reset_counters();
        self.events();
    }

    /// An array has no places that could be taken out.
    fn reset_counters(&self) {
        let map = self.map("metrics").unwrap();
        for (reason, direction, _) in self.counters() {
            let key = [reason, direction, 0, 0];
            let nothing = vec![0; map.lookup(&key).unwrap().unwrap().len()];
            map.update(&key, &nothing, Update::Any).unwrap();
        }
    }

    pub(crate) fn set_revision(&self, id: u16, revision: u32) {
        let mut revisions = self.maps.policy_revisions().unwrap();
        revisions.set(id.try_into().unwrap(), revision).unwrap();
    }

    pub(crate) fn revision(&self, id: u16) -> u32 {
        let revisions = self.maps.policy_revisions().unwrap();
        revisions.get(id.try_into().unwrap()).unwrap()
    }

    /// Runs the pod's program of this section on a packet with this mark, which somebody else has sent.
    pub(crate) fn run(&self, section: &str, packet: &[u8], mark: u32) -> TestOutput {
        self.run_from(OUTSIDE, section, packet, mark)
    }

    /// Likewise on one that came to the node by this device; 0 is one that the node has sent.
    pub(crate) fn run_from(
        &self,
        ingress_ifindex: u32,
        section: &str,
        packet: &[u8],
        mark: u32,
    ) -> TestOutput {
        let input = TestInput {
            packet,
            context: SkContext {
                mark,
                ingress_ifindex,
                ..SkContext::default()
            },
            repeat: 1,
        };
        self.pod.program(section).unwrap().test_run(&input).unwrap()
    }

    /// Every event since the last call.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.next())
            .map(Result::unwrap)
            .collect()
    }

    /// Reason, direction and packets of each counter.
    pub(crate) fn counters(&self) -> Vec<(u8, u8, u64)> {
        let counters = self.maps.metrics().unwrap().counters().unwrap();
        let rows = counters.iter().map(|c| (c.reason, c.direction, c.packets));
        let mut rows: Vec<_> = rows.filter(|(_, _, packets)| *packets > 0).collect();
        rows.sort_unstable();
        rows
    }

    /// An address of the pod (1), of the other one (2), of the node (254) or of nobody (others).
    pub(crate) fn address(is_ipv6: bool, host: u16) -> IpAddr {
        let text = if is_ipv6 {
            format!("fd00::{host:x}")
        } else {
            format!("10.0.0.{host}")
        };
        text.parse().unwrap()
    }
}
