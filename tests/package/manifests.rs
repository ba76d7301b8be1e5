//! The manifests for Kubernetes and the unit for systemd: they can be read, fit together, and call what there is.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;
use weir_tests::need::Need;
use weir_tests::node::repository;
use weir_tests::{binaries, need, process};

/// A manifest of `conf/kubernetes`.
pub(crate) fn manifest(name: &str) -> Value {
    let text = fs::read_to_string(repository("conf/kubernetes").join(name)).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// A list in a manifest.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The words of a command in a manifest.
pub(crate) fn words(value: &Value) -> Vec<&str> {
    list(value)
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect()
}

/// What the first container does, and the other when it is told to end.
pub(crate) fn pod() -> Value {
    manifest("daemonset.yaml")["spec"]["template"]["spec"].clone()
}

/// Commands of a manifest that weir is given.
fn commands(pod: &Value) -> Vec<Vec<&str>> {
    let stop = &pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"];
    let containers = [&pod["initContainers"], &pod["containers"]];
    let containers = containers.into_iter().flat_map(list);
    let own = containers.map(|it| words(&it["command"]));
    own.chain([words(stop)]).collect()
}

#[test]
fn the_daemon_set_is_whole() {
    let set = manifest("daemonset.yaml");
    assert_eq!(
        (&set["apiVersion"], &set["kind"]),
        (&"apps/v1".into(), &"DaemonSet".into())
    );
    let spec = &set["spec"];
    assert_eq!(
        spec["selector"]["matchLabels"],
        spec["template"]["metadata"]["labels"]
    );
    let pod = pod();
    let names = |key: &str| -> BTreeSet<String> {
        let all = list(&pod[key])
            .iter()
            .map(|it| it["name"].as_str().unwrap().to_owned());
        all.collect()
    };
    let mut used = BTreeSet::new();
    for container in [&pod["initContainers"][0], &pod["containers"][0]] {
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        for mount in list(&container["volumeMounts"]) {
            used.insert(mount["name"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(used, names("volumes"));
    // Both see a folder of the node: the one below /host, the other at its own place.
    for volume in list(&pod["volumes"]) {
        let (name, path) = (
            &volume["name"],
            volume["hostPath"]["path"].as_str().unwrap(),
        );
        let at = |container: &Value| -> Option<String> {
            let mounts = list(&container["volumeMounts"]);
            let mount = mounts.iter().find(|mount| mount["name"] == *name)?;
            Some(mount["mountPath"].as_str().unwrap().to_owned())
        };
        assert_eq!(at(&pod["containers"][0]).as_deref(), Some(path));
        let below = at(&pod["initContainers"][0]);
        assert!(below.is_none_or(|below| below == format!("/host{path}")));
    }
    let image = &manifest("kustomization.yaml")["images"][0];
    assert_eq!(image["name"], pod["containers"][0]["image"]);
    assert_eq!(image["newTag"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn who_installs_has_no_capability() {
    let context = &pod()["initContainers"][0]["securityContext"];
    assert_eq!(context["capabilities"]["drop"][0], "ALL");
    assert_eq!(context["allowPrivilegeEscalation"], false);
}

#[test]
fn the_kustomization_names_files_that_are_there() {
    for name in words(&manifest("kustomization.yaml")["resources"]) {
        assert!(repository("conf/kubernetes").join(name).is_file(), "{name}");
    }
}

/// As `kubectl apply -k` reads it, which here goes nowhere.
#[test]
fn kubectl_takes_the_kustomization() {
    need!(Need::Tool("kubectl"));
    let mut kubectl = Command::new("kubectl");
    let said = process::run(kubectl.arg("kustomize").arg(repository("conf/kubernetes")));
    assert_eq!(said.code, Some(0), "{said:?}");
    let set: Value = serde_saphyr::from_str(&said.stdout).unwrap();
    assert_eq!(set["metadata"]["namespace"], "kube-system");
    let shipped = format!("localhost/weir:{}", env!("CARGO_PKG_VERSION"));
    let pod = &set["spec"]["template"]["spec"];
    for container in [&pod["initContainers"][0], &pod["containers"][0]] {
        assert_eq!(container["image"], shipped.as_str());
    }
    // Nothing else of the pod is changed by it.
    let plain = |mut pod: Value| {
        for list in ["initContainers", "containers"] {
            pod[list][0]["image"] = Value::Null;
        }
        pod
    };
    assert_eq!(plain(pod.clone()), plain(self::pod()));
}

#[test]
fn every_command_of_the_manifests_is_known() {
    let pod = pod();
    for command in commands(&pod) {
        assert_eq!(command[0], "/bin/weir");
        let said = process::run(binaries::weir().args(&command[1..]).arg("--help"));
        assert_eq!(said.code, Some(0), "{command:?}: {said:?}");
    }
}

#[test]
fn systemd_takes_the_unit() {
    need!(Need::Tool("systemd-analyze"));
    let text = fs::read_to_string(repository("conf/systemd/weir-metrics.service")).unwrap();
    let start = text
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=/usr/bin/weir "));
    let words = start.unwrap().split_whitespace();
    let known = process::run(binaries::weir().args(words).arg("--help"));
    assert_eq!(known.code, Some(0), "{known:?}");

    // It looks whether the program is there.
    let weir = binaries::weir().get_program().to_str().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("weir-metrics.service");
    let text = text.replace("/usr/bin/weir", &weir);
    ep_builder::whole_file::write(&unit, text.as_bytes()).unwrap();
    let mut verify = Command::new("systemd-analyze");
    let said = process::run(verify.args(["verify", "--man=no"]).arg(&unit));
    let ours = said
        .stderr
        .lines()
        .filter(|line| line.contains("weir-metrics"));
    assert_eq!(ours.collect::<Vec<_>>(), [""; 0], "{said:?}");
    assert_eq!(said.code, Some(0), "{said:?}");
}
