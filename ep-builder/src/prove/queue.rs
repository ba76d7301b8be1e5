//! What the kernel's own receive queue has dropped: losses that no program had a part in.

use std::fs;

/// A line for each processor; the second word is what found no room in its queue.
const COUNTERS: &str = "/proc/net/softnet_stat";

/// How many packets of this machine found no room, since it started; 0 where the kernel does not say.
pub(super) fn dropped() -> u64 {
    fs::read_to_string(COUNTERS).map_or(0, |text| sum(&text))
}

fn sum(text: &str) -> u64 {
    let dropped = text.lines().filter_map(|line| {
        let word = line.split_whitespace().nth(1)?;
        u64::from_str_radix(word, 16).ok()
    });
    dropped.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_word_of_each_line_is_summed() {
        for (text, expected) in [
            ("", 0),
            (
                "000000ff 0000000a 00000001\n00000001 00000010 00000000\n",
                26,
            ),
            ("1\n\n2 1\n", 1),
            ("1 x 3\n", 0),
        ] {
            assert_eq!(sum(text), expected, "{text:?}");
        }
    }
}
