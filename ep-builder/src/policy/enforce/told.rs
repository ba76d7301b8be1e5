//! What a revision is made from. Who changes the policy in force for a pod reads what was parsed once; documents are
//! parsed again for operators alone, so that weir-cni has no parser.

use std::sync::Arc;

use super::{EnforceError, Enforcement};
use crate::policy::{Basis, Documents, NodeBasis, SourceFile, Sources, StoreError, documents};

/// Documents as they were read, and what they say.
pub(super) struct Told {
    pub(super) sources: Sources,
    pub(super) basis: Basis,
}

impl Told {
    /// What no document says.
    pub(super) fn nothing(allow_localhost: bool) -> Self {
        Self::of(&Documents::default(), allow_localhost, NodeBasis::default())
    }

    fn of(documents: &Documents, allow_localhost: bool, node: NodeBasis) -> Self {
        let files = documents.files.iter().map(|file| {
            let path: Arc<str> = file.path.display().to_string().into();
            (path, Arc::clone(&file.text))
        });
        Self {
            sources: Sources {
                allow_localhost,
                files: files.collect(),
            },
            basis: Basis::new(allow_localhost, documents.set.clone(), node),
        }
    }
}

impl Enforcement<'_> {
    /// What a revision of these documents is made from, on this node as it is configured now.
    pub(super) fn telling(&self, documents: &Documents) -> Result<Told, EnforceError> {
        let node = self.node_basis(&documents.set)?;
        Ok(Told::of(documents, self.allows_localhost(), node))
    }

    /// What a revision is made from, to make another one from it.
    pub(super) fn told(&self, revision: u32) -> Result<Told, EnforceError> {
        Ok(Told {
            sources: self.policies.sources(revision)?,
            basis: self.policies.basis(revision)?,
        })
    }

    /// The documents in force; none before the first ones.
    pub fn documents_in_force(&self) -> Result<Option<Documents>, EnforceError> {
        let Some(revision) = self.policies.current()? else {
            return Ok(None);
        };
        parsed(self.policies.sources(revision)?).map(Some)
    }

    /// Whether new identities can be compiled under the policy in force.
    pub fn has_basis(&self) -> Result<bool, EnforceError> {
        let Some(revision) = self.policies.current()? else {
            return Ok(true);
        };
        match self.policies.basis(revision) {
            Ok(_) => Ok(true),
            Err(StoreError::NoBasis { .. } | StoreError::Damaged { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Sees to it that they can: an older weir kept the texts alone. Says whether it had to.
    pub fn see_to_basis(&self) -> Result<bool, EnforceError> {
        if self.has_basis()? {
            return Ok(false);
        }
        let exclusive = self.policies.exclude()?;
        let Some(revision) = self.policies.current()? else {
            return Ok(false);
        };
        let sources = self.policies.sources(revision)?;
        let allow_localhost = sources.allow_localhost;
        let set = parsed(sources)?.set;
        let node = self.node_basis(&set)?;
        let basis = Basis::new(allow_localhost, set, node);
        exclusive.put_basis(revision, &basis)?;
        Ok(true)
    }
}

fn parsed(sources: Sources) -> Result<Documents, EnforceError> {
    let files = sources.files.into_iter().map(|(path, text)| SourceFile {
        path: path.as_ref().into(),
        text,
    });
    documents::parse(files.collect()).map_err(EnforceError::InForce)
}
