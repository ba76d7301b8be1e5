//! Whether this loader knows what an object needs of it, before anything is loaded.
//!
//! Sources of a newer weir may have programs that an older loader leaves out and arrays that it leaves empty:
//! every packet that comes there would be dropped. And they may have other keys and values than this process
//! writes. Constants that are not known are refused earlier, when the template is patched.

use super::bpffs::Pins;
use super::error::LoadError;
use super::owner::Owner;
use crate::attach::Hook;
use crate::bpf::MapShape;
use crate::btf::MapDefinition;
use crate::maps::MapName;
use crate::object::{Function, Loadable};

/// Refuses an object with a part that nobody would put in its place.
pub(super) fn check(object: &Loadable, pins: &Pins) -> Result<(), LoadError> {
    let unknown = programs(object, pins.owner())
        .or_else(|| tails(object, pins))
        .or_else(|| object.maps.iter().find_map(|map| unknown_map(map, pins)));
    match unknown {
        None => Ok(()),
        Some(what) => Err(LoadError::Newer {
            what,
            version: env!("CARGO_PKG_VERSION"),
        }),
    }
}

/// A program that is on no hook of any owner of the unit, in no array, and in no slot.
fn programs(object: &Loadable, owner: Owner) -> Option<String> {
    let is_hook = |section: &str| {
        let mut hooks = Hook::ALL.into_iter();
        hooks.any(|hook| hook.unit() == owner.unit() && hook.section() == section)
    };
    let has_place = |function: &Function| {
        let section = function.section.as_str();
        let is_tail = object
            .tails
            .iter()
            .any(|tail| tail.function == function.name);
        is_tail || is_hook(section) || owner.called_in_unit().contains(&section)
    };
    let mut programs = object.programs().map(|(_, function)| function);
    let homeless = programs.find(|function| !has_place(function))?;
    let Function { name, section, .. } = homeless;
    Some(format!(
        "program {name} in section {section:?}, for which it has no place"
    ))
}

/// A slot that is in no map of tail calls, or beyond its end.
fn tails(object: &Loadable, pins: &Pins) -> Option<String> {
    let calls = pins.calls_name();
    let slots = object.map(&calls).map_or(0, |(_, map)| map.max_entries);
    let mut tails = object.tails.iter();
    let lost = tails.find(|tail| tail.map != calls || tail.slot >= slots)?;
    Some(format!(
        "tail program {} for slot {} of {}, which it does not fill",
        lost.function, lost.slot, lost.map
    ))
}

/// An array of programs that nobody fills, or a map with entries of another size than this process reads.
fn unknown_map(map: &MapDefinition, pins: &Pins) -> Option<String> {
    let name = &map.name;
    let Some(known) = pins.map(name) else {
        let is_array = map.map_type == MapShape::PROGRAM_ARRAY;
        return is_array.then(|| format!("the array of programs {name}, which it does not fill"));
    };
    let sizes = [map.key_size, map.value_size];
    let wanted = known.definition();
    let wanted = [wanted.key_size, wanted.value_size];
    // The size of what only programs read and write is nobody's business.
    let is_private = known == MapName::Running;
    let differs = sizes
        .iter()
        .zip(wanted)
        .any(|(size, want)| usize::try_from(*size) != Ok(want));
    (differs && !is_private).then(|| {
        format!(
            "map {name} with keys of {} and values of {} bytes, where it has {} and {}",
            sizes[0], sizes[1], wanted[0], wanted[1]
        )
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::btf::TailSlot;
    use crate::device::DeviceId;
    use crate::endpoint::EndpointId;
    use crate::shape::MapPrefix;

    fn pins() -> Pins {
        let owner = Owner::Endpoint(EndpointId::new(7).unwrap());
        Pins::new(Path::new("/b"), &MapPrefix::default(), owner)
    }

    fn function(name: &str, section: &str) -> Function {
        Function {
            name: name.into(),
            section: section.into(),
            code: Vec::new(),
            references: Vec::new(),
            func_info: Vec::new(),
            line_info: Vec::new(),
        }
    }

    fn map(name: &str, map_type: u32, key_size: u32, value_size: u32) -> MapDefinition {
        MapDefinition {
            name: name.into(),
            map_type,
            key_size,
            value_size,
            max_entries: 48,
            ..MapDefinition::default()
        }
    }

    fn tail(function: &str, map: &str, slot: u32) -> TailSlot {
        TailSlot {
            function: function.into(),
            map: map.into(),
            slot,
        }
    }

    /// An object that fits.
    fn object() -> Loadable {
        Loadable {
            license: c"GPL".into(),
            types: Vec::new(),
            maps: vec![
                map("weir_calls_00007", MapShape::PROGRAM_ARRAY, 4, 4),
                map("weir_call_policy", MapShape::PROGRAM_ARRAY, 4, 4),
                map("weir_self", MapShape::PER_CPU_ARRAY, 4, 1_000),
                map("of_the_operator", MapShape::HASH, 9, 9),
            ],
            data: Vec::new(),
            functions: vec![
                function("from_container", "from-container"),
                function("policy_ingress", "policy/ingress"),
                function("tail_arp", "tail/arp"),
                function("helper", ".text"),
            ],
            tails: vec![tail("tail_arp", "weir_calls_00007", 6)],
        }
    }

    #[test]
    fn what_nobody_would_fill_is_refused_by_name() {
        let check = |change: fn(&mut Loadable), want: Option<&str>| {
            let mut object = object();
            change(&mut object);
            let found = check(&object, &pins()).err();
            let text = found.map(|error| error.to_string());
            match (text, want) {
                (None, None) => {}
                (Some(text), Some(want)) => {
                    assert!(text.contains(want), "{want}: {text}");
                    assert!(text.contains(env!("CARGO_PKG_VERSION")), "{text}");
                }
                (text, want) => panic!("{want:?}: {text:?}"),
            }
        };
        check(|_| {}, None);
        check(
            |it| it.functions.push(function("tail_new", "tail/new")),
            Some("program tail_new in section \"tail/new\""),
        );
        check(
            |it| it.tails.push(tail("tail_arp", "weir_calls_00007", 48)),
            Some("slot 48 of weir_calls_00007"),
        );
        check(
            |it| it.tails.push(tail("tail_arp", "weir_more_calls", 1)),
            Some("slot 1 of weir_more_calls"),
        );
        check(
            |it| it.maps.push(map("weir_new", MapShape::PROGRAM_ARRAY, 4, 4)),
            Some("array of programs weir_new"),
        );
        check(
            |it| it.maps.push(map("weir_lxc", MapShape::HASH, 9, 9)),
            Some("map weir_lxc with keys of 9 and values of 9 bytes"),
        );
    }

    #[test]
    fn what_one_device_of_the_node_is_called_by_has_its_place_at_each() {
        for (device, calls) in [
            (DeviceId::Native(7), "weir_calls_netdev_0000000007"),
            (DeviceId::Host, "weir_calls_hostns_0000000000"),
        ] {
            let owner = Owner::Device(device);
            let pins = Pins::new(Path::new("/b"), &MapPrefix::default(), owner);
            let of_all = ["from-netdev", "to-host", "policy/ingress"];
            let object = Loadable {
                maps: vec![map(calls, MapShape::PROGRAM_ARRAY, 4, 4)],
                functions: of_all.map(|it| function(it, it)).into(),
                tails: Vec::new(),
                ..object()
            };
            assert!(check(&object, &pins).is_ok(), "{device}");
            let is_called = owner.called().contains(&"policy/ingress");
            assert_eq!(is_called, device == DeviceId::Host);
            let other = Loadable {
                functions: vec![function("judges", "policy/verdict")],
                ..object
            };
            assert!(check(&other, &pins).is_err(), "{device}");
        }
    }
}
