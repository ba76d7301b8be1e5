//! Bits, pages and the index file against a plain set of numbers.

use proptest::prelude::*;

use super::super::page::{self, PAGE_BITS};
use super::*;

/// Near the end of a page, where mistakes are.
const BASE: u128 = (7 << 20) - 40;

fn stamp(seconds: i64) -> folder::Stamp {
    folder::Stamp {
        seconds,
        ..folder::Stamp::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn an_index_answers_as_a_set_does(
        start in proptest::collection::btree_set(0_u128..120, 0..100),
        changes in proptest::collection::vec((0_u128..120, any::<bool>()), 0..60),
        spans in proptest::collection::vec((0_u128..120, 0_u128..120), 1..20),
    ) {
        let root = memory();
        let path = root.path().join("index");
        let mut model: BTreeSet<u128> = start.iter().map(|n| BASE + n).collect();
        let numbers: Vec<_> = model.iter().copied().collect();
        let mut index = Index::derive(&path, stamp(1), &numbers).unwrap();
        index.begin().unwrap();
        prop_assert!(Index::open(&path, stamp(1)).is_none(), "it is being changed");
        for (number, is_taken) in changes {
            let number = BASE + number;
            if is_taken {
                prop_assert!(index.set(number).unwrap());
                model.insert(number);
            } else {
                index.clear(number).unwrap();
                model.remove(&number);
            }
        }
        index.finish(stamp(2)).unwrap();
        prop_assert!(Index::open(&path, stamp(1)).is_none(), "it is of another folder");
        let index = Index::open(&path, stamp(2)).unwrap();
        for (a, b) in spans {
            let (first, last) = (BASE + a.min(b), BASE + a.max(b));
            let free = (first..=last).find(|number| !model.contains(number));
            prop_assert_eq!(index.next_free(first, last).unwrap(), free);
            let taken = model.range(first..=last).count() as u128;
            prop_assert_eq!(index.taken(first, last).unwrap(), taken);
        }
    }
}

#[test]
fn full_pages_are_passed_over_unread() {
    let root = memory();
    let path = root.path().join("index");
    let pages = 40;
    let numbers: Vec<u128> = (0..pages * u128::from(PAGE_BITS)).collect();
    let index = Index::derive(&path, stamp(1), &numbers[..numbers.len() - 1]).unwrap();
    let last = numbers.len() as u128 - 1;
    let (found, steps) = steps::counting::counted(|| index.next_free(0, last).unwrap());
    assert_eq!((found, steps), (Some(last), 1));
}

#[test]
fn a_front_without_room_says_so() {
    let root = memory();
    let mut index = Index::derive(&root.path().join("index"), stamp(1), &[]).unwrap();
    let page = u128::from(PAGE_BITS);
    let most = (0..10_000).find(|n| !index.set(n * page).unwrap()).unwrap();
    assert!(most > 100, "{most}");
    assert!(index.set(0).unwrap(), "a page that is there has room");
}

#[test]
fn a_damaged_index_is_none() {
    let root = memory();
    let path = root.path().join("index");
    Index::derive(&path, stamp(1), &[1, 2, 70_000]).unwrap();
    assert!(Index::open(&path, stamp(1)).is_some());
    let good = fs::read(&path).unwrap();
    let end = 72 + 2 * 24;
    for at in 0..end {
        let mut bad = good.clone();
        bad[at] ^= 1;
        whole_file::write(&path, &bad).unwrap();
        // A few bytes of the head are padding behind the state; the digest covers them as well.
        assert!(Index::open(&path, stamp(1)).is_none(), "byte {at}");
    }
    for length in [0, 1, 100, 4095] {
        whole_file::write(&path, &good[..length]).unwrap();
        assert!(Index::open(&path, stamp(1)).is_none(), "length {length}");
    }
}

#[test]
fn numbers_of_a_page_end_with_it() {
    let last = page::end(BASE);
    assert_eq!(page::of(last), page::of(BASE));
    assert_eq!(page::of(last + 1), page::of(BASE) + 1);
    assert_eq!(page::part(page::of(BASE), 0, u128::MAX).1, last);
}
