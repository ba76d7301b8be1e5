//! A pod as policy sees it: namespace, labels, names of ports. All of it follows from its set of labels, so
//! pods of one identity are the same to policy. And the node, which has labels and nothing else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::model::Protocol;
use crate::endpoint::Labels;
use crate::health;

/// The label with a pod's namespace.
pub const NAMESPACE_LABEL: &str = "io.kubernetes.pod.namespace";
/// The label with the names of a pod's ports. It is ours: whoever knows the ports sets it, so that the
/// identity of a pod decides what a named port means for it.
pub const PORTS_LABEL: &str = "weir.dev/ports";
/// The namespace of a pod that has none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// A port that a pod has given a name. JSON is that of the annotation `weir.dev/ports`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedPort {
    /// The name.
    pub name: String,
    /// The protocol.
    pub protocol: Protocol,
    /// The number.
    pub container_port: u16,
}

/// What policy knows of the pods of one identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodFacts {
    /// The namespace; empty for who is in none, whom no selector means.
    pub namespace: String,
    /// The labels that selectors see.
    pub labels: BTreeMap<String, String>,
    /// The named ports, sorted.
    pub ports: Vec<NamedPort>,
}

/// The label of the node with its name.
pub const HOSTNAME_LABEL: &str = "kubernetes.io/hostname";

/// What policy knows of the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// The labels that selectors see.
    pub labels: BTreeMap<String, String>,
}

/// Who is believed when two sources give the same key, the last one most: the operator's word counts.
const SOURCES: [&str; 4] = ["container", "cni", "k8s", "weir"];

impl PodFacts {
    /// The facts in a set of labels.
    pub fn of(labels: &Labels) -> Self {
        if *labels == health::labels() {
            return Self::default();
        }
        let mut ranked: Vec<_> = labels.iter().collect();
        ranked.sort_by_key(|label| SOURCES.iter().position(|source| *source == label.source));
        let mut facts = Self {
            namespace: DEFAULT_NAMESPACE.to_owned(),
            ..Self::default()
        };
        for label in ranked {
            match label.key.as_str() {
                NAMESPACE_LABEL => label.value.clone_into(&mut facts.namespace),
                // What cannot be read names no port.
                PORTS_LABEL => facts.ports = parse_ports(&label.value).unwrap_or_default(),
                key => {
                    facts.labels.insert(key.to_owned(), label.value.clone());
                }
            }
        }
        facts
    }
}

/// The value of [`PORTS_LABEL`] for these ports: equal sets have equal values.
pub fn ports_label(ports: &[NamedPort]) -> Result<String, serde_json::Error> {
    let mut ports = ports.to_vec();
    ports.sort();
    ports.dedup();
    serde_json::to_string(&ports)
}

/// The ports in a value of [`PORTS_LABEL`], or in the annotation of the same name.
pub fn parse_ports(text: &str) -> Result<Vec<NamedPort>, serde_json::Error> {
    let mut ports: Vec<NamedPort> = serde_json::from_str(text)?;
    ports.sort();
    ports.dedup();
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Label;

    #[test]
    fn the_operators_word_counts_and_special_labels_are_no_labels() {
        let ports = r#"[{"name":"http","protocol":"TCP","containerPort":80}]"#;
        let labels: Labels = vec![
            Label::new("app", "theirs", "k8s"),
            Label::new("app", "ours", "weir"),
            Label::new("app", "oldest", "container"),
            Label::new(NAMESPACE_LABEL, "shop", "k8s"),
            Label::new(PORTS_LABEL, ports, "k8s"),
        ]
        .into();
        let facts = PodFacts::of(&labels);
        assert_eq!(facts.namespace, "shop");
        assert_eq!(facts.labels, [("app".to_owned(), "ours".to_owned())].into());
        assert_eq!(ports_label(&facts.ports).unwrap(), ports);
        assert_eq!(PodFacts::of(&Labels::default()).namespace, "default");
        assert_eq!(PodFacts::of(&health::labels()), PodFacts::default());
    }
}
