//! Numbered packets from one socket to another.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::error::ProveError;
use super::tally::{Count, Tally};

/// How many packets may be on their way: what a socket and the kernel's queues hold without dropping any,
/// so that whatever is missing is the datapath's.
const WINDOW: u64 = 128;
/// How long a receiver waits at an empty socket before it looks whether it is done.
const TICK: Duration = Duration::from_millis(50);
/// After so many waits in vain the packets on their way are given up, and new ones sent. Waits are counted,
/// not time: on a busy machine it may be the receiver that has not run.
const STALL: u64 = 4;
/// After so many the last packets are lost.
const PATIENCE: u64 = 20;
/// How often the first packet is tried, a tick each: until then neighbours are resolved, for which a device
/// that has just come up first makes sure of its own address.
const TRIES: u32 = 80;
/// A sender that is ahead of its time rests.
const REST: Duration = Duration::from_millis(1);
/// How long a send may fail: the answer to an earlier packet, or a full queue.
const REFUSED: Duration = Duration::from_secs(1);
/// The number of the packets that open a stream.
const OPENING: u64 = u64::MAX;

/// Packets of one direction and family.
#[derive(Debug)]
pub(super) struct Stream {
    from: UdpSocket,
    to: UdpSocket,
    ends: [SocketAddr; 2],
    /// Tells its packets from any others.
    mark: u64,
    per_second: u32,
}

/// What sender and receiver tell each other.
#[derive(Default)]
struct Progress {
    arrived: AtomicU64,
    /// How often the receiver has waited in vain.
    waits: AtomicU64,
    sent: AtomicU64,
    is_sent: AtomicBool,
}

impl Stream {
    /// A stream between two bound sockets, at most so many packets a second.
    pub(super) fn new(from: UdpSocket, to: UdpSocket, per_second: u32) -> io::Result<Self> {
        let ends = [from.local_addr()?, to.local_addr()?];
        from.connect(ends[1])?;
        to.connect(ends[0])?;
        to.set_read_timeout(Some(TICK))?;
        let mark = std::process::id().into();
        Ok(Self {
            from,
            to,
            ends,
            mark,
            per_second,
        })
    }

    pub(super) fn ends(&self) -> [IpAddr; 2] {
        self.ends.map(|end| end.ip())
    }

    /// Sends until a packet arrives.
    pub(super) fn open(&self) -> Result<(), ProveError> {
        let [from, to] = self.ends();
        for _ in 0..TRIES {
            // A refusal is known by nothing arriving.
            let _sent = self.send(OPENING);
            if self.receive().is_some() {
                return Ok(());
            }
        }
        Err(ProveError::Blocked { from, to })
    }

    fn send(&self, number: u64) -> io::Result<()> {
        let packet = [self.mark.to_be_bytes(), number.to_be_bytes()].concat();
        self.from.send(&packet).map(drop)
    }

    /// The number of the next packet; none if there is none in a while.
    fn receive(&self) -> Option<u64> {
        let mut packet = [0; 32];
        let length = self.to.recv(&mut packet).ok()?;
        let (words, rest) = packet.get(..length)?.as_chunks::<8>();
        match (words, rest) {
            ([mark, number], []) if u64::from_be_bytes(*mark) == self.mark => {
                Some(u64::from_be_bytes(*number))
            }
            _ => None,
        }
    }

    fn send_all(&self, progress: &Progress, stop: &AtomicBool) -> io::Result<()> {
        let start = Instant::now();
        let (mut sent, mut given_up) = (0_u64, 0);
        // What had arrived when something moved last, and how often the receiver had waited by then.
        let mut moved = (0, 0);
        while !stop.load(Ordering::Relaxed) {
            let waits = progress.waits.load(Ordering::Acquire);
            let arrived = progress.arrived.load(Ordering::Acquire);
            let on_their_way = sent.saturating_sub(arrived + given_up);
            if on_their_way >= WINDOW {
                if arrived != moved.0 {
                    moved = (arrived, waits);
                } else if waits > moved.1 + STALL {
                    given_up += on_their_way;
                }
                sleep(REST / 10);
            } else if u128::from(sent) > self.due(start.elapsed()) {
                sleep(REST);
            } else {
                self.send_patiently(sent)?;
                sent += 1;
                moved = (arrived, waits);
                progress.sent.store(sent, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// How many packets this time is for.
    fn due(&self, time: Duration) -> u128 {
        time.as_micros() * u128::from(self.per_second) / 1_000_000
    }

    fn send_patiently(&self, number: u64) -> io::Result<()> {
        let start = Instant::now();
        loop {
            match self.send(number) {
                Err(error) if start.elapsed() > REFUSED => return Err(error),
                Err(_) => sleep(REST),
                Ok(()) => return Ok(()),
            }
        }
    }

    fn receive_all(&self, progress: &Progress) -> Tally {
        let (mut tally, mut in_vain) = (Tally::default(), 0);
        loop {
            match self.receive() {
                Some(OPENING) => {}
                Some(number) => {
                    tally.note(number);
                    progress.arrived.store(tally.arrived(), Ordering::Release);
                    in_vain = 0;
                }
                None => {
                    in_vain += 1;
                    progress.waits.fetch_add(1, Ordering::Release);
                    // The last look is after a wait: a packet that comes twice has its time.
                    let is_over = progress.is_sent.load(Ordering::Acquire);
                    let is_complete = tally.arrived() >= progress.sent.load(Ordering::Relaxed);
                    if is_over && (is_complete || in_vain >= PATIENCE) {
                        return tally;
                    }
                }
            }
        }
    }

    fn run(&self, stop: &AtomicBool) -> Result<Count, ProveError> {
        let progress = Progress::default();
        let (sent, tally) = thread::scope(|scope| {
            let receiver = scope.spawn(|| self.receive_all(&progress));
            let sent = self.send_all(&progress, stop);
            progress.is_sent.store(true, Ordering::Release);
            (sent, joined(receiver.join()))
        });
        let [from, to] = self.ends();
        sent.map_err(|source| ProveError::Send { from, to, source })?;
        Ok(tally.of(progress.sent.load(Ordering::Relaxed)))
    }
}

/// Lets all streams flow while something is done.
pub(super) fn flow<T>(
    streams: &[Stream],
    meanwhile: impl FnOnce() -> T,
) -> (Result<Vec<Count>, ProveError>, T) {
    let stop = &AtomicBool::new(false);
    thread::scope(|scope| {
        let running: Vec<_> = streams
            .iter()
            .map(|stream| scope.spawn(move || stream.run(stop)))
            .collect();
        let result = meanwhile();
        stop.store(true, Ordering::Relaxed);
        let counts = running.into_iter().map(|stream| joined(stream.join()));
        (counts.collect(), result)
    })
}

fn joined<T>(ended: thread::Result<T>) -> T {
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(per_second: u32) -> Stream {
        let socket = || UdpSocket::bind("127.0.0.1:0").unwrap();
        Stream::new(socket(), socket(), per_second).unwrap()
    }

    #[test]
    fn what_flows_freely_arrives() {
        let streams = [stream(1_000_000), stream(500)];
        for stream in &streams {
            stream.open().unwrap();
        }
        let (counts, ()) = flow(&streams, || sleep(Duration::from_millis(300)));
        let counts = counts.unwrap();
        for count in &counts {
            let expected = Count {
                sent: count.sent,
                received: count.sent,
                ..Count::default()
            };
            assert_eq!(*count, expected);
        }
        // The slow one keeps to its rate, however late its threads are.
        assert!(
            counts[1].sent > 0 && counts[1].sent <= counts[0].sent,
            "{counts:?}"
        );
    }

    #[test]
    fn a_stream_that_nobody_receives_is_lost_and_no_hang() {
        let stream = stream(1_000_000);
        let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
        stream
            .from
            .connect(elsewhere.local_addr().unwrap())
            .unwrap();
        assert!(matches!(stream.open(), Err(ProveError::Blocked { .. })));
        let (counts, ()) = flow(std::slice::from_ref(&stream), || sleep(TICK * 20));
        let count = counts.unwrap()[0];
        assert!(count.sent > WINDOW && count.lost == count.sent, "{count:?}");
    }

    #[test]
    fn packets_of_others_do_not_count() {
        let stream = stream(10);
        for packet in [&b""[..], b"hello", &[0; 16], &[0; 17]] {
            stream.from.send(packet).unwrap();
            assert_eq!(stream.receive(), None, "{packet:?}");
        }
        stream.send(7).unwrap();
        assert_eq!(stream.receive(), Some(7));
    }
}
