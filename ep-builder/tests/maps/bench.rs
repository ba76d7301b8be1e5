//! A bpffs of a test's own, and maps in it.

use std::env;
use std::path::Path;
use std::process::Command;

use aya::maps::MapData;
use ep_builder::maps::{Definition, MapName, MapType, Maps};
use ep_builder::shape::MapPrefix;
use weir_tests::process;

/// Set where the test runs in a mount namespace of its own.
const INSIDE: &str = "WEIR_TEST_INSIDE";
/// What such a namespace has for itself.
const FOLDER: &str = "/sys/fs/bpf";

/// Whether this process may pin maps. If not, the test is run again by one that may, and has passed when
/// that one has: what is pinned there goes away with it, however it ends.
pub(crate) fn inside(test: &str) -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    let (_, name) = test.split_once("::").expect("a test is in a crate");
    let script = "mount -t bpf bpf /sys/fs/bpf && exec \"$0\" --exact \"$1\"";
    let mut again = Command::new("unshare");
    again
        .args(["-m", "sh", "-c", script])
        .arg(env::current_exe().expect("a test knows where it runs from"))
        .arg(name)
        .env(INSIDE, "1");
    let finished = process::run(&mut again);
    let said = format!("{}{}", finished.stdout, finished.stderr);
    assert!(
        finished.code == Some(0) && said.contains("1 passed"),
        "{said}"
    );
    false
}

/// The maps of the namespace.
pub(crate) fn maps() -> Maps {
    Maps::new(FOLDER, &MapPrefix::default())
}

/// Makes and pins the map that the datapath would make, with room for this many entries.
pub(crate) fn make(maps: &Maps, name: MapName, max_entries: u32) {
    create(&maps.pin(name), name.definition(), max_entries);
}

/// Makes and pins any map.
pub(crate) fn create(pin: &Path, definition: Definition, max_entries: u32) {
    let (number, flags) = match definition.map_type {
        MapType::Hash => (1, 1),
        MapType::Array => (2, 0),
        MapType::Programs => (3, 0),
        MapType::PerCpu => (5, 1),
        MapType::PerCpuArray => (6, 0),
        MapType::Lru => (9, 0),
        MapType::Trie => (11, 1),
        MapType::Ring => (27, 0),
        MapType::Other(number) => (number, 0),
    };
    let size = |size| u32::try_from(size).unwrap();
    let map = aya_obj::Map::new_from_params(
        number,
        size(definition.key_size),
        size(definition.value_size),
        max_entries,
        flags,
    );
    MapData::create(map, "test", None)
        .unwrap()
        .pin(pin)
        .unwrap();
}
