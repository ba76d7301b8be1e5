//! The numbers themselves: reserved ones, those of label sets, and in which order these are given.

/// The identity of an endpoint without any label. Nothing can select it by a label, so it needs no number
/// of its own.
pub const INIT: u32 = 5;

/// The identity of the health endpoint, whose one label no other endpoint can have.
pub const HEALTH: u32 = 4;

/// The first number that a set of labels can have; those below mean the same on every node.
pub const FIRST: u32 = 256;

/// The last of the numbers that are given first: the ones that other tools, too, know as pods of a cluster.
pub(super) const LAST_PREFERRED: u32 = 65_535;

/// The last number: a packet's mark has 24 bits for it.
pub const LAST: u32 = 0x00ff_ffff;

/// The numbers that mean the same on every node.
pub const RESERVED: [(u32, &str); 7] = [
    (1, "host"),
    (2, "world"),
    (3, "unmanaged"),
    (HEALTH, "health"),
    (INIT, "init"),
    (6, "remote-node"),
    (7, "kube-apiserver"),
];

/// The name of a reserved number.
pub fn reserved_name(number: u32) -> Option<&'static str> {
    let row = RESERVED.iter().find(|(this, _)| *this == number);
    row.map(|(_, name)| *name)
}

/// The number that a file name stands for: only what is written here is one, so `0256` and `+256` are not.
pub(super) fn parse(name: &str) -> Option<u32> {
    let number = name.parse().ok()?;
    let is_ours = (FIRST..=LAST).contains(&number) && number.to_string() == name;
    is_ours.then_some(number)
}

/// All numbers in the order in which they are tried after `last` was given: on from there and around, so
/// that a number comes back as late as it can. The upper range is for when the preferred one is full.
pub(super) fn after(last: Option<u32>) -> impl Iterator<Item = u32> {
    around(FIRST, LAST_PREFERRED, last).chain(around(LAST_PREFERRED + 1, LAST, last))
}

fn around(first: u32, end: u32, last: Option<u32>) -> impl Iterator<Item = u32> {
    let start = last
        .filter(|last| (first..end).contains(last))
        .map_or(first, |last| last + 1);
    (start..=end).chain(first..start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_last() {
        for (last, first_tried, last_of_range) in [
            (None, 256, 65_535),
            (Some(256), 257, 256),
            (Some(40_000), 40_001, 40_000),
            (Some(65_534), 65_535, 65_534),
            (Some(65_535), 256, 65_535),
            (Some(70_000), 256, 65_535),
            (Some(7), 256, 65_535),
            (Some(u32::MAX), 256, 65_535),
        ] {
            let preferred: Vec<u32> = after(last).take(65_280).collect();
            assert_eq!(preferred.first(), Some(&first_tried), "{last:?}");
            assert_eq!(preferred.last(), Some(&last_of_range), "{last:?}");
            let mut sorted = preferred;
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(FIRST..=LAST_PREFERRED), "{last:?}");
        }
        assert_eq!(after(Some(70_000)).nth(65_280), Some(70_001));
        assert_eq!(after(None).last(), Some(LAST));
        assert_eq!(after(Some(LAST)).nth(65_280), Some(65_536));
    }

    #[test]
    fn a_name_is_a_number_as_we_write_it() {
        for number in [256, 2665, 65_536, LAST] {
            assert_eq!(parse(&number.to_string()), Some(number));
        }
        for name in [
            "",
            "0",
            "5",
            "255",
            "0256",
            "+256",
            "-256",
            "256 ",
            "16777216",
            "99999999999",
            "２５６",
            "last",
            "lock",
        ] {
            assert_eq!(parse(name), None, "{name:?}");
        }
    }
}
