//! Pods that are attached by the built command: a node with namespaces of its own, and pods on it.
//!
//! The namespaces belong to the thread that makes a [`Lab`] and go away with it: the test's own thread, so
//! one test is one node, and all tests run at once.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use ep_builder::endpoint::{Endpoint, EndpointId, MacAddr};
use ep_builder::maps::{Direction, Maps};
use ep_builder::shape::MapPrefix;
use ep_builder::whole_file;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

use crate::{Finished, Node, bundle, process};

/// Maps as small as tests of traffic bear: the default conntrack maps take hundreds of megabytes.
pub const MAPS: &str = "[maps]\nendpoints = 64\nipcache = 64\npolicy = 64\nmetrics = 256\nevents = 1048576\nfragments = 64\nct_tcp = 4096\nct_any = 4096\nsnat = 4096\n";

/// Maps as small as they may be, for tests of loading.
pub const SMALLEST_MAPS: &str = "[maps]\nendpoints = 16\nipcache = 16\npolicy = 16\nmetrics = 64\nevents = 4096\nfragments = 16\nct_tcp = 1024\nct_any = 1024\nsnat = 64\nhost_ports = 64\n";

/// What the node is called by its pods.
pub const GATEWAYS: [&str; 2] = ["10.88.0.1", "fd88::1"];

const PINS: &str = "/sys/fs/bpf/tc/globals";
/// Where `ip netns` looks for names.
const NAMES: &str = "/run/netns";
const NONE: Option<&str> = None;

/// A node of the calling thread's own.
#[derive(Debug)]
pub struct Lab {
    node: Node,
}

/// A pod with an attached endpoint.
#[derive(Debug)]
pub struct Pod {
    /// The facts of its endpoint.
    pub endpoint: Endpoint,
    namespace: File,
}

impl Lab {
    /// A node with small maps.
    pub fn new() -> Self {
        Self::with(MAPS)
    }

    /// A node with these lines in its `weir.toml`.
    pub fn with(lines: &str) -> Self {
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).expect("root may unshare");
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(NONE, "/", NONE, private, NONE).expect("mounts can be made private");
        mount_new("bpf", "/sys/fs/bpf");
        // Names are seen in this mount namespace alone.
        make_folder(Path::new(NAMES));
        mount_new("tmpfs", NAMES);
        run("ip link set lo up");
        for (family, gateway) in [("-4", GATEWAYS[0]), ("-6", GATEWAYS[1])] {
            run(&format!("ip {family} addr add {gateway} dev lo"));
        }
        for switch in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            set_sysctl(switch, "1");
        }
        let lab = Self { node: Node::new() };
        // In memory, as a node has its state: what is written whole does not wait for a disk.
        mount_new(
            "tmpfs",
            lab.root().to_str().expect("a temporary path is text"),
        );
        lab.node.configure(lines);
        let compiled = match bundle::given() {
            None => compiled(lines),
            Some(_) => Files::new(),
        };
        for (path, bytes) in compiled {
            let path = lab.node.bundle().join(path);
            make_folder(path.parent().expect("a file has a folder"));
            whole_file::write(&path, &bytes).expect("a bundle can be written");
        }
        lab
    }

    fn root(&self) -> PathBuf {
        let config = self.node.config();
        config.parent().expect("a file has a folder").to_owned()
    }

    /// Its folders and its command.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Runs `weir`.
    pub fn weir(&self, arguments: &[&str]) -> Finished {
        self.node.weir(arguments)
    }

    /// The maps of the datapath.
    pub fn maps(&self) -> Maps {
        Maps::new(PINS, &MapPrefix::default())
    }

    /// How many packets were counted for a reason.
    pub fn counted(&self, reason: u8, direction: Direction) -> u64 {
        let metrics = self.maps().metrics().expect("an endpoint is attached");
        let counter = metrics.counter(reason, direction);
        counter.expect("counters can be read").packets
    }

    /// The names of all pins.
    pub fn pins(&self) -> Vec<String> {
        let entries = fs::read_dir(PINS).into_iter().flatten();
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<_> = entries
            .map(|it| name(it.expect("pins are listed")))
            .collect();
        names.sort();
        names
    }

    /// Makes a pod and attaches its endpoint.
    pub fn pod(&self, id: u16) -> Pod {
        let pod = self.bare_pod(id);
        self.attach(&pod.endpoint);
        pod
    }

    /// Makes a pod without programs.
    pub fn bare_pod(&self, id: u16) -> Pod {
        let namespace = new_namespace();
        let endpoint = endpoint(id);
        let name = Path::new(NAMES).join(format!("pod{id}"));
        whole_file::write(&name, b"").expect("a name can be made");
        let place = fd_path(&namespace);
        mount(Some(place.as_str()), &name, NONE, MsFlags::MS_BIND, NONE)
            .expect("a name can be bound");
        let device = endpoint.host_ifname.clone();
        let (mac, host_mac) = (endpoint.mac, endpoint.host_mac);
        run(&format!(
            "ip link add {device} address {host_mac} type veth peer name eth0 address {mac} netns {place}"
        ));
        run(&format!("ip link set {device} up"));
        let pod = Pod {
            endpoint,
            namespace,
        };
        pod.inside(|| pod.configure());
        for address in pod.addresses() {
            run(&format!("ip route add {address} dev {device}"));
        }
        pod
    }

    /// Attaches an endpoint, or gives it a new generation.
    pub fn attach(&self, endpoint: &Endpoint) {
        let file = self.node.state().with_file_name("endpoint.json");
        let text = serde_json::to_vec(endpoint).expect("an endpoint is JSON");
        whole_file::write(&file, &text).expect("a description can be written");
        let file = file.to_str().expect("a temporary path is text");
        self.weir(&["endpoint", "attach", file]).expect_success();
    }

    /// Writes another `weir.toml` with these lines.
    pub fn configure(&self, lines: &str) {
        self.node.configure(lines);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Left mounted, the folder could not be removed; the namespace takes the rest along.
        let _unmounted = umount2(&self.root(), MntFlags::MNT_DETACH);
    }
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

impl Pod {
    /// Its IPv4 and its IPv6 address.
    pub fn addresses(&self) -> [IpAddr; 2] {
        let endpoint = &self.endpoint;
        let (v4, v6) = (endpoint.ipv4, endpoint.ipv6);
        [
            v4.expect("pods have IPv4").into(),
            v6.expect("pods have IPv6").into(),
        ]
    }

    /// Its id as text.
    pub fn id(&self) -> String {
        self.endpoint.id.to_string()
    }

    /// The name of its namespace for `ip netns`, and the path that leads there.
    pub fn namespace_path(&self) -> PathBuf {
        Path::new(NAMES).join(format!("pod{}", self.endpoint.id))
    }

    /// Does something on a thread in the pod. Sockets and processes that are made there stay there.
    pub fn inside<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        inside(&self.namespace, what)
    }

    /// Runs a command in the pod.
    pub fn exec(&self, line: &str) -> Finished {
        self.inside(|| command(line))
    }

    fn configure(&self) {
        run("ip link set lo up");
        run("ip link set eth0 up");
        let [v4, v6] = self.addresses();
        run(&format!("ip addr add {v4}/32 dev eth0"));
        run(&format!("ip addr add {v6}/128 dev eth0 nodad"));
        for (family, gateway) in [("-4", GATEWAYS[0]), ("-6", GATEWAYS[1])] {
            run(&format!("ip {family} route add {gateway} dev eth0"));
            run(&format!("ip {family} route add default via {gateway}"));
        }
    }
}

/// A network namespace that nobody has a name for.
pub fn new_namespace() -> File {
    let made = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("root may unshare");
        File::open("/proc/thread-self/ns/net").expect("a thread has a network namespace")
    });
    made.join().expect("a namespace can be made")
}

/// Does something on a thread in a network namespace.
pub fn inside<T: Send>(namespace: &File, what: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("root may enter a namespace");
            what()
        });
        inside
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A path to an open file, for other processes as long as it is open.
pub fn fd_path(file: &File) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd())
}

/// Runs a command where the calling thread is.
pub fn command(line: &str) -> Finished {
    let mut words = line.split_whitespace();
    let program = words.next().expect("a command has a name");
    process::run(Command::new(program).args(words))
}

/// Runs a command that must succeed, and returns what it says.
#[track_caller]
pub fn run(line: &str) -> String {
    command(line).expect_success()
}

/// Sets a value below `/proc/sys/net` of the thread's namespace. Such a file takes no temporary name.
pub fn set_sysctl(name: &str, value: &str) {
    let path = Path::new("/proc/sys/net").join(name);
    let file = OpenOptions::new().write(true).open(path);
    let written = file.and_then(|mut file| file.write_all(value.as_bytes()));
    written.expect("a setting can be written");
}

fn mount_new(kind: &str, place: &str) {
    mount(Some(kind), place, Some(kind), MsFlags::empty(), NONE).expect("root may mount");
}

fn make_folder(path: &Path) {
    let mut folders = DirBuilder::new();
    let made = folders.recursive(true).mode(0o755).create(path);
    made.expect("a folder can be made");
}

/// An endpoint whose facts follow from its id.
pub fn endpoint(id: u16) -> Endpoint {
    let [high, low] = id.to_be_bytes();
    Endpoint {
        container_id: format!("container-{id}"),
        ifname: "eth0".into(),
        host_ifname: format!("lxc{id}"),
        mac: MacAddr([2, 0, 0, 1, high, low]),
        host_mac: MacAddr([2, 0, 0, 2, high, low]),
        ipv4: Some([10, 88, high + 1, low].into()),
        ipv6: Some([0xfd88, 0, 0, 0, 0, 0, 1, id].into()),
        identity: 1000 + u32::from(id),
        ..Endpoint::bare(EndpointId::new(id).expect("ids of tests are valid"))
    }
}

/// Files of a folder.
type Files = Vec<(PathBuf, Vec<u8>)>;

/// The bundle of a configuration. Compiled once in a process: it would take most of every test's time.
fn compiled(lines: &str) -> Files {
    static BUNDLES: Mutex<BTreeMap<String, Files>> = Mutex::new(BTreeMap::new());
    let mut bundles = BUNDLES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(files) = bundles.get(lines) {
        return files.clone();
    }
    let node = Node::with(lines);
    let folder = node.bundle();
    let path = folder.to_str().expect("a temporary path is text");
    node.weir(&["template", "build", "--bundle", path])
        .expect_success();
    let mut files = Files::new();
    collect(&folder, Path::new(""), &mut files);
    bundles.insert(lines.to_owned(), files.clone());
    files
}

fn collect(root: &Path, below: &Path, files: &mut Files) {
    for entry in fs::read_dir(root.join(below)).expect("a folder can be listed") {
        let entry = entry.expect("a folder can be listed");
        let path = below.join(entry.file_name());
        if entry.path().is_dir() {
            collect(root, &path, files);
        } else {
            let bytes = fs::read(entry.path()).expect("a file can be read");
            files.push((path, bytes));
        }
    }
}
