//! `weir show`: what it tells of a node is what the kernel has, and its pages are whole.

use std::process::Command;

use ep_builder::endpoint::EndpointId;
use ep_builder::maps::{Direction, MapName};
use serde_json::{Value, json};
use weir_tests::browser::{self, BROWSER};
use weir_tests::need::Need;
use weir_tests::{Lab, Pod, need, process};

use crate::policy::{Stage, WEB, check};

/// `DROP_POLICY` of `bpf-src/lib/drop.h`.
const POLICY: u8 = 133;

/// Two pods, of which the second may be reached by the first at one port.
fn stage() -> (Stage, Pod, Pod) {
    let stage = Stage::new();
    let (web, db) = (
        stage.pod(1, &[("app", "web")]),
        stage.pod(2, &[("app", "db")]),
    );
    stage.apply(&[WEB]);
    (stage, web, db)
}

/// The number of the program on a side of a device, as tc tells it.
fn by_tc(device: &str, side: &str) -> Vec<u64> {
    let mut command = Command::new("tc");
    command.args(["filter", "show", "dev", device, side]);
    let text = process::run(&mut command).expect_success();
    let words: Vec<_> = text.split_whitespace().collect();
    let pairs = words.windows(2).filter(|pair| pair[0] == "id");
    pairs.map(|pair| pair[1].parse().unwrap()).collect()
}

fn find<'a>(all: &'a Value, key: &str, value: &Value) -> &'a Value {
    let found = all.as_array().unwrap().iter().find(|it| it[key] == *value);
    found.unwrap_or_else(|| panic!("{key} {value}: {all}"))
}

#[test]
fn what_is_shown_is_what_the_kernel_has() {
    need!(
        Need::Root,
        Need::Templates,
        Need::Tool("ip"),
        Need::Tool("tc")
    );
    let (stage, web, db) = stage();
    let scene = stage.json(&["show"]);
    let maps = stage.lab.maps();
    assert_eq!(scene["unseen"], json!([]), "{scene}");
    for pod in [&web, &db] {
        let endpoint = find(&scene["endpoints"], "id", &json!(pod.endpoint.id));
        assert_eq!(endpoint["hostIfname"], pod.endpoint.host_ifname);
        assert_eq!(endpoint["problem"], Value::Null, "{endpoint}");
        for (place, side) in [(0, "ingress"), (1, "egress")] {
            let hook = &endpoint["hooks"][place];
            assert_eq!(hook["direction"], side);
            let stands = hook["standing"].as_array().unwrap();
            let shown: Vec<_> = stands
                .iter()
                .map(|it| it["program"].as_u64().unwrap())
                .collect();
            assert_eq!(shown, by_tc(&pod.endpoint.host_ifname, side), "{hook}");
            assert_eq!(stands[0]["ours"], true);
            let program = &scene["programs"][shown[0].to_string()];
            assert_eq!(program["tag"].as_str().unwrap().len(), 16, "{program}");
        }
        let tails = find(&scene["tails"], "map", &endpoint["tails"]);
        let filled = maps.calls(pod.endpoint.id).unwrap().filled().unwrap();
        let filled: Vec<_> = filled
            .iter()
            .map(|(slot, id)| json!({"slot": slot, "program": id}))
            .collect();
        assert_eq!(tails["slots"], Value::from(filled));
    }
    let both = ["call_policy", "verdict"].len();
    assert_eq!(
        scene["endpoints"][0]["called"].as_array().unwrap().len(),
        both
    );
    for name in maps.list().unwrap() {
        let map = find(&scene["maps"], "name", &json!(maps.name(name)));
        assert_eq!(map["id"], maps.facts(name).unwrap().id);
        if let MapName::Policy(_) | MapName::Endpoints | MapName::Ipcache = name {
            assert_eq!(map["entries"], json!(maps.count(name).unwrap()), "{map}");
            assert!(map["percent"].is_u64(), "{map}");
        }
    }
}

#[test]
fn policy_and_drops_are_those_in_force() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let (stage, web, db) = stage();
    assert_eq!(stage.json(&["show"])["drops"]["byPolicy"], 0);
    check(&[(&web, &db, 8080, false), (&web, &db, 80, true)]);
    let scene = stage.json(&["show"]);
    let dropped = stage.lab.counted(POLICY, Direction::Ingress);
    assert!(dropped > 0);
    assert_eq!(scene["drops"]["byPolicy"], dropped);
    assert_eq!(scene["policy"]["revision"], 1);
    let allowed = &scene["policy"]["allowed"];
    let is_pair =
        |it: &&Value| it["from"]["endpoints"] == json!([1]) && it["to"]["endpoints"] == json!([2]);
    let pair: Vec<_> = allowed.as_array().unwrap().iter().filter(is_pair).collect();
    assert_eq!(pair.len(), 1, "{allowed}");
    assert!(
        pair[0]["traffic"].as_str().unwrap().contains("80"),
        "{allowed}"
    );

    let one = stage.json(&["show", "2"]);
    assert_eq!(one["endpoints"].as_array().unwrap().len(), 1);
    assert_eq!(one["names"]["1"], "endpoint 1");
    let rules = one["rules"].as_array().unwrap();
    let allowed = rules.iter().find(|it| it["dport"] == 80);
    assert!(
        allowed.is_some_and(|it| it["packets"].as_u64() > Some(0)),
        "{rules:?}"
    );
    let policy = maps_of(&one);
    assert!(
        policy.contains(&"weir_policy_00002".to_owned()),
        "{policy:?}"
    );
    assert!(
        !policy.contains(&"weir_policy_00001".to_owned()),
        "{policy:?}"
    );
}

fn maps_of(scene: &Value) -> Vec<String> {
    let maps = scene["maps"].as_array().unwrap().iter();
    maps.map(|it| it["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_table_has_a_row_for_each_program_on_a_hook() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let (stage, web, _db) = stage();
    let table = stage.lab.weir(&["show"]).expect_success();
    let mut lines = table.lines();
    let headings: Vec<_> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(
        headings.join(" "),
        "DEVICE HOOK PRIO ID PROGRAM OWNER TAILS"
    );
    let device = &web.endpoint.host_ifname;
    let of_web: Vec<_> = lines
        .filter(|line| line.starts_with(device.as_str()))
        .collect();
    assert_eq!(of_web.len(), 2, "{table}");
    assert!(of_web[0].contains("from_container"), "{table}");
    let wide = stage
        .lab
        .weir(&["show", "1", "-o", "wide"])
        .expect_success();
    assert!(wide.contains("SLOTS") && wide.contains("=tail_"), "{wide}");
    let missing = stage.lab.weir(&["show", "77"]);
    assert_eq!(missing.code, Some(4), "{missing:?}");
    let by_hand = format!("tc filter del dev {device} egress");
    let mut words = by_hand.split(' ');
    let mut command = Command::new(words.next().unwrap());
    process::run(command.args(words)).expect_success();
    let scene = stage.json(&["show", "1"]);
    assert_eq!(scene["endpoints"][0]["hooks"][1]["standing"], json!([]));
    assert!(scene["endpoints"][0]["problem"].is_string(), "{scene}");
}

#[test]
fn pages_and_pictures_open_in_a_browser() {
    need!(
        Need::Root,
        Need::Templates,
        Need::Tool("ip"),
        Need::Tool(BROWSER)
    );
    let (stage, _web, _db) = stage();
    let show = |arguments: &[&str]| stage.lab.weir(arguments).expect_success();
    let page = show(&["show", "-o", "html"]);
    browser::check(&page, "html");
    browser::check(&show(&["show", "-o", "svg"]), "svg");
    browser::check(&show(&["show", "2", "-o", "html"]), "html");
    assert!(page.contains("endpoint 1 may reach endpoint 2: "), "{page}");
}

#[test]
fn a_node_without_pods_is_a_page_as_well() {
    need!(
        Need::Root,
        Need::Templates,
        Need::Tool("ip"),
        Need::Tool(BROWSER)
    );
    let lab = Lab::new();
    let table = lab.weir(&["show"]);
    assert_eq!((table.code, table.stdout.as_str()), (Some(0), ""));
    assert!(table.stderr.contains("nothing to show"), "{table:?}");
    browser::check(&lab.weir(&["show", "-o", "html"]).expect_success(), "html");
    let one = EndpointId::new(1).unwrap().to_string();
    assert_eq!(lab.weir(&["show", &one, "-o", "svg"]).code, Some(4));
}
