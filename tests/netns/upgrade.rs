//! Other sources over running endpoints: taken by all of them under traffic, or refused before anything is
//! loaded.

use std::fs;
use std::net::UdpSocket;

use ep_builder::whole_file;
use weir_tests::node::repository;
use weir_tests::pods::run;
use weir_tests::{Lab, Pod};

use crate::regenerate::{fault, generation, in_force, regenerate};
use crate::traffic::{Count, udp_between};

/// Other sources are other templates, which no bundle has.
macro_rules! needs {
    () => {
        weir_tests::need!(
            weir_tests::need::Need::Root,
            weir_tests::need::Need::Tool("clang"),
            weir_tests::need::Need::Tool("ip"),
            weir_tests::need::Need::Tool("tc")
        )
    };
}

/// A program that is not in the sources of today, in a slot that none of them has.
const NEW_TAIL: &str = "\nSEC(\"tail/of-tomorrow\")\nTAIL(26)\nint tail_of_tomorrow(struct __sk_buff *ctx)\n{\n\treturn end_from_container(ctx, DROP_HERE(DROP_INVALID), &(struct flow){});\n}\n";
/// A program whose tag this loader does not know.
const NEW_TAG: &str = "\nSEC(\"tail/of-tomorrow\")\n__attribute__((btf_decl_tag(\"late:\" TEXT(CALLS_MAP) \"/26\")))\nint tail_of_tomorrow(struct __sk_buff *ctx)\n{\n\treturn ctx->len ? TC_ACT_SHOT : TC_ACT_OK;\n}\n";
/// An array of programs that this loader does not fill.
const NEW_ARRAY: &str = "\nstruct {\n\tMAP_NUMBER(type, BPF_MAP_TYPE_PROG_ARRAY);\n\tMAP_NUMBER(key_size, 4);\n\tMAP_NUMBER(value_size, 4);\n\tMAP_NUMBER(max_entries, 8);\n\tMAP_NUMBER(pinning, PIN_BY_NAME);\n} weir_of_tomorrow SEC(\".maps\");\n";

/// Points the node at a copy of the sources with this text behind `bpf_lxc.c`.
fn with_sources(lab: &Lab, addition: &str) {
    let folder = lab.node().state().with_file_name("sources");
    run(&format!("rm -rf {}", folder.display()));
    let sources = repository("bpf-src");
    run(&format!("cp -r {} {}", sources.display(), folder.display()));
    let main = folder.join("bpf_lxc.c");
    let text = fs::read_to_string(&main).unwrap() + addition;
    whole_file::write(&main, text.as_bytes()).unwrap();
    point_at(lab, &sources, &folder);
}

/// Points it back.
fn with_sources_of_today(lab: &Lab) {
    let folder = lab.node().state().with_file_name("sources");
    point_at(lab, &folder, &repository("bpf-src"));
}

fn point_at(lab: &Lab, old: &std::path::Path, new: &std::path::Path) {
    let config = lab.node().config();
    let text = fs::read_to_string(&config).unwrap();
    let line = |path: &std::path::Path| format!("bpf_dir = {:?}", path.display().to_string());
    let text = text.replace(&line(old), &line(new));
    assert!(text.contains(&line(new)), "{text}");
    whole_file::write(&config, text.as_bytes()).unwrap();
}

/// What becomes of requests between two pods, in one family, while something is done.
fn meanwhile<T>(a: &Pod, b: &Pod, family: usize, action: impl FnOnce() -> T) -> (Count, T) {
    let socket = |pod: &Pod| {
        let address = pod.addresses()[family];
        pod.inside(|| UdpSocket::bind((address, 0)).unwrap())
    };
    udp_between(&socket(a), &socket(b), action)
}

fn moved(family: usize) {
    let lab = Lab::new();
    let pods: Vec<_> = (1..=4).map(|id| lab.pod(id)).collect();
    let before = (1..=4).map(|id| generation(&lab, id)).sum::<u64>();
    for (round, sources) in [Some(NEW_TAIL), None, Some(NEW_TAIL)]
        .into_iter()
        .enumerate()
    {
        match sources {
            Some(addition) => with_sources(&lab, addition),
            None => with_sources_of_today(&lab),
        }
        let (count, rows) = meanwhile(&pods[0], &pods[1], family, || {
            // Each of them has been on the other template while this one was not, and the other way round.
            let mut rows = regenerate(&lab, &["3", "1"]);
            rows.extend(regenerate(&lab, &["--all"]));
            rows
        });
        assert_eq!(
            (count.lost, count.wrong),
            (0, 0),
            "round {round}: {count:?}"
        );
        assert!(count.sent > 20, "there was traffic: {count:?}");
        let done: Vec<_> = rows
            .iter()
            .map(|row| row["done"].as_str().unwrap())
            .collect();
        let want = [
            "template", "template", "nothing", "template", "nothing", "template",
        ];
        assert_eq!(done, want, "round {round}");
        for id in 1..=4 {
            assert_eq!(fault(&lab, id), None, "round {round}, endpoint {id}");
        }
    }
    let (count, ()) = meanwhile(&pods[0], &pods[1], family, || {
        for id in ["1", "2", "3", "4"] {
            lab.weir(&["endpoint", "rollback", id]).expect_success();
        }
    });
    assert_eq!((count.lost, count.wrong), (0, 0), "{count:?}");
    let after = (1..=4).map(|id| generation(&lab, id)).sum::<u64>();
    assert_eq!(after, before + 4 * 2, "three up, one back");
}

#[test]
fn every_endpoint_moves_to_other_sources_and_back_without_a_loss_over_ipv4() {
    needs!();
    moved(0);
}

#[test]
fn every_endpoint_moves_to_other_sources_and_back_without_a_loss_over_ipv6() {
    needs!();
    moved(1);
}

#[test]
fn sources_of_a_newer_weir_are_refused_before_anything_is_loaded() {
    needs!();
    let lab = Lab::new();
    let (a, b) = (lab.pod(1), lab.pod(2));
    let now = || (generation(&lab, 1), in_force(&lab, 1), lab.pins());
    let before = now();
    for (addition, part) in [
        (
            NEW_TAG,
            "program tail_of_tomorrow in section \"tail/of-tomorrow\"",
        ),
        (NEW_ARRAY, "weir_of_tomorrow"),
    ] {
        with_sources(&lab, addition);
        let (count, finished) = meanwhile(&a, &b, 0, || lab.weir(&["endpoint", "regenerate", "1"]));
        assert_eq!(count.lost, 0, "{count:?}");
        assert_eq!(finished.code, Some(8), "{finished:?}");
        let version = format!("weir {}", env!("CARGO_PKG_VERSION"));
        for part in [part, &version, "bpf_dir"] {
            assert!(finished.stderr.contains(part), "{part}: {finished:?}");
        }
        let log = lab.weir(&["endpoint", "log", "1"]).expect_success();
        assert!(log.contains(part), "{log}");
        assert_eq!(now(), before, "{part}");
        with_sources_of_today(&lab);
    }
    assert_eq!(regenerate(&lab, &["1"])[0]["done"], "nothing");
}

/// A process that died between the kernel and the disk leaves a generation running that the disk knows nothing of.
#[test]
fn a_generation_that_the_disk_does_not_have_is_replaced() {
    needs!();
    let lab = Lab::new();
    let (mut a, b) = (lab.pod(1), lab.pod(2));
    let folder = |name: &str| lab.node().state().join(name);
    for what in ["other constants", "another template"] {
        let before = generation(&lab, 1);
        if what == "other constants" {
            a.endpoint.verdict_log_filter = 1;
            lab.attach(&a.endpoint);
            a.endpoint.verdict_log_filter = 0;
        } else {
            with_sources(&lab, NEW_TAIL);
            regenerate(&lab, &["1"]);
            with_sources_of_today(&lab);
        }
        whole_file::exchange(&folder("00001"), &folder("00001_prev")).unwrap();
        assert_eq!(generation(&lab, 1), before, "{what}");
        let row = &regenerate(&lab, &["1"])[0];
        assert_eq!(row["done"], "programs", "{what}: {row}");
        let reason = row["reasons"][0].as_str().unwrap();
        assert!(reason.contains("than the disk has"), "{what}: {reason}");
        assert_eq!(regenerate(&lab, &["1"])[0]["done"], "nothing", "{what}");
        crate::regenerate::reaches(&a, &b);
    }
}
