use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Strings, each ended by a zero, with the offset of each.
#[derive(Default)]
struct Strings(Vec<u8>);

impl Strings {
    fn add(&mut self, text: &str) -> u32 {
        if self.0.is_empty() {
            self.0.push(0);
        }
        let offset = u32::try_from(self.0.len()).unwrap();
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
        offset
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

/// Types of one map, two constants, a program with its slot and a function it calls; and their source lines.
fn types() -> (Vec<u8>, Vec<u8>) {
    let mut strings = Strings::default();
    let mut name = |text: &str| strings.add(text);
    let (int, kind, map, data) = (
        name("int"),
        name("type"),
        name("calls"),
        name(".rodata.config"),
    );
    let (maps, first, second) = (name(".maps"), name("__config_A"), name("__config_B"));
    let (program, sub, tag) = (name("from_container"), name("sub"), name("tail:calls/7"));
    let types = [
        words(&[int, 1 << 24, 4, 0x0100_0020]),            // 1 int
        words(&[0, 3 << 24, 0, 1, 1, 3]),                  // 2 int[3]
        words(&[0, 2 << 24, 2]),                           // 3 int (*)[3]
        words(&[0, 4 << 24 | 1, 8, kind, 3, 0]),           // 4 struct { type }
        words(&[map, 14 << 24, 4, 1]),                     // 5 the map
        words(&[maps, 15 << 24 | 1, 0, 5, 0, 8]),          // 6 .maps
        words(&[second, 14 << 24, 1, 1]),                  // 7 the second constant
        words(&[first, 14 << 24, 1, 1]),                   // 8 the first
        words(&[data, 15 << 24 | 2, 0, 7, 0, 4, 8, 0, 4]), // 9 .rodata.config, out of order
        words(&[0, 13 << 24, 1]),                          // 10 int ()
        words(&[program, 12 << 24 | 1, 10]),               // 11 the program
        words(&[sub, 12 << 24, 10]),                       // 12 the function
        words(&[tag, 17 << 24, 11, u32::MAX]),             // 13 the slot
    ]
    .concat();
    let (file, line) = (name("lib/a.h"), name("\tif (x)"));
    let (section, text) = (name("from-container"), name(".text"));
    let funcs = words(&[8, section, 1, 0, 11, text, 1, 0, 12]);
    let lines = words(&[
        16,
        section,
        2,
        0,
        file,
        line,
        7 << 10 | 3,
        32,
        file,
        line,
        9 << 10,
        text,
        1,
        0,
        file,
        line,
        1 << 10,
    ]);
    let body = [funcs.clone(), lines.clone()].concat();
    let header = words(&[24, 0, length(&funcs), length(&funcs), length(&lines)]);
    let ext = [vec![0x9f, 0xeb, 1, 0], header, body].concat();
    let header = words(&[24, 0, length(&types), length(&types), length(&strings.0)]);
    let btf = [vec![0x9f, 0xeb, 1, 0], header, types, strings.0].concat();
    (btf, ext)
}

/// `r1 = map; r2 = byte 4 of the data; call sub; exit`, and `r0 = 0; exit; call sub; exit`.
const PROGRAM: [[u8; 8]; 6] = [
    [0x18, 0x01, 0, 0, 0, 0, 0, 0],
    [0; 8],
    [0x18, 0x02, 0, 0, 4, 0, 0, 0],
    [0; 8],
    [0x85, 0x10, 0, 0, 0xff, 0xff, 0xff, 0xff],
    [0x95, 0, 0, 0, 0, 0, 0, 0],
];
const TEXT: [[u8; 8]; 4] = [
    [0xb7, 0, 0, 0, 0, 0, 0, 0],
    [0x95, 0, 0, 0, 0, 0, 0, 0],
    // A call within the section, which the assembler resolves by itself: three instructions back.
    [0x85, 0x10, 0, 0, 0xfd, 0xff, 0xff, 0xff],
    [0x95, 0, 0, 0, 0, 0, 0, 0],
];

/// Name, type, flags, link, info, entry size, bytes.
type Section = (&'static str, u32, u64, u32, u32, u64, Vec<u8>);

/// An object with one of everything.
fn sample() -> Vec<u8> {
    let mut strings = Strings::default();
    let symbol = |name: u32, info: u8, section: u16, value: u64, size: u64| {
        let place = section.to_le_bytes();
        [
            &name.to_le_bytes()[..],
            &[info, 0],
            &place,
            &value.to_le_bytes(),
            &size.to_le_bytes(),
        ]
        .concat()
    };
    let symbols = [
        symbol(0, 0, 0, 0, 0),
        symbol(0, 3, 2, 0, 0),                         // 1 the section .text
        symbol(0, 3, 4, 0, 0),                         // 2 the section .rodata.config
        symbol(strings.add("sub"), 0x02, 2, 0, 16),    // 3
        symbol(strings.add("other"), 0x02, 2, 16, 16), // 4
        symbol(strings.add("from_container"), 0x12, 1, 0, 48), // 5
        symbol(strings.add("calls"), 0x11, 3, 0, 8),   // 6
        symbol(strings.add("__config_A"), 0x11, 4, 0, 4), // 7
        symbol(strings.add("__config_B"), 0x11, 4, 4, 4), // 8
    ]
    .concat();
    let relocation = |offset: u64, symbol: u64, kind: u64| {
        [offset.to_le_bytes(), (symbol << 32 | kind).to_le_bytes()].concat()
    };
    let relocations = [
        relocation(0, 6, 1),
        relocation(16, 2, 1),
        relocation(32, 1, 10),
    ]
    .concat();
    let (btf, ext) = types();
    let sections: Vec<Section> = vec![
        ("from-container", 1, 6, 0, 0, 0, PROGRAM.concat()),
        (".text", 1, 6, 0, 0, 0, TEXT.concat()),
        (".maps", 1, 3, 0, 0, 0, vec![0; 8]),
        (
            ".rodata.config",
            1,
            2,
            0,
            0,
            0,
            vec![1, 0, 0, 0, 2, 0, 0, 0],
        ),
        ("license", 1, 3, 0, 0, 0, b"GPL\0".to_vec()),
        (".relfrom-container", 9, 0, 9, 1, 16, relocations),
        (".BTF", 1, 0, 0, 0, 0, btf),
        (".BTF.ext", 1, 0, 0, 0, 0, ext),
        (".symtab", 2, 0, 10, 5, 24, symbols),
    ];
    file(sections, strings)
}

/// The ELF file of some sections, whose string table comes last.
fn file(mut sections: Vec<Section>, mut strings: Strings) -> Vec<u8> {
    sections.push((".strtab", 3, 0, 0, 0, 0, Vec::new()));
    let names: Vec<_> = sections
        .iter()
        .map(|section| strings.add(section.0))
        .collect();
    sections.last_mut().unwrap().6 = strings.0;
    let (mut body, mut headers) = (Vec::new(), vec![0; 64]);
    for ((_, kind, flags, link, info, entry, bytes), name) in sections.iter().zip(names) {
        body.resize(body.len().next_multiple_of(8), 0);
        let offset = 64 + body.len() as u64;
        headers.extend(words(&[name, *kind]));
        for long in [*flags, 0, offset, bytes.len() as u64] {
            headers.extend(long.to_le_bytes());
        }
        headers.extend(words(&[*link, *info]));
        headers.extend([8_u64.to_le_bytes(), entry.to_le_bytes()].concat());
        body.extend_from_slice(bytes);
    }
    body.resize(body.len().next_multiple_of(8), 0);
    let count = u16::try_from(sections.len() + 1).unwrap();
    let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\xf7\0\x01\0\0\0".to_vec();
    header.extend([[0; 8], [0; 8], (64 + body.len() as u64).to_le_bytes()].concat());
    header.extend([0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 64, 0]);
    header.extend([count.to_le_bytes(), (count - 1).to_le_bytes()].concat());
    [header, body, headers].concat()
}

fn link(loadable: &Loadable, program: usize) -> Result<Linked, ObjectError> {
    let numbers = |count: usize| (100..).take(count).collect::<Vec<_>>();
    let (maps, data) = (numbers(loadable.maps.len()), numbers(loadable.data.len()));
    loadable.link(
        program,
        &Numbers {
            maps: &maps,
            data: &data,
        },
    )
}

/// Asks everything there is to ask.
fn ask(bytes: &[u8]) {
    let Ok(loadable) = Loadable::parse(bytes) else {
        return;
    };
    for (index, function) in loadable.programs() {
        if let Ok(linked) = link(&loadable, index) {
            assert!(linked.code.len() >= function.code.len());
            for instruction in 0..linked.code.len() {
                loadable.source_line(&linked, instruction);
            }
        }
    }
}

#[test]
fn reads_one_of_everything() {
    let loadable = Loadable::parse(&sample()).unwrap();
    assert_eq!(loadable.license.as_c_str(), c"GPL");
    assert_eq!(loadable.data[0].bytes, [1, 0, 0, 0, 2, 0, 0, 0]);
    assert!(loadable.data[0].read_only);
    let (_, map) = loadable.map("calls").unwrap();
    assert_eq!(map.map_type, 3);
    let tail = &loadable.tails[0];
    assert_eq!(
        (tail.function.as_str(), tail.map.as_str(), tail.slot),
        ("from_container", "calls", 7)
    );
    let sections: BTreeMap<_, _> = loadable
        .functions
        .iter()
        .map(|f| (f.name.as_str(), f.section.as_str()))
        .collect();
    let want = [
        ("from_container", "from-container"),
        ("other", ".text"),
        ("sub", ".text"),
    ];
    assert_eq!(sections, BTreeMap::from(want));
    let programs: Vec<_> = loadable.programs().map(|(_, f)| f.name.as_str()).collect();
    assert_eq!(programs, ["from_container"]);
    let other = loadable
        .functions
        .iter()
        .find(|f| f.name == "other")
        .unwrap();
    assert!(matches!(
        other.references[..],
        [Reference {
            instruction: 0,
            target: Target::Call(_)
        }]
    ));
}

#[test]
fn a_program_is_linked_with_what_it_calls() {
    let loadable = Loadable::parse(&sample()).unwrap();
    let (index, _) = loadable.programs().next().unwrap();
    let linked = link(&loadable, index).unwrap();
    assert_eq!(
        linked.code.len(),
        PROGRAM.len() + 2,
        "the program and sub, not other"
    );
    // The map's descriptor, the data's and the byte in it, and the distance to the function.
    assert_eq!(linked.code[0], [0x18, 0x11, 0, 0, 100, 0, 0, 0]);
    assert_eq!(linked.code[2], [0x18, 0x22, 0, 0, 100, 0, 0, 0]);
    assert_eq!(linked.code[3], [0, 0, 0, 0, 4, 0, 0, 0]);
    assert_eq!(linked.code[4], [0x85, 0x10, 0, 0, 1, 0, 0, 0]);
    assert_eq!(linked.func_info, [[0, 11], [6, 12]]);
    let firsts: Vec<_> = linked.line_info.iter().map(|[at, ..]| *at).collect();
    assert_eq!(firsts, [0, 4, 6]);
    let lines: Vec<_> = (0..8)
        .map(|at| loadable.source_line(&linked, at).unwrap().line)
        .collect();
    assert_eq!(lines, [7, 7, 7, 7, 9, 9, 1, 1]);
    let line = loadable.source_line(&linked, 0).unwrap();
    assert_eq!(
        (line.file.as_str(), line.text.as_str()),
        ("lib/a.h", "if (x)")
    );
    assert!(
        loadable
            .link(
                index,
                &Numbers {
                    maps: &[],
                    data: &[]
                }
            )
            .is_err()
    );
    assert!(
        loadable
            .link(
                99,
                &Numbers {
                    maps: &[],
                    data: &[]
                }
            )
            .is_err()
    );
}

/// The kernel wants the size of a section, and its variables with their offsets, in order.
#[test]
fn types_get_the_offsets_of_variables() {
    let loadable = Loadable::parse(&sample()).unwrap();
    let want = words(&[8, 8, 0, 4, 7, 4, 4]);
    assert!(
        loadable
            .types
            .windows(want.len())
            .any(|window| window == want)
    );
}

#[test]
fn every_truncation_is_an_error() {
    let whole = sample();
    for length in 0..whole.len() {
        assert!(
            Loadable::parse(&whole[..length]).is_err(),
            "{length} of {} bytes",
            whole.len()
        );
    }
}

proptest! {
    #[test]
    fn changed_bytes_give_a_value_or_an_error(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = sample();
        for (index, byte) in changes {
            *index.get_mut(&mut bytes) = byte;
        }
        ask(&bytes);
    }

    #[test]
    fn any_bytes_give_a_value_or_an_error(noise: Vec<u8>, keep in 0_usize..2000) {
        let start = sample();
        ask(&[&start[..keep.min(start.len())], &noise].concat());
    }
}
