//! Whether what was printed is what a page shows: `...` stands for whatever varies, alone in a line for any lines. How
//! wide a table's columns are says nothing.

/// The first line of the page that nothing printed fits; none if all is as shown.
pub(crate) fn difference(shown: &str, printed: &str) -> Option<String> {
    let shown: Vec<_> = lines(shown).iter().map(|line| tight(line)).collect();
    let printed: Vec<_> = lines(printed);
    let mut furthest = 0;
    if fits(&shown, &printed, 0, &mut furthest) {
        return None;
    }
    let line = shown.get(furthest).map_or("the end", String::as_str);
    Some(format!(
        "{line:?} is shown; printed:\n{}",
        printed.join("\n")
    ))
}

fn lines(text: &str) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.trim().lines().map(words).collect()
}

/// Dots stand for the spaces around them, too: `a ... b` is `a b` as well.
fn tight(line: &str) -> String {
    line.replace(" ...", "...").replace("... ", "...")
}

fn fits(shown: &[String], printed: &[String], at: usize, furthest: &mut usize) -> bool {
    *furthest = at.max(*furthest);
    let Some(line) = shown.get(at) else {
        return printed.is_empty();
    };
    if line == "..." {
        let mut rests = (0..=printed.len()).map(|skipped| &printed[skipped..]);
        return rests.any(|rest| fits(shown, rest, at + 1, furthest));
    }
    printed
        .split_first()
        .is_some_and(|(first, rest)| line_fits(line, first) && fits(shown, rest, at + 1, furthest))
}

fn line_fits(shown: &str, printed: &str) -> bool {
    let Some((before, behind)) = shown.split_once("...") else {
        return shown == printed;
    };
    let Some(rest) = printed.strip_prefix(before) else {
        return false;
    };
    let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.any(|end| line_fits(behind, &rest[end..]))
}

#[test]
fn dots_stand_for_what_varies_and_nothing_else_does() {
    for (shown, printed, same) in [
        ("a", "a\n", true),
        ("a  b", "a b", true),
        ("a", "b", false),
        ("a\nb", "a", false),
        ("a", "a\nb", false),
        ("a ... c", "a b b c", true),
        ("a ... c", "a b b d", false),
        ("a ... c", "a c", true),
        ("...", "", true),
        ("a\n...\nd", "a\nb\nc\nd", true),
        ("a\n...\nd", "a\nb\nc", false),
        ("...x...", "uvxyz", true),
        ("...x...", "uvyz", false),
        ("", "a", false),
    ] {
        let difference = difference(shown, printed);
        assert_eq!(
            difference.is_none(),
            same,
            "{shown:?} {printed:?}: {difference:?}"
        );
    }
}
