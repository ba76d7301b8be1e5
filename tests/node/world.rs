//! Where everybody lives: the node, a router before it, and two hosts behind the router.
//!
//! ```text
//!   pods --- node up0 192.0.2.1 --- .254 router .1 --- 198.51.100.2 near
//!                                               .1 --- 203.0.113.2  far
//! ```
//!
//! The router takes the way to the far host for narrower than its devices are, so that neither end knows it.

use std::fs::File;
use std::net::IpAddr;

use weir_tests::pods::{GATEWAYS, MAPS, command, fd_path, inside, new_namespace, run, set_sysctl};
use weir_tests::{Finished, Lab};

/// What one end of a link is called, in both families.
type Ends = [&'static str; 2];

/// The node's address towards the world.
pub(crate) const NODE: Ends = ["192.0.2.1", "2001:db8:2::1"];
/// Another one that is free.
pub(crate) const NODE_BESIDE: Ends = ["192.0.2.7", "2001:db8:2::7"];
const ROUTER: Ends = ["192.0.2.254", "2001:db8:2::fe"];
const NEAR: Ends = ["198.51.100.2", "2001:db8:51::2"];
const BEFORE_NEAR: Ends = ["198.51.100.1", "2001:db8:51::1"];
const FAR: Ends = ["203.0.113.2", "2001:db8:13::2"];
/// The router, as the far host knows it.
pub(crate) const BEFORE_FAR: Ends = ["203.0.113.1", "2001:db8:13::1"];
/// The ranges of the pods, which the router knows the way to.
const PODS: Ends = ["10.88.0.0/16", "fd88::/64"];
/// The other link between the node and the router.
const NODE_ASIDE: Ends = ["192.0.3.1", "2001:db8:3::1"];
const ROUTER_ASIDE: Ends = ["192.0.3.254", "2001:db8:3::fe"];
const LENGTHS: [u8; 2] = [24, 64];

/// The largest packet that gets to the far host.
pub(crate) const NARROW: u32 = 1_300;
const WIDE: u32 = 1_500;

/// The node of the calling thread, and the world around it.
pub(crate) struct World {
    pub(crate) lab: Lab,
    node: File,
    router: File,
    near: File,
    far: File,
}

/// A network namespace with what it is called there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    namespace: &'a File,
    addresses: [IpAddr; 2],
}

impl World {
    /// A world in which no plugin has done anything yet.
    pub(crate) fn new() -> Self {
        Self::with(MAPS)
    }

    /// As [`Self::new`], with these lines in the node's `weir.toml`.
    pub(crate) fn with(lines: &str) -> Self {
        let lab = Lab::with(lines);
        bare();
        let world = Self {
            lab,
            node: File::open("/proc/thread-self/ns/net").unwrap(),
            router: new_namespace(),
            near: new_namespace(),
            far: new_namespace(),
        };
        for host in [&world.router, &world.near, &world.far] {
            inside(host, || {
                without_delay();
                run("ip link set lo up");
            });
        }
        world.wire();
        world
    }

    fn wire(&self) {
        connect(("up0", NODE), (&self.router, "node", ROUTER), WIDE);
        defaults(ROUTER);
        inside(&self.router, || {
            forward();
            connect(("near", BEFORE_NEAR), (&self.near, "eth0", NEAR), WIDE);
            connect(("far", BEFORE_FAR), (&self.far, "eth0", FAR), WIDE);
            for address in FAR {
                run(&format!("ip route add {address} dev far mtu {NARROW}"));
            }
            for (range, node) in PODS.into_iter().zip(NODE) {
                run(&format!("ip route add {range} via {node}"));
            }
        });
        inside(&self.near, || defaults(BEFORE_NEAR));
        inside(&self.far, || defaults(BEFORE_FAR));
    }

    /// Another link to the router, by which all comes back that goes to the node's address on the first.
    pub(crate) fn another_way_back(&self) {
        connect(
            ("up1", NODE_ASIDE),
            (&self.router, "aside", ROUTER_ASIDE),
            WIDE,
        );
        self.router().inside(|| {
            for (node, aside) in NODE.into_iter().zip(NODE_ASIDE) {
                run(&format!("ip route add {node} via {aside}"));
            }
        });
    }

    /// The node, as the world knows it.
    pub(crate) fn node(&self) -> Place<'_> {
        Place::new(&self.node, parsed(NODE))
    }

    /// The router, as the node knows it.
    pub(crate) fn router(&self) -> Place<'_> {
        Place::new(&self.router, parsed(ROUTER))
    }

    /// A host as far as any other.
    pub(crate) fn near(&self) -> Place<'_> {
        Place::new(&self.near, parsed(NEAR))
    }

    /// A host on the narrow way.
    pub(crate) fn far(&self) -> Place<'_> {
        Place::new(&self.far, parsed(FAR))
    }
}

impl<'a> Place<'a> {
    pub(crate) fn new(namespace: &'a File, addresses: [IpAddr; 2]) -> Self {
        Self {
            namespace,
            addresses,
        }
    }

    pub(crate) fn inside<T: Send>(self, what: impl FnOnce() -> T + Send) -> T {
        inside(self.namespace, what)
    }

    /// Runs a command there that must succeed.
    #[track_caller]
    pub(crate) fn run(self, line: &str) -> String {
        self.inside(|| run(line))
    }

    /// Runs a command there that may fail.
    pub(crate) fn try_run(self, line: &str) -> Finished {
        self.inside(|| command(line))
    }

    /// Its address, IPv4 first.
    pub(crate) fn address(self, family: usize) -> IpAddr {
        self.addresses[family]
    }

    /// The same place under another name.
    pub(crate) fn called(self, addresses: [IpAddr; 2]) -> Self {
        Self { addresses, ..self }
    }
}

/// Takes away what a [`Lab`] has set up for pods without a plugin: a node as it comes.
fn bare() {
    for gateway in GATEWAYS {
        run(&format!("ip addr del {gateway} dev lo"));
    }
    for switch in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        set_sysctl(switch, "0");
    }
    without_delay();
}

/// Addresses can be used at once: nobody else has them.
pub(crate) fn without_delay() {
    for devices in ["all", "default"] {
        set_sysctl(&format!("ipv6/conf/{devices}/accept_dad"), "0");
    }
}

fn forward() {
    for switch in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        set_sysctl(switch, "1");
    }
}

/// A link from the namespace of the calling thread to another one.
pub(crate) fn connect(here: (&str, Ends), there: (&File, &str, Ends), mtu: u32) {
    let (device, own) = here;
    let (namespace, name, others) = there;
    let place = fd_path(namespace);
    run(&format!(
        "ip link add {device} mtu {mtu} type veth peer name {name} mtu {mtu} netns {place}"
    ));
    configure(device, own);
    inside(namespace, || configure(name, others));
}

fn configure(device: &str, addresses: Ends) {
    for (address, length) in addresses.into_iter().zip(LENGTHS) {
        run(&format!("ip addr add {address}/{length} dev {device}"));
    }
    run(&format!("ip link set {device} up"));
}

fn defaults(gateways: Ends) {
    for gateway in gateways {
        run(&format!("ip route add default via {gateway}"));
    }
}

/// Addresses of both families.
pub(crate) fn parsed(addresses: [&str; 2]) -> [IpAddr; 2] {
    addresses.map(|address| address.parse().unwrap())
}
