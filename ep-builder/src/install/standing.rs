//! How an installation stands: what is missing of it, and whose network a runtime takes. Changes nothing.

use std::path::{Path, PathBuf};

use super::error::InstallError;
use super::networks::{self, List};
use super::record::{Places, Record};
use super::root::{LARGEST, Present, Root};
use crate::settings::DEFAULT_PATH;
use crate::whole_file;

/// What there is of an installation.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its record; none where `weir install` has not been.
    pub record: Option<Record>,
    /// Files on record that are not there.
    pub missing: Vec<PathBuf>,
    /// The folder that runtimes read.
    pub folder: PathBuf,
    /// The network configurations there, in the order in which runtimes look at them.
    pub lists: Vec<List>,
}

impl Standing {
    /// Looks at it.
    pub fn of(root: &Root) -> Result<Self, InstallError> {
        let record = Record::read(root)?;
        let folder = record
            .as_ref()
            .map_or_else(Places::default, |record| record.places.clone())
            .networks;
        Ok(Self {
            lists: Self::lists(root, &folder)?,
            missing: record
                .as_ref()
                .map_or(Ok(Vec::new()), |it| missing(it, root))?,
            record,
            folder,
        })
    }

    /// Programs that are not those that were installed. They are read for that: who looks often does without it. The
    /// other files are the operator's to change, or are checked where they are used.
    pub fn changed(&self, root: &Root) -> Result<Vec<PathBuf>, InstallError> {
        let Some(record) = &self.record else {
            return Ok(Vec::new());
        };
        let folders = [&record.places.command, &record.places.plugins];
        let is_program = |path: &&PathBuf| folders.iter().any(|it| path.parent() == Some(it));
        let mut changed = Vec::new();
        for path in record.files.keys().filter(is_program) {
            match root.present(path)? {
                Present::Nothing => {}
                Present::File { facts, .. } if record.has(path, &facts) => {}
                _ => changed.push(path.clone()),
            }
        }
        Ok(changed)
    }

    /// The configuration that a runtime takes: the first by name.
    pub fn first(&self) -> Option<&List> {
        self.lists.first()
    }

    /// The first of them that names weir.
    pub fn ours(&self) -> Option<&List> {
        self.lists.iter().find(|list| list.is_ours)
    }

    fn lists(root: &Root, folder: &Path) -> Result<Vec<List>, InstallError> {
        let names = root.names(folder)?.into_iter();
        let mut names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
        names.retain(|name| networks::is_read(name));
        let list = |name: String| {
            // One that cannot be read is somebody's all the same. Runtimes follow links.
            let path = folder.join(&name);
            let text = match root {
                Root::Live => whole_file::read_named(&path, LARGEST).ok(),
                Root::Image { .. } => root.read(&path).ok().flatten(),
            };
            networks::list(&name, &text.unwrap_or_default())
        };
        Ok(names.into_iter().map(list).collect())
    }
}

/// Files on record that are not there. Where the operator's configuration is, and whether there are pages, no pod
/// notices.
fn missing(record: &Record, root: &Root) -> Result<Vec<PathBuf>, InstallError> {
    let is_free = |path: &Path| {
        path.starts_with(&record.places.share)
            || path == record.network_path()
            || path == Path::new(DEFAULT_PATH)
    };
    let mut missing = Vec::new();
    for path in record.files.keys().filter(|path| !is_free(path)) {
        if !root.exists(path)? {
            missing.push(path.clone());
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::super::record::Installed;
    use super::*;
    use crate::digest::FileFacts;

    const PLUGIN: &str = "/opt/cni/bin/weir-cni";
    const SOURCE: &str = "/usr/lib/weir/bpf/bpf_lxc.c";
    const PAGE: &str = "/usr/local/share/man/man8/weir.8";

    fn write(root: &Root, path: &str, text: &str) {
        for folder in Path::new(path).ancestors().skip(1) {
            std::fs::create_dir_all(root.shown(folder)).unwrap();
        }
        root.write(Path::new(path), text.as_bytes(), 0o644).unwrap();
    }

    #[test]
    fn an_installation_is_compared_with_its_record() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::image(folder.path()).unwrap();
        let standing = Standing::of(&root).unwrap();
        assert!(standing.record.is_none() && standing.first().is_none());

        let mut record = Record::new(Places::default(), "10-weir.conflist".to_owned());
        let contents = vec![FileFacts::of(b"plugin")];
        record.files = [PLUGIN, SOURCE, PAGE, DEFAULT_PATH]
            .map(|path| {
                (
                    PathBuf::from(path),
                    Installed {
                        contents: contents.clone(),
                    },
                )
            })
            .into_iter()
            .collect();
        write(&root, super::super::RECORD, "");
        record.write(&root).unwrap();
        let missing = Standing::of(&root).unwrap().missing;
        assert_eq!(missing, [Path::new(PLUGIN), Path::new(SOURCE)]);

        // Sources are read where they are used.
        for (plugin, changed) in [("plugin", 0), ("another", 1)] {
            write(&root, PLUGIN, plugin);
            write(&root, SOURCE, "whose digest names templates");
            let standing = Standing::of(&root).unwrap();
            assert!(standing.missing.is_empty(), "{plugin}");
            assert_eq!(standing.changed(&root).unwrap().len(), changed, "{plugin}");
        }
    }

    #[test]
    fn runtimes_take_the_first_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::image(folder.path()).unwrap();
        let ours = "{\"plugins\": [{\"type\": \"weir-cni\"}]}";
        for (name, text) in [
            ("10-weir.conflist", ours),
            ("87-bridge.conflist", "{}"),
            ("00-notes.txt", ours),
        ] {
            write(&root, &format!("/etc/cni/net.d/{name}"), text);
        }
        let first = |root| Standing::of(root).unwrap().first().cloned().unwrap();
        assert_eq!(first(&root).name, "10-weir.conflist");
        write(&root, "/etc/cni/net.d/05-other.conf", "no JSON");
        assert_eq!(first(&root).name, "05-other.conf");
        let standing = Standing::of(&root).unwrap();
        assert_eq!(standing.ours().unwrap().name, "10-weir.conflist");
        assert_eq!(standing.lists.len(), 3);
    }
}
