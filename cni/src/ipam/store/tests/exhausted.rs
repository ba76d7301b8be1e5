//! Full pools, and nearly full ones.

use super::steps::counting::counted;
use super::*;

#[test]
fn a_full_pool_is_said_with_numbers_and_gives_nothing_of_the_others() {
    let fixture = Fixture::new();
    // Room for 253 and for 2.
    let config = config(&["10.1.0.0/24", "fd00::/126"], &[]);
    fixture.add(1, &config).unwrap();
    fixture.add(2, &config).unwrap();
    let set = &config.pools[1].set;
    let text = fixture.add(3, &config).unwrap_err();
    assert!(text.is_for_now(), "{text:?}");
    assert!(
        text.to_string().contains("2 of 2 in fd00::1-fd00::3"),
        "{text}"
    );
    let status = fixture.store.has_free(set, &config.excluded);
    assert_eq!(status.unwrap_err().to_string(), text.to_string());
    fixture
        .store
        .has_free(&config.pools[0].set, &config.excluded)
        .unwrap();
    assert_eq!(fixture.truth().len(), 4, "the first set's is given back");
    fixture.assert_sound();
    fixture.del(1);
    fixture.store.has_free(set, &config.excluded).unwrap();
    fixture.add(3, &config).unwrap();
    fixture.assert_sound();
}

#[test]
fn an_address_freed_by_hand_is_found_before_a_pool_is_called_full() {
    let fixture = Fixture::new();
    let config = config(&["10.1.0.0/29"], &[]);
    for number in 1..=5 {
        fixture.add(number, &config).unwrap();
    }
    fs::remove_file(fixture.path("10.1.0.4")).unwrap();
    let stamp = fixture.store.folder.stamp().unwrap().unwrap();
    let path = fixture.store.owners.index();
    assert!(Index::open(&path, stamp).is_none(), "the stamp tells");
    // An index that is said to be true and has a bit too many.
    let numbers = (2..=6).map(|n| number(ip(&format!("10.1.0.{n}"))));
    Index::derive(&path, stamp, &numbers.collect::<Vec<_>>()).unwrap();
    assert_eq!(fixture.add(6, &config).unwrap(), [ip("10.1.0.4")]);
    fixture.assert_sound();
}

/// Field failure: one lock and a look at every file, so thousands of pods wait for one another.
#[test]
fn a_nearly_full_pool_costs_what_an_empty_one_does() {
    let config = config(&["10.1.0.0/16"], &[]);
    let empty = Fixture::new();
    empty.add(0, &config).unwrap();
    let (_, few) = counted(|| empty.add(1, &config).unwrap());

    let full = Fixture::new();
    let range = &config.pools[0].set.ranges()[0];
    let gaps = ["10.1.3.7", "10.1.77.1", "10.1.200.200"].map(ip);
    let numbers = range.first() + 1..=range.last();
    for number in numbers {
        let address = crate::ipam::config::address(number);
        if !gaps.contains(&address) {
            full.put(&address.to_string(), &format!("c{number}\r\neth0"));
        }
    }
    assert_eq!(
        full.add(0, &config).unwrap(),
        [gaps[0]],
        "derives the index"
    );
    let (given, steps) = counted(|| full.add(1, &config).unwrap());
    assert_eq!((given, steps), (vec![gaps[1]], few));
    let (given, steps) = counted(|| full.del(1));
    assert_eq!(given, [gaps[1]]);
    assert!(
        steps < few,
        "{steps} steps for a release, {few} for a reservation"
    );
    let (_, steps) = counted(|| full.store.has_free(&config.pools[0].set, &config.excluded));
    assert!(steps <= 5, "{steps} steps for STATUS");
}

#[test]
fn a_huge_network_costs_its_pods() {
    let fixture = Fixture::new();
    let config = config(&["fd00::/48"], &[]);
    for number in 1..=50 {
        fixture.add(number, &config).unwrap();
    }
    let size = fs::metadata(fixture.derived("index")).unwrap().len();
    assert!(size <= 3 * 4096, "{size}");
    fixture.assert_sound();
}

#[test]
fn requests_all_over_a_huge_network_outgrow_the_index_and_are_kept() {
    let fixture = Fixture::new();
    for number in 0..400_usize {
        let wished = format!("fd00:0:0:{:x}::9", number + 1);
        let config = config(&["fd00::/48"], &[&wished]);
        assert_eq!(fixture.add(number, &config).unwrap(), [ip(&wished)]);
    }
    fixture.assert_sound();
}
