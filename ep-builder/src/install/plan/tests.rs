//! What of an older release goes.

use std::collections::BTreeMap;

use super::*;
use crate::install::{Content, Places};
use crate::settings::Paths;

const COMMAND: &str = "/usr/local/bin/weir";
const SOURCE: &str = "/usr/lib/weir/bpf/bpf_lxc.c";
const NETWORK: &str = "10-weir.conflist";

/// A node with two files of an older release, and what is to be installed now.
fn survey(items: Vec<Item>) -> Survey {
    let facts = FileFacts::of(b"old");
    let mut record = Record::new(Places::default(), NETWORK.to_owned());
    record.stage = Stage::Installed;
    let mut present = BTreeMap::new();
    for path in [COMMAND, SOURCE].map(PathBuf::from) {
        let contents = vec![facts.clone()];
        record.files.insert(path.clone(), Installed { contents });
        let facts = facts.clone();
        present.insert(path, Present::File { facts, mode: 0o644 });
    }
    Survey {
        is_live: true,
        record: Some(record),
        places: Places::default(),
        ranges: Vec::new(),
        items,
        present,
        folders: BTreeSet::new(),
        strangers: BTreeMap::new(),
        volumes: BTreeMap::new(),
        lists: Vec::new(),
        network: NETWORK.to_owned(),
        is_network_changed: false,
        taken: Vec::new(),
        wants_bpffs: false,
        made: Vec::new(),
        paths: Paths::default(),
        before: None,
        kept_config: None,
        shipped_config: String::new(),
    }
}

#[test]
fn files_of_an_older_release_go_unless_a_package_has_them_now() {
    let text = b"new".to_vec();
    let other = Item {
        path: PathBuf::from("/usr/lib/weir/bpf-templates/ep_config.h.hbs"),
        role: Role::Data,
        facts: FileFacts::of(&text),
        content: Content::Text(text),
        mode: 0o644,
    };
    assert_eq!(
        gone(&survey(vec![other])),
        [SOURCE, COMMAND].map(PathBuf::from)
    );
    // The package's release stands at the data place, so nothing of the data is to be installed.
    let packaged = survey(Vec::new());
    assert_eq!(gone(&packaged), [PathBuf::from(COMMAND)]);
    let done = record(&packaged, Stage::Installed, &BTreeSet::new());
    assert!(done.files.is_empty(), "{done:?}");
}
