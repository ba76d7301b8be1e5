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
        match self.way() {
            Way::Named(path, by) => named(path, by),
            Way::OnPath(names) => self.on_path(&names),
        }
    }

    /// Whether a program at this place would be among the candidates. Does not look whether there is one: a
    /// search of all places costs every pod a hundred system calls.
    pub(super) fn leads_to(&self, file: &Path) -> bool {
        match self.way() {
            Way::Named(path, _) => std::path::absolute(path).is_ok_and(|path| path == file),
            Way::OnPath(names) => {
                let is_named = |own: &OsStr| names.iter().any(|name| name == own);
                let (folder, name) = (file.parent(), file.file_name());
                name.is_some_and(is_named) && self.folders().any(|f| Some(f.as_path()) == folder)
            }
        }
    }

    fn way(&self) -> Way<'_> {
        if let Some(path) = &self.configured {
            return Way::Named(path, "[clang] path in weir.toml");
        }
        match self.variable.as_deref() {
            Some(name) if name.as_encoded_bytes().contains(&b'/') => {
                Way::Named(Path::new(name), "the variable CLANG")
            }
            Some(name) => Way::OnPath(vec![name.to_owned()]),
            None => Way::OnPath(default_names()),
        }
    }

    fn folders(&self) -> impl Iterator<Item = PathBuf> {
        let path = self.path.as_deref().unwrap_or(OsStr::new(DEFAULT_PATH));
        std::env::split_paths(path).filter(|folder| folder.is_absolute())
    }

    fn on_path(&self, names: &[OsString]) -> Result<Vec<PathBuf>, CompileError> {
        let path = self.path.as_deref().unwrap_or(OsStr::new(DEFAULT_PATH));
        let folders: Vec<_> = self.folders().collect();
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

/// How the search goes.
enum Way<'a> {
    /// A path that somebody named, and who.
    Named(&'a Path, &'static str),
    /// Names in the folders of `PATH`.
    OnPath(Vec<OsString>),
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::OpenOptionsExt;

    use super::*;

    /// The short cut must say what the search says, for programs that are there.
    #[test]
    fn what_the_search_leads_to_is_what_it_finds() {
        let root = tempfile::tempdir().unwrap();
        let programs = ["a/clang", "b/clang-19", "b/clang-13", "b/gcc", "c/clang"];
        let programs = programs.map(|name| root.path().join(name));
        for program in &programs {
            fs::create_dir_all(program.parent().unwrap()).unwrap();
            let mut options = fs::OpenOptions::new();
            let made = options.write(true).create(true).mode(0o755).open(program);
            made.unwrap();
        }
        let folders = ["a", "b", "relative"].map(|name| match name {
            "relative" => PathBuf::from(name),
            name => root.path().join(name),
        });
        let path = Some(std::env::join_paths(&folders).unwrap());
        let search = |configured: Option<&PathBuf>, variable: Option<&OsStr>| Search {
            configured: configured.cloned(),
            variable: variable.map(OsStr::to_owned),
            path: path.clone(),
        };
        for (search, count) in [
            (search(None, None), 2),
            (search(None, Some("clang-13".as_ref())), 1),
            (search(None, Some(programs[4].as_os_str())), 1),
            (search(Some(&programs[3]), Some("clang".as_ref())), 1),
        ] {
            let found = search.candidates().unwrap();
            assert_eq!(found.len(), count, "{search:?}");
            for program in &programs {
                let leads = search.leads_to(program);
                assert_eq!(leads, found.contains(program), "{search:?} {program:?}");
            }
        }
    }
}
