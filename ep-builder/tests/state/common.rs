//! What the suites share: a store of its own for every test, endpoints to put into it, a watchdog.

use std::fs;
use std::ops::Deref;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ep_builder::endpoint::{Endpoint, EndpointId};
use ep_builder::header::envelope;
use ep_builder::shape::{EndpointConfig, NodeConfig};
use ep_builder::sources::read_renderer;
use ep_builder::state::{EndpointRecord, Next, Place, PolicyState, Store, Written};
use tempfile::TempDir;

/// A store in a folder that goes away with it. It waits for locks for a moment only.
pub(crate) struct OwnStore {
    pub(crate) root: TempDir,
    store: Store,
}

impl OwnStore {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = open(root.path());
        Self { root, store }
    }

    /// A store with the first `generations` of endpoint `number`.
    pub(crate) fn with(number: u16, generations: u64) -> Self {
        let own = Self::new();
        for _ in 0..generations {
            own.build(id(number));
        }
        own
    }

    /// Commits the next generation.
    pub(crate) fn build(&self, id: EndpointId) {
        let next = match self.store.begin(id) {
            Ok(next) => next,
            Err(_) => self.store.claim_id(id).unwrap().begin().unwrap(),
        };
        let committed = write(next).commit().unwrap();
        assert!(committed.untidied.is_none());
    }

    /// A file of an endpoint.
    pub(crate) fn path(&self, id: EndpointId, place: Place, name: &str) -> PathBuf {
        self.layout().file(id, place, name)
    }

    /// All names in the state root.
    pub(crate) fn names(&self) -> Vec<String> {
        names(self.root.path())
    }
}

impl Deref for OwnStore {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}

pub(crate) fn open(root: &Path) -> Store {
    // A process that a neighbouring test forks holds copies of our locks until it has called exec.
    Store::open(root)
        .unwrap()
        .with_lock_wait(Duration::from_secs(2))
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub(crate) fn id(number: u16) -> EndpointId {
    EndpointId::new(number).unwrap()
}

/// The facts of an endpoint, each time the same.
pub(crate) fn facts(id: EndpointId) -> Endpoint {
    let golden = include_bytes!("../golden/endpoint-2665.json");
    Endpoint {
        id,
        ..envelope::from_record(golden).unwrap()
    }
}

pub(crate) fn header(facts: &Endpoint) -> String {
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bpf-templates");
    let (node, shape) = (NodeConfig::default(), EndpointConfig::default());
    let renderer = read_renderer(&templates).unwrap();
    renderer.endpoint(&node, &shape, facts).unwrap().ep_config
}

pub(crate) fn record(id: EndpointId) -> EndpointRecord {
    let policy = PolicyState {
        ingress: true,
        egress: false,
        revision: 3,
    };
    EndpointRecord::new(facts(id), Some("5a".repeat(32).parse().unwrap()), policy)
}

/// The object of a generation: bytes that no other generation has.
pub(crate) fn object(generation: u64) -> Vec<u8> {
    noise(generation, 300)
}

pub(crate) fn write(next: Next) -> Written {
    let (id, generation) = (next.id(), next.generation());
    next.write(&object(generation), &header(&facts(id)), record(id))
        .unwrap()
}

/// Bytes without a pattern, the same for the same seed (splitmix64).
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut byte = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed.to_be_bytes()[1]
    };
    (0..length).map(|_| byte()).collect()
}

/// Overwrites a file where it lies, as only a fault would.
pub(crate) fn overwrite(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    let file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    file.unwrap().write_all(bytes).unwrap();
}

/// Runs `work`, and fails if it is not done within the time: a store that blocks must not block its test.
pub(crate) fn watched<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = mpsc::channel();
    let worker = thread::spawn(move || {
        let result = work();
        done.send(()).ok();
        result
    });
    let timeout = wait.recv_timeout(Duration::from_mins(5));
    assert_ne!(
        timeout,
        Err(mpsc::RecvTimeoutError::Timeout),
        "the store blocks"
    );
    worker
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The variable that tells a process of this test binary which folder to work in.
const CHILD: &str = "WEIR_STATE_TEST_FOLDER";

/// In a process started by [`child`]: the folder to work in.
pub(crate) fn inside_child() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// The command that runs one test of this binary again, as a process of its own.
pub(crate) fn again(wrapper: &[&str], test: &str, folder: &Path) -> Command {
    let me = std::env::current_exe().unwrap();
    let mut command = match wrapper {
        [] => Command::new(me),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(me);
            command
        }
    };
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
    command
        .env(CHILD, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// A process that is killed and buried when the test ends, however it ends.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
