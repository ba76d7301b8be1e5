//! `weir calls` on a log as weir-cni writes it.

use ep_builder::whole_file;
use serde_json::Value;
use weir_tests::Node;

/// A node with calls in its log: an ADD of each of three pods, one that failed, a DEL, and what is no call.
fn node() -> Node {
    let node = Node::new();
    let add = |number: u32| {
        format!(
            "{{\"code\":0,\"command\":\"ADD\",\"containerId\":\"{number:064}\",\"ifname\":\"eth0\",\"network\":\"net\",\
             \"pid\":{number},\"pod\":\"shop/web-{number}\",\"time\":\"2026-01-01T00:00:0{number}Z\",\"totalMs\":{number}.5,\
             \"phasesMs\":{{\"node\":0.5,\"attach\":{number}}},\"besideMs\":{{\"find\":0.25}}}}\n"
        )
    };
    let text = [
        add(1),
        add(2),
        add(3),
        "no json\n".to_owned(),
        "{\"code\":11,\"command\":\"ADD\",\"error\":\"try again\",\"pod\":\"shop/late\",\"totalMs\":9,\"phasesMs\":{}}\n"
            .to_owned(),
        "{\"code\":0,\"command\":\"DEL\",\"pod\":\"shop/web-1\",\"totalMs\":4,\"phasesMs\":{\"link\":4}}\n".to_owned(),
    ];
    whole_file::write(&node.log(), text.concat().as_bytes()).unwrap();
    node
}

fn json(node: &Node, arguments: &[&str]) -> Value {
    let arguments = [&["calls"], arguments, &["-o", "json"]].concat();
    serde_json::from_str(&node.weir(&arguments).expect_success()).unwrap()
}

#[test]
fn the_last_calls_are_listed() {
    let node = node();
    let table = node.weir(&["calls", "list"]).expect_success();
    let lines: Vec<_> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        lines,
        [
            "TIME COMMAND POD TOOK RESULT",
            "2026-01-01T00:00:01Z ADD shop/web-1 1.50 ms ok",
            "2026-01-01T00:00:02Z ADD shop/web-2 2.50 ms ok",
            "2026-01-01T00:00:03Z ADD shop/web-3 3.50 ms ok",
            "- ADD shop/late 9.00 ms error 11: try again",
            "- DEL shop/web-1 4.00 ms ok",
        ]
    );
    let pods = |arguments: &[&str]| -> Vec<String> {
        let calls = json(&node, arguments);
        let pods = calls.as_array().unwrap().iter();
        pods.map(|call| call["pod"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(pods(&["list", "--last", "2"]), ["shop/late", "shop/web-1"]);
    assert_eq!(pods(&["list", "--failed"]), ["shop/late"]);
    assert_eq!(pods(&["list", "shop/web-1"]).len(), 2);
    assert_eq!(pods(&["list", "shop/web-1", "--command", "del"]).len(), 1);
}

#[test]
fn one_call_is_shown_and_drawn() {
    let node = node();
    let text = node.weir(&["calls", "show", "shop/web-3"]).expect_success();
    assert!(
        text.starts_with("ADD of shop/web-3: 3.50 ms, ok, ended 2026-01-01T00:00:03Z\n"),
        "{text}"
    );
    for line in [
        "attach    3.00 ms         ####",
        "on other threads meanwhile",
        "find   250.0 us  ####",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let call = json(&node, &["show", "shop/web-3"]);
    assert_eq!(call["phases"][1]["beginMs"], 0.5);
    assert_eq!(call["beside"][0]["name"], "find");
    // The last ADD, whatever came of it.
    let last = node.weir(&["calls", "show"]).expect_success();
    assert!(
        last.starts_with("ADD of shop/late: 9.00 ms, error 11\n  try again\n"),
        "{last}"
    );
    for (format, head) in [("svg", "<svg "), ("html", "<!doctype html>")] {
        for what in ["show", "phases"] {
            let picture = node.weir(&["calls", what, "-o", format]).expect_success();
            assert!(picture.starts_with(head), "{picture}");
        }
        let refused = node.weir(&["calls", "list", "-o", format]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
    }
    let nobody = node.weir(&["calls", "show", "shop/nobody"]);
    assert_eq!(nobody.code, Some(4), "{nobody:?}");
}

#[test]
fn phases_are_told_of_calls_that_succeeded() {
    let node = node();
    let rows = json(&node, &["phases"]);
    let rows: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["phase"].as_str().unwrap(),
                row["calls"].as_u64().unwrap(),
                row["p50Ms"].as_f64().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("whole call", 3, 2.5),
        ("node", 3, 0.5),
        ("attach", 3, 2.0),
        ("find", 3, 0.25),
    ];
    assert_eq!(rows, expected);
    // Those that count are chosen before they are counted.
    let two = json(&node, &["phases", "--last", "2"]);
    assert_eq!(two[0]["calls"], 2, "{two}");
    let failed = json(&node, &["phases", "--failed"]);
    assert_eq!(failed[0]["calls"], 1, "{failed}");
    let empty = node.weir(&["calls", "phases", "--failed", "--command", "DEL"]);
    assert!(!empty.stderr.contains("succeeded"), "{empty:?}");
    let of_del = json(&node, &["phases", "--command", "DEL"]);
    assert_eq!(of_del[1]["phase"], "link", "{of_del}");
}

#[test]
fn without_a_log_it_is_said_which_there_should_be() {
    let node = Node::new();
    let silent = node.weir(&["calls", "list"]);
    assert_eq!(
        (silent.code, silent.stdout.as_str()),
        (Some(0), ""),
        "{silent:?}"
    );
    assert!(silent.stderr.contains("no such call"), "{silent:?}");
    std::fs::create_dir(node.log()).unwrap();
    let folder = node.weir(&["calls", "list"]);
    assert_eq!(folder.code, Some(1), "{folder:?}");
    assert!(
        folder.stderr.contains("cannot read the log of weir-cni"),
        "{folder:?}"
    );
}
