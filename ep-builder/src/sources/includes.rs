//! What a file of the datapath may include.

use std::collections::HashSet;

/// The folder of the sources as the compiler sees it. It looks in there and in the folder that holds it.
const FOLDER: &str = "bpf-src/";

/// The paths among `known` that the file at `path` may include.
///
/// Rather one too many than one too few: it is whatever stands in quotation marks or angle brackets behind a `#` on the
/// same line, whether the line holds or not, at every place in which the compiler would look for it. A name that is
/// put together by macros, begins with `/` or stands behind `%:` is overlooked, and is not laid out for the compiler
/// either: of the sources nothing is compiled that was not hashed. That ours have no such name is held by `tests/suite/key.rs`.
pub(super) fn included<'text, 'known: 'text>(
    path: &'text str,
    text: &'text [u8],
    known: &'known HashSet<String>,
) -> impl Iterator<Item = &'known String> + use<'text, 'known> {
    let lines = memchr::memchr_iter(b'#', text).map(|at| line(text.get(at..).unwrap_or_default()));
    lines
        .flat_map(quoted)
        .filter_map(|name| str::from_utf8(name).ok())
        .flat_map(move |name| places(path, name))
        .filter_map(|place| known.get(&place))
}

/// The rest of a line, with the next one where a backslash joins them.
fn line(text: &[u8]) -> &[u8] {
    let is_last = |end: &usize| {
        let before = text.get(..*end).unwrap_or_default();
        !matches!(before, [.., b'\\'] | [.., b'\\', b'\r'])
    };
    let end = memchr::memchr_iter(b'\n', text).find(is_last);
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// What stands between one of these marks and the next.
fn quoted(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut parts = line.split(|byte| matches!(byte, b'"' | b'<' | b'>'));
    // In front of the first there is nothing that is quoted.
    parts.next();
    parts.filter(|part| !part.is_empty())
}

/// Where the compiler looks for a name: beside the file that includes it, and in the folders of `-I`.
fn places(path: &str, name: &str) -> impl Iterator<Item = String> {
    let folder = path.rfind('/').and_then(|end| path.get(..=end));
    let folder = folder.unwrap_or_default();
    let beside = plain(format!("{folder}{name}"));
    let below = plain(name.to_owned());
    let from_outside = below
        .as_deref()
        .and_then(|name| name.strip_prefix(FOLDER))
        .map(str::to_owned);
    [beside, below, from_outside].into_iter().flatten()
}

/// The path without `.` and `..`; none if it leads out of the sources.
fn plain(path: String) -> Option<String> {
    let is_plain = |part: &str| !matches!(part, "" | "." | "..");
    if path.split('/').all(is_plain) {
        return Some(path);
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a file `lib/a.h` with this text includes, of some files.
    fn check(text: &str, expected: &[&str]) {
        let known = ["top.h", "lib/a.h", "lib/b.h", "lib/deep/c.h", "kernel/b.h"];
        let known = known.map(str::to_owned).into();
        let mut found: Vec<_> = included("lib/a.h", text.as_bytes(), &known).collect();
        found.sort();
        found.dedup();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn a_name_is_looked_for_where_the_compiler_does() {
        check("#include \"b.h\"\n", &["lib/b.h"]);
        check("#include \"lib/b.h\"\n", &["lib/b.h"]);
        check("#include <kernel/b.h>\n", &["kernel/b.h"]);
        check("#include \"deep/c.h\"\n", &["lib/deep/c.h"]);
        check("#include \"../top.h\"\n", &["top.h"]);
        check("#include \"./deep/..//b.h\"", &["lib/b.h"]);
        check("#include \"bpf-src/top.h\"\n", &["top.h"]);
        check("#include \"../../top.h\"\n", &[]);
        check("#include \"/top.h\"\n", &["top.h"]);
        check("#include \"other.h\"\n", &[]);
    }

    #[test]
    fn whatever_may_include_counts() {
        for text in [
            "  #  include \"top.h\"",
            "/* why */ #include \"top.h\"",
            "#if 0\n#include \"top.h\"\n#endif\n",
            "#include \\\n\"top.h\"\n",
            "#include \\\r\n\"top.h\"\r\n",
            "#if __has_include(\"top.h\")\n#endif",
            "#define WHICH \"top.h\"\n#include WHICH\n",
            "#error \"<top.h>\"",
        ] {
            check(text, &["top.h"]);
        }
        for text in [
            "",
            "#",
            "\"top.h\"",
            "#include\n\"top.h\"",
            "#include \"top.h",
            "\\\n",
        ] {
            let ends_open = text.ends_with("top.h");
            check(text, if ends_open { &["top.h"] } else { &[] });
        }
        check(
            "# \"top.h\" \"b.h\"\n#<lib/a.h>",
            &["lib/a.h", "lib/b.h", "top.h"],
        );
    }
}
