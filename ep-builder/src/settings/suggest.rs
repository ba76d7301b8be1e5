//! The name that was probably meant.

/// Longer names are not compared: the distance takes time and memory in proportion to both lengths.
const MAX_LEN: usize = 64;

/// The candidate closest to `name`, if one is close: one edit in three letters. Case, `-` and `_` do not
/// count, so that `stateDir` and `state-dir` find `state_dir`.
pub(crate) fn closest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if name.len() > MAX_LEN {
        return None;
    }
    let wanted = fold(name);
    let limit = (wanted.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&wanted, &fold(candidate));
            (distance, candidate)
        })
        .filter(|&(distance, _)| distance <= limit)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

fn fold(name: &str) -> String {
    let letters = name.chars().filter(|c| !matches!(c, '-' | '_'));
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_only_what_is_close() {
        let check = |name, expected| {
            let candidates = ["ct_tcp", "ct_any", "state_dir", "ipv4", "ipv6"];
            assert_eq!(closest(name, candidates), expected, "{name:?}");
        };
        check("ct_tpc", Some("ct_tcp"));
        check("ct-tcp", Some("ct_tcp"));
        check("StateDir", Some("state_dir"));
        check("stat_dirs", Some("state_dir"));
        check("ipv5", Some("ipv4"));
        check("x", None);
        check("", None);
        check("bananas", None);
        check(&"ipv4".repeat(20), None);
    }
}
