//! `host-local` itself on the same folder, before us and after us.

use std::io::Write;
use std::process::{Command, Stdio};

use weir_tests::need;
use weir_tests::need::Need;

use super::*;

const HOST_LOCAL: &str = "/usr/lib/cni/host-local";

/// Asks it; the addresses it gave, or why not.
fn ask(fixture: &Fixture, command: &str, number: usize) -> Result<Vec<String>, String> {
    let conf = json!({"cniVersion": "1.0.0", "name": "net", "type": "ptp", "ipam": {
        "type": "host-local", "dataDir": fixture.root.path(),
        "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/64"}]],
    }});
    let owner = owner(number);
    let mut child = Command::new(HOST_LOCAL)
        .env("CNI_COMMAND", command)
        .env("CNI_CONTAINERID", owner.container.as_str())
        .env("CNI_IFNAME", owner.ifname.as_str())
        .env("CNI_NETNS", "none")
        .env("CNI_PATH", "/usr/lib/cni")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(conf.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Err(text);
    }
    let result: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let ips = result["ips"].as_array().cloned().unwrap_or_default();
    Ok(ips
        .iter()
        .map(|ip| ip["address"].as_str().unwrap().to_owned())
        .collect())
}

#[test]
fn it_goes_on_where_we_stop_and_we_where_it_does() {
    need!(Need::Tool(HOST_LOCAL));
    let fixture = Fixture::new();
    let config = config(&["10.1.0.0/24", "fd00::/64"], &[]);
    assert_eq!(
        fixture.add(1, &config).unwrap(),
        [ip("10.1.0.2"), ip("fd00::2")]
    );
    let theirs = ask(&fixture, "ADD", 2).unwrap();
    assert_eq!(theirs, ["10.1.0.3/24", "fd00::3/64"]);
    assert_eq!(
        fixture.add(3, &config).unwrap(),
        [ip("10.1.0.4"), ip("fd00::4")]
    );
    fixture.assert_sound();
    // Each knows the other's owners.
    assert!(ask(&fixture, "ADD", 1).unwrap_err().contains("duplicate"));
    let error = fixture.add(2, &config).unwrap_err();
    assert!(matches!(error, StoreError::Duplicate { .. }), "{error}");
    ask(&fixture, "CHECK", 3).unwrap();
    fixture
        .store
        .check(&owner(2), &[ip("10.1.0.3"), ip("fd00::3")])
        .unwrap();
    // Each takes back what the other gave.
    ask(&fixture, "DEL", 1).unwrap();
    fixture.assert_nothing_to_release(1);
    assert_eq!(fixture.del(2), [ip("10.1.0.3"), ip("fd00::3")]);
    ask(&fixture, "CHECK", 2).unwrap_err();
    assert_eq!(fixture.truth().len(), 2);
    assert_eq!(
        ask(&fixture, "ADD", 4).unwrap(),
        ["10.1.0.5/24", "fd00::5/64"]
    );
    fixture.add(5, &config).unwrap();
    fixture.assert_sound();
}
