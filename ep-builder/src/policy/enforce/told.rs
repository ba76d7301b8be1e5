//! What a revision is made from. Who changes the policy in force for a pod reads what was parsed once; documents are
//! parsed again for operators alone, so that weir-cni has no parser.

use std::sync::Arc;

use super::{EnforceError, Enforcement};
use crate::policy::{Basis, Documents, SourceFile, Sources, StoreError, documents};

/// Documents as they were read, and what they say.
pub(super) struct Told {
    pub(super) sources: Sources,
    pub(super) basis: Basis,
}

impl Told {
    pub(super) fn of(documents: &Documents, allow_localhost: bool) -> Self {
        let files = documents.files.iter().map(|file| {
            let path: Arc<str> = file.path.display().to_string().into();
            (path, Arc::clone(&file.text))
        });
        Self {
            sources: Sources {
                allow_localhost,
                files: files.collect(),
            },
            basis: Basis {
                allow_localhost,
                set: documents.set.clone(),
            },
        }
    }
}

impl Enforcement<'_> {
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
        let basis = Basis {
            allow_localhost: sources.allow_localhost,
            set: parsed(sources)?.set,
        };
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
