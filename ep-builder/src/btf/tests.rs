use proptest::prelude::*;

use super::*;

/// Writes BTF as a compiler would.
#[derive(Default)]
struct Writer {
    types: Vec<u8>,
    strings: Vec<u8>,
    count: u32,
}

impl Writer {
    fn name(&mut self, name: &str) -> u32 {
        if self.strings.is_empty() {
            self.strings.push(0);
        }
        if name.is_empty() {
            return 0;
        }
        let offset = u32::try_from(self.strings.len()).unwrap();
        self.strings.extend_from_slice(name.as_bytes());
        self.strings.push(0);
        offset
    }

    /// A type of `kind` with `entries` (`vlen`) and the words behind its three common ones.
    fn add(&mut self, name: &str, kind: u32, entries: u32, size: u32, words: &[u32]) -> u32 {
        let name = self.name(name);
        for word in [name, kind << 24 | entries, size].iter().chain(words) {
            self.types.extend_from_slice(&word.to_le_bytes());
        }
        self.count += 1;
        self.count
    }

    fn bytes(mut self) -> Vec<u8> {
        self.name("");
        let (types, strings) = (self.types.len(), self.strings.len());
        let words = [24, 0, types, types, strings].map(|n| u32::try_from(n).unwrap().to_le_bytes());
        [
            &[0x9f, 0xeb, 1, 0],
            words.as_flattened(),
            &self.types,
            &self.strings,
        ]
        .concat()
    }
}

/// `int (*NAME)[number]`, as members of map definitions are.
fn number(writer: &mut Writer, int: u32, number: u32) -> u32 {
    let array = writer.add("", 3, 0, 0, &[int, int, number]);
    writer.add("", 2, 0, array, &[])
}

/// An object's BTF with one of everything.
fn sample() -> Vec<u8> {
    let mut w = Writer::default();
    let int = w.add("int", 1, 0, 4, &[0x0100_0020]);
    let alias = w.add("__be32", 8, 0, int, &[]);
    let constant = w.add("", 10, 0, alias, &[]);
    let array = w.add("", 3, 0, 0, &[constant, int, 4]);
    let (address, family, odd) = (w.name("address"), w.name("family"), w.name("odd"));
    let key = w.add("key", 4, 2, 20, &[address, array, 0, family, int, 128]);
    w.add("bits", 4 | 0x80, 1, 4, &[odd, int, 3 << 24 | 5]);
    w.add("abi", 17, 0, key, &[u32::MAX]);
    let (a, b) = (w.name("A"), w.name("B"));
    w.add("small", 6 | 0x80, 2, 4, &[a, 1, b, u32::MAX]);
    w.add("wide", 19, 1, 8, &[a, 1, 1]);
    w.add("double", 16, 0, 8, &[]);
    w.add("hidden", 7, 0, 0, &[]);
    let signature = w.add("", 13, 1, int, &[a, int]);
    let function = w.add("tail_arp", 12, 1, signature, &[]);
    w.add("tail:weir_calls_65535/6", 17, 0, function, &[u32::MAX]);
    w.add("tail:not/counted", 17, 0, function, &[0]);
    let (kind, entries, pinning) = (
        number(&mut w, int, 1),
        number(&mut w, int, 99),
        number(&mut w, int, 1),
    );
    let to_key = w.add("", 2, 0, key, &[]);
    let to_value = w.add("", 2, 0, alias, &[]);
    let names = ["type", "key", "value", "max_entries", "pinning"].map(|name| w.name(name));
    let members: Vec<u32> = names
        .into_iter()
        .zip([kind, to_key, to_value, entries, pinning])
        .flat_map(|(name, type_id)| [name, type_id, 0])
        .collect();
    let definition = w.add("", 4, 5, 40, &members);
    let map = w.add("weir_lxc", 14, 0, definition, &[1]);
    w.add(".maps", 15, 1, 0, &[map, 0, 40]);
    w.bytes()
}

/// Asks everything there is to ask.
fn ask(btf: &Btf) {
    let _answers = (
        btf.structures().count(),
        btf.tail_slots(),
        btf.maps(),
        btf.section(".maps"),
    );
    let _more = (btf.enumeration("small"), btf.tags().count());
    for id in 0..=u32::try_from(btf.types.len()).unwrap() + 1 {
        btf.size_of(TypeId(id));
    }
    crate::layout_check::check(btf, crate::layout_check::Required::All);
}

#[test]
fn reads_one_of_everything() {
    let btf = Btf::parse(&sample()).unwrap();
    let structures: Vec<_> = btf.structures().collect();
    let member = |name: &str, offset, size, is_bit_field| Member {
        name: name.into(),
        offset,
        size,
        is_bit_field,
    };
    let key = vec![
        member("address", 0, 16, false),
        member("family", 16, 4, false),
    ];
    assert_eq!(
        structures[0],
        Structure {
            name: "key".into(),
            size: 20,
            members: key
        }
    );
    assert_eq!(structures[1].members, [member("odd", 0, 4, true)]);
    assert_eq!(
        btf.enumeration("small").unwrap(),
        [("A".into(), 1), ("B".into(), -1)]
    );
    assert_eq!(
        btf.enumeration("wide").unwrap(),
        [("A".into(), 1 << 32 | 1)]
    );
    let slot = TailSlot {
        function: "tail_arp".into(),
        map: "weir_calls_65535".into(),
        slot: 6,
    };
    assert_eq!(btf.tail_slots().unwrap(), [slot]);
    let variable = SectionVariable {
        name: "weir_lxc".into(),
        size: 40,
    };
    assert_eq!(btf.section(".maps").unwrap(), [variable]);
    assert_eq!(btf.section(".rodata"), None);
    let map = MapDefinition {
        name: "weir_lxc".into(),
        map_type: 1,
        key_size: 20,
        value_size: 4,
        max_entries: 99,
        map_flags: 0,
        is_pinned: true,
    };
    assert_eq!(btf.maps().unwrap(), [map]);
}

#[test]
fn every_truncation_is_an_error() {
    let whole = sample();
    for length in 0..whole.len() {
        assert!(
            Btf::parse(&whole[..length]).is_err(),
            "{length} of {} bytes",
            whole.len()
        );
    }
}

#[test]
fn says_what_it_does_not_understand() {
    let broken = |build: &dyn Fn(&mut Writer) -> u32| {
        let mut writer = Writer::default();
        build(&mut writer);
        Btf::parse(&writer.bytes()).map(|btf| (btf.maps(), btf.tail_slots()))
    };
    let kind = broken(&|w| w.add("x", 31, 0, 0, &[]));
    assert_eq!(kind, Err(BtfError::Kind { id: 1, kind: 31 }));
    let reference = broken(&|w| w.add("x", 8, 0, 7, &[]));
    assert_eq!(reference, Err(BtfError::Reference { id: 1, to: 7 }));
    let (_, slots) = broken(&|w| {
        let function = w.add("f", 12, 0, 0, &[]);
        w.add("tail:calls/x", 17, 0, function, &[u32::MAX])
    })
    .unwrap();
    assert!(matches!(slots, Err(BtfError::TailTag { .. })), "{slots:?}");
    let (maps, _) = broken(&|w| {
        let name = w.name("values");
        let definition = w.add("", 4, 1, 8, &[name, 0, 0]);
        let map = w.add("calls", 14, 0, definition, &[1]);
        w.add(".maps", 15, 1, 0, &[map, 0, 8])
    })
    .unwrap();
    assert!(matches!(maps, Err(BtfError::Map { .. })), "{maps:?}");
    assert_eq!(
        Btf::parse(&[0xeb, 0x9f, 1, 0]),
        Err(BtfError::Magic(0x9feb))
    );
    assert_eq!(Btf::parse(&[0x9f, 0xeb, 2, 0]), Err(BtfError::Version(2)));
}

#[test]
fn a_cycle_of_types_ends() {
    let mut writer = Writer::default();
    writer.add("a", 8, 0, 2, &[]);
    writer.add("b", 10, 0, 1, &[]);
    writer.add("", 3, 0, 0, &[3, 3, u32::MAX]);
    let btf = Btf::parse(&writer.bytes()).unwrap();
    assert_eq!([1, 2, 3].map(|id| btf.size_of(TypeId(id))), [None; 3]);
    ask(&btf);
}

proptest! {
    #[test]
    fn any_bytes_give_a_value_or_an_error(
        types in proptest::collection::vec(any::<u8>(), 0..256),
        strings in proptest::collection::vec(any::<u8>(), 0..64),
        has_header: bool,
    ) {
        let bytes = if has_header { Writer { types, strings, count: 0 }.bytes() } else { [types, strings].concat() };
        if let Ok(btf) = Btf::parse(&bytes) {
            ask(&btf);
        }
    }

    #[test]
    fn changed_bytes_give_a_value_or_an_error(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = sample();
        for (index, byte) in changes {
            *index.get_mut(&mut bytes) = byte;
        }
        if let Ok(btf) = Btf::parse(&bytes) {
            ask(&btf);
        }
    }
}
