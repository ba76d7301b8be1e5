//! Conversations that are open while policy changes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use crate::cases::needs;
use crate::cluster::{Cluster, NAMES};
use crate::icmp::Icmp;

/// Far longer than an answer takes on a busy machine, also one that must be sent again after a pause.
const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough for an answer that nobody holds up.
const SILENCE: Duration = Duration::from_millis(400);

/// Where everybody serves UDP.
const PORT: u16 = 80;

const OPEN: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: open, namespace: y}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress: [{}]
";

/// Against two of those who ask, by their labels and by their address.
const NOT_X_NOR_WORLD: &str = "---
apiVersion: weir.dev/v1alpha1
kind: WeirPolicy
metadata: {name: cut}
spec:
  namespaceSelector: {matchLabels: {ns: y}}
  ingress:
  - action: deny
    from:
    - namespaceSelector: {matchLabels: {ns: x}}
    - ipBlock: {cidr: 192.0.2.2/32}
    - ipBlock: {cidr: '2001:db8::2/128'}
";

/// Against what the one who answers would begin himself.
const NO_EGRESS: &str = "---
apiVersion: weir.dev/v1alpha1
kind: WeirPolicy
metadata: {name: no-egress}
spec:
  namespaceSelector: {matchLabels: {ns: y}}
  egress: [{action: deny}]
";

/// A conversation by both protocols.
struct Talk {
    name: String,
    tcp: TcpStream,
    udp: UdpSocket,
}

impl Talk {
    fn open(cluster: &Cluster, from: &str, to: &str, family: usize) -> Self {
        let place = |name| NAMES.iter().position(|it| *it == name).unwrap();
        let (from, to) = (place(from), place(to));
        let [source, address] = [from, to].map(|place| cluster.addresses(place)[family]);
        let listener = cluster.inside(to, || TcpListener::bind((address, 0)).unwrap());
        let server = listener.local_addr().unwrap();
        let (tcp, udp) = cluster.inside(from, || {
            let tcp = TcpStream::connect_timeout(&server, PATIENCE).unwrap();
            (tcp, UdpSocket::bind((source, 0)).unwrap())
        });
        udp.connect(SocketAddr::new(address, PORT)).unwrap();
        let (stream, _) = listener.accept().unwrap();
        thread::spawn(move || echo(stream));
        Self {
            name: format!(
                "{} to {} over IPv{}",
                NAMES[from],
                NAMES[to],
                [4, 6][family]
            ),
            tcp,
            udp,
        }
    }

    fn ask(&mut self) {
        self.tcp.write_all(b"x").unwrap();
        let _lost = self.udp.send(b"x").is_err();
    }

    /// Whether all that was asked by TCP is answered, and the last that was asked by UDP.
    fn is_answered(&mut self, questions: usize, patience: Duration) -> [bool; 2] {
        self.tcp.set_read_timeout(Some(patience)).unwrap();
        self.udp.set_read_timeout(Some(patience)).unwrap();
        let tcp = self.tcp.read_exact(&mut vec![0; questions]).is_ok();
        [tcp, self.udp.recv(&mut [0]).is_ok()]
    }

    #[track_caller]
    fn goes_on(&mut self) {
        self.ask();
        assert_eq!(self.is_answered(1, PATIENCE), [true; 2], "{}", self.name);
    }
}

fn echo(mut stream: TcpStream) {
    let mut byte = [0];
    while let Ok(1) = stream.read(&mut byte) {
        if stream.write_all(&byte).is_err() {
            return;
        }
    }
}

#[test]
fn open_conversations_are_cut_by_a_rule_that_denies_and_go_on_without_it() {
    needs!();
    let cluster = Cluster::new();
    cluster.apply(OPEN);
    let open = |from| [0, 1].map(|family| Talk::open(&cluster, from, "ya", family));
    let mut cut: Vec<_> = ["xa", "w"].into_iter().flat_map(open).collect();
    let mut others: Vec<_> = ["za", "n"].into_iter().flat_map(open).collect();
    cut.iter_mut().chain(&mut others).for_each(Talk::goes_on);

    cluster.apply(&format!("{OPEN}{NOT_X_NOR_WORLD}"));
    cut.iter_mut().for_each(Talk::ask);
    others.iter_mut().for_each(Talk::goes_on);
    thread::sleep(SILENCE);
    for talk in &mut cut {
        let answered = talk.is_answered(1, Duration::from_millis(1));
        assert_eq!(answered, [false; 2], "{}", talk.name);
    }

    // Answers belong to the conversation, whatever may be begun in their direction.
    cluster.apply(&format!("{OPEN}{NO_EGRESS}"));
    for talk in &mut cut {
        talk.ask();
        assert_eq!(talk.is_answered(2, PATIENCE), [true; 2], "{}", talk.name);
    }
    others.iter_mut().for_each(Talk::goes_on);
}

/// Nobody reaches `a` of x, who may begin what it likes.
const CLOSED: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: x}
spec: {podSelector: {matchLabels: {pod: a}}}
";

/// Whether somebody's echo request is answered.
fn is_echoed(
    cluster: &Cluster,
    [from, to]: [usize; 2],
    family: usize,
    identifier: u16,
    patience: Duration,
) -> bool {
    let socket = cluster.inside(from, || Icmp::new(family));
    let start = Instant::now();
    let mut asked = None;
    loop {
        if asked.is_none_or(|asked: Instant| asked.elapsed() > SILENCE) {
            socket.ask(cluster.addresses(to)[family], identifier, 1);
            asked = Some(Instant::now());
        }
        if socket.answers() == [1] {
            return true;
        }
        if start.elapsed() > patience {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn what_one_may_ask_does_not_let_the_other_ask() {
    needs!();
    let cluster = Cluster::new();
    cluster.apply(CLOSED);
    for identifier in [0, 1, 8, 0xffff] {
        for family in [0, 1] {
            let asks = |ends, patience| is_echoed(&cluster, ends, family, identifier, patience);
            assert!(asks([0, 1], PATIENCE), "{identifier} over {family}");
            assert!(!asks([1, 0], SILENCE), "{identifier} over {family}");
        }
    }
}
