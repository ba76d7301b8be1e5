//! `weir endpoint`

use std::fs;

use serde_json::Value;
use weir_tests::need::Need;
use weir_tests::node::repository;
use weir_tests::{Finished, Node, need};

/// The golden record, as a path.
fn golden(name: &str) -> String {
    repository("ep-builder/tests/golden")
        .join(name)
        .to_str()
        .unwrap()
        .to_owned()
}

fn json(finished: Finished) -> Value {
    serde_json::from_str(&finished.expect_success()).unwrap()
}

#[test]
fn each_save_is_a_generation() {
    need!(Need::Tool("clang"));
    let node = Node::new();
    let record = golden("endpoint-2665.json");
    let first = json(node.weir(&["endpoint", "compile", &record, "--save", "-o", "json"]));
    assert_eq!(
        (&first["generation"], &first["origin"]),
        (&1.into(), &"compiled".into())
    );
    let second = json(node.weir(&["endpoint", "compile", "2665", "--save", "-o", "json"]));
    assert_eq!(
        (&second["generation"], &second["origin"]),
        (&2.into(), &"cache".into())
    );
    let stages = second["stages"].as_array().unwrap();
    let stages: Vec<_> = stages
        .iter()
        .map(|s| s["stage"].as_str().unwrap())
        .collect();
    let expected = [
        "endpoint", "sources", "render", "find", "patch", "header", "state",
    ];
    assert_eq!(stages, expected);
    let get = json(node.weir(&["endpoint", "get", "2665", "-o", "json"]));
    assert_eq!(
        (&get["hasPrevious"], &get["options"]["DropNotification"]),
        (&true.into(), &1.into())
    );
    assert_eq!(get["damage"], Value::Array(vec![]));
}

#[test]
fn the_json_of_the_list_is_an_interface() {
    need!(Need::Tool("clang"));
    let node = Node::new();
    let built = json(node.weir(&[
        "endpoint",
        "compile",
        &golden("endpoint-2665.json"),
        "--save",
        "-o",
        "json",
    ]));
    let list = json(node.weir(&["endpoint", "list", "-o", "json"]));
    let row = list[0].as_object().unwrap();
    let names: Vec<_> = row.keys().map(String::as_str).collect();
    let mut expected = vec![
        "id",
        "state",
        "containerId",
        "ifname",
        "hostIfname",
        "hostIfindex",
        "mac",
        "hostMac",
        "ipv4",
        "ipv6",
        "identity",
        "labels",
        "policy",
        "generation",
        "template",
        "pod",
        "problem",
        "bandwidth",
        "hostPorts",
    ];
    expected.sort_unstable();
    assert_eq!(names, expected, "a change here breaks scripts");
    assert_eq!(
        (&row["state"], &row["ipv4"], &row["ipv6"]),
        (&"ready".into(), &"10.11.255.104".into(), &Value::Null)
    );
    assert_eq!(row["template"], built["template"]);
    let used = json(node.weir(&["template", "list", "-o", "json"]));
    assert_eq!(used[0]["usedBy"][0], 2665);
}

#[test]
fn direct_is_equivalent_and_the_object_is_what_is_kept() {
    need!(Need::Tool("clang"));
    let node = Node::new();
    let record = golden("endpoint-2665.json");
    let out = node.state().parent().unwrap().join("object.o");
    let direct = json(node.weir(&[
        "endpoint",
        "compile",
        &record,
        "--direct",
        "--object",
        out.to_str().unwrap(),
        "-o",
        "json",
    ]));
    assert_eq!(
        (&direct["origin"], &direct["differences"]),
        (&"direct".into(), &Value::Array(vec![]))
    );
    assert_eq!(
        fs::read(&out).unwrap().len() as u64,
        direct["objectSize"].as_u64().unwrap()
    );
    let shown = node
        .weir(&["endpoint", "compile", &record, "--direct"])
        .expect_success();
    assert!(
        shown.contains("equivalent") && shown.contains("compile"),
        "{shown}"
    );

    node.weir(&[
        "endpoint",
        "compile",
        &record,
        "--save",
        "--object",
        out.to_str().unwrap(),
    ])
    .expect_success();
    assert_eq!(
        fs::read(&out).unwrap(),
        fs::read(node.state().join("02665/bpf_lxc.o")).unwrap()
    );
    let header = node.state().join("02665/ep_config.h");
    node.weir(&["endpoint", "compile", header.to_str().unwrap()])
        .expect_success();
}

#[test]
fn a_lost_record_is_restored_and_said() {
    need!(Need::Tool("clang"));
    let node = Node::new();
    node.weir(&[
        "endpoint",
        "compile",
        &golden("endpoint-2665.json"),
        "--save",
    ])
    .expect_success();
    fs::remove_file(node.state().join("02665/endpoint.json")).unwrap();
    let list = node.weir(&["endpoint", "list"]);
    assert!(
        list.stdout.contains("restored") && list.stderr.contains("endpoint.json"),
        "{list:?}"
    );
    let again = node
        .weir(&["endpoint", "compile", "2665", "--save"])
        .expect_success();
    assert!(again.contains("10.11") || again.contains("2665"), "{again}");
    assert!(node.weir(&["endpoint", "list"]).stdout.contains("ready"));
}

#[test]
fn gc_frees_what_a_killed_process_claimed() {
    let node = Node::new();
    node.weir(&["endpoint", "list"]).expect_success();
    fs::create_dir(node.state().join("00042")).unwrap();
    fs::create_dir(node.state().join("00043_next")).unwrap();
    let (old, new) = (node.state().join(".tmp-old"), node.state().join(".tmp-new"));
    fs::create_dir(&old).unwrap();
    fs::create_dir(&new).unwrap();
    let yesterday = std::time::SystemTime::now() - std::time::Duration::from_hours(24);
    fs::File::open(&old)
        .unwrap()
        .set_modified(yesterday)
        .unwrap();
    let list = node.weir(&["endpoint", "list"]);
    assert!(
        list.stdout.contains("abandoned") && list.stderr.contains("weir gc"),
        "{list:?}"
    );
    let dry = node.weir(&["gc", "--dry-run"]).expect_success();
    assert!(
        dry.contains("endpoint 42") && node.state().join("00042").exists(),
        "{dry}"
    );
    node.weir(&["gc"]).expect_success();
    assert!(!node.state().join("00042").exists() && !node.state().join("00043_next").exists());
    assert!(
        !old.exists() && new.exists(),
        "a temporary folder that may be in use stays"
    );
    assert!(node.weir(&["gc"]).stderr.contains("nothing to remove"));
}

#[test]
fn what_is_not_there_is_said() {
    let node = Node::new();
    for (arguments, code, words) in [
        (&["endpoint", "get", "7"][..], 4, "no endpoint 7"),
        (&["endpoint", "get", "0"], 2, "1 to 65534"),
        (&["endpoint", "compile", "7"], 4, "endpoint list"),
        (
            &["endpoint", "compile", "/nonexistent.json"],
            4,
            "cannot read /nonexistent.json",
        ),
        (
            &["endpoint", "compile", "/dev/null"],
            1,
            "no WEIR_BASE64_ line",
        ),
    ] {
        let failed = node.weir(arguments);
        assert_eq!(failed.code, Some(code), "{arguments:?}: {failed:?}");
        assert!(failed.stderr.contains(words), "{arguments:?}: {failed:?}");
        assert!(failed.stdout.is_empty(), "stdout is data");
    }
}

/// The golden endpoint with changes, as a file of the node.
fn described(node: &Node, change: impl Fn(&mut Value)) -> String {
    let record = include_bytes!("../../ep-builder/tests/golden/endpoint-2665.json");
    let endpoint = ep_builder::header::envelope::from_record(record).unwrap();
    let mut json = serde_json::to_value(endpoint).unwrap();
    change(&mut json);
    let path = node.config().with_file_name("pod.json");
    ep_builder::whole_file::write(&path, json.to_string().as_bytes()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A change of a description, and what the refusal must say.
type Spoiling<'a> = (&'a dyn Fn(&mut Value), &'static str);

#[test]
fn a_description_that_cannot_work_is_refused() {
    let node = Node::new();
    let remove = |name: &'static str| {
        move |json: &mut Value| drop(json.as_object_mut().unwrap().remove(name))
    };
    let rows: [Spoiling; 4] = [
        (
            &|json| json["ip4"] = "10.0.0.1".into(),
            "there is no field \"ip4\"",
        ),
        (&remove("ipv4"), "neither an `ipv4` nor an `ipv6` address"),
        (&remove("mac"), "missing field `mac`"),
        (
            &|json| json["options"]["Conntrack"] = 0.into(),
            "ConntrackAccounting needs Conntrack",
        ),
    ];
    for (change, words) in rows {
        let path = described(&node, change);
        let failed = node.weir(&["endpoint", "compile", &path]);
        assert_eq!(failed.code, Some(1), "{failed:?}");
        assert!(
            failed.stderr.contains(words) && failed.stderr.contains("pod.json"),
            "{words}: {failed:?}"
        );
    }
}

#[test]
fn another_container_s_endpoint_is_not_overwritten() {
    need!(Need::Tool("clang"));
    let node = Node::new();
    node.weir(&[
        "endpoint",
        "compile",
        &golden("endpoint-2665.json"),
        "--save",
    ])
    .expect_success();
    let path = described(&node, |json| json["containerId"] = "another".into());
    let failed = node.weir(&["endpoint", "compile", &path, "--save"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.stderr.contains("belongs to"), "{failed:?}");
    assert!(
        !node
            .weir(&["endpoint", "get", "2665"])
            .stdout
            .contains("another")
    );
}

#[test]
fn what_is_asked_for_may_go_and_come_through_pipes() {
    need!(Need::Tool("clang"));
    let node = Node::new();
    let weir = format!(
        "{} --config {}",
        node.command().get_program().display(),
        node.config().display()
    );
    let script = format!(
        "{weir} endpoint compile - --object /dev/stdout -o json < {} | head -c 4",
        golden("endpoint-2665.json")
    );
    let piped = weir_tests::process::run(std::process::Command::new("sh").args(["-c", &script]));
    assert_eq!(piped.stdout.as_bytes(), b"\x7fELF", "{piped:?}");
    let relative = format!(
        "cd {} && {weir} endpoint compile {} --object here.o",
        node.config().parent().unwrap().display(),
        golden("endpoint-2665.json")
    );
    weir_tests::process::run(std::process::Command::new("sh").args(["-c", &relative]))
        .expect_success();
    assert!(node.config().with_file_name("here.o").is_file());
    // A rename would have put a file in the place of the link.
    assert!(fs::symlink_metadata("/dev/stdout").unwrap().is_symlink());
}
