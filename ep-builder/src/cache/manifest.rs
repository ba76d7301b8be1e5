//! What a template folder says of itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::compile::{Compiled, FLAGS};
use crate::key::{TemplateKey, sha256_hex};

/// `manifest.json`: written last, so a folder with a manifest was whole once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The key: the folder's own name.
    pub key: TemplateKey,
    /// The compiler's version line.
    pub compiler: String,
    /// The flags it was given.
    pub flags: Vec<String>,
    /// What is switched on in this shape, in the words of the headers.
    pub shape: Vec<String>,
    /// Processor time of the compilation.
    pub compile_ms: u64,
    /// Bytes of the object.
    pub object_size: u64,
    /// Its digest: what is used is what was fresh.
    pub object_sha256: String,
}

impl Manifest {
    /// Describes a fresh object.
    pub fn new(key: TemplateKey, compiler: &str, shape: Vec<String>, fresh: &Compiled) -> Self {
        Self {
            key,
            compiler: compiler.to_owned(),
            flags: FLAGS.iter().map(|&flag| flag.to_owned()).collect(),
            shape,
            compile_ms: millis(fresh.cpu),
            object_size: fresh.object.len() as u64,
            object_sha256: sha256_hex(&fresh.object),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
