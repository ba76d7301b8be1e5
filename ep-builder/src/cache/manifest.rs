//! What a template folder says of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Recipe;
use crate::compile::{Compiled, FLAGS};
use crate::digest::FileFacts;
use crate::header::{EP_CONFIG, NODE_CONFIG};
use crate::key::TemplateKey;
use crate::unit::Unit;

/// `manifest.json`: written last, so a folder with a manifest was whole once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The key: the folder's own name.
    pub key: TemplateKey,
    /// What was compiled; manifests of older versions know of one unit.
    #[serde(default)]
    pub unit: Unit,
    /// The compiler's version line.
    pub compiler: String,
    /// The flags it was given.
    pub flags: Vec<String>,
    /// What is switched on in this shape, in the words of the headers.
    pub shape: Vec<String>,
    /// Processor time of the compilation; a bundle does not say it, since its bytes are the same whoever makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compile_ms: Option<u64>,
    /// What each other file of the folder must be, by name: what is used is what was written.
    pub files: BTreeMap<String, FileFacts>,
}

impl Manifest {
    /// Describes a fresh object.
    pub fn new(recipe: &Recipe<'_>, fresh: &Compiled) -> Self {
        let files = [
            (recipe.unit.object(), fresh.object.as_slice()),
            (EP_CONFIG, recipe.headers.ep_config.as_bytes()),
            (NODE_CONFIG, recipe.headers.node_config.as_bytes()),
        ];
        Self {
            key: recipe.key,
            unit: recipe.unit,
            compiler: recipe.compiler.to_owned(),
            flags: FLAGS.iter().map(|&flag| flag.to_owned()).collect(),
            shape: recipe.shape.clone(),
            compile_ms: Some(millis(fresh.cpu)),
            files: files
                .map(|(name, bytes)| (name.to_owned(), FileFacts::of(bytes)))
                .into(),
        }
    }

    /// Without what differs from one compilation to the next.
    #[must_use]
    pub fn reproducible(self) -> Self {
        Self {
            compile_ms: None,
            ..self
        }
    }

    /// Bytes of the object.
    pub fn object_size(&self) -> u64 {
        self.files
            .get(self.unit.object())
            .map_or(0, |facts| facts.size)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
