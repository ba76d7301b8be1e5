//! What somebody may have put where weir makes or opens a file, and what must not come to harm by it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use ep_builder::whole_file;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;

/// A thing in the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plant {
    /// A symbolic link to somebody's file.
    LinkToFile,
    /// A symbolic link to somebody's folder.
    LinkToFolder,
    /// A symbolic link to a name that is free.
    LinkToNothing,
    /// One more name of somebody's file.
    SecondName,
    /// Nobody writes to it and nobody reads from it.
    Fifo,
    /// A folder with something in it.
    Folder,
    /// A device that never ends.
    Endless,
    /// A symbolic link to what was there, which lies elsewhere by now.
    LinkToItself,
}

impl Plant {
    pub(crate) const ALL: [Self; 8] = [
        Self::LinkToFile,
        Self::LinkToFolder,
        Self::LinkToNothing,
        Self::SecondName,
        Self::Fifo,
        Self::Folder,
        Self::Endless,
        Self::LinkToItself,
    ];
}

/// Files and folders that are not weir's, on the same file system.
pub(crate) struct Victims {
    folder: PathBuf,
}

/// A thing that was put somewhere, and what had been there.
pub(crate) struct Planted {
    path: PathBuf,
    aside: Option<PathBuf>,
    inode: u64,
    victims: BTreeMap<PathBuf, Facts>,
}

/// What must stay as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    mode: u32,
    owner: (u32, u32),
    times: (i64, i64),
    bytes: Vec<u8>,
}

impl Victims {
    /// New ones in a folder that is not there yet.
    pub(crate) fn new(folder: PathBuf) -> Self {
        make_folder(&folder.join("folder"));
        for name in ["file", "folder/inner"] {
            whole_file::write(&folder.join(name), b"as it was\n").unwrap();
        }
        Self { folder }
    }

    /// Puts a thing to a path. Nothing if there is no such thing: a link to what was never there.
    pub(crate) fn plant(&self, plant: Plant, path: &Path) -> Option<Planted> {
        make_folder(path.parent().unwrap());
        let aside = self.folder.join("aside");
        let was_there = fs::rename(path, &aside).is_ok();
        let target = |name| self.folder.join(name);
        match plant {
            Plant::LinkToFile => symlink(target("file"), path).unwrap(),
            Plant::LinkToFolder => symlink(target("folder"), path).unwrap(),
            Plant::LinkToNothing => symlink(target("nothing"), path).unwrap(),
            Plant::SecondName => fs::hard_link(target("file"), path).unwrap(),
            Plant::Fifo => mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap(),
            Plant::Folder => make_folder(&path.join("inner")),
            Plant::Endless => {
                let rights = Mode::S_IRUSR | Mode::S_IWUSR;
                mknod(path, SFlag::S_IFCHR, rights, makedev(1, 5)).unwrap();
            }
            Plant::LinkToItself if was_there => symlink(&aside, path).unwrap(),
            Plant::LinkToItself => return None,
        }
        Some(Planted {
            path: path.to_owned(),
            aside: was_there.then_some(aside),
            inode: fs::symlink_metadata(path).unwrap().ino(),
            victims: facts_below(&self.folder),
        })
    }

    /// What has happened to them since a thing was put somewhere.
    pub(crate) fn harm(&self, planted: &Planted) -> Option<String> {
        let now = facts_below(&self.folder);
        let changed =
            |(path, facts): &(&PathBuf, &Facts)| planted.victims.get(*path) != Some(*facts);
        let come = now.iter().filter(changed);
        let gone = planted
            .victims
            .keys()
            .filter(|path| !now.contains_key(*path));
        let gone = gone.map(|path| format!("{} is gone", path.display()));
        let text = |(path, facts): (&PathBuf, &Facts)| format!("{}: {facts:?}", path.display());
        let all: Vec<_> = come.map(text).chain(gone).collect();
        (!all.is_empty()).then(|| all.join("\n"))
    }
}

impl Planted {
    /// Puts back what was there, unless weir has made something of its own.
    pub(crate) fn lift(self) {
        let there = fs::symlink_metadata(&self.path);
        let is_ours = there.is_ok_and(|it| it.ino() == self.inode);
        if is_ours {
            whole_file::remove(&self.path).unwrap();
        }
        let Some(aside) = self.aside else { return };
        // Weir may have removed the folder that it was in, too.
        if !is_ours || fs::rename(&aside, &self.path).is_err() {
            whole_file::remove(&aside).unwrap();
        }
    }
}

fn make_folder(path: &Path) {
    let mut folders = fs::DirBuilder::new();
    folders.recursive(true).mode(0o700).create(path).unwrap();
}

fn facts_below(folder: &Path) -> BTreeMap<PathBuf, Facts> {
    let mut facts = BTreeMap::new();
    collect(folder, &mut facts);
    facts
}

fn collect(path: &Path, facts: &mut BTreeMap<PathBuf, Facts>) {
    let metadata = fs::symlink_metadata(path).unwrap();
    let bytes = if metadata.is_file() {
        fs::read(path).unwrap()
    } else {
        Vec::new()
    };
    let known = Facts {
        mode: metadata.mode(),
        owner: (metadata.uid(), metadata.gid()),
        times: (metadata.mtime(), metadata.mtime_nsec()),
        bytes,
    };
    facts.insert(path.to_owned(), known);
    if metadata.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            collect(&entry.unwrap().path(), facts);
        }
    }
}

/// Whether a name is one that nobody can foretell.
pub(crate) fn is_random(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    name.starts_with(".tmp-") && name.len() == ".tmp-".len() + 6
}
