//! The system call's wrappers against the kernel.

use std::path::Path;

use ep_builder::bpf::{
    BpfError, Link, Map, MapShape, Operation, Program, ProgramSpec, SkContext, TestInput, Update,
    possible_cpus, replace_pin, unpin,
};
use nix::errno::Errno;

use crate::lifecycle::needs;
use crate::node::Host;

const HASH: MapShape = MapShape {
    map_type: MapShape::HASH,
    key_size: 4,
    value_size: 8,
    max_entries: 4,
    flags: 0,
};

/// `r0 = mark; mark = 7; cb[0] += 1; exit`, on the context of a packet.
const MARK: &[[u8; 8]] = &[
    [0x61, 0x10, 8, 0, 0, 0, 0, 0],
    [0xb7, 0x02, 0, 0, 7, 0, 0, 0],
    [0x63, 0x21, 8, 0, 0, 0, 0, 0],
    [0x61, 0x12, 48, 0, 0, 0, 0, 0],
    [0x07, 0x02, 0, 0, 1, 0, 0, 0],
    [0x63, 0x21, 48, 0, 0, 0, 0, 0],
    [0x95, 0, 0, 0, 0, 0, 0, 0],
];

fn program(code: &[[u8; 8]]) -> Result<Program, BpfError> {
    Program::load(&ProgramSpec {
        name: "test",
        code,
        license: c"GPL",
        btf: None,
        func_info: &[],
        line_info: &[],
    })
}

#[test]
fn a_map_keeps_what_is_written() {
    needs!();
    let map = Map::create("a_name_longer_than_15", HASH).unwrap();
    assert_eq!(map.info().unwrap().name, "a_name_longer_t");
    assert_eq!(map.shape(), HASH);
    let key = |n: u32| n.to_ne_bytes();
    assert_eq!(map.lookup(&key(1)).unwrap(), None);
    assert!(!map.delete(&key(1)).unwrap());
    for n in 1..=3 {
        map.update(&key(n), &[0x10; 8], Update::Create).unwrap();
    }
    assert_eq!(map.lookup(&key(2)).unwrap(), Some(vec![0x10; 8]));
    let mut keys: Vec<_> = map.keys().map(Result::unwrap).collect();
    keys.sort();
    assert_eq!(keys, [key(1), key(2), key(3)]);
    assert!(map.delete(&key(2)).unwrap());
    assert_eq!(map.keys().count(), 2);

    let exists = map.update(&key(1), &[0; 8], Update::Create).unwrap_err();
    assert_eq!(exists.errno(), Some(Errno::EEXIST));
    let missing = map.update(&key(9), &[0; 8], Update::Replace).unwrap_err();
    assert!(missing.is_not_found(), "{missing:?}");
    for n in 5..=6 {
        map.update(&key(n), &[0; 8], Update::Any).unwrap();
    }
    let full = map.update(&key(7), &[0; 8], Update::Any).unwrap_err();
    assert!(full.advice().unwrap().contains("full"), "{full:?}");
}

#[test]
fn sizes_are_checked_before_the_kernel_reads() {
    needs!();
    let map = Map::create("sizes", HASH).unwrap();
    for (key, value) in [(3, 8), (5, 8), (0, 8), (4, 7), (4, 9)] {
        let error = map
            .update(&vec![0; key], &vec![0; value], Update::Any)
            .unwrap_err();
        assert!(
            matches!(
                error,
                BpfError::Misuse {
                    operation: Operation::Update,
                    ..
                }
            ),
            "{error:?}"
        );
    }
    assert!(map.lookup(&[0; 3]).is_err() && map.delete(&[0; 5]).is_err());
}

#[test]
fn a_per_cpu_map_has_a_value_for_each_processor() {
    needs!();
    let shape = MapShape {
        map_type: MapShape::PER_CPU_HASH,
        value_size: 12,
        ..HASH
    };
    let map = Map::create("percpu", shape).unwrap();
    let cpus = possible_cpus().unwrap();
    let value: Vec<u8> = (0..cpus)
        .flat_map(|cpu| [u8::try_from(cpu).unwrap(); 16])
        .collect();
    map.update(&[1; 4], &value, Update::Any).unwrap();
    let values = map.lookup_per_cpu(&[1; 4]).unwrap().unwrap();
    assert_eq!(values.len(), cpus);
    for (cpu, value) in values.iter().enumerate() {
        assert_eq!(value, &[u8::try_from(cpu).unwrap(); 12]);
    }
    assert!(map.update(&[1; 4], &[0; 12], Update::Any).is_err());
}

#[test]
fn a_frozen_map_is_read_only() {
    needs!();
    let shape = MapShape {
        map_type: MapShape::ARRAY,
        max_entries: 1,
        flags: MapShape::READ_ONLY_FOR_PROGRAMS,
        ..HASH
    };
    let map = Map::create("frozen", shape).unwrap();
    map.update(&[0; 4], &[5; 8], Update::Any).unwrap();
    map.freeze().unwrap();
    let error = map.update(&[0; 4], &[6; 8], Update::Any).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EPERM));
    assert_eq!(map.lookup(&[0; 4]).unwrap(), Some(vec![5; 8]));
}

#[test]
fn pins_name_objects_of_one_kind() {
    needs!();
    let _host = Host::new();
    let (map_pin, program_pin) = (Path::new("/sys/fs/bpf/m"), Path::new("/sys/fs/bpf/p"));
    assert!(Map::find_pin(map_pin).unwrap().is_none());
    let map = Map::create("pinned", HASH).unwrap();
    map.pin(map_pin).unwrap();
    program(MARK).unwrap().pin(program_pin).unwrap();
    assert_eq!(
        Map::open_pin(map_pin).unwrap().info().unwrap(),
        map.info().unwrap()
    );
    assert_eq!(
        Program::open_pin(program_pin).unwrap().info().unwrap().name,
        "test"
    );
    for error in [
        Program::open_pin(map_pin).unwrap_err(),
        Map::open_pin(program_pin).unwrap_err(),
        Link::open_pin(map_pin).unwrap_err(),
    ] {
        assert!(
            error.to_string().contains("is pinned there, not a"),
            "{error}"
        );
    }
    let taken = map.pin(map_pin).unwrap_err();
    assert_eq!(taken.errno(), Some(Errno::EEXIST));

    let other = Map::create("other", HASH).unwrap();
    for _ in 0..2 {
        replace_pin(map_pin, |path| other.pin(path)).unwrap();
        assert_eq!(
            Map::open_pin(map_pin).unwrap().info().unwrap(),
            other.info().unwrap()
        );
    }
    unpin(map_pin).unwrap();
    unpin(map_pin).unwrap();
    assert!(Map::open_pin(map_pin).unwrap_err().is_not_found());
    let id = other.info().unwrap().id;
    assert_eq!(
        Map::open_id(id).unwrap().info().unwrap(),
        other.info().unwrap()
    );
}

#[test]
fn a_program_runs_on_bytes() {
    needs!();
    let program = program(MARK).unwrap();
    let mut packet = vec![2; 12];
    packet.extend([8, 0]);
    packet.resize(64, 0x45);
    let context = SkContext {
        mark: 3,
        cb: [41, 0, 0, 0, 0],
        ..SkContext::default()
    };
    let output = program
        .test_run(&TestInput {
            packet: &packet,
            context,
            repeat: 1,
        })
        .unwrap();
    assert_eq!(
        (output.verdict, output.context.mark, output.context.cb[0]),
        (3, 7, 42)
    );
    assert_eq!(output.packet, packet);
    let short = program.test_run(&TestInput::packet(&[0; 5])).unwrap_err();
    assert!(short.to_string().contains("run program test"), "{short}");
}

#[test]
fn a_refused_program_comes_with_the_log() {
    needs!();
    // r0 = r9; exit
    let error =
        program(&[[0xbf, 0x90, 0, 0, 0, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]]).unwrap_err();
    let BpfError::Refused { object, log, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(
        object == "program test" && log.contains("R9 !read_ok"),
        "{error:?}"
    );
    assert!(program(&[]).is_err());
}
