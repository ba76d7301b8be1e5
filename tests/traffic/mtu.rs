//! A path that is narrower than the pod's device: the pod learns it by ICMP errors about its connection.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::thread;

use ep_builder::digest::sha256_hex;
use weir_tests::Lab;
use weir_tests::need::Need;
use weir_tests::noise::noise;
use weir_tests::pods::{fd_path, inside, new_namespace, run};

use crate::talk::{PATIENCE, needs};

const NARROW: u32 = 1_300;
const OUTSIDE: [&str; 2] = ["192.0.2.2", "2001:db8::2"];
const ROUTER: [&str; 2] = ["192.0.2.1", "2001:db8::1"];

/// A host behind a link with a small MTU.
fn outside() -> File {
    let namespace = new_namespace();
    let place = fd_path(&namespace);
    run(&format!(
        "ip link add narrow mtu {NARROW} type veth peer name eth0 mtu {NARROW} netns {place}"
    ));
    let configure = |device: &str, addresses: [&str; 2]| {
        run(&format!("ip addr add {}/24 dev {device}", addresses[0]));
        run(&format!(
            "ip addr add {}/64 dev {device} nodad",
            addresses[1]
        ));
        run(&format!("ip link set {device} up"));
    };
    configure("narrow", ROUTER);
    inside(&namespace, || {
        configure("eth0", OUTSIDE);
        for router in ROUTER {
            run(&format!("ip route add default via {router}"));
        }
    });
    namespace
}

#[test]
fn a_pod_learns_that_the_path_is_narrow_and_gets_through() {
    needs!(Need::Tool("ping"));
    let lab = Lab::new();
    let pod = lab.pod(1);
    let outside = outside();
    let bytes = noise(4 << 20);
    for address in OUTSIDE {
        let address: IpAddr = address.parse().unwrap();
        // Not allowed to be cut, it is refused, and the pod is told the size that fits.
        let said = pod.exec(&format!("ping -n -c 2 -i 0.2 -W 2 -M do -s 1400 {address}"));
        let text = said.stdout + &said.stderr;
        assert_eq!(said.code, Some(1), "{text}");
        assert!(
            text.contains(&format!("mtu={NARROW}")) || text.contains(&format!("mtu: {NARROW}")),
            "{text}"
        );
        let route = pod
            .exec(&format!("ip route get {address}"))
            .expect_success();
        assert!(route.contains(&format!("mtu {NARROW}")), "{route}");
        run_transfer(&pod, &outside, address, &bytes);
    }
}

fn run_transfer(pod: &weir_tests::Pod, outside: &File, address: IpAddr, bytes: &[u8]) {
    // Forgotten, so that TCP has to learn it by itself.
    pod.exec("ip route flush cache").expect_success();
    pod.exec("ip -6 route flush cache").expect_success();
    let listener = inside(outside, || TcpListener::bind((address, 0)).unwrap());
    let place = listener.local_addr().unwrap();
    thread::scope(|scope| {
        let received = scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut got = Vec::new();
            stream.read_to_end(&mut got).unwrap();
            sha256_hex(&got)
        });
        let mut stream = pod.inside(|| TcpStream::connect_timeout(&place, PATIENCE).unwrap());
        stream.write_all(bytes).unwrap();
        drop(stream);
        assert_eq!(received.join().unwrap(), sha256_hex(bytes), "{address}");
    });
}
