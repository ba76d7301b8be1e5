//! Policy documents: files of YAML or JSON to a [`PolicySet`], or everything that is wrong with them.
//!
//! ```text
//! [files] -> texts -> [tree] -> nodes with places -> [objects] -> typed documents, or mistakes with field paths
//! ```
//!
//! The meaning is that of Kubernetes' `networking.k8s.io/v1`, to the letter; where the API server warns, or takes
//! what nobody can have meant, documents are refused.

mod cursor;
mod cut;
mod error;
mod files;
mod labels;
mod names;
mod networks;
mod objects;
mod policies;
mod rules;
mod scalar;
mod tree;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

pub use cut::CutError;
pub use error::{DocumentError, Hint, MAX_MISTAKES, Mistake, Mistakes, Notice, Problem};
pub(crate) use names::{is_label_key, is_label_value};

use super::{Document, Place, PolicySet};
use cursor::Reader;
use files::Loaded;
use objects::Collected;

/// What files say, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Documents {
    /// What they say.
    pub set: PolicySet,
    /// Where each document is, in the order of files and lines.
    pub sources: Vec<Source>,
    /// The files.
    pub files: Vec<SourceFile>,
    /// What is worth a word.
    pub notices: Vec<Notice>,
}

/// A file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path, as it was named.
    pub path: PathBuf,
    /// What it holds.
    pub text: Arc<str>,
}

/// Where a document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What it is a document of.
    pub kind: DocumentKind,
    /// Its namespace; empty for a kind that has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// File and line of its first word.
    pub place: Place,
    /// Its file, in [`Documents::files`].
    pub file: usize,
    /// Its bytes in the file: with the separator before it, or with the comma of a list.
    pub span: Range<usize>,
}

/// The kinds of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum DocumentKind {
    /// `networking.k8s.io/v1`.
    NetworkPolicy,
    /// `v1`: the labels of a namespace.
    Namespace,
    /// `weir.dev/v1alpha1`.
    WeirPolicy,
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NetworkPolicy => "NetworkPolicy",
            Self::Namespace => "Namespace",
            Self::WeirPolicy => "WeirPolicy",
        })
    }
}

/// How much files say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// How many files there are.
    pub files: usize,
    /// How many documents are `NetworkPolicy`.
    pub network_policies: usize,
    /// How many are `WeirPolicy`.
    pub weir_policies: usize,
    /// How many are `Namespace`.
    pub namespaces: usize,
    /// How many rules the policies have.
    pub rules: usize,
    /// What is worth a word, as `file:line: field: text`.
    pub notices: Vec<String>,
}

/// Reads the documents of a folder: `*.yaml`, `*.yml` and `*.json` in the order of their names. A folder that is not
/// there holds none.
pub fn read_folder(folder: &Path) -> Result<Documents, DocumentError> {
    read_all(files::read(&files::in_folder(folder)?)?)
}

/// Reads these files in this order; of a folder, the documents in it.
pub fn read_files(paths: &[PathBuf]) -> Result<Documents, DocumentError> {
    read_all(files::read(paths)?)
}

/// Reads these files and says how much is in them.
pub fn validate(paths: &[PathBuf]) -> Result<Summary, DocumentError> {
    read_files(paths).map(|documents| documents.summary())
}

/// Reads texts that are there already. Either all of them are right, or nothing of them is told but the mistakes.
pub fn parse(files: Vec<SourceFile>) -> Result<Documents, DocumentError> {
    read_all(Loaded::of(files))
}

fn read_all(loaded: Loaded) -> Result<Documents, DocumentError> {
    let Loaded {
        files, mistakes, ..
    } = loaded;
    let mut all = Collected::default();
    let mut reader = Reader::new(mistakes);
    for (number, file) in files.iter().enumerate() {
        reader.turn_to(file.path.display().to_string().into());
        read_file(&mut reader, file, number, &mut all);
    }
    reader.mistakes.is_cut_short |= reader.is_full();
    if !reader.mistakes.told.is_empty() {
        return Err(DocumentError::Content(reader.mistakes));
    }
    Ok(Documents {
        set: all.set,
        sources: all.sources,
        files,
        notices: reader.notices,
    })
}

fn read_file(reader: &mut Reader, file: &SourceFile, number: usize, all: &mut Collected) {
    let parsed = tree::parse(&file.text);
    let first = reader.mistakes.told.len();
    for flaw in parsed.flaws {
        reader.refuse_at(flaw.mark, flaw.problem);
    }
    for tree in &parsed.trees {
        if reader.is_full() {
            break;
        }
        objects::document(reader, tree, &file.text, number, all);
    }
    let told = reader.mistakes.told.get_mut(first..).unwrap_or_default();
    told.sort_by_key(|mistake| (mistake.place.line, mistake.column));
}

impl Documents {
    /// How much there is.
    pub fn summary(&self) -> Summary {
        let count = |kind| {
            self.sources
                .iter()
                .filter(|source| source.kind == kind)
                .count()
        };
        let rules = |policy: &Document| policy.ingress.rules.len() + policy.egress.rules.len();
        Summary {
            files: self.files.len(),
            network_policies: count(DocumentKind::NetworkPolicy),
            weir_policies: count(DocumentKind::WeirPolicy),
            namespaces: count(DocumentKind::Namespace),
            rules: self.set.policies.iter().map(rules).sum(),
            notices: self.notices.iter().map(ToString::to_string).collect(),
        }
    }
}
