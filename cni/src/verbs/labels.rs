//! From what a runtime says of a pod to the endpoint's names and labels.
//!
//! | from | label | source |
//! |---|---|---|
//! | `args.cni.labels` | as given | `cni` |
//! | the pod annotation `weir.dev/labels`, a JSON object | as given | `k8s` |
//! | `K8S_POD_NAMESPACE` | `io.kubernetes.pod.namespace` | `k8s` |
//! | `K8S_POD_NAME` of a runtime without namespaces | `io.kubernetes.container.name` | `container` |
//!
//! A pod's name and uid are facts of the endpoint and no labels where there is a namespace: labels make the
//! identity, and each pod would have one of its own.

use std::collections::BTreeMap;

use ep_builder::endpoint::{Label, Labels, Pod};

use crate::error::{Failure, Kind};
use crate::netconf::{Arguments, NetConf};

/// The annotation with the labels of a pod.
const ANNOTATION: &str = "weir.dev/labels";
/// The label with the pod's namespace.
const NAMESPACE: &str = "io.kubernetes.pod.namespace";
/// The label with a container's name, where there are no namespaces.
const CONTAINER: &str = "io.kubernetes.container.name";

/// The pod, where the runtime has such.
pub(super) fn pod(arguments: &Arguments) -> Option<Pod> {
    let text = |key| arguments.get(key).unwrap_or_default().to_owned();
    Some(Pod {
        namespace: arguments.get("K8S_POD_NAMESPACE")?.to_owned(),
        name: text("K8S_POD_NAME"),
        uid: text("K8S_POD_UID"),
    })
}

/// The container's name, where the runtime has no pods.
pub(super) fn container_name(arguments: &Arguments) -> &str {
    match arguments.get("K8S_POD_NAMESPACE") {
        Some(_) => "",
        None => arguments.get("K8S_POD_NAME").unwrap_or_default(),
    }
}

/// The labels of the endpoint.
pub(super) fn labels(arguments: &Arguments, conf: &NetConf) -> Result<Labels, Failure> {
    let mut labels: Vec<_> = conf
        .wishes
        .labels
        .iter()
        .map(|(key, value)| Label::new(key, value, "cni"))
        .collect();
    let annotated = annotated(&conf.runtime.annotations)?;
    labels.extend(
        annotated
            .iter()
            .map(|(key, value)| Label::new(key, value, "k8s")),
    );
    if let Some(namespace) = arguments.get("K8S_POD_NAMESPACE") {
        labels.push(Label::new(NAMESPACE, namespace, "k8s"));
    }
    let name = container_name(arguments);
    if !name.is_empty() {
        labels.push(Label::new(CONTAINER, name, "container"));
    }
    Ok(labels.into())
}

fn annotated(annotations: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Failure> {
    let Some(text) = annotations.get(ANNOTATION) else {
        return Ok(BTreeMap::new());
    };
    serde_json::from_str(text).map_err(|error| {
        Failure::new(
            Kind::Config,
            format!("cannot read the pod annotation {ANNOTATION}"),
        )
        .source(error)
        .advice("write it as one JSON object of texts, for example {\"app\":\"web\"}")
    })
}
