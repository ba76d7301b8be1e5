//! Which lines of a header differ, by what they define. No I/O.

use std::collections::BTreeMap;

/// A definition that differs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// What is defined; of another line its beginning.
    pub(super) name: String,
    /// The old line.
    pub(super) before: Option<String>,
    /// The new one.
    pub(super) after: Option<String>,
}

/// The definitions and the lines of comment that two headers do not have in common, in the order of their names.
pub(super) fn changes(old: &str, new: &str) -> Vec<Change> {
    let (old, new) = (lines(old), lines(new));
    let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let change = |name: &&(String, usize)| Change {
        name: name.0.clone(),
        before: old.get(name).map(|line| (*line).to_owned()),
        after: new.get(name).map(|line| (*line).to_owned()),
    };
    let all = names.iter().map(change);
    all.filter(|change| change.before != change.after).collect()
}

/// The lines by name. A name that comes again is told from the first by a number.
fn lines(header: &str) -> BTreeMap<(String, usize), &str> {
    let mut lines = BTreeMap::new();
    for line in header.lines().map(str::trim) {
        let Some(name) = name(line) else { continue };
        let again = lines.keys().filter(|(known, _)| *known == name).count();
        lines.insert((name, again), line);
    }
    lines
}

/// What a line is about; none for what says nothing, and for the record in its envelope, which says all of it
/// again in a form that nobody reads.
fn name(line: &str) -> Option<String> {
    let comment = line.trim_start_matches(['*', '/', ' ']);
    if comment.is_empty() || is_envelope(comment) {
        return None;
    }
    let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
    match words.find(|word| !word.is_empty()) {
        Some("define" | "undef") => words.find(|word| !word.is_empty()).map(str::to_owned),
        Some(word) if word.starts_with("DEFINE_") => {
            let defined = words.find(|word| !word.is_empty())?;
            Some(format!("{defined} (value)"))
        }
        _ => Some(comment.split(':').next().unwrap_or(comment).to_owned()),
    }
}

fn is_envelope(comment: &str) -> bool {
    let first = comment.split(':').next().unwrap_or_default();
    first.contains("_BASE64_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "/*\n * WEIR_BASE64_abc:def\n * Identity: 300\n */\n#define A 1\n#undef B\nDEFINE_U32(C, 0x1); /* 1 */\n#define C fetch_u32(C)\n";

    #[test]
    fn definitions_are_compared_by_name_and_the_envelope_is_not() {
        let check = |from: &str, to: &str, want: &[(&str, Option<&str>, Option<&str>)]| {
            let new = OLD.replace(from, to);
            let found = changes(OLD, &new);
            let found: Vec<_> = found
                .iter()
                .map(|it| (it.name.as_str(), it.before.as_deref(), it.after.as_deref()))
                .collect();
            assert_eq!(found, want, "{from} -> {to}");
        };
        check("abc:def", "ghi:jkl", &[]);
        check(
            "#define A 1",
            "#undef A",
            &[("A", Some("#define A 1"), Some("#undef A"))],
        );
        check("#undef B\n", "", &[("B", Some("#undef B"), None)]);
        check(
            "0x1); /* 1 */",
            "0x2); /* 2 */",
            &[(
                "C (value)",
                Some("DEFINE_U32(C, 0x1); /* 1 */"),
                Some("DEFINE_U32(C, 0x2); /* 2 */"),
            )],
        );
        check(
            "Identity: 300",
            "Identity: 301",
            &[("Identity", Some("* Identity: 300"), Some("* Identity: 301"))],
        );
    }

    #[test]
    fn lines_of_one_name_are_told_apart() {
        let found = changes(" * - {a}\n * - {a}\n", " * - {a}\n");
        assert_eq!(found.len(), 1, "{found:?}");
    }
}
