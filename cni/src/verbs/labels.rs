//! From what a runtime says of a pod to the endpoint's names and labels.
//!
//! | from | label | source |
//! |---|---|---|
//! | `args.cni.labels` | as given | `cni` |
//! | the pod annotation `weir.dev/labels`, a JSON object | as given | `k8s` |
//! | `args.cni.ports`, a list of named ports | `weir.dev/ports` | `cni` |
//! | the pod annotation `weir.dev/ports`, the same as JSON | `weir.dev/ports` | `k8s` |
//! | `K8S_POD_NAMESPACE` | `io.kubernetes.pod.namespace` | `k8s` |
//! | `K8S_POD_NAME` of a runtime without namespaces | `io.kubernetes.container.name` | `container` |
//!
//! A pod's name and uid are facts of the endpoint and no labels where there is a namespace: labels make the
//! identity, and each pod would have one of its own.

use std::collections::BTreeMap;

use ep_builder::endpoint::{Label, Labels, Pod};
use ep_builder::health;
use ep_builder::policy::{NAMESPACE_LABEL, NamedPort, PORTS_LABEL, ports_label};

use crate::error::{Failure, Kind};
use crate::netconf::{Arguments, NetConf, named_ports};
use crate::request::Add;

/// The annotation with the labels of a pod.
const ANNOTATION: &str = "weir.dev/labels";
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

/// The labels of the endpoint; of the health endpoint the one that nobody else can give.
pub(super) fn of(request: &Add) -> Result<Labels, Failure> {
    if request.attachment.is_health() {
        return Ok(health::labels());
    }
    labels(&request.arguments, &request.conf)
}

fn labels(arguments: &Arguments, conf: &NetConf) -> Result<Labels, Failure> {
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
    refuse_ports_as_text(&labels)?;
    labels.extend(ports(&conf.wishes.ports, "cni")?);
    labels.extend(ports(&annotated_ports(&conf.runtime.annotations)?, "k8s")?);
    if let Some(namespace) = arguments.get("K8S_POD_NAMESPACE") {
        labels.push(Label::new(NAMESPACE_LABEL, namespace, "k8s"));
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

/// What a policy makes of a named port is in the label that we write ourselves.
fn refuse_ports_as_text(labels: &[Label]) -> Result<(), Failure> {
    if labels.iter().all(|label| label.key != PORTS_LABEL) {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Config,
        format!("cannot take {PORTS_LABEL} as a label of the pod: it is made from its ports"),
    )
    .advice("name the ports in args.cni.ports, or in the pod annotation weir.dev/ports"))
}

/// The label of these ports; a pod without any has none.
fn ports(ports: &[NamedPort], source: &str) -> Result<Option<Label>, Failure> {
    if ports.is_empty() {
        return Ok(None);
    }
    let value = ports_label(ports);
    let value = value.map_err(|error| {
        Failure::new(Kind::Config, "cannot write the pod's named ports").source(error)
    })?;
    Ok(Some(Label::new(PORTS_LABEL, &value, source)))
}

fn annotated_ports(annotations: &BTreeMap<String, String>) -> Result<Vec<NamedPort>, Failure> {
    let Some(text) = annotations.get(PORTS_LABEL) else {
        return Ok(Vec::new());
    };
    let unreadable = || {
        let attempted = format!("cannot read the pod annotation {PORTS_LABEL}");
        Failure::new(Kind::Config, attempted).advice(
            "write it as one JSON list, for example [{\"name\":\"http\",\"protocol\":\"TCP\",\"containerPort\":80}]",
        )
    };
    let ports = serde_json::from_str(text).map_err(|error| unreadable().source(error))?;
    named_ports((PORTS_LABEL.to_owned(), ports)).map_err(|fault| unreadable().source(fault))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn annotated_as(text: &str) -> Result<Vec<NamedPort>, String> {
        let annotations = [(PORTS_LABEL.to_owned(), text.to_owned())].into();
        annotated_ports(&annotations).map_err(|failure| Error::from(failure).message())
    }

    #[test]
    fn ports_of_an_annotation_become_the_label() {
        let text =
            r#"[{"name": "web", "containerPort": 80, "hostPort": 8080}, {"containerPort": 7}]"#;
        let label = ports(&annotated_as(text).unwrap(), "k8s").unwrap().unwrap();
        let value = r#"[{"name":"web","protocol":"TCP","containerPort":80}]"#;
        assert_eq!(label, Label::new(PORTS_LABEL, value, "k8s"));
        assert_eq!(ports(&annotated_as("[]").unwrap(), "k8s").unwrap(), None);
        assert_eq!(annotated_ports(&BTreeMap::new()).unwrap(), []);
    }

    #[test]
    fn an_annotation_that_is_no_list_of_ports_is_refused() {
        for (text, says) in [
            ("[", "EOF"),
            ("{}", "weir.dev/ports is an object"),
            (
                r#"[{"name":"web"}]"#,
                "weir.dev/ports[0].containerPort is missing",
            ),
        ] {
            let message = annotated_as(text).unwrap_err();
            for part in [says, "write it as one JSON list"] {
                assert!(message.contains(part), "{text}: {message}");
            }
        }
        let labels = [Label::new(PORTS_LABEL, "[]", "cni")];
        let failure = refuse_ports_as_text(&labels).unwrap_err();
        let message = Error::from(failure).message();
        assert!(message.contains("args.cni.ports"), "{message}");
    }
}
