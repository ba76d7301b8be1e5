//! An operator's changes to the labels of an endpoint. No I/O.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::endpoint::{Label, Labels};
use crate::health;
use crate::policy::{NAMESPACE_LABEL, PORTS_LABEL};

/// The source of labels that the operator gives.
const OPERATOR: &str = "weir";

/// Labels that are no operator's to change: the namespace is the runtime's, the ports are the pod's.
const RESERVED: [&str; 2] = [NAMESPACE_LABEL, PORTS_LABEL];

/// Why labels cannot be changed so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// It says neither.
    #[error("{0:?} is no change of a label: write KEY=VALUE to set it, KEY- to remove it")]
    Unclear(String),
    /// Nothing before the `=` or the `-`.
    #[error("{0:?} has no key: write KEY=VALUE to set a label, KEY- to remove it")]
    NoKey(String),
    /// One key, two changes.
    #[error("label {0:?} is changed twice: say once what it shall be")]
    Twice(String),
    /// A label that says what others know better.
    #[error("label {0:?} is not the operator's to change: {1}")]
    Reserved(String, &'static str),
    /// What is said of the health endpoint.
    #[error("the health endpoint has the label that weir gives it, and no other")]
    Health,
    /// There is nothing to remove.
    #[error("the endpoint has no label {0:?}: `weir endpoint get` shows those it has")]
    Absent(String),
}

/// One change: `KEY=VALUE`, or `KEY-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelChange {
    key: String,
    /// None removes it.
    value: Option<String>,
}

impl FromStr for LabelChange {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let (key, value) = match (text.split_once('='), text.strip_suffix('-')) {
            (Some((key, value)), _) => (key, Some(value.to_owned())),
            (None, Some(key)) => (key, None),
            (None, None) => return Err(LabelError::Unclear(text.to_owned())),
        };
        if key.is_empty() {
            return Err(LabelError::NoKey(text.to_owned()));
        }
        if RESERVED.contains(&key) {
            let whose = if key == PORTS_LABEL {
                "it follows from the ports of the pod"
            } else {
                "it is the namespace that the runtime gave the pod"
            };
            return Err(LabelError::Reserved(key.to_owned(), whose));
        }
        Ok(Self {
            key: key.to_owned(),
            value,
        })
    }
}

/// The labels after these changes. What the operator sets counts more than what the runtime said, and takes
/// nothing of it away: removed again, the runtime's word counts. Removed once more, that goes, too.
pub(super) fn changed(labels: &Labels, changes: &[LabelChange]) -> Result<Labels, LabelError> {
    if *labels == health::labels() {
        return Err(LabelError::Health);
    }
    let mut by_key: BTreeMap<&str, &LabelChange> = BTreeMap::new();
    for change in changes {
        if by_key.insert(&change.key, change).is_some() {
            return Err(LabelError::Twice(change.key.clone()));
        }
    }
    let mut new: Vec<Label> = labels.iter().cloned().collect();
    for change in changes {
        match &change.value {
            Some(value) => new.push(Label::new(&change.key, value, OPERATOR)),
            None => remove(&mut new, &change.key)?,
        }
    }
    Ok(new.into())
}

fn remove(labels: &mut Vec<Label>, key: &str) -> Result<(), LabelError> {
    let is_operators = |label: &Label| label.key == key && label.source == OPERATOR;
    let has_operators = labels.iter().any(is_operators);
    let before = labels.len();
    labels.retain(|label| {
        let goes = if has_operators {
            is_operators(label)
        } else {
            label.key == key
        };
        !goes
    });
    if labels.len() == before {
        Err(LabelError::Absent(key.to_owned()))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(labels: &[(&str, &str, &str)], changes: &[&str]) -> Result<String, String> {
        let labels: Labels = labels
            .iter()
            .map(|(key, value, source)| Label::new(key, value, source))
            .collect();
        let changes: Result<Vec<LabelChange>, _> =
            changes.iter().map(|text| text.parse()).collect();
        let new = changes.and_then(|changes| changed(&labels, &changes));
        let labels = new.map_err(|error| error.to_string())?;
        let texts: Vec<_> = labels
            .iter()
            .map(|label| format!("{}:{}={}", label.source, label.key, label.value))
            .collect();
        Ok(texts.join(" "))
    }

    #[test]
    fn labels_are_set_and_removed() {
        let given = [("app", "web", "k8s"), ("tier", "", "cni")];
        for (changes, expected) in [
            (&["app=db"][..], "k8s:app=web weir:app=db cni:tier="),
            (&["app-"], "cni:tier="),
            (&["tier-", "x="], "k8s:app=web weir:x="),
            (&["a=b=c-"], "weir:a=b=c- k8s:app=web cni:tier="),
        ] {
            assert_eq!(apply(&given, changes).as_deref(), Ok(expected));
        }
        let set = [("app", "web", "k8s"), ("app", "db", "weir")];
        assert_eq!(apply(&set, &["app-"]).as_deref(), Ok("k8s:app=web"));
        assert_eq!(
            apply(&set, &["app=db"]).as_deref(),
            Ok("k8s:app=web weir:app=db")
        );
    }

    #[test]
    fn what_is_no_change_is_refused() {
        for (changes, expected) in [
            (&["app"][..], "no change of a label"),
            (&["=x"], "has no key"),
            (&["-"], "has no key"),
            (&["a=1", "a="], "\"a\" is changed twice"),
            (&["a=1", "a-"], "\"a\" is changed twice"),
            (&["a-"], "has no label \"a\""),
            (&["weir.dev/ports=[]"], "ports of the pod"),
            (
                &["io.kubernetes.pod.namespace-"],
                "namespace that the runtime gave",
            ),
        ] {
            let error = apply(&[], changes).unwrap_err();
            assert!(error.contains(expected), "{changes:?}: {error}");
        }
    }

    #[test]
    fn the_health_endpoint_keeps_its_label() {
        for change in ["app=web", "health-"] {
            let refused = changed(&health::labels(), &[change.parse().unwrap()]);
            assert_eq!(refused, Err(LabelError::Health), "{change}");
        }
    }
}
