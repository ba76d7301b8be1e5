//! Packets that go on all the time, while other things go wrong: from one pod that may, and one that may not.

use std::fs::File;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use weir_tests::Pod;
use weir_tests::pods::inside;

/// Where is listened.
pub(crate) const PORT: u16 = 7777;

/// Between two packets of one sender. Each is of a connection of its own, so each is judged.
const PACE: Duration = Duration::from_millis(5);

/// How long is waited for what must come, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// One that may, by whatever policy is in force.
    Friend,
    /// One that may not.
    Stranger,
    /// One that may by the new policy, and not by the old one.
    Newcomer,
}

const SENDERS: [Sender; 3] = [Sender::Friend, Sender::Stranger, Sender::Newcomer];

#[derive(Debug, Default)]
struct Counts {
    is_over: AtomicBool,
    sent: [AtomicU64; 3],
    heard: [AtomicU64; 3],
}

/// Who sends, or is sent to.
pub(crate) struct End {
    pub(crate) namespace: File,
    pub(crate) addresses: [IpAddr; 2],
}

impl End {
    pub(crate) fn of(pod: &Pod) -> Self {
        Self {
            namespace: File::open(pod.namespace_path()).unwrap(),
            addresses: pod.addresses(),
        }
    }
}

/// Packets on their way. They end with the value.
#[derive(Debug)]
pub(crate) struct Probes {
    counts: Arc<Counts>,
    threads: Vec<JoinHandle<()>>,
}

impl Probes {
    /// From these pods to that one.
    pub(crate) fn start(senders: [End; 3], to: &End) -> Self {
        let counts = Arc::new(Counts::default());
        let listener = inside(&to.namespace, || UdpSocket::bind(("::", PORT)).unwrap());
        listener
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let shared = Arc::clone(&counts);
        let mut threads = vec![thread::spawn(move || listen(&listener, &shared))];
        for (sender, End { namespace, .. }) in SENDERS.into_iter().zip(senders) {
            let (shared, addresses) = (Arc::clone(&counts), to.addresses);
            // Sockets belong to the namespace of the thread that makes them, and each packet has a new one.
            threads.push(thread::spawn(move || {
                inside(&namespace, || send(sender, addresses, &shared));
            }));
        }
        let probes = Self { counts, threads };
        probes.wait(Sender::Friend, 2).unwrap();
        probes
    }

    /// Says what is wrong now, if something is: whoever may not has been heard, or whoever may is not heard any more.
    pub(crate) fn defect(&self) -> Option<String> {
        self.wait(Sender::Friend, 2)
            .err()
            .or_else(|| self.stranger_was_heard())
    }

    /// Says so if whoever may not has been heard.
    pub(crate) fn stranger_was_heard(&self) -> Option<String> {
        let heard = self.counts.heard[Sender::Stranger as usize].load(Ordering::Relaxed);
        (heard > 0).then(|| format!("{heard} packets of one who may not have come through"))
    }

    /// Waits until so many packets more have come of one.
    pub(crate) fn wait(&self, sender: Sender, more: u64) -> Result<(), String> {
        let heard = &self.counts.heard[sender as usize];
        let (begin, since) = (Instant::now(), heard.load(Ordering::Relaxed));
        while begin.elapsed() < PATIENCE {
            if heard.load(Ordering::Relaxed) >= since + more {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Err(format!("{sender:?} is not heard any more"))
    }

    /// So many have sent in vain, so far, as may not.
    pub(crate) fn in_vain(&self) -> u64 {
        self.counts.sent[Sender::Stranger as usize].load(Ordering::Relaxed)
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.counts.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic of one is seen by what was not heard.
            let _ended = thread.join();
        }
    }
}

fn listen(listener: &UdpSocket, counts: &Counts) {
    let mut byte = [0];
    while !counts.is_over.load(Ordering::Relaxed) {
        if let Ok(1) = listener.recv(&mut byte) {
            counts.heard[usize::from(byte[0])].fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn send(sender: Sender, addresses: [IpAddr; 2], counts: &Counts) {
    let number = sender as u8;
    for address in addresses.into_iter().cycle() {
        if counts.is_over.load(Ordering::Relaxed) {
            return;
        }
        let any = if address.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        let sent = UdpSocket::bind(any)
            .and_then(|socket| socket.send_to(&[number], SocketAddr::new(address, PORT)));
        if sent.is_ok() {
            counts.sent[usize::from(number)].fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(PACE);
    }
}
