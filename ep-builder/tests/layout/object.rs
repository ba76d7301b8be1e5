//! What the loader reads from an object: constants, slots, maps.

use ep_builder::btf::{self, Btf, MapDefinition, SectionVariable};
use ep_builder::endpoint::CONSTANTS;
use ep_builder::layout_check::{Required, check};

use crate::bench::{ADDRESSES, BOTH, Bench, btf_of, section};

#[test]
fn the_object_has_every_constant_and_no_other() {
    let Some(bench) = Bench::new("the_object_has_every_constant_and_no_other") else {
        return;
    };
    let mut expected = CONSTANTS.map(|c| (format!("__config_{}", c.name), c.size as u64));
    expected.sort();
    for addresses in [ADDRESSES, ""] {
        let object = bench.datapath(BOTH, addresses);
        let variables = btf_of(&object).section(".rodata.config").unwrap();
        let mut found: Vec<_> = variables
            .into_iter()
            .map(|SectionVariable { name, size }| (name, size))
            .collect();
        found.sort();
        assert_eq!(found, expected);
        let bytes = section(&object, ".rodata.config");
        assert!(
            bytes.len() as u64 >= expected.iter().map(|(_, size)| size).sum(),
            "a zero has no bytes"
        );
    }
}

#[test]
fn tail_programs_have_the_known_slots() {
    let Some(bench) = Bench::new("tail_programs_have_the_known_slots") else {
        return;
    };
    let always = [("tail_other_from", 24), ("tail_other_to", 25)];
    let ipv4 = [("tail_arp", 6), ("tail_ipv4_from", 7), ("tail_ipv4_to", 22)];
    let ipv6 = [("tail_ipv6_from", 10), ("tail_ipv6_to", 23)];
    let notify = [("tail_drop", 1)];
    let route = [("tail_ttl", 5)];
    let rows = [
        (BOTH, "", [&ipv4[..], &ipv6].concat()),
        (
            BOTH,
            "#define DROP_NOTIFY 1\n",
            [&ipv4[..], &ipv6, &notify].concat(),
        ),
        (
            BOTH,
            "#define ENABLE_ROUTING 1\n",
            [&ipv4[..], &ipv6, &route].concat(),
        ),
        ("#define ENABLE_IPV4 1\n", "", ipv4.to_vec()),
        ("#define ENABLE_IPV6 1\n", "", ipv6.to_vec()),
    ];
    for (families, options, mut expected) in rows {
        let slots = btf_of(&bench.datapath(families, options))
            .tail_slots()
            .unwrap();
        assert!(
            slots.iter().all(|slot| slot.map == "test_calls_65535"),
            "{slots:?}"
        );
        let mut found: Vec<_> = slots
            .iter()
            .map(|slot| (slot.function.as_str(), slot.slot))
            .collect();
        expected.extend(always);
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{families}{options}");
    }
}

/// Name, type, sizes of key and value, entries, flags. The numbers are those of `bench.rs`, and 1 is
/// `BPF_F_NO_PREALLOC`.
type MapRow = (&'static str, u32, u32, u32, u32, u32);

const HASH: u32 = 1;
const ARRAY: u32 = 2;
const PROGRAMS: u32 = 3;
const PERCPU_ARRAY: u32 = 6;
const LRU: u32 = 9;
const LONGEST_PREFIX: u32 = 11;
const RING: u32 = 27;

const SHARED: [MapRow; 10] = [
    ("test_verdict", PROGRAMS, 4, 4, 65535, 0),
    ("test_policy_65535", LONGEST_PREFIX, 16, 24, 13, 1),
    ("test_policy_rev", ARRAY, 4, 4, 65536, 0),
    ("test_calls_65535", PROGRAMS, 4, 4, 48, 0),
    ("test_call_policy", PROGRAMS, 4, 4, 65535, 0),
    ("test_self", PERCPU_ARRAY, 4, 48, 1, 0),
    ("test_lxc", HASH, 20, 32, 11, 1),
    ("test_ipcache", LONGEST_PREFIX, 28, 24, 12, 1),
    ("test_metrics", PERCPU_ARRAY, 4, 16, 768, 0),
    ("test_events", RING, 0, 0, 4096, 0),
];
const CT4: [MapRow; 2] = [
    ("test_ct4_global", LRU, 16, 64, 16, 0),
    ("test_ct_any4_global", LRU, 16, 64, 17, 0),
];
const CT6: [MapRow; 2] = [
    ("test_ct6_global", LRU, 40, 64, 16, 0),
    ("test_ct_any6_global", LRU, 40, 64, 17, 0),
];
const FRAG4: [MapRow; 1] = [("test_frag4", LRU, 12, 8, 15, 0)];
const FRAG6: [MapRow; 1] = [("test_frag6", LRU, 36, 8, 15, 0)];

fn definition(
    (name, map_type, key_size, value_size, max_entries, map_flags): MapRow,
) -> MapDefinition {
    MapDefinition {
        name: name.to_owned(),
        map_type,
        key_size,
        value_size,
        max_entries,
        map_flags,
        is_pinned: true,
    }
}

#[test]
fn maps_are_what_the_headers_ask_for() {
    let Some(bench) = Bench::new("maps_are_what_the_headers_ask_for") else {
        return;
    };
    let conntrack = "#define CONNTRACK 1\n";
    let rows = [
        (
            BOTH,
            conntrack,
            [&SHARED[..], &CT4, &CT6, &FRAG4, &FRAG6].concat(),
        ),
        (BOTH, "", [&SHARED[..], &FRAG4, &FRAG6].concat()),
        (
            "#define ENABLE_IPV4 1\n",
            conntrack,
            [&SHARED[..], &CT4, &FRAG4].concat(),
        ),
        (
            "#define ENABLE_IPV6 1\n",
            conntrack,
            [&SHARED[..], &CT6, &FRAG6].concat(),
        ),
    ];
    for (families, options, expected) in rows {
        let found = btf_of(&bench.datapath(families, options)).maps().unwrap();
        let expected: Vec<_> = expected.into_iter().map(definition).collect();
        assert_eq!(found, expected, "{families}{options}");
    }
}

#[test]
fn a_damaged_description_never_panics() {
    let Some(bench) = Bench::new("a_damaged_description_never_panics") else {
        return;
    };
    let whole = section(&bench.datapath(BOTH, ADDRESSES), btf::SECTION);
    let ask = |bytes: &[u8]| {
        let btf = Btf::parse(bytes)?;
        let _answers = (btf.maps(), btf.tail_slots(), check(&btf, Required::All));
        Ok::<_, btf::BtfError>(())
    };
    assert_eq!(ask(&whole), Ok(()));
    // Every place in the header and around; then at a stride that meets every byte of a word.
    for at in (0..64).chain((64..whole.len()).step_by(13)) {
        assert!(ask(&whole[..at]).is_err(), "cut at {at}");
        for value in [0, 1, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            let _verdict = ask(&bytes);
        }
    }
}
