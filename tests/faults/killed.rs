//! Commands that die before one of their calls, while packets go on: who may goes on, who may not does not, and whoever
//! comes next finishes the work and leaves nothing else.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};

use serde_json::Value;
use weir_tests::need;
use weir_tests::need::Need;
use weir_tests::plugin::{Call, Sandbox, configuration};
use weir_tests::pods::inside;
use weir_tests::trace::{self, Places, Traced};

use crate::probe::{PORT, Sender};
use crate::stage::Stage;
use crate::stride::places;

/// So many defects say what is wrong.
const ENOUGH: usize = 8;

/// A command that dies.
struct Death {
    /// Its words.
    what: &'static str,
    /// Who comes next when the command has been repeated, where it finds nothing to do and puts nothing right.
    then: Option<&'static str>,
    /// Makes what it begins with.
    before: fn(&Stage),
    /// The exit codes of whoever comes next: what is done may be an error to do again.
    codes: &'static [i32],
    /// How many endpoints there may be meanwhile.
    endpoints: &'static [usize],
    /// Every how many places.
    stride: usize,
}

/// Every file that lists read can be read, and every endpoint is there.
fn torn(stage: &Stage, death: &Death) -> Option<String> {
    let listed = stage.weir("endpoint list -o json");
    let rows = serde_json::from_str::<Vec<Value>>(&listed.stdout);
    let count = rows.as_ref().map_or(0, Vec::len);
    let whole = listed.code == Some(0) && death.endpoints.contains(&count);
    (!whole).then(|| format!("the list is not whole: {listed:?}"))
}

/// What is wrong after a death. Every other time somebody collects first.
fn aftermath(stage: &Stage, death: &Death, after: &BTreeSet<String>, gc: bool) -> Vec<String> {
    let mut found: Vec<_> = stage.probes.defect().into_iter().collect();
    found.extend(torn(stage, death));
    let next = [gc.then_some("gc"), Some(death.what), death.then];
    for line in next.into_iter().flatten() {
        let finished = stage.weir(line);
        if !finished
            .code
            .is_some_and(|code| death.codes.contains(&code))
        {
            found.push(format!("{line} afterwards: {finished:?}"));
        }
    }
    found.extend(stage.change(after).map(|it| format!("left: {it}")));
    found.extend(stage.probes.defect());
    found
}

fn check(death: &Death) {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let stage = Stage::new();
    (death.before)(&stage);
    for line in [Some(death.what), death.then].into_iter().flatten() {
        stage.weir(line).expect_success();
    }
    let after = stage.listing();
    let (mut defects, mut tried) = (Vec::new(), 0);
    for place in places(death.stride) {
        (death.before)(&stage);
        let mut dying = stage.command(death.what);
        let traced = trace::run(&mut dying, b"", Places::from_environment(), Some(place));
        let found = aftermath(&stage, death, &after, tried % 2 == 1);
        let call = traced.killed_before.as_ref().map(ToString::to_string);
        if !found.is_empty() {
            let found = found.join("\n  and: ");
            defects.push(format!("{}, place {place}, {call:?}: {found}", death.what));
        }
        if call.is_none() {
            assert_eq!(traced.finished.code, Some(0), "{:?}", traced.finished);
            break;
        }
        tried += 1;
        if defects.len() == ENOUGH {
            break;
        }
    }
    assert!(defects.is_empty(), "\n{}", defects.join("\n"));
    assert!(tried > 2, "{}: {tried} places", death.what);
    stage.lab.attach(&stage.pods()[3].endpoint);
    stage.assert_silence_means_something();
    assert_eq!(stage.sickness(), None, "{}", death.what);
}

#[test]
fn a_regeneration_dies() {
    check(&Death {
        what: "endpoint regenerate 2 --force",
        then: None,
        before: |_| {},
        codes: &[0],
        endpoints: &[4],
        stride: 5,
    });
}

#[test]
fn a_change_of_labels_dies() {
    check(&Death {
        what: "endpoint label 3 more=words",
        then: Some("policy apply"),
        before: |stage| drop(stage.weir("endpoint label 3 more=other").expect_success()),
        codes: &[0],
        endpoints: &[4],
        stride: 7,
    });
}

#[test]
fn a_rollback_dies() {
    check(&Death {
        what: "endpoint rollback 2",
        then: None,
        before: |stage| drop(stage.weir("endpoint regenerate 2 --force").expect_success()),
        codes: &[0],
        endpoints: &[4],
        stride: 5,
    });
}

#[test]
fn a_removal_dies() {
    check(&Death {
        what: "endpoint delete 4",
        then: Some("gc"),
        before: |stage| stage.lab.attach(&stage.pods()[3].endpoint),
        codes: &[0, 4],
        endpoints: &[3, 4],
        stride: 5,
    });
}

#[test]
fn a_document_is_removed_by_one_that_dies() {
    check(&Death {
        what: "policy apply",
        then: None,
        before: |stage| {
            stage.apply(true);
            stage.write_documents(false);
        },
        codes: &[0],
        endpoints: &[4],
        stride: 11,
    });
}

/// What a collection finds: an endpoint that is gone but for its maps, and templates that nobody uses.
fn litter(stage: &Stage) {
    let folder = stage.lab.node().state();
    stage.lab.attach(&stage.pods()[3].endpoint);
    std::fs::remove_dir_all(folder.join("00004")).unwrap();
    let key = "0a".repeat(32);
    for name in [format!("{key}.building"), format!("{key}.bad-1"), key] {
        std::fs::create_dir_all(folder.join("templates").join(name)).unwrap();
    }
}

#[test]
fn a_collection_dies() {
    check(&Death {
        what: "gc",
        then: None,
        before: litter,
        codes: &[0],
        endpoints: &[3],
        stride: 3,
    });
}

#[test]
fn a_collection_of_templates_dies() {
    check(&Death {
        what: "template gc --all",
        then: None,
        before: |stage| {
            let key = "0b".repeat(32);
            let folder = stage.lab.node().state().join("templates").join(key);
            std::fs::create_dir_all(folder.join("inner")).unwrap();
        },
        codes: &[0],
        endpoints: &[4],
        stride: 1,
    });
}

/// Sends from a pod that may not to the one that all send to. Whether anything leaves is the pod's business.
fn knock(stage: &Stage, pod: &Sandbox) {
    let addresses = stage.pods()[1].addresses();
    inside(&pod.namespace, || {
        for address in addresses {
            let socket = UdpSocket::bind(("::", 0)).or_else(|_| UdpSocket::bind(("0.0.0.0", 0)));
            let to = SocketAddr::new(address, PORT);
            let sent = socket.and_then(|socket| socket.send_to(&[Sender::Stranger as u8], to));
            sent.map(drop).unwrap_or_default();
        }
    });
}

/// A call of a runtime that dies, about a pod that may reach nobody, at every so many places.
fn check_call(verb: &str, before: &[&str], stride: usize) {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let stage = Stage::new();
    let pod = Sandbox::new("nobody");
    let configuration = configuration(&stage.lab);
    let call = |verb: &str| Call::about(verb, &pod, &configuration);
    for verb in ["ADD", "DEL"] {
        call(verb).run().expect_success();
    }
    let after = stage.listing();
    for place in places(stride) {
        for verb in before {
            call(verb).run().expect_success();
        }
        let traced: Traced = call(verb).trace(Places::from_environment(), Some(place));
        let what = format!("{verb}, place {place}, {:?}", traced.killed_before);
        knock(&stage, &pod);
        assert_eq!(stage.probes.defect(), None, "{what}");
        call("DEL").run().expect_success();
        assert_eq!(stage.change(&after), None, "{what}");
        if traced.killed_before.is_none() {
            assert!(place > 30, "{what}");
            break;
        }
    }
    stage.assert_silence_means_something();
}

#[test]
fn an_add_dies_and_its_pod_is_nobody() {
    check_call("ADD", &[], 9);
}

#[test]
fn a_del_dies_and_its_pod_is_nobody() {
    check_call("DEL", &["ADD"], 7);
}
