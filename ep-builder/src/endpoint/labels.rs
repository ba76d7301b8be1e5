//! Labels: the facts that policy selects by.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One label. The text comes from outside and may hold any character.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The name, for example `app`.
    pub key: String,
    /// The value; many labels have none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// Who gave it: `container`, `k8s`, `weir`.
    pub source: String,
}

impl Label {
    /// A label of the three parts.
    pub fn new(key: &str, value: &str, source: &str) -> Self {
        Self {
            key: key.to_owned(),
            value: value.to_owned(),
            source: source.to_owned(),
        }
    }
}

/// A set of labels, one per key and source, sorted: its order is part of what it means (identity is the
/// sorted set). Two sources may give the same key; policy may tell them apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Label>", into = "Vec<Label>")]
pub struct Labels(BTreeMap<(String, String), Label>);

impl Labels {
    /// The labels by key, then source.
    pub fn iter(&self) -> impl Iterator<Item = &Label> {
        self.0.values()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Label> for Labels {
    fn from_iter<I: IntoIterator<Item = Label>>(labels: I) -> Self {
        Self(
            labels
                .into_iter()
                .map(|l| ((l.key.clone(), l.source.clone()), l))
                .collect(),
        )
    }
}

impl From<Vec<Label>> for Labels {
    fn from(labels: Vec<Label>) -> Self {
        labels.into_iter().collect()
    }
}

impl From<Labels> for Vec<Label> {
    fn from(labels: Labels) -> Self {
        labels.0.into_values().collect()
    }
}
