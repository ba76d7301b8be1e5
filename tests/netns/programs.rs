//! The node's programs on its devices: put there, replaced under traffic, refused, taken away.

use std::fs::{self, File};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::OnceLock;
use std::thread;

use ep_builder::attach::{Clsact, Filter, Hook, Rtnl};
use ep_builder::builder::Builder;
use ep_builder::device::{DeviceFacts, DeviceKind};
use ep_builder::endpoint::MacAddr;
use ep_builder::load::LoadError;
use ep_builder::node::NodeError;
use ep_builder::node::programs::{Installed, install, remove, remove_from, stand, standing};
use ep_builder::timeline::Timeline;
use nix::sched::{CloneFlags, setns, unshare};
use tempfile::TempDir;
use weir_tests::pods::SMALLEST_MAPS;

use crate::filters::add_foreign;
use crate::lifecycle::needs;
use crate::node::{Host, filters, run};
use crate::traffic::{Count, udp_between};

const OUR_END: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const OTHER_END: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// Each is a new generation: it translates to another address than the one before.
const REPLACEMENTS: u8 = 12;

/// A builder with small maps; all of them have the same templates.
fn builder() -> Builder {
    static STATE: OnceLock<TempDir> = OnceLock::new();
    let state = STATE.get_or_init(|| tempfile::tempdir().unwrap());
    crate::node::builder(SMALLEST_MAPS, state.path())
}

/// A device that leads to another namespace, where the world is.
struct World {
    facts: DeviceFacts,
    namespace: File,
}

impl World {
    fn new(name: &str, kind: DeviceKind) -> Self {
        let namespace = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        let namespace = namespace.join().unwrap();
        let mac = MacAddr([2, 0, 0, 3, 0, 1]);
        let place = format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd());
        run(&format!(
            "ip link add {name} address {mac} type veth peer name eth0 netns {place}"
        ));
        run(&format!("ip addr add {OUR_END}/24 dev {name}"));
        run(&format!("ip link set {name} up"));
        let device = Rtnl::open().unwrap().device(name).unwrap();
        let world = Self {
            facts: DeviceFacts {
                name: name.to_owned(),
                ifindex: device.index,
                mac,
                kind,
                ipv4_masquerade: None,
                ipv6_masquerade: None,
                has_ethernet: true,
            },
            namespace,
        };
        world.inside(|| {
            run(&format!("ip addr add {OTHER_END}/24 dev eth0"));
            run("ip link set eth0 up");
        });
        world
    }

    fn inside<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.namespace, CloneFlags::CLONE_NEWNET).unwrap();
                what()
            });
            inside.join().unwrap()
        })
    }

    /// Its facts, where pods are translated to this address.
    fn with(&self, address: Option<Ipv4Addr>) -> DeviceFacts {
        DeviceFacts {
            ipv4_masquerade: address,
            ..self.facts.clone()
        }
    }

    fn install(&self, builder: &Builder, address: Option<Ipv4Addr>) -> Installed {
        install(builder, &self.with(address), &mut Timeline::default()).unwrap()
    }

    fn install_fails(&self, builder: &Builder, address: Option<Ipv4Addr>) -> NodeError {
        install(builder, &self.with(address), &mut Timeline::default()).unwrap_err()
    }

    /// The filters of both hooks.
    fn filters(&self, hooks: [Hook; 2]) -> Vec<Filter> {
        let both = hooks.into_iter();
        both.flat_map(|hook| filters(&self.facts.name, hook))
            .collect()
    }

    fn has_clsact(&self) -> bool {
        run(&format!("tc qdisc show dev {}", self.facts.name)).contains("clsact")
    }

    /// The pins of the device's own maps.
    fn pins(&self, host: &Host) -> Vec<String> {
        let digits = self.facts.id().digits();
        let pins = host.pins().into_iter();
        pins.filter(|name| name.contains(&digits)).collect()
    }
}

/// Programs come to a device of this kind, stand as stock tools expect, and go without a trace.
fn come_and_go(kind: DeviceKind, hooks: [Hook; 2]) {
    let host = Host::new();
    let world = World::new("dev0", kind);
    let (builder, facts) = (builder(), &world.facts);
    let settings = builder.settings();
    assert!(!stand(settings, facts).unwrap());
    let installed = world.install(&builder, None);
    assert_eq!(installed.notices, Vec::<String>::new());
    assert!(stand(settings, facts).unwrap());

    let there = world.filters(hooks);
    let names: Vec<_> = there.iter().map(|it| it.name.as_str()).collect();
    let expected = hooks.map(|hook| format!("bpf_host.o:[{}]", hook.section()));
    assert_eq!(names, expected);
    for filter in &there {
        assert_eq!((filter.priority, filter.handle), (1, 1));
        assert!(filter.direct_action);
    }
    let numbers: Vec<_> = there.iter().map(|it| it.program_id).collect();
    let said = standing(settings, facts).unwrap();
    assert_eq!(
        said.iter().map(|(_, id)| *id).collect::<Vec<_>>(),
        numbers,
        "{said:?}"
    );
    // Of the other kind of device nothing is loaded.
    let sections = installed.programs.iter().map(|it| it.section.as_str());
    let mut entries: Vec<_> = sections.filter(|it| !it.starts_with("tail/")).collect();
    let mut expected = hooks.map(Hook::section).to_vec();
    // By which pods ask the node's policy: one for the node.
    expected.extend((facts.kind == DeviceKind::Host).then_some("policy/ingress"));
    entries.sort_unstable();
    expected.sort_unstable();
    assert_eq!(entries, expected);

    let calls = format!("weir_calls_{}", facts.id().digits());
    assert_eq!(world.pins(&host), [calls]);

    assert!(remove(settings, facts, Clsact::GoesIfEmpty).unwrap());
    assert!(world.filters(hooks).is_empty() && !world.has_clsact());
    assert_eq!(world.pins(&host), Vec::<String>::new());
    assert!(!remove(settings, facts, Clsact::GoesIfEmpty).unwrap());
    assert!(!stand(settings, facts).unwrap());
}

#[test]
fn programs_come_to_a_native_device_and_go() {
    needs!();
    come_and_go(DeviceKind::Native, Hook::OF_NATIVE);
}

#[test]
fn programs_come_to_the_node_s_own_device_and_go() {
    needs!();
    come_and_go(DeviceKind::Host, Hook::OF_HOST);
}

#[test]
fn programs_go_from_a_device_of_which_only_the_name_is_known() {
    needs!();
    for kind in [DeviceKind::Native, DeviceKind::Host] {
        let name = format!("{kind:?}").to_lowercase();
        thread::spawn(move || {
            let host = Host::new();
            let world = World::new(&name, kind);
            let builder = builder();
            world.install(&builder, None);
            let ifindex = world.facts.ifindex;
            assert!(remove_from(builder.settings(), &name, ifindex).unwrap());
            assert!(!world.has_clsact());
            assert!(!remove_from(builder.settings(), &name, ifindex).unwrap());
            if kind == DeviceKind::Native {
                assert_eq!(world.pins(&host), Vec::<String>::new());
            }
        })
        .join()
        .unwrap();
    }
}

#[test]
fn no_packet_of_the_node_is_lost_while_programs_are_replaced() {
    needs!();
    let _host = Host::new();
    let world = World::new("dev0", DeviceKind::Native);
    let builder = builder();
    world.install(&builder, None);
    let client = UdpSocket::bind((OUR_END, 0)).unwrap();
    let server = world.inside(|| UdpSocket::bind((OTHER_END, 0)).unwrap());
    let (count, generations) = udp_between(&client, &server, || {
        let replace = |last| {
            world.install(&builder, Some([192, 0, 2, last].into()));
            standing(builder.settings(), &world.facts).unwrap()
        };
        (0..REPLACEMENTS).map(replace).collect::<Vec<_>>()
    });
    let Count { sent, lost, wrong } = count;
    assert_eq!((lost, wrong), (0, 0), "of {sent}");
    assert!(sent > 100, "{sent}");
    for pair in generations.windows(2) {
        assert!(
            pair[0].iter().zip(&pair[1]).all(|(a, b)| a.1 != b.1),
            "{pair:?}"
        );
    }
    assert_eq!(world.filters(Hook::OF_NATIVE).len(), 2);
}

#[test]
fn a_foreign_filter_stays_and_is_said() {
    needs!();
    let _host = Host::new();
    let world = World::new("dev0", DeviceKind::Native);
    run("tc qdisc add dev dev0 clsact");
    add_foreign("dev0", "ingress", "1");
    let foreign = filters("dev0", Hook::FromNetdev);
    let builder = builder();
    for _ in 0..2 {
        let installed = world.install(&builder, None);
        let [notice] = installed.notices.as_slice() else {
            panic!("one notice: {:?}", installed.notices);
        };
        assert!(notice.contains("bpf at priority 1") && notice.contains("dev0"));
        let there = filters("dev0", Hook::FromNetdev);
        assert!(there.len() == 2 && there.contains(&foreign[0]), "{there:?}");
    }
    assert!(remove(builder.settings(), &world.facts, Clsact::GoesIfEmpty).unwrap());
    assert_eq!(world.filters(Hook::OF_NATIVE), foreign);
    assert!(world.has_clsact());
}

#[test]
fn what_fails_changes_nothing() {
    needs!();
    let host = Host::new();
    let world = World::new("dev0", DeviceKind::Native);
    let builder = builder();
    let elsewhere = DeviceFacts {
        ifindex: world.facts.ifindex + 1,
        ..world.facts.clone()
    };
    let error = install(&builder, &elsewhere, &mut Timeline::default()).unwrap_err();
    assert!(
        matches!(
            error,
            NodeError::Load(LoadError::Other {
                what: "LXC_IFINDEX",
                ..
            })
        ),
        "{error:?}"
    );
    assert!(!world.has_clsact() && host.pins().is_empty());

    // The new calls map cannot be pinned: a folder is where its name would be.
    let block = format!("weir_calls_{}__new", world.facts.id().digits());
    let block = host.bpffs_dir.join(block);
    fs::create_dir_all(&block).unwrap();
    world.install_fails(&builder, None);
    assert!(!world.has_clsact());
    fs::remove_dir(&block).unwrap();
    world.install(&builder, None);
    let before = (world.filters(Hook::OF_NATIVE), host.pins());
    fs::create_dir(&block).unwrap();
    world.install_fails(&builder, Some(OUR_END));
    fs::remove_dir(&block).unwrap();
    assert_eq!((world.filters(Hook::OF_NATIVE), host.pins()), before);
}
