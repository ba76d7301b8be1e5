//! `weir selftest`: it passes on a good node and meets nothing of it, notices what it must notice, and leaves nothing
//! however it ends.

mod ends;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ep_builder::whole_file;
use serde_json::{Value, json};
use weir_tests::need::Need;
use weir_tests::pods::{MAPS, run};
use weir_tests::residue::{Snapshot, ids_on};
use weir_tests::sources::write_with_fault;
use weir_tests::{Finished, Lab, Pod, binaries, need, process};

/// All checks, in their order.
const CHECKS: [&str; 13] = [
    "template",
    "add",
    "pods",
    "spoofing",
    "node",
    "outside",
    "host-port",
    "policy",
    "established",
    "check",
    "regenerate",
    "gc",
    "del",
];
/// Far longer than anything takes that is waited for.
const PATIENCE: Duration = Duration::from_mins(2);
const TICK: Duration = Duration::from_millis(5);
const PORT: u16 = 7_000;
const NOBODY: u32 = 65_534;

/// What every test here needs.
macro_rules! needs {
    () => {
        needs!(Need::Templates)
    };
    ($templates:expr) => {
        need!(Need::Root, $templates, Need::Tool("ip"))
    };
}

fn selftest(lab: &Lab, more: &[&str]) -> (Finished, Value) {
    let finished = lab.weir(&[&["selftest", "-o", "json"], more].concat());
    let report = serde_json::from_str(&finished.stdout).unwrap_or(Value::Null);
    (finished, report)
}

/// The results of all checks, by name, as one text.
fn results(report: &Value) -> String {
    let rows = report["checks"].as_array();
    let rows = rows.unwrap_or_else(|| panic!("no checks: {report}"));
    let text = |row: &Value| format!("{} {}\n", row["check"], row["result"]).replace('"', "");
    rows.iter().map(text).collect()
}

/// The same, as it should be.
fn expected(result: impl Fn(&str) -> &'static str) -> String {
    let line = |check: &&str| format!("{check} {}\n", result(check));
    CHECKS.iter().map(line).collect()
}

/// The row of a check.
fn row<'a>(report: &'a Value, check: &str) -> &'a Value {
    let mut rows = report["checks"].as_array().unwrap().iter();
    rows.find(|row| row["check"] == check).unwrap()
}

/// What a node has, and what the test's own mount namespace shows of it.
#[derive(PartialEq)]
struct Seen {
    node: Snapshot,
    mounts: String,
    pins: Vec<String>,
    state: Vec<PathBuf>,
}

impl Seen {
    fn of(lab: &Lab, pods: &[&Pod]) -> Self {
        let held: Vec<_> = pods
            .iter()
            .map(|pod| fs::File::open(pod.namespace_path()).unwrap())
            .collect();
        Self {
            node: Snapshot::of(lab, &held.iter().collect::<Vec<_>>(), &ids_on(lab)),
            mounts: fs::read_to_string("/proc/thread-self/mountinfo").unwrap(),
            pins: lab.pins(),
            state: files(&lab.node().state()),
        }
    }

    #[track_caller]
    fn assert_same(&self, now: &Self, what: &str) {
        if let Some(change) = now.node.since(&self.node) {
            panic!("{what}:\n{change}");
        }
        assert_eq!(now.mounts, self.mounts, "{what}");
        assert_eq!(now.pins, self.pins, "{what}");
        assert_eq!(now.state, self.state, "{what}");
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        }
        all.push(path);
    }
    all.sort();
    all
}

/// A node with two pods whose addresses of the link are settled: those change by themselves until then.
fn with_pods() -> (Lab, [Pod; 2]) {
    let lab = Lab::new();
    let pods = [lab.pod(1), lab.pod(2)];
    let tentative = "ip -6 address show tentative";
    until("addresses stay tentative", || {
        let here = run(tentative);
        let there = pods.iter().map(|pod| pod.exec(tentative).expect_success());
        there.chain([here]).all(|shown| !shown.contains("inet6"))
    });
    (lab, pods)
}

#[test]
fn a_good_node_passes_and_its_pods_notice_nothing() {
    needs!();
    let (lab, pods) = with_pods();
    let mut streams = connected(&pods);
    let before = Seen::of(&lab, &[&pods[0], &pods[1]]);
    let is_over = AtomicBool::new(false);
    let (finished, report) = thread::scope(|scope| {
        let talking = scope.spawn(|| talk(&mut streams, &is_over));
        let done = selftest(&lab, &[]);
        is_over.store(true, Ordering::Relaxed);
        assert!(talking.join().unwrap() > 0);
        done
    });
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(results(&report), expected(|_| "passed"), "{report}");
    before.assert_same(&Seen::of(&lab, &[&pods[0], &pods[1]]), "beside live pods");
    assert!(
        finished.stderr.contains("13 of 13 checks passed"),
        "{finished:?}"
    );
}

/// A connection between two pods.
fn connected(pods: &[Pod; 2]) -> [TcpStream; 2] {
    let at = SocketAddr::new(pods[1].addresses()[0], PORT);
    let listener = pods[1].inside(|| TcpListener::bind(at).unwrap());
    let client = pods[0].inside(|| TcpStream::connect(at).unwrap());
    let (server, _) = listener.accept().unwrap();
    [client, server].map(|stream| {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    })
}

/// Has one pod ask the other for as long as somebody works; how often it was answered.
fn talk([client, server]: &mut [TcpStream; 2], is_over: &AtomicBool) -> usize {
    let mut rounds = 0;
    while !is_over.load(Ordering::Relaxed) {
        let mut heard = [0; 4];
        client.write_all(b"ping").unwrap();
        server.read_exact(&mut heard).unwrap();
        server.write_all(&heard).unwrap();
        client.read_exact(&mut heard).unwrap();
        rounds += 1;
        thread::sleep(TICK);
    }
    rounds
}

#[test]
fn the_report_has_these_fields() {
    needs!();
    let lab = Lab::new();
    // Fails early, and so does not take long.
    let (_, report) = selftest(&lab, &["--plugin", "/bin/true"]);
    let keys = |value: &Value| -> Vec<String> {
        let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    let expected = [
        "checks",
        "configuration",
        "families",
        "passed",
        "plugin",
        "totalUs",
    ];
    assert_eq!(keys(&report), expected);
    for row in report["checks"].as_array().unwrap() {
        assert_eq!(keys(row), ["check", "fix", "result", "said", "us"], "{row}");
    }
    assert_eq!(report["passed"], false);
    assert_eq!(report["families"], json!(["IPv4", "IPv6"]));
    assert_eq!(report["configuration"], "as shipped");
}

/// A plugin that says yes and does nothing.
#[test]
fn what_needs_what_failed_is_not_run() {
    needs!();
    let lab = Lab::new();
    let (finished, report) = selftest(&lab, &["--plugin", "/bin/true"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let expected = expected(|check| match check {
        "template" => "passed",
        "add" => "failed",
        _ => "not-run",
    });
    assert_eq!(results(&report), expected, "{report}");
    for words in ["made no endpoint", "fix: ", "1 failed, 11 not run"] {
        assert!(finished.stderr.contains(words), "{words}: {finished:?}");
    }
}

#[test]
fn a_plugin_that_is_not_there_is_told() {
    needs!();
    let lab = Lab::new();
    let (finished, _) = selftest(&lab, &["--plugin", "/nonexistent/weir-cni"]);
    assert_eq!(finished.code, Some(4), "{finished:?}");
    assert!(
        finished
            .stderr
            .contains("there is no plugin /nonexistent/weir-cni"),
        "{finished:?}"
    );
}

/// A node whose datapath has a fault.
fn faulty(file: &str, right: &str, wrong: &str) -> (Lab, tempfile::TempDir) {
    let lab = Lab::new();
    let sources = tempfile::tempdir().unwrap();
    write_with_fault(sources.path(), file, right, wrong);
    let text = fs::read_to_string(lab.node().config()).unwrap();
    let mut config: toml::Table = text.parse().unwrap();
    config["paths"]["bpf_dir"] = sources.path().to_str().unwrap().into();
    whole_file::write(&lab.node().config(), config.to_string().as_bytes()).unwrap();
    (lab, sources)
}

#[track_caller]
fn notices((lab, _sources): &(Lab, tempfile::TempDir), check: &str, words: &[&str]) {
    let (finished, report) = selftest(lab, &[]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(row(&report, check)["result"], "failed", "{report}");
    let failed = row(&report, check)["said"].as_str().unwrap().to_owned();
    for word in words {
        assert!(failed.contains(word), "{word}: {failed}");
    }
    let before = CHECKS.iter().take_while(|name| **name != check);
    for name in before {
        assert_eq!(row(&report, name)["result"], "passed", "{report}");
    }
}

#[test]
fn a_datapath_that_lets_everything_out_is_noticed() {
    needs!(Need::Tool("clang"));
    let faulty = faulty(
        "lib/policy.h",
        "\t__u8 reason = policy_reason(value);\n\n\tpolicy_record(ctx",
        "\t__u8 reason = question.direction == DIRECTION_EGRESS ? 0 : policy_reason(value);\n\n\tpolicy_record(ctx",
    );
    notices(
        &faulty,
        "policy",
        &["client to guest", "gets through", "egress"],
    );
}

#[test]
fn a_datapath_that_believes_every_source_is_noticed() {
    needs!(Need::Tool("clang"));
    let faulty = faulty(
        "lib/steps.h",
        "if (!ipv6_is_own_source(ip, self))",
        "if (0 && !ipv6_is_own_source(ip, self))",
    );
    notices(
        &faulty,
        "spoofing",
        &["not its address", "reached the server"],
    );
}

#[test]
fn what_a_node_is_not_configured_for_is_skipped() {
    needs!(Need::Tool("clang"));
    let lines = format!("{MAPS}[datapath]\nipv6 = false\n[options]\npolicy_audit_mode = true\n");
    let lab = Lab::with(&lines);
    let conflist = lab.node().config().with_file_name("10-weir.conflist");
    let list = json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [{ "type": "weir-cni", "mtu": 1400, "ipam": { "type": "dhcp" } }],
    });
    whole_file::write(&conflist, list.to_string().as_bytes()).unwrap();
    let (finished, report) = selftest(&lab, &["--conflist", conflist.to_str().unwrap()]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let expected = expected(|check| match check {
        "host-port" | "policy" | "established" => "skipped",
        _ => "passed",
    });
    assert_eq!(results(&report), expected, "{report}");
    assert_eq!(report["families"], json!(["IPv4"]));
    let outside = row(&report, "outside")["said"].as_str().unwrap();
    assert!(outside.contains("with the pod's own address"), "{outside}");
}

#[test]
fn who_is_not_root_is_told_so() {
    needs!();
    let _lab = Lab::new();
    // Where anybody can start it from, in the mount namespace of the test alone.
    let places = ["/run/netns/weir", "/run/netns/weir-cni"];
    for (place, program) in places
        .into_iter()
        .zip([binaries::weir(), binaries::weir_cni()])
    {
        whole_file::write(Path::new(place), b"").unwrap();
        let program = program.get_program().to_str().unwrap();
        run(&format!("mount --bind {program} {place}"));
    }
    let mut command = Command::new(places[0]);
    command
        .arg("selftest")
        .env_remove("WEIR_CONFIG")
        .uid(NOBODY)
        .gid(NOBODY);
    let finished = process::run(&mut command);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("needs root"), "{finished:?}");
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        thread::sleep(TICK);
    }
}
