//! Every recorded request of real runtimes is understood: cni/tests/captures.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::holds;
use crate::names::Attachment;
use crate::netconf::{Common, NetConf, Valid};
use crate::request::{self, Request};
use crate::result::Outcome;
use crate::version::Version;

/// A plugin of somebody's chain, called.
struct Capture {
    at: String,
    row: Value,
    stdin: String,
}

fn captures() -> Vec<Capture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let lines = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let rows = text.lines().enumerate().map(|(index, line)| {
            let row: Value = serde_json::from_str(line).unwrap();
            let stdin = row["stdin"].to_string();
            let at = format!("{name}:{}", index + 1);
            Capture { at, row, stdin }
        });
        rows.collect::<Vec<_>>()
    };
    files.flat_map(lines).collect()
}

impl Capture {
    fn variable(&self, name: &str) -> &str {
        self.row["env"][name].as_str().unwrap()
    }

    fn read(&self) -> Request {
        let variables = self.row["env"].as_object().unwrap().iter();
        let environment = variables.map(|(k, v)| (k, v.as_str().unwrap())).collect();
        let mut version = None;
        let stdin = &mut self.stdin.as_bytes();
        let read = request::read(&environment, stdin, &mut |spoken| version = Some(spoken));
        if self.variable("CNI_COMMAND") != "VERSION" {
            assert_eq!(
                version.unwrap().as_str(),
                self.row["stdin"]["cniVersion"],
                "{}",
                self.at
            );
        }
        read.unwrap_or_else(|error| panic!("{}: {}", self.at, error.message()))
    }

    fn is_about(&self, attachment: &Attachment) {
        assert_eq!(
            attachment.container.as_str(),
            self.variable("CNI_CONTAINERID"),
            "{}",
            self.at
        );
        assert_eq!(
            attachment.ifname.as_str(),
            self.variable("CNI_IFNAME"),
            "{}",
            self.at
        );
    }

    fn has_common(&self, conf: &Common, path: &[PathBuf]) {
        let sent = &self.row["stdin"];
        assert_eq!(conf.network.as_str(), sent["name"], "{}", self.at);
        assert_eq!(conf.raw, self.stdin.as_bytes(), "{}", self.at);
        let kind = conf.ipam.as_ref().map(|ipam| ipam.kind.as_str());
        assert_eq!(kind, sent["ipam"]["type"].as_str(), "{}", self.at);
        let folders: Vec<_> = self
            .variable("CNI_PATH")
            .split(':')
            .map(PathBuf::from)
            .collect();
        assert_eq!(path, folders, "{}", self.at);
    }

    fn has_all(&self, conf: &NetConf) {
        let (sent, runtime) = (&self.row["stdin"], &conf.runtime);
        let asked = &sent["runtimeConfig"];
        let count = |key: &str| asked[key].as_array().map_or(0, Vec::len);
        assert_eq!(
            runtime.port_mappings.len(),
            count("portMappings"),
            "{}",
            self.at
        );
        let has_limit = asked["bandwidth"].is_object();
        assert_eq!(runtime.ingress.is_some(), has_limit, "{}", self.at);
        // All recorded bursts are containerd's "none".
        assert!(
            runtime.ingress.is_none_or(|limit| limit.burst.is_none()),
            "{}",
            self.at
        );
        assert_eq!(
            runtime.aliases.is_empty(),
            asked["aliases"].is_null(),
            "{}",
            self.at
        );
        assert_eq!(
            runtime.cgroup_path.as_deref(),
            asked["cgroupPath"].as_str(),
            "{}",
            self.at
        );
        let mut arguments = self.variable("CNI_ARGS").split(';');
        let argument = arguments.find_map(|pair| pair.strip_prefix("MAC="));
        let mac = asked["mac"]
            .as_str()
            .filter(|mac| !mac.is_empty())
            .or(argument);
        let wished = conf.wishes.mac.map(|mac| mac.to_string());
        assert_eq!(wished.as_deref(), mac, "{}", self.at);
        let has_ip = self.variable("CNI_ARGS").contains("IP=");
        assert_eq!(conf.wishes.ips.is_empty(), !has_ip, "{}", self.at);
        assert_eq!(conf.ip_masq, sent["ipMasq"] == true, "{}", self.at);
        assert_eq!(
            runtime.dns.is_some(),
            asked["dns"].is_object(),
            "{}",
            self.at
        );
    }
}

#[test]
fn every_recorded_request_is_understood() {
    let captures = captures();
    assert_eq!(captures.len(), 181);
    for capture in &captures {
        match (capture.variable("CNI_COMMAND"), capture.read()) {
            ("ADD", Request::Add(add)) => {
                capture.is_about(&add.attachment);
                capture.has_common(&add.conf.common, &add.path);
                capture.has_all(&add.conf);
                assert_eq!(add.netns, capture.variable("CNI_NETNS"));
                let name = add.arguments.get("K8S_POD_NAME");
                let is_pod = capture.variable("CNI_ARGS").contains("K8S_POD_NAME=");
                assert_eq!(name.is_some(), is_pod, "{}", capture.at);
                let previous = &capture.row["stdin"]["prevResult"];
                assert_eq!(
                    add.conf.prev_result.is_some(),
                    previous.is_object(),
                    "{}",
                    capture.at
                );
            }
            ("DEL", Request::Del(del)) => {
                capture.is_about(&del.attachment);
                capture.has_common(&del.conf, &del.path);
                let netns = capture.variable("CNI_NETNS");
                assert_eq!(del.netns.is_none(), netns.is_empty(), "{}", capture.at);
            }
            ("CHECK", Request::Check(check)) => {
                capture.is_about(&check.attachment);
                capture.has_common(&check.conf.common, &check.path);
                let has_result = check.expected != Outcome::default();
                let previous = &capture.row["stdin"]["prevResult"];
                assert_eq!(has_result, previous.is_object(), "{}", capture.at);
            }
            ("STATUS", Request::Status(status)) => {
                capture.has_common(&status.conf.common, &status.path);
            }
            ("GC", Request::Gc(gc)) => {
                capture.has_common(&gc.conf, &gc.path);
                // cnitool says nothing about what is valid.
                assert_eq!(gc.valid, Valid::Unsaid);
            }
            ("VERSION", Request::Version) => {}
            (command, request) => panic!("{}: {command} became {request:?}", capture.at),
        }
    }
}

/// W13: nothing that another plugin said is lost on the way through.
#[test]
fn every_recorded_result_comes_out_as_it_went_in() {
    let mut seen = 0;
    for capture in captures() {
        let is_result = capture.variable("CNI_COMMAND") == "ADD" && capture.row["failed"].is_null();
        let answer = Some(&capture.row["stdout"]).filter(|_| is_result);
        let previous = Some(&capture.row["stdin"]["prevResult"]);
        for result in [answer, previous]
            .into_iter()
            .flatten()
            .filter(|v| v.is_object())
        {
            let version = Version::named(result["cniVersion"].as_str().unwrap()).unwrap();
            let decoded = Outcome::decode(("it".to_owned(), result.clone()), Version::UNNAMED);
            let encoded = decoded.unwrap().encode(version).unwrap();
            assert!(
                holds(&encoded, result),
                "{}: {result}\n{encoded}",
                capture.at
            );
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
}
