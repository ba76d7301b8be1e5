//! Calls as the log has them, as words and pictures.

use super::chosen::Wanted;
use super::list::Report;
use super::spread::spreads;
use super::{Call, draw};
use crate::cli::{CallCommand, Chosen};
use crate::picture::tests::tags;

const ADD: &str = r#"{"command":"ADD","code":0,"containerId":"0123456789abcdef","pod":"shop/web-0","ifname":"eth0","network":"net",
    "time":"2026-01-01T00:00:00Z","pid":7,"totalMs":4.5,"phasesMs":{"node":0.5,"template":1,"attach":3},"besideMs":{"find":0.9}}"#;

fn add() -> Call {
    Call::parse(ADD.replace('\n', " ").as_bytes()).unwrap()
}

fn check(pod: Option<&str>, command: Option<CallCommand>, failed: bool, expected: bool) {
    let chosen = Chosen {
        pod: pod.map(str::to_owned),
        command,
        failed,
    };
    let wanted = Wanted::of(&chosen);
    assert_eq!(wanted.means(&add()), expected, "{}", wanted.text());
}

#[test]
fn calls_are_chosen_by_pod_command_and_outcome() {
    check(None, None, false, true);
    check(Some("shop/web-0"), Some(CallCommand::Add), false, true);
    check(Some("0123"), None, false, true);
    check(Some("shop/web"), None, false, false);
    check(Some("123"), None, false, false);
    check(None, Some(CallCommand::Del), false, false);
    check(None, None, true, false);
}

#[test]
fn a_phase_begins_where_the_one_before_it_ends() {
    let call = add();
    let report = serde_json::to_value(Report::new(&call)).unwrap();
    let begins: Vec<_> = report["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["beginMs"].as_f64())
        .collect();
    assert_eq!(begins, [Some(0.0), Some(0.5), Some(1.5)]);
    assert_eq!(
        report["beside"],
        serde_json::json!([{"name": "find", "ms": 0.9}])
    );
    assert_eq!(
        (&report["totalMs"], &report["code"]),
        (&4.5.into(), &0.into())
    );
    let picture = draw::waterfall(&call).svg();
    // 3 of 4.5 ms of 720 pixels, behind 1.5 ms.
    assert!(
        picture.contains("x=\"510\" y=\"101\" width=\"480\""),
        "{picture}"
    );
    assert_eq!(picture, draw::waterfall(&call).svg());
}

#[test]
fn pictures_of_what_a_log_should_not_hold_are_whole() {
    let hostile = ADD
        .replace("shop/web-0", "</title><script>")
        .replace("attach", "<img onerror=x>");
    let lines = [
        hostile.replace('\n', " "),
        r#"{"totalMs":0}"#.to_owned(),
        r#"{"totalMs":1,"phasesMs":{"a":-5,"b":1e300},"besideMs":{"c":1e300}}"#.to_owned(),
        r#"{"totalMs":-1,"code":7,"error":"<b>"}"#.to_owned(),
    ];
    let calls: Vec<_> = lines
        .iter()
        .map(|line| Call::parse(line.as_bytes()).unwrap())
        .collect();
    let harmless = Call::parse(ADD.replace('\n', " ").as_bytes()).unwrap();
    let pictures = |call| [draw::waterfall(call).svg(), draw::page(call).html()];
    for (hostile, plain) in pictures(&calls[0]).iter().zip(&pictures(&harmless)) {
        assert_eq!(tags(hostile), tags(plain));
    }
    let error = |text: &str| {
        let line = format!(r#"{{"totalMs":-1,"code":7,"error":"{text}"}}"#);
        tags(&draw::page(&Call::parse(line.as_bytes()).unwrap()).html())
    };
    assert_eq!(error("<b>"), error("b"));
    for call in &calls {
        for text in [draw::waterfall(call).svg(), draw::page(call).html()] {
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }
    let spreads = spreads(&calls);
    let page = draw::histogram_page(&spreads, "<script>").html();
    assert!(
        !page.contains("<script") && page.contains("&lt;img"),
        "{page}"
    );
}
