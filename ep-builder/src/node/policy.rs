//! The node's place among the policies: its map, while the node's part is made and when it is taken away. What stands in
//! it is the business of whoever puts a policy in force.

use super::error::NodeError;
use super::programs;
use crate::bpf::{BpfError, Map, MapShape, Update, replace_pin, unpin, wait_for_running_programs};
use crate::load::LoadError;
use crate::maps::{MapName, Maps, MapsError};
use crate::policy::{EnforceError, PolicyStore};
use crate::settings::Settings;

/// Gives the map of the node's policy the size of the settings, with all its entries. Its programs come to it with
/// their next generation, which the other size makes.
pub(super) fn resize(settings: &Settings) -> Result<(), NodeError> {
    let maps = of(settings);
    let pin = maps.pin(MapName::NodePolicy);
    let wanted = settings.node.sizes.policy;
    let Some(old) = Map::find_pin(&pin).map_err(LoadError::from)? else {
        return Ok(());
    };
    if old.shape().max_entries == wanted {
        return Ok(());
    }
    let shape = MapShape {
        max_entries: wanted,
        ..old.shape()
    };
    let take_place = || {
        let made = Map::create(&maps.name(MapName::NodePolicy), shape)?;
        copy(&old, &made)?;
        replace_pin(&pin, |path| made.pin(path))
    };
    Ok(take_place().map_err(LoadError::from)?)
}

fn copy(from: &Map, to: &Map) -> Result<(), BpfError> {
    for key in from.keys() {
        let key = key?;
        if let Some(value) = from.lookup(&key)? {
            to.update(&key, &value, Update::Any)?;
        }
    }
    Ok(())
}

/// Ends the node's policy: from here on nothing of the node is judged, and nobody calls its programs any more. Says
/// which pin went with it.
pub(super) fn end(settings: &Settings) -> Result<Option<String>, NodeError> {
    let maps = of(settings);
    let pin = maps.pin(MapName::NodePolicy);
    let is_there = Map::find_pin(&pin).map_err(LoadError::from)?.is_some();
    if is_there {
        // Whoever changes the policy next must not know of the node: the word would come back with nobody in the place.
        let policies = PolicyStore::new(&settings.paths.state_dir);
        let _alone = policies.exclude().map_err(EnforceError::from)?;
        take_word(&maps)?;
        unpin(&pin).map_err(LoadError::from)?;
    } else {
        take_word(&maps)?;
    }
    programs::forget_called(settings)?;
    Ok(is_there.then(|| maps.name(MapName::NodePolicy)))
}

fn take_word(maps: &Maps) -> Result<(), NodeError> {
    match maps.policy_revisions() {
        Ok(mut revisions) => {
            if revisions.of_node()? != 0 {
                revisions.set_node(0)?;
                // Those that have read the old word still look for its entries.
                wait_for_running_programs();
            }
            Ok(())
        }
        Err(MapsError::Missing { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn of(settings: &Settings) -> Maps {
    Maps::new(&settings.paths.bpffs_dir, &settings.node.map_prefix)
}
