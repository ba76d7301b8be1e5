//! What is in a folder: names, kinds, rights and content of all below it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ep_builder::digest::sha256_hex;

/// By path; of a file its digest, of a link where it leads.
pub(crate) type Listing = BTreeMap<PathBuf, String>;

/// Everything below some folders of a root.
pub(crate) fn listing(root: &Path, folders: &[&str]) -> Listing {
    let mut all = Listing::new();
    for folder in folders {
        add(root, Path::new(folder), &mut all);
    }
    all
}

fn add(root: &Path, below: &Path, all: &mut Listing) {
    let path = root.join(below);
    let Ok(metadata) = path.symlink_metadata() else {
        return;
    };
    let mode = metadata.permissions().mode() & 0o7777;
    let text = if metadata.is_symlink() {
        fs::read_link(&path).unwrap().display().to_string()
    } else if metadata.is_dir() {
        for entry in path.read_dir().unwrap() {
            add(root, &below.join(entry.unwrap().file_name()), all);
        }
        format!("{mode:o} folder")
    } else if metadata.is_file() {
        format!("{mode:o} {}", sha256_hex(&fs::read(&path).unwrap()))
    } else {
        format!("{mode:o} else")
    };
    all.insert(below.to_owned(), text);
}

/// What is in one and not the other, or differs.
pub(crate) fn difference(before: &Listing, after: &Listing) -> Vec<String> {
    let gone = before.iter().filter(|(path, _)| !after.contains_key(*path));
    let gone = gone.map(|(path, _)| format!("- {}", path.display()));
    let new = after
        .iter()
        .filter(|(path, text)| before.get(*path) != Some(text));
    let new = new.map(|(path, text)| format!("+ {} {text}", path.display()));
    gone.chain(new).collect()
}

#[test]
fn differences_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| {
        ep_builder::whole_file::write(&folder.path().join(name), text).unwrap();
    };
    write("same", b"a");
    write("gone", b"a");
    write("changed", b"a");
    let before = listing(folder.path(), &[""]);
    assert_eq!(difference(&before, &before), [""; 0]);
    write("changed", b"b");
    write("new", b"a");
    fs::remove_file(folder.path().join("gone")).unwrap();
    let found = difference(&before, &listing(folder.path(), &[""]));
    let marks: Vec<_> = found.iter().map(|line| &line[..4]).collect();
    assert_eq!(marks, ["- go", "+ ch", "+ ne"], "{found:?}");
}
