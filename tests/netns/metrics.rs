//! What `weir metrics` and `weir top` say of real traffic.

use std::fs;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use weir_tests::need::Need;
use weir_tests::running::Listener;
use weir_tests::{Pod, need};

use crate::policy::{CLOSED, Stage};

/// `CAP_DAC_READ_SEARCH` and `CAP_BPF`.
const KEPT: u64 = 1 << 2 | 1 << 39;

/// Sends datagrams to a pod that takes none, as long as `what` runs.
fn while_sending<T>(from: &Pod, to: &Pod, what: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    let to = (to.addresses()[0], 4_242);
    let socket = from.inside(|| UdpSocket::bind((from.addresses()[0], 0)).unwrap());
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                socket.send_to(&[0; 100], to).unwrap();
                thread::sleep(Duration::from_millis(2));
            }
        });
        let result = what();
        is_over.store(true, Ordering::Relaxed);
        result
    })
}

/// Two pods, of which the second takes nothing.
fn stage() -> (Stage, Pod, Pod) {
    let stage = Stage::new();
    let (web, db) = (
        stage.pod(1, &[("app", "web")]),
        stage.pod(2, &[("app", "db")]),
    );
    stage.apply(&[CLOSED]);
    (stage, web, db)
}

#[test]
fn a_listener_can_read_and_nothing_else() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let (stage, _web, _db) = stage();
    let listener = Listener::start(stage.lab.node());
    let status = fs::read_to_string(format!("/proc/{}/status", listener.process())).unwrap();
    for field in ["CapEff:", "CapPrm:"] {
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix(field)).unwrap();
        let held = u64::from_str_radix(line.trim(), 16).unwrap();
        assert_eq!(held & !KEPT, 0, "{field} {held:x}");
    }
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
}

#[test]
fn a_scrape_tells_what_the_datapath_did() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let (stage, web, db) = stage();
    let listener = Listener::start(stage.lab.node());
    let before = listener.scrape();
    while_sending(&web, &db, || thread::sleep(Duration::from_millis(200)));
    let after = listener.scrape();
    assert_eq!(before.went_down(&after), Vec::<String>::new());
    let dropped = "weir_datapath_dropped_packets_total{reason=\"POLICY\",direction=\"ingress\"}";
    assert!(after.value(dropped) > Some(0.0), "{after:?}");
    assert!(after.value(dropped) > before.value(dropped), "{after:?}");
    for (series, value) in [
        ("weir_endpoints{state=\"ready\"}", 2.0),
        ("weir_policy_revision", 1.0),
        ("weir_policy_documents{kind=\"NetworkPolicy\"}", 1.0),
        ("weir_policy_unsettled", 0.0),
        ("weir_map_max_entries{map=\"policy\"}", 128.0),
        ("weir_map_max_entries{map=\"ct4_global\"}", 4_096.0),
        ("weir_map_entries{map=\"lxc\"}", 4.0),
    ] {
        assert_eq!(after.value(series), Some(value), "{series}: {after:?}");
    }
    assert!(after.value("weir_map_memory_bytes{map=\"events\"}") >= Some(1_048_576.0));
    assert!(after.value("weir_policy_map_fullest_ratio") > Some(0.0));
    let errors = after
        .series
        .iter()
        .filter(|(series, _)| series.starts_with("weir_scrape_errors_total"));
    assert!(
        errors.clone().count() > 5 && errors.clone().all(|(_, count)| *count == 0.0),
        "{after:?}"
    );
}

fn top(stage: &Stage, arguments: &[&str]) -> Vec<Value> {
    let text = stage
        .lab
        .weir(&[&["top", "-o", "json", "--interval", "500ms"], arguments].concat());
    serde_json::from_str(&text.expect_success()).unwrap()
}

#[test]
fn top_tells_who_sends_and_whose_packets_are_dropped() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let (stage, web, db) = stage();
    let rows = while_sending(&web, &db, || top(&stage, &[]));
    let ids: Vec<_> = rows.iter().map(|row| row["id"].as_u64()).collect();
    assert_eq!(ids, [Some(1), Some(2)], "{rows:?}");
    let positive = |value: &Value| value.as_f64() > Some(0.0);
    assert!(positive(&rows[0]["sentPacketsPerSecond"]), "{rows:?}");
    assert!(positive(&rows[0]["sentBytesPerSecond"]), "{rows:?}");
    assert!(positive(&rows[1]["dropsPerSecond"]), "{rows:?}");
    assert_eq!(rows[0]["dropsPerSecond"], 0.0, "{rows:?}");
    assert_eq!(rows[1]["policyMaxEntries"], 64, "{rows:?}");
    let by_drops = while_sending(&web, &db, || top(&stage, &["--sort", "drops"]));
    assert_eq!(by_drops[0]["id"], 2, "{by_drops:?}");
    let fields: Vec<_> = rows[0]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        fields.join(" "),
        "device dropsPerSecond id pod policyEntries policyMaxEntries receivedBytesPerSecond receivedPacketsPerSecond sentBytesPerSecond sentPacketsPerSecond"
    );
}

#[test]
fn top_tells_which_programs_run() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let (stage, web, db) = stage();
    let rows = while_sending(&web, &db, || top(&stage, &["--programs"]));
    let runs = |name: &str| {
        let row = rows
            .iter()
            .find(|row| row["name"] == name && row["owner"] == "1");
        row.unwrap_or_else(|| panic!("{name}: {rows:?}"))
    };
    let row = runs("from_container");
    assert!(
        rows.iter()
            .any(|row| row["name"] == "tail_drop" && row["owner"].is_null())
    );
    assert!(row["runsPerSecond"].as_f64() > Some(0.0), "{row}");
    assert!(row["nanosecondsPerRun"].as_f64() > Some(0.0), "{row}");
}
