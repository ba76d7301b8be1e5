//! Checking a template that is there against what it says it was made from.

use crate::builder::Builder;
use crate::cache::Entry;
use crate::error::Error;

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

impl Builder {
    /// Checks a template: whether its headers and our sources give its key, and with `rebuild` whether
    /// compiling them again gives its bytes. That its files are what was written, reading it has proved.
    pub fn verify(&self, entry: &Entry, rebuild: bool) -> Result<Verified, Error> {
        let manifest = &entry.manifest;
        let (unit, compiler) = (manifest.unit, &manifest.compiler);
        let key = self.key(unit, &entry.headers, compiler)?;
        if key != manifest.key {
            return Ok(Verified::OtherSources);
        }
        if !rebuild {
            return Ok(Verified::Whole);
        }
        let clang = self.clang()?;
        if clang.version != manifest.compiler {
            return Ok(Verified::OtherCompiler(clang.version));
        }
        let again = self.compile_aside(&clang, unit, &entry.headers)?;
        let same = again.object == entry.template.bytes();
        Ok(if same {
            Verified::Identical
        } else {
            Verified::Different
        })
    }
}
