//! Just enough of two grammars to tell code from what only looks like it.

/// Whose comments and literals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    C,
}

/// The text with spaces for every byte of its comments, strings and character literals. Lines stay lines
/// and offsets stay offsets.
pub(crate) fn code(text: &str, language: Language) -> String {
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        let opaque = opaque(text, at, language);
        if opaque == 0 {
            code.push(next);
            at += next.len_utf8();
        } else {
            let bytes = text[at..at + opaque].bytes();
            code.extend(bytes.map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
            at += opaque;
        }
    }
    code
}

/// The length of the comment or literal that starts here; 0 if none does.
fn opaque(text: &str, at: usize, language: Language) -> usize {
    let rest = &text[at..];
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return comment(rest, language);
    }
    if rest.starts_with('"') {
        return quoted(rest, '"');
    }
    if rest.starts_with('\'') {
        return character(rest, language);
    }
    let in_word = text[..at].chars().next_back().is_some_and(is_word);
    if language == Language::Rust && !in_word {
        return raw_string(rest);
    }
    0
}

fn comment(rest: &str, language: Language) -> usize {
    let mut depth = 0_u32;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") && (depth == 0 || language == Language::Rust) {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}

/// In Rust a lone quote starts a lifetime.
fn character(rest: &str, language: Language) -> usize {
    let mut inner = rest.chars().skip(1);
    let is_literal =
        language == Language::C || inner.next() == Some('\\') || inner.next() == Some('\'');
    if is_literal { quoted(rest, '\'') } else { 0 }
}

fn raw_string(rest: &str) -> usize {
    let prefix = ["r", "br", "cr"].iter().find(|p| {
        let after = rest
            .strip_prefix(**p)
            .map(|after| after.trim_start_matches('#'));
        after.is_some_and(|after| after.starts_with('"'))
    });
    let Some(prefix) = prefix else {
        return 0;
    };
    let hashes = rest[prefix.len()..]
        .bytes()
        .take_while(|b| *b == b'#')
        .count();
    let body = prefix.len() + hashes + 1;
    let end = format!("\"{}", "#".repeat(hashes));
    rest[body..]
        .find(&end)
        .map_or(rest.len(), |at| body + at + end.len())
}

pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Every whole word of a text, with its offset.
pub(crate) fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split(|c| !is_word(c))
        .filter(|word| !word.is_empty())
        .map(|word| (word.as_ptr() as usize - text.as_ptr() as usize, word))
}

#[test]
fn what_is_no_code_is_blank() {
    let rust = [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"x("a\"{", 'y')"#, "x(      ,    )"),
        (r##"r"\" + r#""{"# + r#fn"##, "     +         + r#fn"),
        (
            "&'a str '\\'' 'b' b'{' b\"{\"",
            "&'a str          b    b   ",
        ),
        ("for\"x\" 'é' 'a: {", "for         'a: {"),
        ("br#\"\n\"# \"open", "    \n        "),
    ];
    for (text, expected) in rust {
        assert_eq!(code(text, Language::Rust), expected, "{text}");
    }
    let c = [
        ("/* /* */ a", "         a"),
        ("'{' '\\'' \"//\" r\"x\"", "              r   "),
        ("a /* open", "a        "),
    ];
    for (text, expected) in c {
        assert_eq!(code(text, Language::C), expected, "{text}");
    }
}

#[test]
fn words_are_whole() {
    let found: Vec<_> = words("fn a_b(x1)->fn").collect();
    assert_eq!(found, [(0, "fn"), (3, "a_b"), (7, "x1"), (12, "fn")]);
}
