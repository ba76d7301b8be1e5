//! Whose an address is, and what follows.

use std::time::SystemTime;

use super::*;

#[test]
fn a_second_add_is_refused_and_changes_nothing() {
    let fixture = Fixture::new();
    let config = config(&["10.1.0.0/24", "fd00::/64"], &[]);
    let first = fixture.add(1, &config).unwrap();
    let error = fixture.add(1, &config).unwrap_err();
    assert!(matches!(error, StoreError::Duplicate { .. }), "{error}");
    assert!(
        error.to_string().contains("container-1") && error.to_string().contains("10.1.0.2"),
        "{error}"
    );
    fixture
        .store
        .check(&owner(1), &first)
        .expect("the refusal changes nothing");
    assert_eq!(fixture.truth().len(), 2);
    fixture.assert_sound();
}

#[test]
fn two_interfaces_of_a_container_are_two_owners() {
    let fixture = Fixture::new();
    let config = config(&["10.1.0.0/24"], &[]);
    let second = Attachment {
        ifname: InterfaceName::new("eth1").unwrap(),
        ..owner(1)
    };
    fixture.add(1, &config).unwrap();
    fixture
        .store
        .reserve(&second, &config.pools, &config.excluded)
        .unwrap();
    assert_eq!(fixture.del(1), [ip("10.1.0.2")]);
    fixture.store.check(&second, &[ip("10.1.0.3")]).unwrap();
    fixture.assert_sound();
}

#[test]
fn a_release_can_be_repeated_and_needs_nothing() {
    let fixture = Fixture::new();
    fixture.assert_nothing_to_release(1);
    assert!(!fixture.path("").exists(), "and no folder is made");
    let config = config(&["10.1.0.0/24"], &[]);
    fixture.add(1, &config).unwrap();
    assert_eq!(fixture.del(1), [ip("10.1.0.2")]);
    fixture.assert_nothing_to_release(1);
    fixture.assert_nothing_to_release(2);
    fixture.assert_sound();
    fs::remove_dir_all(fixture.path("")).unwrap();
    fixture.assert_nothing_to_release(1);
}

/// As on a full disk, where nothing can be derived.
#[test]
fn a_release_needs_nothing_but_the_files() {
    let fixture = Fixture::new();
    let config = config(&["10.1.0.0/24", "fd00::/64"], &[]);
    fixture.add(1, &config).unwrap();
    fixture.add(2, &config).unwrap();
    fixture.put("10.1.0.77", "container-1");
    fs::remove_dir_all(fixture.derived("")).unwrap();
    whole_file::write(&fixture.root.path().join(".index-net"), b"").unwrap();
    assert!(matches!(fixture.add(3, &config), Err(StoreError::File(_))));
    let mut released = fixture.del(1);
    released.sort_unstable();
    assert_eq!(released, [ip("10.1.0.2"), ip("fd00::2")]);
    assert_eq!(fixture.del(1), [ip("10.1.0.77")], "of the old form");
    fixture.assert_nothing_to_release(1);
    fs::remove_file(fixture.root.path().join(".index-net")).unwrap();
    fixture.add(3, &config).unwrap();
    fixture.assert_sound();
}

/// Field failure: a late DEL with an old result takes the address from the pod that has it now.
#[test]
fn a_stale_memory_of_addresses_frees_nothing_of_others() {
    let fixture = Fixture::new();
    let config = config(&["10.1.0.0/24"], &[]);
    fixture.add(1, &config).unwrap();
    fixture.add(2, &config).unwrap();
    let known = [ip("10.1.0.2"), ip("10.1.0.3"), ip("10.1.0.99")];
    assert_eq!(
        fixture.store.release(&owner(2), &known).unwrap(),
        [ip("10.1.0.3")]
    );
    assert!(fixture.store.release(&owner(2), &known).unwrap().is_empty());
    fixture.store.check(&owner(1), &[ip("10.1.0.2")]).unwrap();
    fixture.assert_sound();
}

#[test]
fn check_says_what_became_of_an_address() {
    let fixture = Fixture::new();
    let config = config(&["10.1.0.0/24"], &[]);
    fixture.add(1, &config).unwrap();
    fixture.add(2, &config).unwrap();
    let check = |addresses: &[&str]| {
        let addresses: Vec<_> = addresses.iter().map(|text| ip(text)).collect();
        let checked = fixture.store.check(&owner(1), &addresses);
        checked.map_err(|error| error.to_string())
    };
    assert_eq!(check(&["10.1.0.2"]), Ok(()));
    assert!(
        check(&["10.1.0.2", "10.1.0.3"])
            .unwrap_err()
            .contains("container-2")
    );
    assert!(check(&["10.1.0.9"]).unwrap_err().contains("10.1.0.9"));
    // Very old files name no interface.
    fixture.put("10.1.0.2", "container-1");
    assert_eq!(check(&["10.1.0.2"]), Ok(()));
    assert_eq!(fixture.del(1), [ip("10.1.0.2")]);
}

/// Field failure: the process dies between making a file and filling it, and the address is lost.
#[test]
fn an_empty_file_is_free_after_a_while() {
    let fixture = Fixture::new();
    let asked = config(&["10.1.0.0/24"], &["10.1.0.9"]);
    fixture.put("10.1.0.9", " \r\n");
    let error = fixture.add(1, &asked).unwrap_err();
    assert!(matches!(error, StoreError::Blocked { .. }), "{error}");
    let past = SystemTime::now() - Duration::from_hours(1);
    let file = fs::File::options()
        .write(true)
        .open(fixture.path("10.1.0.9"))
        .unwrap();
    file.set_modified(past).unwrap();
    assert_eq!(fixture.add(1, &asked).unwrap(), [ip("10.1.0.9")]);
    fixture.assert_sound();
}

#[test]
fn gc_frees_what_is_not_wanted_and_nothing_else() {
    let fixture = Fixture::new();
    let config = config(&["10.1.0.0/24", "fd00::/64"], &[]);
    for number in 1..=4 {
        fixture.add(number, &config).unwrap();
    }
    fixture.put("10.1.0.77", "foreign\r\neth0");
    fixture.put("notes.txt", "mine");
    fs::create_dir(fixture.path("10.1.0.99")).unwrap();
    let keeps = |reservation: &Reservation| {
        ["container-1", "foreign"].contains(&reservation.holder.container.as_str())
    };
    let collected = fixture.store.collect(&keeps).unwrap();
    assert_eq!(collected.freed.len(), 6);
    assert!(collected.failed.is_empty(), "{:?}", collected.failed);
    let left: Vec<_> = fixture.truth_without_folders().into_iter().collect();
    assert_eq!(left, [ip("10.1.0.2"), ip("10.1.0.77"), ip("fd00::2")]);
    assert!(fixture.path("notes.txt").exists());
    let asked = super::config(&["10.1.0.0/24"], &["10.1.0.99"]);
    let error = fixture.add(9, &asked).unwrap_err();
    assert!(matches!(error, StoreError::Blocked { .. }), "{error}");
    fs::remove_dir(fixture.path("10.1.0.99")).unwrap();
    fs::remove_file(fixture.path("notes.txt")).unwrap();
    assert_eq!(fixture.store.collect(&|_| true).unwrap().freed, []);
    fixture.assert_sound();
    assert_eq!(fixture.store.collect(&|_| false).unwrap().freed.len(), 3);
    fixture.assert_no_leftover(0);
}

impl Fixture {
    fn truth_without_folders(&self) -> BTreeSet<IpAddr> {
        let addresses = self.store.folder.addresses(false).unwrap();
        let files = addresses
            .into_iter()
            .filter(|address| self.path(&address.to_string()).is_file());
        files.collect()
    }
}

#[test]
fn a_lock_that_is_held_is_waited_for_in_vain_and_said() {
    let fixture = Fixture::new();
    let config = config(&["10.1.0.0/24"], &[]);
    fixture.add(1, &config).unwrap();
    let _held = FileLock::acquire(&fixture.path("lock"), WAIT).unwrap();
    let hasty = Store::new(fixture.root.path(), &network(), Duration::from_millis(5));
    let (pools, excluded) = (&config.pools, &config.excluded);
    let error = hasty.reserve(&owner(2), pools, excluded).unwrap_err();
    assert!(error.is_for_now(), "{error:?}");
    assert!(hasty.release(&owner(1), &[]).unwrap_err().is_for_now());
    // These two change nothing and wait for nobody.
    hasty.check(&owner(1), &[ip("10.1.0.2")]).unwrap();
    hasty.has_free(&config.pools[0].set, excluded).unwrap();
}
