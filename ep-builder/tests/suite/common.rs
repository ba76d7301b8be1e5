//! What the suites share: the repository's sources, temporary nodes, endpoints.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ep_builder::builder::Builder;
use ep_builder::compile::{Clang, Limits, Search};
use ep_builder::endpoint::Endpoint;
use ep_builder::header::{Renderer, envelope};
use ep_builder::settings::Settings;
use ep_builder::sources::{UnitSources, read_renderer, read_templates};
use ep_builder::unit::Unit;
use ep_builder::whole_file;
use tempfile::TempDir;

/// A folder of the repository.
pub(crate) fn repository(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(folder)
}

/// Writes a file of a test.
pub(crate) fn put(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
    whole_file::write(path.as_ref(), bytes.as_ref()).unwrap();
}

/// The shipped templates.
pub(crate) fn renderer() -> Renderer {
    read_renderer(&repository("bpf-templates")).unwrap()
}

/// The shipped sources of a unit.
pub(crate) fn sources(unit: Unit) -> UnitSources {
    sources_in(&repository("bpf-src"), unit)
}

/// What a unit consists of in a copy of the sources.
pub(crate) fn sources_in(root: &Path, unit: Unit) -> UnitSources {
    let headers = read_templates(&repository("bpf-templates")).unwrap();
    UnitSources::read(root, &headers, unit).unwrap()
}

/// Copies a folder with all that is in it.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The endpoint of the golden record.
pub(crate) fn endpoint_2665() -> Endpoint {
    envelope::from_record(include_bytes!("../golden/endpoint-2665.json")).unwrap()
}

/// The compiler of this machine. A suite without clang proves nothing, so its absence fails.
pub(crate) fn clang() -> Clang {
    let folder = tempfile::tempdir().unwrap();
    let memory = folder.path().join("clang.json");
    Clang::identify(&Search::from_environment(None), &memory, &Limits::default())
        .expect("`make deps` installs clang")
}

/// A node of its own: state, bundle and configuration in a temporary folder.
pub(crate) struct Node {
    folder: TempDir,
    /// The configuration, to be changed before `builder`.
    pub(crate) settings: Settings,
    /// Where the compiler is looked for.
    pub(crate) search: Search,
}

impl Node {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.paths.state_dir = folder.path().join("state");
        settings.paths.bundle_dir = folder.path().join("bundle");
        settings.paths.bpf_dir = repository("bpf-src");
        settings.paths.bpf_templates_dir = repository("bpf-templates");
        Self {
            folder,
            settings,
            search: Search::from_environment(None),
        }
    }

    /// A node whose compiler is a script: `$REAL` in it is the machine's clang.
    pub(crate) fn with_script(script: &str) -> Self {
        let mut node = Self::new();
        let path = node.path("clang");
        let text = format!("#!/bin/sh\nREAL={}\n{script}\n", clang().path.display());
        put(&path, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        node.search = Search {
            configured: Some(path),
            ..Search::default()
        };
        node
    }

    /// Takes the compiler away.
    pub(crate) fn without_clang(mut self) -> Self {
        self.search = Search {
            path: Some(OsString::from("/nonexistent")),
            ..Search::default()
        };
        self
    }

    /// A path in the node's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn builder(&self) -> Builder {
        Builder::open(self.settings.clone(), self.search.clone()).unwrap()
    }

    /// The names in the folder of templates.
    pub(crate) fn templates(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path("state/templates"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    ep_builder::error::chain(error)
}
