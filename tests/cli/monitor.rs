//! `weir monitor`

use serde_json::{Value, json};
use weir_tests::need::Need;
use weir_tests::node::repository;
use weir_tests::{Finished, Node, need};

use crate::attached::{Attached, send};

const NEEDS: [Need; 4] = [
    Need::Root,
    Need::Tool("clang"),
    Need::Tool("unshare"),
    Need::Tool("bpftool"),
];

/// Starts a monitor with these arguments, and waits until it listens.
fn start(arguments: &str) -> String {
    format!(
        "rm -f \"$OUT\" \"$OUT.talk\"
        \"$WEIR\" --config \"$CONFIG\" monitor {arguments} >\"$OUT\" 2>\"$OUT.talk\" &
        monitor=$!
        until grep -qs listening \"$OUT.talk\"; do kill -0 $monitor; sleep 0.02; done\n"
    )
}

/// Waits until so many lines were shown.
fn lines(count: u32) -> String {
    format!("until [ $(wc -l <\"$OUT\") -ge {count} ]; do sleep 0.02; done\n")
}

/// Waits for the monitor's end, and hands over what it has said.
const END: &str = "wait $monitor; cat \"$OUT\"; cat \"$OUT.talk\" >&2\n";

fn events(finished: Finished) -> Vec<Value> {
    let text = finished.expect_success();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The line of C that an event names.
fn source_line(drop: &Value) -> String {
    let file = repository("bpf-src").join(drop["file"].as_str().unwrap());
    let text = std::fs::read_to_string(file).unwrap();
    let line = usize::try_from(drop["line"].as_u64().unwrap()).unwrap();
    text.lines().nth(line - 1).unwrap().to_owned()
}

#[test]
fn a_drop_is_told_with_its_reason_and_place() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let attached = Attached::without(&[]);
    for signal in ["TERM", "INT"] {
        let script = start("--type drop -o json") + &send(3) + &lines(3);
        let shown = attached.run(&format!("{script}kill -{signal} $monitor; {END}"));
        assert!(
            shown.stderr.contains("3 events: 3 drop; 0 lost"),
            "{signal}: {shown:?}"
        );
        let drops = events(shown);
        assert_eq!(drops.len(), 3, "{drops:?}");
        let drop = &drops[0];
        for (field, expected) in [
            ("type", json!("drop")),
            ("endpoint", json!(2665)),
            ("direction", json!("egress")),
            ("sourceEndpoint", json!(2665)),
            ("sourceIdentity", json!(12_022)),
            ("reason", json!("UNKNOWN_L3")),
            ("code", json!(139)),
        ] {
            assert_eq!(drop[field], expected, "{field} in {drop}");
        }
        assert!(source_line(drop).contains("DROP_UNKNOWN_L3"), "{drop}");
        assert_eq!(drop["packet"]["sourceMac"], "6e:b0:7d:4e:6b:e5");
        assert_eq!(
            (&drop["packet"]["len"], &drop["packet"]["captured"]),
            (&json!(60), &json!(60))
        );
        assert!(
            drop["packet"]["summary"]
                .as_str()
                .unwrap()
                .ends_with("ethertype 0x88cc"),
            "{drop}"
        );
        assert!(drop["time"].as_str().unwrap().starts_with("20"), "{drop}");
    }
}

#[test]
fn lines_and_documents_say_the_same() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let attached = Attached::without(&[]);
    for (format, words) in [
        (
            "table",
            &[
                "drop     2665 egress ",
                "0x88cc | UNKNOWN_L3: neither IPv4",
                "12022 -> unknown",
            ][..],
        ),
        (
            "wide",
            &[
                "60 bytes",
                "ifindex 1, 6e:b0:7d:4e:6b:e5 -> 42:23:dc:4d:79:b1",
            ],
        ),
        ("yaml", &["---\n", "reason: UNKNOWN_L3", "file: "]),
    ] {
        let script = start(&format!("--type drop --count 2 -o {format}")) + &send(5);
        let shown = attached.run(&(script + END));
        assert!(shown.stderr.contains("2 events: 2 drop"), "{shown:?}");
        for word in words {
            assert_eq!(shown.stdout.matches(word).count(), 2, "{word:?}: {shown:?}");
        }
    }
}

#[test]
fn kinds_and_endpoints_are_filtered() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let attached = Attached::without(&[]);
    let script = start("-o json --from 2665 --count 4") + &send(2);
    let kinds: Vec<_> = events(attached.run(&(script + END)))
        .iter()
        .map(|event| event["type"].clone())
        .collect();
    assert_eq!(kinds, ["trace", "drop", "trace", "drop"]);
    for filter in ["--from 7", "--to 2665", "--type verdict --type debug"] {
        // A last event that passes every filter is not to be had: the reader has to catch up by itself.
        let script = start(filter) + &send(2) + "sleep 0.3; kill -TERM $monitor; " + END;
        let shown = attached.run(&script);
        assert!(
            shown.stderr.contains("0 events; 0 lost"),
            "{filter}: {shown:?}"
        );
    }
}

#[test]
fn what_was_waiting_is_shown_on_demand_only() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let attached = Attached::without(&["TraceNotification"]);
    let fresh = send(3) + &start("-o json --count 1") + &send(1) + END;
    assert!(
        attached
            .run(&fresh)
            .stderr
            .contains("1 events: 1 drop; 0 lost")
    );
    let script = send(3) + &start("-o json --count 3 --backlog") + END;
    assert_eq!(events(attached.run(&script)).len(), 3);
}

#[test]
fn lost_events_are_counted() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let attached = Attached::without(&["TraceNotification", "PolicyVerdictNotification"]);
    // More than the ring holds, while nobody reads; what was lost before is not the monitor's.
    let script = format!(
        "{}{}kill -STOP $monitor; {}kill -CONT $monitor; {}kill -TERM $monitor; {END}weir bpf metrics list -o json",
        send(50),
        start("-o json"),
        send(100),
        lines(1)
    );
    let shown = attached.run(&script);
    let totals = shown
        .stderr
        .lines()
        .find(|line| line.contains(" lost"))
        .unwrap()
        .to_owned();
    let numbers: Vec<u64> = totals
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect();
    let [shown_events, drops, lost] = numbers.try_into().unwrap();
    assert_eq!(
        (shown_events, shown_events + lost),
        (drops, 100),
        "{totals}"
    );
    assert!(
        lost > 0 && totals.contains("`events` in [maps]"),
        "{totals}"
    );
    let metrics = &shown.stdout[shown.stdout.find("\n[").unwrap()..];
    let metrics: Value = serde_json::from_str(metrics).unwrap();
    let all = metrics
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["reason"] == "EVENT_LOST");
    assert!(all.unwrap()["packets"].as_u64() > Some(lost), "{metrics}");
}

/// A second monitor beside the first one.
fn second(arguments: &str) -> String {
    format!(
        "\"$WEIR\" --config \"$CONFIG\" monitor {arguments} >\"$OUT.2\" 2>\"$OUT.2.talk\" &
        second=$!
        until grep -qs \"beside another reader\" \"$OUT.2.talk\"; do kill -0 $second; sleep 0.02; done\n"
    )
}

#[test]
fn two_monitors_see_the_same_events() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let attached = Attached::without(&["TraceNotification"]);
    let script = start("-o json")
        + &second("-o json")
        + &send(5)
        + &lines(5)
        + "until [ $(wc -l <\"$OUT.2\") -ge 5 ]; do sleep 0.02; done
        kill -TERM $monitor $second; wait $monitor; wait $second; cat \"$OUT\" \"$OUT.2\"";
    let mut events = events(attached.run(&script));
    // Each process has its own idea of when the machine was started.
    for event in &mut events {
        event["time"].take();
    }
    let (first, second) = events.split_at(5);
    assert_eq!(first, second);
}

/// The ring holds fewer events than are sent: somebody has to make room.
#[test]
fn a_monitor_goes_on_when_the_one_before_it_is_killed() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let attached = Attached::without(&["TraceNotification"]);
    let more = "until [ $(wc -l <\"$OUT.2\") -ge NUMBER ]; do sleep 0.02; done\n";
    let mut script =
        start("") + &second("-o json") + "kill -KILL $monitor; wait $monitor || true\n";
    for round in 1..=8_u32 {
        script += &send(10);
        script += &more.replace("NUMBER", &(10 * round).to_string());
    }
    script += "kill -TERM $second; wait $second; cat \"$OUT.2\"; cat \"$OUT.2.talk\" >&2";
    let shown = attached.run(&script);
    assert!(
        shown.stderr.contains("80 events: 80 drop; 0 lost"),
        "{shown:?}"
    );
    assert_eq!(events(shown).len(), 80);
}

#[test]
fn what_is_left_out_is_counted() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let attached = Attached::without(&["TraceNotification"]);
    let script = start("--limit 3/h -o json")
        + &send(10)
        + &lines(3)
        + "sleep 0.3; kill -TERM $monitor; "
        + END;
    let shown = attached.run(&script);
    assert!(
        shown
            .stderr
            .contains("3 events: 3 drop; 7 left out by --limit; 0 lost"),
        "{shown:?}"
    );
    assert_eq!(events(shown).len(), 3);
}

#[test]
fn it_ends_after_its_time() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let attached = Attached::without(&[]);
    let shown = attached.run("weir monitor --for 200ms");
    assert!(shown.stderr.contains("0 events; 0 lost"), "{shown:?}");
}

#[test]
fn the_bytes_of_a_packet_are_shown_on_demand() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let attached = Attached::without(&["TraceNotification"]);
    for (arguments, has) in [("", false), ("-v", true)] {
        let script = start(&format!("--count 1 {arguments}")) + &send(1) + END;
        let text = attached.run(&script).expect_success();
        let dumped = "    0000  4223 dc4d 79b1 6eb0 7d4e 6be5 88cc 0000\n    0010  0000 ";
        assert_eq!(text.contains(dumped), has, "{text}");
        let script = start(&format!("--count 1 -o json {arguments}")) + &send(1) + END;
        let event = events(attached.run(&script)).remove(0);
        let bytes = event["packet"]["bytes"].as_str();
        assert_eq!(bytes.map(str::len), has.then_some(120), "{event}");
    }
}

/// Fields that scripts depend on: of every kind, and of each.
#[test]
fn the_fields_of_an_event_are_these() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let attached = Attached::without(&[]);
    let script = start("-o json --count 2") + &send(1) + END;
    let all = "time monotonicNs type endpoint direction sourceEndpoint destinationEndpoint sourcePod destinationPod hash packet";
    let packet = "ifindex len captured summary sourceMac destinationMac source destination protocol sport dport hopLimit tcpFlags icmpType icmpCode fragmentOffset bytes";
    for event in events(attached.run(&script)) {
        let own = match event["type"].as_str() {
            Some("drop") => {
                "reason code meaning file line detail sourceIdentity destinationIdentity policyRule rule"
            }
            Some("trace") => "point reason sourceIdentity destinationIdentity",
            _ => panic!("{event}"),
        };
        let fields = |value: &Value| {
            let object = value.as_object().unwrap();
            object
                .keys()
                .cloned()
                .collect::<std::collections::BTreeSet<_>>()
        };
        let words = |text: &str| text.split(' ').map(str::to_owned).collect();
        assert_eq!(fields(&event), words(&format!("{all} {own}")));
        assert_eq!(fields(&event["packet"]), words(packet));
    }
}

#[test]
fn a_reason_that_does_not_exist_is_refused() {
    let failed = Node::new().weir(&["monitor", "--reason", "weather"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.stderr.contains("POLICY_DENY"), "{failed:?}");
}

#[test]
fn a_reader_that_leaves_ends_it() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3], Need::Tool("head"));
    let script = "(weir monitor --type drop 2>\"$OUT.talk\" | head -n 1) & pipe=$!
        until grep -q listening \"$OUT.talk\"; do sleep 0.02; done\n";
    // The first line ends the reader, the second finds that out.
    let again = format!("{}sleep 0.3; ", send(1)).repeat(2);
    let shown = Attached::without(&[]).run(&format!(
        "{script}{again}until grep -q events: \"$OUT.talk\"; do sleep 0.02; done; wait $pipe"
    ));
    assert_eq!(shown.stdout.lines().count(), 1, "{shown:?}");
}

#[test]
fn without_the_ring_there_is_nothing_to_monitor() {
    let node = Node::with("map_prefix = \"weir_test_absent\"");
    let failed = node.weir(&["monitor"]);
    assert_eq!(failed.code, Some(4), "{failed:?}");
    assert!(
        failed.stderr.contains("weir_test_absent_events")
            && failed.stderr.contains("first endpoint"),
        "{failed:?}"
    );
}
