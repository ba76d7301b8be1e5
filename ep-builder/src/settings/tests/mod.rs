//! What is read, from where, and what it sets.

mod bad;
mod noise;
mod shipped;

use std::fs;
use std::path::Path;

use super::keys::{self, Bounds, Kind};
use super::*;
use crate::options::OPTIONS;
use crate::shape::validate;
use crate::whole_file;

fn parse(text: &str) -> Result<Settings, SettingsError> {
    Settings::from_toml(text, Path::new("/etc/weir/weir.toml"))
}

/// `settings` tells the range before `shape` does; both must mean the same one.
#[test]
fn ranges_are_those_of_the_shape() {
    for key in keys::all() {
        let Kind::Size(slot, Bounds(low, high)) = key.kind else {
            continue;
        };
        let accepts = |n: u64| {
            let mut settings = Settings::default();
            *slot(&mut settings) = u32::try_from(n).unwrap();
            validate(&settings.node, &settings.endpoint).is_ok()
        };
        for (n, expected) in [
            (low - 1, false),
            (low, true),
            (high, true),
            (high + 1, false),
        ] {
            assert_eq!(accepts(n), expected, "{} = {n}", key.name);
        }
    }
}

#[test]
fn sets_what_is_written() {
    let text = "map_prefix = 'cilium'\r\nclang.path = \"/opt/clang\"\n[cache]\nkeep_unused_hours = 0\n\
        [maps]\nct_tcp = 0x1_0000\n\
        [node]\ndevices = [\"eth0\", 'bond0.7', 'eth0']\npod_cidrs = [\"fd00::/64\"]\n[datapath]\nrouting = false\n\
        [options]\nmonitor_aggregation = 4\ndebug = true\n";
    let mut expected = Settings::default();
    expected.node.map_prefix = crate::shape::MapPrefix::new("cilium").unwrap();
    expected.clang.path = Some("/opt/clang".into());
    expected.cache.keep_unused = Duration::ZERO;
    expected.endpoint.ct_tcp = 65_536;
    expected.endpoint.features.routing = false;
    expected.host.devices = vec!["eth0".to_owned(), "bond0.7".to_owned()];
    expected.host.pod_cidrs = vec!["fd00::/64".parse().unwrap()];
    expected
        .endpoint
        .options
        .set("MonitorAggregationLevel", 4)
        .unwrap();
    expected.endpoint.options.set("Debug", 1).unwrap();
    assert_eq!(parse(text).unwrap(), expected);
    assert_eq!(
        parse(&format!("\u{feff}{text}")).unwrap(),
        expected,
        "a byte order mark"
    );
}

#[test]
fn loads_files_and_refuses_what_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let load = |name: &str| Settings::load_or(Some(&at(name)), &at("missing"));
    let refused = |name: &str, part: &str| {
        let error = load(name).unwrap_err();
        let cause = std::error::Error::source(&error).and_then(|e| e.source());
        let text = format!("{error}: {cause:?}");
        assert!(text.contains(part), "{name}: {text}");
        assert!(text.contains(name) || error.advice().is_some(), "{text}");
    };
    let mut expected = Settings::default();
    expected.endpoint.ct_tcp = 7;
    whole_file::write(&at("good"), b"[maps]\nct_tcp = 7\n").unwrap();
    std::os::unix::fs::symlink(at("good"), at("link")).unwrap();
    assert_eq!(load("good").unwrap(), expected);
    assert_eq!(load("link").unwrap(), expected, "a ConfigMap is a symlink");

    std::os::unix::fs::symlink(at("loop"), at("loop")).unwrap();
    nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    fs::create_dir(at("folder")).unwrap();
    whole_file::write(&at("large"), &vec![b'#'; (1 << 20) + 1]).unwrap();
    whole_file::write(&at("latin"), b"[maps]\n# gr\xfc\xdfe\n").unwrap();
    refused("missing", "NotFound");
    refused("loop", "FilesystemLoop");
    refused("fifo", "not a plain file");
    refused("folder", "not a plain file");
    refused("large", "larger than 1048576 bytes");
    refused("latin", "latin:2:5: this is not UTF-8");
}

#[test]
fn only_the_default_path_may_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let default = |name: &str| Settings::load_or(None, &at(name));
    assert_eq!(default("missing").unwrap(), Settings::default());
    whole_file::write(&at("bad"), b"nope = 1").unwrap();
    assert!(default("bad").is_err());
    std::os::unix::fs::symlink(at("nowhere"), at("dangling")).unwrap();
    assert!(default("dangling").is_err(), "someone meant a file");
}

#[test]
fn options_have_a_key_each() {
    assert_eq!(keys::of_table("options").count(), OPTIONS.len());
    let names: std::collections::BTreeSet<_> = keys::all().map(|key| key.name).collect();
    assert_eq!(
        names.len(),
        keys::all().count(),
        "a name belongs in one table only"
    );
}
