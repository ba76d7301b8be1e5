//! Small scripts play the plugin.

mod failing;

use std::ffi::OsString;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ep_builder::whole_file;
use serde_json::json;
use tempfile::TempDir;
use weir_tests::need;
use weir_tests::need::Need;

use super::*;
use crate::error::Kind;
use crate::ipam::Ipam;
use crate::names::{Attachment, ContainerId, InterfaceName, NetworkName};
use crate::netconf::Common;

const NAME: &str = "scripted";

/// stdin as no serializer would write it.
const STDIN: &str = "{\"name\":\"net\" ,\n\t\"cniVersion\":\"1.1.0\", \"ipam\":{\"type\":\"scripted\"}, \"x\":1e2, \"x\":  1}\n\n";

/// A folder with a script, and a call that finds it.
struct Stage {
    root: TempDir,
    conf: Common,
    environment: Vec<(OsString, OsString)>,
    path: Vec<PathBuf>,
    deadline: Duration,
}

impl Stage {
    /// The script is told its command in `$CNI_COMMAND`, and a folder of its own in `$ROOT`.
    fn new(script: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let program = root.path().join(NAME);
        let text = format!("#!/bin/sh\nroot={}\n{script}\n", root.path().display());
        whole_file::write(&program, text.as_bytes()).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let environment = [
            ("CNI_COMMAND", "CHECK"),
            ("CNI_CONTAINERID", "c1"),
            ("CNI_IFNAME", "eth0"),
            ("CNI_NETNS", ""),
            ("CNI_ARGS", "A=b;IP=10.1.0.9"),
            ("PATH", "/usr/bin:/bin"),
            ("EXTRA", "two\nlines"),
        ];
        Self {
            conf: Common {
                raw: STDIN.as_bytes().to_vec(),
                version: Version::V1_1_0,
                network: NetworkName::new("net").unwrap(),
                settings: None,
                ipam: Some(crate::netconf::Ipam {
                    kind: NAME.to_owned(),
                    block: serde_json::Map::new(),
                }),
            },
            environment: environment.map(|(k, v)| (k.into(), v.into())).to_vec(),
            path: vec![root.path().join("missing"), root.path().to_owned()],
            deadline: Duration::from_secs(30),
            root,
        }
    }

    fn with<T>(&self, use_it: impl FnOnce(&Ipam<'_>) -> T) -> T {
        let call = Call {
            conf: &self.conf,
            wished: &[],
            ip_ranges: None,
            environment: &self.environment,
            path: &self.path,
            state_dir: self.root.path(),
            reserved: &[],
            wait: Duration::ZERO,
            deadline: self.deadline,
        };
        use_it(&Ipam::of(&call))
    }

    fn add(&self) -> Result<Outcome, crate::ipam::Error> {
        self.with(|ipam| ipam.add(&owner()))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.root.path().join(name)).unwrap_or_default()
    }
}

fn owner() -> Attachment {
    Attachment {
        network: NetworkName::new("net").unwrap(),
        container: ContainerId::new("c1").unwrap(),
        ifname: InterfaceName::new("eth0").unwrap(),
    }
}

/// Notes each command it is asked; answers ADD as `answer` says.
fn recording(answer: &str) -> String {
    format!(
        "cat >/dev/null; echo $CNI_COMMAND >>$root/asked; [ $CNI_COMMAND = ADD ] || exit 0\n{answer}"
    )
}

#[test]
fn it_gets_our_stdin_and_environment_and_another_command() {
    need!(Need::Tool("sh"), Need::Tool("env"));
    let result = json!({"ips": [{"address": "10.1.0.9/24", "gateway": "10.1.0.1"}], "routes": [{"dst": "0.0.0.0/0"}],
                        "dns": {"nameservers": ["10.1.0.53"]}});
    let stage = Stage::new(&format!(
        "cat >$root/stdin; env -0 >$root/env; echo said >&2\necho '{result}'"
    ));
    let outcome = stage.add().unwrap();
    assert_eq!(outcome.ips[0].address.to_string(), "10.1.0.9/24");
    assert_eq!(
        outcome.ips[0].gateway,
        Some("10.1.0.1".parse::<IpAddr>().unwrap())
    );
    assert_eq!(outcome.routes[0].dst.to_string(), "0.0.0.0/0");
    assert_eq!(outcome.dns.nameservers, ["10.1.0.53"]);
    assert_eq!(stage.read("stdin"), STDIN);
    let env = stage.read("env");
    // The shell adds its own.
    let ours = |line: &&str| {
        !["PWD=", "OLDPWD=", "SHLVL=", "_="]
            .iter()
            .any(|p| line.starts_with(p))
    };
    let mut seen: Vec<_> = env.split_terminator('\0').filter(ours).collect();
    seen.sort_unstable();
    let expected = stage.environment.iter().map(|(name, value)| {
        let (name, value) = (name.to_str().unwrap(), value.to_str().unwrap());
        let value = if name == "CNI_COMMAND" { "ADD" } else { value };
        format!("{name}={value}")
    });
    let mut expected: Vec<_> = expected.collect();
    expected.sort_unstable();
    assert_eq!(seen, expected);
}

#[test]
fn results_of_every_version_are_read() {
    need!(Need::Tool("sh"));
    for result in [
        json!({"cniVersion": "0.2.0", "ip4": {"ip": "10.1.0.9/24"}}),
        json!({"cniVersion": "0.4.0", "ips": [{"version": "4", "address": "10.1.0.9/24"}], "dns": {}}),
        json!({"cniVersion": "1.0.0", "ips": [{"address": "10.1.0.9/24", "gateway": ""}]}),
    ] {
        let stage = Stage::new(&recording(&format!("echo '{result}'")));
        let outcome = stage.add().unwrap();
        assert_eq!(
            outcome.ips[0].address.to_string(),
            "10.1.0.9/24",
            "{result}"
        );
        assert_eq!(stage.read("asked"), "ADD\n", "nothing is undone");
    }
}

#[test]
fn a_plugin_that_is_missing_or_cannot_run_is_said_and_not_told_to_undo() {
    need!(Need::Tool("sh"));
    let mut stage = Stage::new(&recording("exit 0"));
    stage.path = vec![stage.root.path().join("missing")];
    let error = stage.add().unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.to_string().contains("missing\""), "{error}");
    stage.path = vec![stage.root.path().to_owned()];
    whole_file::write(&stage.root.path().join(NAME), b"#!/no/such/shell\n").unwrap();
    fs::set_permissions(
        stage.root.path().join(NAME),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    assert_eq!(stage.add().unwrap_err().kind(), Kind::Io);
    assert_eq!(stage.read("asked"), "");
}

#[test]
fn del_and_check_are_handed_on() {
    need!(Need::Tool("sh"));
    let stage = Stage::new(&recording(""));
    stage.with(|ipam| {
        assert_eq!(ipam.del(&owner(), &[]).unwrap(), Vec::<IpAddr>::new());
        ipam.check(&owner(), &[]).unwrap();
    });
    assert_eq!(stage.read("asked"), "DEL\nCHECK\n");
    let stage = Stage::new("echo '{\"code\":11,\"msg\":\"later\"}'; exit 1");
    stage.with(|ipam| {
        assert_eq!(
            ipam.del(&owner(), &[]).unwrap_err().kind(),
            Kind::Delegate(11)
        );
        assert_eq!(
            ipam.check(&owner(), &[]).unwrap_err().kind(),
            Kind::Delegate(11)
        );
    });
}

/// Field failure: a plugin that is older than STATUS answers it with an error, and the node is never ready.
#[test]
fn status_and_gc_are_asked_of_those_who_know_them() {
    need!(Need::Tool("sh"));
    let answering = |versions: &str| {
        Stage::new(&format!(
            "cat >$root/stdin; echo $CNI_COMMAND >>$root/asked\n\
             [ $CNI_COMMAND = VERSION ] && {versions} && exit $?\necho '{{\"code\":50,\"msg\":\"empty\"}}'; exit 1"
        ))
    };
    for old in [
        "echo '{\"cniVersion\":\"1.0.0\",\"supportedVersions\":[\"0.4.0\",\"1.0.0\"]}'",
        "echo hello",
        "echo '{\"code\":4,\"msg\":\"unknown\"}' && exit 1",
    ] {
        let stage = answering(old);
        stage.with(|ipam| {
            ipam.status().unwrap();
            ipam.gc(&|_| true).unwrap();
        });
        assert_eq!(stage.read("asked"), "VERSION\nVERSION\n", "{old}");
    }
    let stage = answering("echo '{\"supportedVersions\":[\"1.0.0\",\"1.1.0\"]}'");
    stage.with(|ipam| {
        assert_eq!(ipam.status().unwrap_err().kind(), Kind::Delegate(50));
        assert_eq!(ipam.gc(&|_| true).unwrap_err().kind(), Kind::Delegate(50));
    });
    assert_eq!(stage.read("asked"), "VERSION\nSTATUS\nVERSION\nGC\n");
    assert_eq!(stage.read("stdin"), STDIN);
}

#[test]
fn a_plugin_that_is_gone_makes_status_fail() {
    let mut stage = Stage::new("");
    stage.path = Vec::new();
    stage.with(|ipam| assert!(ipam.status().is_err()));
}

/// The plugins of the CNI project, as Debian has them.
#[test]
fn real_plugins_answer() {
    let folder = Path::new("/usr/lib/cni");
    need!(
        Need::Tool("/usr/lib/cni/static"),
        Need::Tool("/usr/lib/cni/host-local")
    );
    let mut stage = Stage::new("");
    stage.path = vec![folder.to_owned()];
    let place = stage.root.path().join("data");
    let blocks = [
        json!({"type": "static", "addresses": [{"address": "10.1.0.9/24", "gateway": "10.1.0.1"}]}),
        json!({"type": "host-local", "dataDir": place, "subnet": "10.1.0.0/24", "rangeStart": "10.1.0.9"}),
    ];
    for block in blocks {
        let result = json!({"cniVersion": "1.0.0", "ips": [{"address": "10.1.0.9/24", "gateway": "10.1.0.1"}]});
        let conf = json!({"cniVersion": "1.0.0", "name": "net", "type": "weir-cni", "ipam": block,
                          "prevResult": result});
        stage.conf.raw = conf.to_string().into_bytes();
        stage.conf.version = Version::V1_0_0;
        block["type"]
            .as_str()
            .unwrap()
            .clone_into(&mut stage.conf.ipam.as_mut().unwrap().kind);
        stage
            .environment
            .retain(|(name, _)| name != "CNI_ARGS" && name != "CNI_NETNS");
        for (name, value) in [("CNI_NETNS", "none"), ("CNI_PATH", "/usr/lib/cni")] {
            stage.environment.push((name.into(), value.into()));
        }
        let outcome = stage.add().unwrap();
        assert_eq!(outcome.ips[0].address.to_string(), "10.1.0.9/24");
        stage.with(|ipam| {
            ipam.check(&owner(), &[]).unwrap();
            ipam.status().unwrap();
            ipam.gc(&|_| true).unwrap();
            ipam.del(&owner(), &[]).unwrap();
            ipam.del(&owner(), &[]).unwrap();
        });
    }
}
