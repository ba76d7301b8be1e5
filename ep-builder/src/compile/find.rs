//! Where the compiler may be.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::CompileError;

/// The oldest clang that knows decl tags on functions.
pub(super) const OLDEST: u32 = 14;
/// The newest one tried by its own name when there is no plain `clang`.
const NEWEST: u32 = 22;
/// Where to look when there is no PATH: runtimes start plugins with bare environments.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where to look: `[clang] path`, then `CLANG`, then `PATH`.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// `[clang] path` of `weir.toml`.
    pub configured: Option<PathBuf>,
    /// The variable `CLANG`.
    pub variable: Option<OsString>,
    /// The variable `PATH`.
    pub path: Option<OsString>,
}

impl Search {
    /// A search with the variables of this process.
    pub fn from_environment(configured: Option<PathBuf>) -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            configured,
            variable: variable("CLANG"),
            path: variable("PATH"),
        }
    }

    /// The files that may be the compiler, the likeliest first; never none. A path that was named and is not
    /// there is an error, not a reason to look on.
    pub fn candidates(&self) -> Result<Vec<PathBuf>, CompileError> {
        if let Some(path) = &self.configured {
            return named(path, "[clang] path in weir.toml");
        }
        match self.variable.as_deref() {
            Some(name) if name.as_encoded_bytes().contains(&b'/') => {
                named(Path::new(name), "the variable CLANG")
            }
            Some(name) => self.on_path(&[name.to_owned()]),
            None => self.on_path(&default_names()),
        }
    }

    fn on_path(&self, names: &[OsString]) -> Result<Vec<PathBuf>, CompileError> {
        let path = self.path.as_deref().unwrap_or(OsStr::new(DEFAULT_PATH));
        let folders: Vec<_> = std::env::split_paths(path)
            .filter(|p| p.is_absolute())
            .collect();
        let found: Vec<_> = names
            .iter()
            .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
            .filter(|file| is_executable(file))
            .collect();
        if found.is_empty() {
            let names: Vec<_> = names.iter().map(|name| name.to_string_lossy()).collect();
            let searched = format!("{} in {}", names.join(", "), path.to_string_lossy());
            return Err(CompileError::Missing { searched });
        }
        Ok(found)
    }
}

fn default_names() -> Vec<OsString> {
    let versioned = (OLDEST..=NEWEST)
        .rev()
        .map(|major| format!("clang-{major}").into());
    std::iter::once("clang".into()).chain(versioned).collect()
}

/// Absolute, because the compiler is started in another folder.
fn named(path: &Path, by: &str) -> Result<Vec<PathBuf>, CompileError> {
    match std::path::absolute(path) {
        Ok(file) if is_executable(&file) => Ok(vec![file]),
        _ => Err(CompileError::Missing {
            searched: format!("{} as {by} says", path.display()),
        }),
    }
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.mode() & 0o111 != 0)
}
