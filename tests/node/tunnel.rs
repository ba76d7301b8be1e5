//! A device that leads outside and has no Ethernet: a tun device of the node, whose packets a thread carries to the
//! router's.
#![expect(unsafe_code, reason = "a tun device gets its name by a call of C")]

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};
use weir_tests::need::Need;
use weir_tests::noise::noise;

use crate::plugin::{Plugin, Pod};
use crate::talk::{Connection, PATIENCE, SILENCE, asks, hears, seen};
use crate::world::{Place, World, parsed};
use crate::{FAMILIES, cases, needs};

const DEVICE: &str = "tun0";
const NODE: [&str; 2] = ["192.0.4.1", "2001:db8:4::1"];
const ROUTER: [&str; 2] = ["192.0.4.254", "2001:db8:4::fe"];
const LENGTHS: [u8; 2] = [24, 64];
const PODS: [&str; 2] = ["10.88.0.0/16", "fd88::/64"];
const TICK_MS: u8 = 20;
/// The most that a device without segmentation gives at once.
const LARGEST: usize = 65_536;

/// Carries packets between two devices until it is dropped.
struct Carrier {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Opens a new tun device of a place.
fn device(place: Place) -> File {
    let opened = place.inside(|| {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let file = options.custom_flags(libc::O_NONBLOCK).open("/dev/net/tun");
        let file = file.unwrap();
        name(&file);
        file
    });
    place.run(&format!("ip link set {DEVICE} up"));
    opened
}

/// Says which device the file is.
fn name(file: &File) {
    // SAFETY: zeros are a value of it, as of every structure of numbers.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(DEVICE.bytes()) {
        *to = libc::c_char::try_from(from).unwrap();
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_TUN | libc::IFF_NO_PI).unwrap();
    // SAFETY: the kernel reads and writes the structure, which lives until the call returns.
    let named = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    assert_eq!(named, 0, "no device: {}", std::io::Error::last_os_error());
}

impl Carrier {
    fn between(ends: [File; 2]) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                let mut waiting = ends
                    .each_ref()
                    .map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN));
                let _interrupted = poll(&mut waiting, PollTimeout::from(TICK_MS)).is_err();
                carry(&ends[0], &ends[1]);
                carry(&ends[1], &ends[0]);
            }
        });
        Self {
            is_over,
            thread: Some(thread),
        }
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(ended.is_none_or(|it| it.is_ok()) || thread::panicking());
    }
}

/// What waits at one end; a full queue of the other one loses packets, as any network does.
fn carry(mut from: &File, mut to: &File) {
    let mut packet = vec![0; LARGEST];
    loop {
        match from.read(&mut packet) {
            Ok(length) => {
                let _lost = to.write(&packet[..length]).is_err();
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Replaces the link between the node and its router by tun devices.
fn dig(world: &World) -> Carrier {
    let ends = [world.node(), world.router()].map(device);
    for (place, addresses) in [(world.node(), NODE), (world.router(), ROUTER)] {
        for (address, length) in addresses.into_iter().zip(LENGTHS) {
            place.run(&format!("ip addr add {address}/{length} dev {DEVICE}"));
        }
    }
    for ((router, node), pods) in ROUTER.into_iter().zip(NODE).zip(PODS) {
        world.node().run(&format!(
            "ip route replace default via {router} dev {DEVICE}"
        ));
        world
            .router()
            .run(&format!("ip route replace {pods} via {node} dev {DEVICE}"));
    }
    Carrier::between(ends)
}

cases!(packets_without_ethernet);

fn packets_without_ethernet(plugin: Plugin) {
    needs!(Need::Device("/dev/net/tun"));
    let world = World::new();
    let _carrier = dig(&world);
    let ports = json!([{"hostPort": 8_080, "containerPort": 80, "protocol": "tcp"}]);
    let configuration = plugin.configuration(&world);
    let a = Pod::with(plugin, "a", configuration, &ports);
    let (pod, near) = (a.place(), world.near());
    let bytes = noise(1 << 20);
    for (family, node) in FAMILIES.into_iter().zip(parsed(NODE)) {
        assert_eq!(seen(pod, near, family).ip(), node);
        for host in [near, world.far()] {
            let out = Connection::open(pod, host, family, (0, 0));
            assert_eq!(out.seen.ip(), node);
            assert!(out.exchanges(&bytes), "{}", host.address(family));
            // At its own address it answers as itself.
            let back = Connection::open(host, pod, family, (0, 0));
            assert_eq!(back.seen.ip(), host.address(family));
            assert!(back.exchanges(&bytes), "{}", host.address(family));
        }
        // In fragments, both ways.
        assert!(asks(pod, near, family, (0, 0), &bytes[..4_000]).is_some());
        pod.run(&format!(
            "ping -n -c 3 -i 0.2 -W 5 {}",
            near.address(family)
        ));
        let listener = pod.listener(family, 80);
        let client = near.connect((node, 8_080).into(), PATIENCE).unwrap();
        assert_eq!(listener.accept().unwrap().1, client.local_addr().unwrap());
    }
    if plugin == Plugin::Weir {
        let other = Pod::new(&world, plugin, "b");
        assert_guarded(&world, pod, other.place());
    }
}

/// The device has programs, and nobody outside is a pod there.
fn assert_guarded(world: &World, pod: Place, other: Place) {
    let status = world.lab.weir(&["node", "status", "-o", "json"]);
    let status: Value = serde_json::from_str(&status.expect_success()).unwrap();
    let devices = status["devices"].as_array().unwrap().iter();
    let natives: Vec<_> = devices.filter(|it| it["kind"] == "native").collect();
    assert_eq!(natives.len(), 1, "{status}");
    assert_eq!(natives[0]["name"], DEVICE);
    for family in FAMILIES {
        let (lie, length) = (other.address(family), [32, 128][family]);
        world
            .router()
            .run(&format!("ip addr add {lie}/{length} dev lo"));
        let liar = world.router().called([lie; 2]).udp(family, 0);
        let server = pod.udp(family, 0);
        liar.send_to(b"it is me", server.local_addr().unwrap())
            .unwrap();
        assert_eq!(hears(&server, b"it is me", SILENCE), None);
    }
}
