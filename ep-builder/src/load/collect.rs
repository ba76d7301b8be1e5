//! Tail programs that no endpoint uses any more.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::LoadError;
use crate::bpf::{Map, unpin};
use crate::maps::MapName;
use crate::shape::MapPrefix;
use crate::whole_file::FileError;

/// How a pin is called while it takes another's place.
const NEW: &str = "__new";

/// Takes away the names of tail programs that are in no endpoint's or device's calls map, or says which it would take;
/// they go with their name.
///
/// Nobody is locked out: an endpoint that is just being loaded holds the map, and pins it under its own name.
/// What it costs is that the next endpoint of the template loads the programs again.
pub fn collect_tails(
    bpffs_dir: &Path,
    prefix: &MapPrefix,
    dry_run: bool,
) -> Result<Vec<PathBuf>, LoadError> {
    let pins = pins(bpffs_dir, prefix)?;
    let mut used = BTreeSet::new();
    for (path, map) in &pins {
        if matches!(map, MapName::Calls(_) | MapName::DeviceCalls(_))
            && let Some(map) = Map::find_pin(path)?
        {
            used.insert(map.info()?.id);
        }
    }
    let mut collected = Vec::new();
    for (path, map) in pins {
        if !matches!(map, MapName::Tails(_)) {
            continue;
        }
        let Some(map) = Map::find_pin(&path)? else {
            continue;
        };
        if used.contains(&map.info()?.id) {
            continue;
        }
        if !dry_run {
            unpin(&path)?;
        }
        collected.push(path);
    }
    Ok(collected)
}

/// The maps of ours in the folder, in the order of their names; also those that a killed process left half-way.
fn pins(dir: &Path, prefix: &MapPrefix) -> Result<Vec<(PathBuf, MapName)>, LoadError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(FileError::of("list", dir)(error).into()),
    };
    let mut pins = Vec::new();
    for entry in entries {
        let entry = entry.map_err(FileError::of("list", dir))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if let Some(map) = MapName::parse(prefix, name.strip_suffix(NEW).unwrap_or(&name)) {
            pins.push((entry.path(), map));
        }
    }
    pins.sort();
    Ok(pins)
}
