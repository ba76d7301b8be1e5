//! The datapath's sources with a fault in them.

use std::fs;
use std::path::Path;

use ep_builder::whole_file;

use crate::node::repository;

/// Copies the sources into `folder`, with `wrong` instead of `right` in one file. A place that is not there, or twice,
/// is a test that has become old.
#[track_caller]
pub fn write_with_fault(folder: &Path, file: &str, right: &str, wrong: &str) {
    copy(&repository("bpf-src"), folder);
    let path = folder.join(file);
    let text = fs::read_to_string(&path).expect("the file is there");
    assert_eq!(text.matches(right).count(), 1, "{file}: {right:?}");
    let text = text.replace(right, wrong);
    whole_file::write(&path, text.as_bytes()).expect("a file can be written");
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder is listed") {
        let entry = entry.expect("a folder is listed");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("an entry has a type").is_dir() {
            fs::create_dir(&to).expect("a folder can be made");
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).expect("a file can be copied");
        }
    }
}
