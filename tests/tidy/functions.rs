//! Where functions begin and end.

use crate::house::line_of;
use crate::lex::{Language, code, is_word, words};

/// A function or, in C, a macro.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The line it begins in.
    pub(crate) line: usize,
    /// How many lines it spans.
    pub(crate) lines: usize,
}

/// Every function with a body.
pub(crate) fn functions(text: &str, language: Language) -> Vec<Function> {
    let code = code(text, language);
    match language {
        Language::Rust => rust(&code),
        Language::C => {
            let mut all = macros(&code);
            all.extend(c(&without_directives(&code)));
            all
        }
    }
}

fn span(code: &str, name: &str, start: usize, end: usize) -> Function {
    Function {
        name: name.to_owned(),
        line: line_of(code, start),
        lines: line_of(code, end) - line_of(code, start) + 1,
    }
}

fn rust(code: &str) -> Vec<Function> {
    let keywords = words(code).filter(|(_, word)| *word == "fn");
    let found = keywords.filter_map(|(start, keyword)| {
        let after = code[start + keyword.len()..].trim_start();
        let name: String = after.chars().take_while(|c| is_word(*c)).collect();
        let at = code.len() - after.len();
        let body = (!name.is_empty()).then(|| body(code, at)).flatten()?;
        Some(span(code, &name, start, block_end(code, body)))
    });
    found.collect()
}

/// The brace that opens a function's body; none if a semicolon ends the declaration first.
fn body(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, c) in code[from..].char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ';' if depth == 0 => return None,
            '{' if depth == 0 => return Some(from + at),
            _ => {}
        }
    }
    None
}

/// The brace that closes the one at `open`; the end of the text if none does.
fn block_end(code: &str, open: usize) -> usize {
    let mut depth = 0_i32;
    for (at, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return open + at;
        }
    }
    code.len()
}

/// A block at the top level that follows a closing parenthesis is a function's.
fn c(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while let Some(step) = code[at..].find([';', '{', '}']) {
        at += step;
        let declaration = &code[start..at];
        let mut end = at;
        if code[at..].starts_with('{') {
            end = block_end(code, at);
            if declaration.trim_end().ends_with(')') {
                let from = at - declaration.trim_start().len();
                found.push(span(code, c_name(declaration), from, end));
            } else {
                // An initializer or a type goes on to its semicolon.
                at = (end + 1).min(code.len());
                continue;
            }
        }
        at = (end + 1).min(code.len());
        start = at;
    }
    found
}

/// The word before the last parenthesis that stands at the outermost level.
fn c_name(declaration: &str) -> &str {
    let mut depth = 0_i32;
    for (at, c) in declaration.char_indices().rev() {
        match c {
            ')' => depth += 1,
            '(' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return declaration[..at]
                .trim_end()
                .rsplit(|c| !is_word(c))
                .next()
                .unwrap_or("");
        }
    }
    ""
}

/// Whether each line belongs to a preprocessor directive.
fn directive_lines(code: &str) -> Vec<bool> {
    let mut goes_on = false;
    let lines = code.lines().map(|line| {
        let is_part = goes_on || line.trim_start().starts_with('#');
        goes_on = is_part && line.trim_end().ends_with('\\');
        is_part
    });
    lines.collect()
}

fn without_directives(code: &str) -> String {
    let directives = directive_lines(code);
    let lines = code.lines().zip(directives);
    lines
        .map(|(line, out)| {
            if out {
                "\n".to_owned()
            } else {
                format!("{line}\n")
            }
        })
        .collect()
}

fn macros(code: &str) -> Vec<Function> {
    let lines: Vec<_> = code.lines().collect();
    let directives = directive_lines(code);
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let directive = line.trim_start().strip_prefix('#').map(str::trim_start);
        if let Some(rest) = directive.and_then(|rest| rest.strip_prefix("define")) {
            let more = lines[at..].iter().zip(&directives[at..]);
            let lines = more
                .take_while(|(line, part)| **part && line.trim_end().ends_with('\\'))
                .count();
            found.push(Function {
                name: words(rest)
                    .next()
                    .map_or(String::new(), |(_, word)| word.to_owned()),
                line: at + 1,
                lines: lines + 1,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text, and each function in it: name, first line, number of lines.
    type Row<'a> = (&'a str, &'a [(&'a str, usize, usize)]);

    #[track_caller]
    fn check(language: Language, rows: &[Row<'_>]) {
        for (text, expected) in rows {
            let found = functions(text, language);
            let found: Vec<_> = found
                .iter()
                .map(|f| (f.name.as_str(), f.line, f.lines))
                .collect();
            assert_eq!(found, *expected, "{text}");
        }
    }

    #[test]
    fn rust_functions_end_at_their_brace() {
        check(
            Language::Rust,
            &[
                ("fn a() {}", &[("a", 1, 1)]),
                (
                    "\nfn a(\n x: [u8; 4],\n) -> [u8; 2] {\n \"}\" }\nfn b() {\n}\n",
                    &[("a", 2, 4), ("b", 6, 2)],
                ),
                ("trait T {\n fn a();\n fn b() {\n }\n}", &[("b", 3, 2)]),
                (
                    "fn a() {\n fn b() {\n  '}';\n }\n}",
                    &[("a", 1, 5), ("b", 2, 3)],
                ),
                (
                    "type F = fn(u8) -> u8;\n// fn x() {}\nconst fn c() { if a { } }",
                    &[("c", 3, 1)],
                ),
                ("fn open() {\n", &[("open", 1, 2)]),
                ("fn a() where X: Y, {\n}", &[("a", 1, 2)]),
            ],
        );
    }

    #[test]
    fn c_functions_end_at_their_brace() {
        check(
            Language::C,
            &[
                ("int a(void)\n{\n\tif (x) {\n\t}\n}\n", &[("a", 1, 5)]),
                (
                    "struct s {\n int x;\n};\nSEC(\"}\")\nint b(struct s *p) { return 0; }",
                    &[("b", 4, 2)],
                ),
                (
                    "int x[] = { 1, 2 };\nint c(void);\nint d(int (*f)(int)) {\n}",
                    &[("d", 3, 2)],
                ),
                (
                    "enum { A, B };\nstatic\nint e(void)\n{ }\nint f(void) { }",
                    &[("e", 2, 3), ("f", 5, 1)],
                ),
                (
                    "struct { int x; } v SEC(\".maps\");\nint g(void) { }",
                    &[("g", 2, 1)],
                ),
            ],
        );
    }

    #[test]
    fn c_macros_count_as_functions_and_hide_no_brace() {
        check(
            Language::C,
            &[
                (
                    "#define M(x) \\\n do { \\\n } while (0)\nint a(void)\n{\n}\n",
                    &[("M", 1, 3), ("a", 4, 3)],
                ),
                (
                    "# define ONE 1\n#if X\n#endif\nint b(void) { }",
                    &[("ONE", 1, 1), ("b", 4, 1)],
                ),
                (
                    "#define OPEN {\nint c(void) { }",
                    &[("OPEN", 1, 1), ("c", 2, 1)],
                ),
            ],
        );
    }
}
