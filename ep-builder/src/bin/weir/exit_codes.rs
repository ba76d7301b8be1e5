//! What the exit codes say to a script. `Failure::code` gives them.

/// Every code with its meaning.
pub(crate) const EXIT_CODES: [(u8, &str); 10] = [
    (0, "done"),
    (
        1,
        "failed, for a reason that has no code of its own; or something asked about is not as it should be",
    ),
    (2, "the command line is wrong"),
    (
        3,
        "the configuration or the sources of the datapath are wrong",
    ),
    (4, "what was named is not there"),
    (
        5,
        "the compiler failed, or there is none and the bundle does not help",
    ),
    (6, "another process holds a lock: try again"),
    (7, "the state folder cannot be used"),
    (8, "the kernel refused a program, a device or a setting"),
    (9, "a policy document is wrong, or does not fit"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The numbers that stand alone in the code that decides.
    fn given(source: &str) -> BTreeSet<u8> {
        let (_, code) = source.split_once("fn policy_code").unwrap();
        let (code, _) = code.split_once("fn advice").unwrap();
        let words = code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.filter_map(|word| word.parse().ok()).collect()
    }

    #[test]
    fn every_code_that_is_given_is_told() {
        // 0 is success, and 2 is the parser's of the command line.
        let mut given = given(include_str!("failure.rs"));
        given.extend([0, 2]);
        let told: BTreeSet<u8> = EXIT_CODES.iter().map(|(code, _)| *code).collect();
        assert_eq!(told, given);
    }
}
