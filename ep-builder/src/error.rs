//! The error of a build: each variant names the stage that failed, and so the file to open.

use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;

use crate::cache::{BundleError, CacheError};
use crate::compile::CompileError;
use crate::header::RenderError;
use crate::lock::LockError;
use crate::shape::ShapeError;
use crate::sources::SourceError;
use crate::whole_file::FileError;

/// Why an endpoint's object could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration asks for a datapath that cannot be.
    #[error("the configuration cannot be built")]
    Shape(#[from] ShapeError),
    /// The datapath's sources or templates.
    #[error(transparent)]
    Sources(#[from] SourceError),
    /// A header.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The template.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// There is a bundle, and it does not have what is asked for; nor is there a compiler.
    #[error(
        "the bundle {} (made by {compiler}) has no template for this configuration and these sources, and none can be compiled",
        bundle.display()
    )]
    NotBundled {
        /// The bundle's folder.
        bundle: PathBuf,
        /// Who compiled it.
        compiler: String,
        /// Why there is no compiler.
        source: CompileError,
    },
    /// A compilation without a template.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// A file of the state folder.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Error {
    /// What to do, where that is not in the message already.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Compile(error) | Self::Cache(CacheError::Compile(error)) => Some(error.advice()),
            Self::NotBundled { .. } => Some(
                "install the bundle of this very version, or clang 14 or newer; `weir template build --bundle DIR` makes a bundle where there is one",
            ),
            Self::File(_)
            | Self::Cache(CacheError::File(_) | CacheError::Lock(LockError::File(_))) => {
                Some("check free space, owner and permissions of [paths] state_dir")
            }
            _ => None,
        }
    }
}

/// The kernel's own words, where it has some.
#[derive(Debug)]
pub struct KernelSays<'a>(pub &'a str);

impl fmt::Display for KernelSays<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => Ok(()),
            text => write!(f, " (the kernel says: {text})"),
        }
    }
}

/// An error with all its causes, on one line.
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // A transparent variant repeats its source.
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
