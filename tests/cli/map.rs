//! `weir map`

use ep_builder::abi::{EndpointKey, EndpointValue};
use ep_builder::maps::Record;
use serde_json::{Value, json};
use weir_tests::need::Need;
use weir_tests::{Node, need};

use crate::attached::{Attached, update};

const NEEDS: [Need; 4] = [
    Need::Root,
    Need::Tool("clang"),
    Need::Tool("unshare"),
    Need::Tool("bpftool"),
];

#[test]
fn without_an_endpoint_there_are_no_maps() {
    let node = Node::with("map_prefix = \"weir_test_absent\"");
    let list = node.weir(&["map", "list"]);
    assert_eq!((list.code, list.stdout.as_str()), (Some(0), ""), "{list:?}");
    assert!(
        list.stderr.contains("first endpoint is attached"),
        "{list:?}"
    );
    assert_eq!(
        node.weir(&["map", "list", "-o", "json"]).expect_success(),
        "[]\n"
    );
    let absent = node.weir(&["map", "get", "lxc"]);
    assert_eq!(absent.code, Some(4), "{absent:?}");
    assert!(absent.stderr.contains("weir_test_absent_lxc"), "{absent:?}");
    let unknown = node.weir(&["map", "get", "nonsense"]);
    assert_eq!(unknown.code, Some(4), "{unknown:?}");
    assert!(unknown.stderr.contains("weir map list"), "{unknown:?}");
}

#[test]
fn maps_are_listed_with_what_is_in_them() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let attached = Attached::without(&[]);
    let key = EndpointKey {
        address: [u32::from_ne_bytes([10, 11, 0, 1]), 0, 0, 0],
        family: 1,
        pad: [0; 3],
    };
    let list = attached.run(&format!(
        "{}weir map list -o json",
        update("weir_lxc", &key, &EndpointValue::from_bytes(&[]))
    ));
    let rows: Value = serde_json::from_str(&list.expect_success()).unwrap();
    let find = |name: &str| {
        let named = rows
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| row["name"] == name);
        let [row] = named
            .collect::<Vec<_>>()
            .try_into()
            .expect("it is there once");
        row.clone()
    };
    let row = |name: &str| {
        let row = find(name);
        let keys = ["type", "keySize", "valueSize", "entries", "maxEntries"];
        Value::Array(keys.iter().map(|key| row[*key].clone()).collect())
    };
    assert_eq!(row("weir_lxc"), json!(["hash", 20, 32, 1, 16]));
    assert_eq!(row("weir_policy_02665"), json!(["lpm_trie", 16, 24, 0, 16]));
    assert_eq!(row("weir_ct6_global"), json!(["lru_hash", 40, 64, 0, 64]));
    assert_eq!(row("weir_events"), json!(["ringbuf", 0, 0, null, 4096]));
    assert_eq!(row("weir_metrics"), json!(["percpu_array", 4, 16, 0, 768]));
    assert_eq!(row("weir_calls_02665")[3], 2);
    assert_eq!(row("weir_call_policy")[3], 0);
    assert_eq!(
        find("weir_lxc")["pinned"],
        "/sys/fs/bpf/tc/globals/weir_lxc"
    );
}

#[test]
fn one_map_is_shown_with_or_without_its_prefix() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let attached = Attached::without(&[]);
    let shown = attached.run(
        "weir map list; echo; weir map get ipcache; weir map get weir_ipcache; weir map get calls_02665 -o json",
    );
    let text = shown.expect_success();
    assert!(text.starts_with("NAME"), "{text}");
    for (words, times) in [
        ("lpm_trie", 4),
        ("contents  weir bpf ipcache list", 2),
        ("4096 bytes", 1),
    ] {
        assert_eq!(text.matches(words).count(), times, "{words} in {text}");
    }
    let json = &text[text.find('{').unwrap()..];
    let calls: Value = serde_json::from_str(json).unwrap();
    assert_eq!(calls["programs"][0]["place"], 1, "{calls}");
}

#[test]
fn another_map_under_our_name_is_said_and_refused() {
    need!(NEEDS[0], NEEDS[1], NEEDS[2], NEEDS[3]);
    let attached = Attached::without(&[]);
    let script = "mkdir -p /sys/fs/bpf/tc/globals
        bpftool map create /sys/fs/bpf/tc/globals/weir_lxc type hash key 20 value 8 entries 4 name other
        weir map list
        code=0; weir bpf endpoint list || code=$?; echo code $code";
    let shown = attached.run_bare(script);
    assert!(
        shown.stdout.contains("weir_lxc") && shown.stdout.contains("code 1"),
        "{shown:?}"
    );
    for words in [
        "type hash, key of 20 bytes, value of 8 bytes",
        "type hash, key of 20 bytes, value of 32 bytes",
        "fix: ",
    ] {
        assert!(shown.stderr.contains(words), "{words}: {shown:?}");
    }
}
