//! Checking a template that is there against what it says it was made from.

use std::path::Path;

use crate::builder::Builder;
use crate::cache::Entry;
use crate::compile::FLAGS;
use crate::error::Error;
use crate::header::{EP_CONFIG, Headers, NODE_CONFIG};
use crate::key::TemplateKey;
use crate::whole_file::{self, FileError};

/// What a check of a template found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// Its digest and its key hold.
    Whole,
    /// And a new compile gives the same bytes.
    Identical,
    /// Its digest holds; the sources or flags are not those of this installation.
    OtherSources,
    /// Its key holds; it cannot be compiled again with this compiler.
    OtherCompiler(String),
    /// A new compile gives other bytes.
    Different,
}

const HEADER_LIMIT: u64 = 1 << 20;

impl Builder {
    /// Checks a template that was read from `folder`: whether its headers and our sources give its key,
    /// and with `rebuild` whether compiling them again gives its bytes.
    pub fn verify(&self, folder: &Path, entry: &Entry, rebuild: bool) -> Result<Verified, Error> {
        let headers = Headers {
            ep_config: read(folder, EP_CONFIG)?,
            node_config: read(folder, NODE_CONFIG)?,
        };
        let manifest = &entry.manifest;
        if TemplateKey::new(&headers, self.sources(), FLAGS, &manifest.compiler) != manifest.key {
            return Ok(Verified::OtherSources);
        }
        if !rebuild {
            return Ok(Verified::Whole);
        }
        let clang = self.clang()?;
        if clang.version != manifest.compiler {
            return Ok(Verified::OtherCompiler(clang.version));
        }
        let again = self.compile_aside(&clang, &headers)?;
        let same = again.object == entry.template.bytes();
        Ok(if same {
            Verified::Identical
        } else {
            Verified::Different
        })
    }
}

fn read(folder: &Path, name: &str) -> Result<String, FileError> {
    let path = folder.join(name);
    let bytes = whole_file::read(&path, HEADER_LIMIT)?;
    // A header that is no text gives another key, which is what is asked.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
