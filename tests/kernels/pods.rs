//! Two pods: namespaces, each with one end of a veth pair.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use ep_builder::endpoint::Endpoint;
use nix::sched::{CloneFlags, setns, unshare};

use crate::{Outcome, shapes};

/// Far longer than an answer takes in an emulated machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// What goes through a connection and back: more than one segment.
const BYTES: usize = 100_000;

pub(crate) struct Pod {
    pub(crate) endpoint: Endpoint,
    namespace: File,
}

impl Pod {
    /// Makes the namespace, the pair, addresses and routes. Neighbours are left to the datapath's answers.
    pub(crate) fn new(number: u8) -> Outcome<Self> {
        let namespace = thread::spawn(|| -> Outcome<File> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            Ok(File::open("/proc/thread-self/ns/net")?)
        });
        let pod = Self {
            endpoint: shapes::endpoint(number)?,
            namespace: namespace.join().map_err(|_| "a thread panicked")??,
        };
        let Endpoint {
            host_ifname,
            host_mac,
            mac,
            ..
        } = &pod.endpoint;
        let place = format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            pod.namespace.as_raw_fd()
        );
        ip(&format!(
            "link add {host_ifname} address {host_mac} type veth peer name eth0 address {mac} netns {place}
            link set {host_ifname} up"
        ))?;
        let [ipv4, ipv6] = pod.addresses();
        let [ipv4, ipv6] = [ipv4?, ipv6?];
        pod.inside(|| {
            ip(&format!(
                "link set lo up
                link set eth0 up
                addr add {ipv4}/32 dev eth0
                addr add {ipv6}/128 dev eth0 nodad
                route add 169.254.1.1/32 dev eth0
                route add default via 169.254.1.1 dev eth0 onlink
                route add fe80::1/128 dev eth0
                route add default via fe80::1 dev eth0 onlink"
            ))
        })?;
        Ok(pod)
    }

    /// Its address of each family.
    fn addresses(&self) -> [Outcome<IpAddr>; 2] {
        let Endpoint { ipv4, ipv6, .. } = &self.endpoint;
        [
            ipv4.map(IpAddr::V4).ok_or_else(|| "no IPv4 address".into()),
            ipv6.map(IpAddr::V6).ok_or_else(|| "no IPv6 address".into()),
        ]
    }

    pub(crate) fn address(&self, is_ipv6: bool) -> Outcome<IpAddr> {
        let [ipv4, ipv6] = self.addresses();
        if is_ipv6 { ipv6 } else { ipv4 }
    }

    /// Runs something in the pod's namespace: sockets that are made there stay there.
    fn inside<T: Send>(&self, what: impl FnOnce() -> Outcome<T> + Send) -> Outcome<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.namespace, CloneFlags::CLONE_NEWNET)?;
                what()
            });
            inside.join().map_err(|_| "a thread panicked")?
        })
    }

    /// Sends a few echo requests; one answer is enough.
    pub(crate) fn ping(&self, to: IpAddr) -> Outcome<()> {
        let to = to.to_string();
        self.inside(|| {
            let output = Command::new("busybox")
                .args(["ping", "-c", "3", "-W", "5", &to])
                .stdin(Stdio::null())
                .output()?;
            if output.status.success() {
                return Ok(());
            }
            Err(format!(
                "no answer from {to}: {}",
                String::from_utf8_lossy(&output.stdout)
            )
            .into())
        })
    }

    /// Opens a connection to the other pod, which sends back what it gets.
    pub(crate) fn connect(&self, other: &Self, is_ipv6: bool) -> Outcome<()> {
        let address = other.address(is_ipv6)?;
        let listener = other.inside(|| Ok(TcpListener::bind((address, 0))?))?;
        let place = listener.local_addr()?;
        let sent: Vec<u8> = (0..BYTES).map(|at| at.to_le_bytes()[0]).collect();
        thread::spawn(move || echo(&listener));
        let mut stream = self.inside(|| Ok(TcpStream::connect_timeout(&place, PATIENCE)?))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&sent)?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut received = Vec::new();
        stream.read_to_end(&mut received)?;
        if received == sent {
            return Ok(());
        }
        Err(format!(
            "{} bytes of {BYTES} came back as they were sent",
            received.len()
        )
        .into())
    }
}

/// Takes one connection. A client that never comes is the caller's timeout; the process ends with it.
fn echo(listener: &TcpListener) -> Outcome<()> {
    let (mut stream, _) = listener.accept()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Ok(stream.write_all(&bytes)?)
}

/// Runs lines of `ip` in one process.
fn ip(lines: &str) -> Outcome<()> {
    let mut ip = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = ip.stdin.take() {
        input.write_all(lines.as_bytes())?;
    }
    let output = ip.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "ip refused: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    )
    .into())
}
