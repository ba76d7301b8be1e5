//! Which address comes next.

use proptest::prelude::*;

use super::*;

#[test]
fn addresses_go_round_and_come_back_last() {
    let fixture = Fixture::new();
    let config = config(&["10.1.0.0/29"], &[]);
    let next = |number| fixture.add(number, &config).unwrap()[0].to_string();
    // .0 is the network, .1 the gateway, .7 the broadcast address.
    assert_eq!([next(1), next(2)], ["10.1.0.2", "10.1.0.3"]);
    fixture.del(1);
    fixture.del(2);
    let rest = [next(3), next(4), next(5), next(6), next(7)];
    assert_eq!(
        rest,
        ["10.1.0.4", "10.1.0.5", "10.1.0.6", "10.1.0.2", "10.1.0.3"]
    );
    fixture.assert_sound();
}

#[test]
fn the_files_are_those_of_the_format() {
    let fixture = Fixture::new();
    let config = config(&["10.1.0.0/24", "fd00:0:0:1::/64"], &[]);
    let given = fixture.add(1, &config).unwrap();
    assert_eq!(given, [ip("10.1.0.2"), ip("fd00:0:0:1::2")]);
    for (name, text) in [
        ("10.1.0.2", "container-1\r\neth0"),
        ("fd00:0:0:1::2", "container-1\r\neth0"),
        ("last_reserved_ip.0", "10.1.0.2"),
        ("last_reserved_ip.1", "fd00:0:0:1::2"),
    ] {
        assert_eq!(fs::read_to_string(fixture.path(name)).unwrap(), text);
    }
    fixture.assert_sound();
}

#[test]
fn a_requested_address_is_given_once_and_leaves_the_order() {
    let fixture = Fixture::new();
    let any = config(&["10.1.0.0/24"], &[]);
    let asked = config(&["10.1.0.0/24"], &["10.1.0.200"]);
    assert_eq!(fixture.add(1, &any).unwrap(), [ip("10.1.0.2")]);
    assert_eq!(fixture.add(2, &asked).unwrap(), [ip("10.1.0.200")]);
    assert_eq!(fixture.add(3, &any).unwrap(), [ip("10.1.0.3")]);
    let error = fixture.add(4, &asked).unwrap_err();
    assert!(error.is_for_now(), "{error}");
    assert!(error.to_string().contains("container-2"), "{error}");
    fixture.del(2);
    assert_eq!(fixture.add(4, &asked).unwrap(), [ip("10.1.0.200")]);
    fixture.assert_sound();
}

#[test]
fn a_lost_memory_of_the_last_address_costs_the_order_only() {
    let config = config(&["10.1.0.0/24"], &[]);
    for last in ["", "x", "10.2.0.9", "10.1.0.255", "fd00::1", "10.1.0.2\n"] {
        let fixture = Fixture::new();
        fixture.add(1, &config).unwrap();
        fixture.put("last_reserved_ip.0", last);
        assert_eq!(
            fixture.add(2, &config).unwrap(),
            [ip("10.1.0.3")],
            "{last:?}"
        );
        fixture.assert_sound();
    }
}

/// One step of a random life.
#[derive(Clone, Debug)]
enum Event {
    Add(usize),
    Del(usize),
    /// Somebody else takes an address.
    Put(u8),
    /// Somebody removes a file by hand.
    Remove(u8),
    /// The derived folder is lost.
    Forget,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0_usize..20).prop_map(Event::Add),
        4 => (0_usize..20).prop_map(Event::Del),
        1 => (0_u8..16).prop_map(Event::Put),
        1 => (0_u8..16).prop_map(Event::Remove),
        1 => Just(Event::Forget),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever happens: no address twice, none outside, none that is kept, none refused while one is free, and
    /// what was given back longest ago is given out first.
    #[test]
    fn a_random_life_keeps_every_promise(events in proptest::collection::vec(event(), 1..80)) {
        let fixture = Fixture::new();
        let config = config(&["10.1.0.0/28"], &[]);
        let mut held: BTreeMap<usize, IpAddr> = BTreeMap::new();
        for event in events {
            let before = fixture.truth();
            match event {
                Event::Add(number) => {
                    let last = fixture.store.folder.last(0);
                    let given = fixture.add(number, &config);
                    let free = (2..15).filter(|n| !before.contains_key(&ip(&format!("10.1.0.{n}"))));
                    let free: Vec<_> = free.map(|n| ip(&format!("10.1.0.{n}"))).collect();
                    let has_one = held.contains_key(&number);
                    if has_one {
                        prop_assert!(matches!(given, Err(StoreError::Duplicate { .. })), "{given:?}");
                    } else if free.is_empty() {
                        prop_assert!(matches!(given, Err(StoreError::Exhausted { .. })), "{given:?}");
                    } else {
                        let given = given.unwrap()[0];
                        let next = free.iter().find(|a| last.is_none_or(|last| **a > last));
                        prop_assert_eq!(Some(&given), next.or(free.first()));
                        held.insert(number, given);
                    }
                }
                Event::Del(number) => {
                    let released = fixture.del(number);
                    let expected: Vec<_> = held.remove(&number).into_iter().collect();
                    prop_assert_eq!(released, expected);
                }
                Event::Put(n) => {
                    let address = format!("10.1.0.{n}");
                    if !before.contains_key(&ip(&address)) {
                        fixture.put(&address, &format!("foreign-{n}\r\neth0"));
                    }
                }
                Event::Remove(n) => {
                    let address = ip(&format!("10.1.0.{n}"));
                    whole_file::remove(&fixture.path(&address.to_string())).unwrap();
                    held.retain(|_, held| *held != address);
                }
                Event::Forget => fs::remove_dir_all(fixture.derived("")).unwrap_or_default(),
            }
        }
        for (number, address) in &held {
            fixture.store.check(&owner(*number), &[*address]).unwrap();
        }
    }
}
