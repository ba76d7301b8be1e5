//! `weir policy delete`: a document out of its file, and the others in force.

use std::fs::{self, Permissions};
use std::path::PathBuf;

use ep_builder::policy::documents::read_folder;
use ep_builder::policy::{DocumentKind, Documents, Source};
use ep_builder::whole_file::{self, FileError};

use super::{apply, full_name, on_disk};
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Screen, talk};

pub(super) fn run(
    node: &Node,
    name: &str,
    kind: Option<DocumentKind>,
    screen: &Screen,
) -> Result<(), Failure> {
    let documents = on_disk(node)?;
    let source = find(&documents, name, kind)?;
    let file = Original::read(&documents, source)?;
    match documents.without(source)? {
        Some(rest) => file.replace(rest.as_bytes())?,
        None => whole_file::remove(&file.path)?,
    }
    let what = format!("{} {name}", source.kind);
    let applied = read_folder(&node.settings.paths.policy_dir)
        .map_err(Failure::from)
        .and_then(|documents| apply::put_in_force(node, &documents, screen));
    match applied {
        Ok(()) => {
            talk(&format!("{what} was taken out of {}", source.place.file));
            Ok(())
        }
        Err(failure) => {
            // What is in force is what the files say.
            file.put_back()?;
            talk(&format!("{what} is in {} as before", source.place.file));
            Err(failure)
        }
    }
}

/// The document of this name.
fn find<'a>(
    documents: &'a Documents,
    name: &str,
    kind: Option<DocumentKind>,
) -> Result<&'a Source, Failure> {
    let is_meant = |source: &&Source| {
        let is_kind = kind.is_none_or(|kind| kind == source.kind);
        is_kind && full_name(&source.namespace, &source.name) == name
    };
    let found: Vec<_> = documents.sources.iter().filter(is_meant).collect();
    match found.as_slice() {
        [source] => Ok(source),
        [] => Err(Failure::NotFound(format!(
            "there is no policy document {name:?} in policy_dir: names of a kind with namespaces are NAMESPACE/NAME, and `weir policy get` shows those in force"
        ))),
        several => {
            let kinds: Vec<_> = several
                .iter()
                .map(|source| source.kind.to_string())
                .collect();
            Err(Failure::Input(format!(
                "{name:?} is {}: say which with --kind",
                kinds.join(" and ")
            )))
        }
    }
}

/// A file as it was.
struct Original {
    /// Where it really is: what links to it stays.
    path: PathBuf,
    text: Vec<u8>,
    permissions: Permissions,
}

impl Original {
    fn read(documents: &Documents, source: &Source) -> Result<Self, Failure> {
        let named = documents.files.get(source.file).map(|file| &file.path);
        let named = named.cloned().unwrap_or_default();
        let path = fs::canonicalize(&named).map_err(FileError::of("find", &named))?;
        let metadata = fs::metadata(&path).map_err(FileError::of("look at", &path))?;
        let text = documents.files.get(source.file);
        Ok(Self {
            text: text
                .map(|file| file.text.as_bytes().to_vec())
                .unwrap_or_default(),
            path,
            permissions: metadata.permissions(),
        })
    }

    fn replace(&self, text: &[u8]) -> Result<(), Failure> {
        whole_file::write(&self.path, text)?;
        let set = fs::set_permissions(&self.path, self.permissions.clone());
        Ok(set.map_err(FileError::of("give the old mode to", &self.path))?)
    }

    fn put_back(&self) -> Result<(), Failure> {
        self.replace(&self.text)
    }
}
