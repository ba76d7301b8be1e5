//! Pods that go, and what is left of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ep_builder::bpf::Program;
use ep_builder::install::PRELOADED;
use ep_builder::maps::{MapName, Maps, MapsError};
use ep_builder::node::cleanup;
use ep_builder::whole_file::FileError;

use super::Said;
use super::make::{CLIENT, GUEST, SERVER};
use crate::failure::Failure;
use crate::map::maps;
use crate::selftest::fault::Fault;
use crate::selftest::room::files;
use crate::selftest::talk::Protocol;
use crate::selftest::world::World;

/// The devices of the node, of the calling thread's network namespace.
const DEVICES: &str = "/proc/thread-self/net/dev";
/// Those that the node has without weir.
const OWN: [&str; 2] = ["lo", "up0"];
/// The kernel lets go of programs a while after the last of what held them.
const GRACE: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_millis(20);

/// A pod whose runtime has forgotten it.
pub(super) fn gc(world: &mut World) -> Result<Said, Fault> {
    let (client, server) = (world.pod(CLIENT)?, world.pod(SERVER)?);
    let gone = world.pod(GUEST)?.endpoint.host_ifname.clone();
    let valid = [&client.asked, &server.asked];
    world.runtime.gc(&valid)?;
    if !devices()?.contains(&gone) {
        return Err(Fault::new(
            "the first GC that does not name a living pod removed it: another runtime's it could have been",
        ));
    }
    world.runtime.gc(&valid)?;
    if devices()?.contains(&gone) {
        return Err(Fault::new(format!(
            "two GCs left {gone}, the device of a pod that neither named"
        )));
    }
    for family in world.families.iter().copied() {
        client.asks(Protocol::Tcp, server, 8_080, family)?;
    }
    world.pods.retain(|pod| pod.asked.name != GUEST);
    Ok(Said::Proved(
        "a living pod that the runtime does not name goes at the second GC, and the others speak on"
            .to_owned(),
    ))
}

/// All pods, and then the node's own part.
pub(super) fn del(world: &mut World) -> Result<Said, Fault> {
    let maps = maps(&world.node);
    let programs = programs(world, &maps)?;
    for pod in &world.pods {
        world.runtime.del(&pod.asked, &pod.place)?;
        // A runtime may ask again.
        world.runtime.del(&pod.asked, &pod.place)?;
    }
    // With the last of a pod's namespace the kernel takes its links away: they are looked for before.
    let pods = std::mem::take(&mut world.pods);
    let store = world.node.store()?;
    cleanup(&world.node.settings, &store, false).map_err(Failure::from)?;
    let mut left = left_in(world, &maps)?;
    left.extend(loaded_still(&programs));
    drop(pods);
    if !left.is_empty() {
        return Err(Fault::new(format!("DEL left {}", left.join(", "))));
    }
    Ok(Said::Proved(format!(
        "no device, file, pin, map entry or program ({} were looked for) is left of the pods",
        programs.len()
    )))
}

/// The numbers of the programs that the node has for pods.
fn programs(world: &World, maps: &Maps) -> Result<BTreeSet<u32>, Fault> {
    let mut found = BTreeSet::new();
    for pod in &world.pods {
        let place = u32::from(pod.endpoint.id.get());
        found.extend(maps.call_policy()?.get(place)?);
        found.extend(maps.verdicts()?.get(place)?);
    }
    Ok(found)
}

fn loaded_still(programs: &BTreeSet<u32>) -> Vec<String> {
    let is_loaded = |id: &&u32| Program::open_id(**id).is_ok();
    let start = Instant::now();
    while programs.iter().any(|id| is_loaded(&id)) && start.elapsed() < GRACE {
        sleep(TICK);
    }
    let left = programs.iter().filter(is_loaded);
    left.map(|id| format!("program {id}")).collect()
}

/// Everything of pods that is there when there are none.
fn left_in(world: &World, maps: &Maps) -> Result<Vec<String>, Fault> {
    let devices = devices()?.into_iter();
    let devices = devices.filter(|name| !OWN.contains(&name.as_str()));
    let mut left: Vec<_> = devices.map(|name| format!("device {name}")).collect();
    let state = files(world.runtime.room().state().as_path()).map_err(Failure::from)?;
    let of_pods = state
        .into_iter()
        .filter(|path| is_of_a_pod(Path::new(path)));
    left.extend(of_pods.map(|path| format!("file {path}")));
    let pins = files(maps.folder()).map_err(Failure::from)?;
    let of_pods = pins.into_iter().filter(|pin| !is_shared(maps, pin));
    left.extend(of_pods.map(|pin| format!("pin {pin}")));
    for map in [MapName::Endpoints, MapName::HostPorts, MapName::Netns] {
        match maps.count(map) {
            Err(MapsError::Missing { .. }) | Ok(None | Some(0)) => {}
            Ok(Some(count)) => left.push(format!("{count} entries of {}", maps.name(map))),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(left)
}

fn devices() -> Result<Vec<String>, Fault> {
    let path = Path::new(DEVICES);
    let text = fs::read_to_string(path).map_err(FileError::of("read", path));
    let text = text.map_err(Failure::from)?;
    let names = text.lines().filter_map(|line| line.split_once(':'));
    Ok(names.map(|(name, _)| name.trim().to_owned()).collect())
}

/// Whether a file of the state is a pod's: its folders, its note, its address. What others are for stays for the next
/// pod: templates, sets of labels, the policy, locks.
fn is_of_a_pod(path: &Path) -> bool {
    let parts: Vec<_> = path.iter().filter_map(|part| part.to_str()).collect();
    match parts.as_slice() {
        ["attachments", _] => true,
        ["ipam", network, name] => {
            let is_index = network.starts_with('.');
            !is_index && *name != "lock" && !name.starts_with("last_reserved_ip.")
        }
        [folder, _] => folder.starts_with(|first: char| first.is_ascii_digit()),
        _ => false,
    }
}

/// Whether a pin is the kernel's own, of all pods, or of a template's: these stay for the next pod.
fn is_shared(maps: &Maps, pin: &str) -> bool {
    match maps.find(pin) {
        None => PRELOADED.contains(&pin),
        Some(MapName::Policy(_) | MapName::Calls(_)) => false,
        Some(MapName::Conntrack(map)) => map.owner.is_none(),
        Some(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_pods_are_told_from_those_of_all() {
        for (path, expected) in [
            ("00007/bpf_lxc.o", true),
            ("00007_next_fail/log", true),
            ("attachments/lxc0123456789ab.json", true),
            ("ipam/weir/198.18.88.2", true),
            ("ipam/weir/lock", false),
            ("ipam/weir/last_reserved_ip.0", false),
            ("ipam/.index-weir/index", false),
            ("templates/0a0a/bpf_lxc.o", false),
            ("identities/256", false),
            ("policy/1/sources", false),
            ("policy/current", false),
            ("clang.json", false),
            ("node/lock", false),
        ] {
            assert_eq!(is_of_a_pod(Path::new(path)), expected, "{path}");
        }
    }
}
