//! How long things may be. What grows past its budget has found its second concern: split it.

use crate::functions::functions;
use crate::house::{File, accepts, files, finds, text};
use crate::lex::{Language, code};

/// Lines of a file and of a function in it.
struct Budget {
    file: usize,
    function: usize,
}

const RUST: Budget = Budget {
    file: 400,
    function: 60,
};
const C: Budget = Budget {
    file: 300,
    function: 60,
};
const ARCHITECTURE: usize = 200;
/// Conditionals in `bpf-src`, for 1,000 lines. Each doubles what a reader must hold in mind and what tests
/// must compile; a plain `if` on a constant costs neither.
const CONDITIONALS: usize = 8;

fn lengths(file: &File) -> Vec<String> {
    let (budget, language) = if file.is_rust() {
        (RUST, Language::Rust)
    } else if file.is_c() {
        (C, Language::C)
    } else {
        return Vec::new();
    };
    let lines = file.text.lines().count();
    let whole = (lines > budget.file)
        .then(|| format!("{}: {lines} lines, at most {}", file.path, budget.file));
    let long = functions(&file.text, language)
        .into_iter()
        .filter(|function| function.lines > budget.function);
    let parts = long.map(|function| {
        let (path, line, name) = (&file.path, function.line, &function.name);
        format!(
            "{path}:{line}: {name} has {} lines, at most {}",
            function.lines, budget.function
        )
    });
    whole.into_iter().chain(parts).collect()
}

fn is_conditional(line: &str) -> bool {
    let directive = line.trim_start().strip_prefix('#').map(str::trim_start);
    directive.is_some_and(|text| text.starts_with("if") || text.starts_with("elif"))
}

fn conditionals(files: &[File]) -> Vec<String> {
    let (mut lines, mut found) = (0, Vec::new());
    for file in files
        .iter()
        .filter(|file| file.is_c() && file.path.starts_with("bpf-src/"))
    {
        let code = code(&file.text, Language::C);
        lines += code.lines().count();
        let own = code
            .lines()
            .enumerate()
            .filter(|(_, line)| is_conditional(line));
        found.extend(own.map(|(at, line)| format!("{}:{}: {}", file.path, at + 1, line.trim())));
    }
    if found.len() * 1_000 <= lines * CONDITIONALS {
        return Vec::new();
    }
    let sum = format!(
        "bpf-src: {} conditionals in {lines} lines, at most {CONDITIONALS} for 1,000",
        found.len()
    );
    std::iter::once(sum).chain(found).collect()
}

fn architecture(text: &str) -> Vec<String> {
    match text.lines().count() {
        0 => vec!["ARCHITECTURE.md: is missing".to_owned()],
        lines if lines > ARCHITECTURE => {
            vec![format!(
                "ARCHITECTURE.md: {lines} lines, at most {ARCHITECTURE}"
            )]
        }
        _ => Vec::new(),
    }
}

#[test]
fn files_and_functions_are_short() {
    accepts(&files().iter().flat_map(lengths).collect::<Vec<_>>());
}

#[test]
fn the_datapath_has_few_conditionals() {
    accepts(&conditionals(files()));
}

#[test]
fn the_architecture_is_told_in_200_lines() {
    accepts(&architecture(text("ARCHITECTURE.md")));
}

#[test]
fn what_is_too_long_is_found() {
    let function = |lines: usize| format!("fn a() {{\n{}}}\n", "x;\n".repeat(lines - 2));
    let c_function = |lines: usize| format!("int a(void)\n{{\n{}}}\n", "x;\n".repeat(lines - 3));
    let lines = |count: usize| "//\n".repeat(count);
    finds(
        lengths,
        &[
            ("a.rs", &lines(400), &[]),
            ("a.rs", &lines(401), &["a.rs: 401 lines, at most 400"]),
            ("a.rs", &function(60), &[]),
            ("a.rs", &function(61), &["a.rs:1: a has 61 lines"]),
            ("a.h", &lines(300), &[]),
            ("a.h", &lines(301), &["a.h: 301 lines, at most 300"]),
            ("a.c", &c_function(60), &[]),
            (
                "a.c",
                &format!("//\n{}", c_function(61)),
                &["a.c:2: a has 61 lines"],
            ),
            (
                "a.c",
                &format!("#define M {}1\n", "\\\n".repeat(60)),
                &["a.c:1: M has 61 lines"],
            ),
            ("a.md", &lines(1_000), &[]),
        ],
    );
}

#[test]
fn too_many_conditionals_are_found() {
    let file = |path, conditionals: &str, lines: usize| {
        File::new(path, &format!("{conditionals}{}", "x\n".repeat(lines)))
    };
    let text = "#if A\n # ifdef B\n#ifndef C\n#elif D\n";
    assert_eq!(conditionals(&[file("bpf-src/a.h", text, 496)]), [""; 0]);
    assert_eq!(conditionals(&[file("bpf-src/a.h", text, 495)]).len(), 5);
    let two = [file("bpf-src/a.h", text, 0), file("bpf-src/b.c", "", 496)];
    assert_eq!(
        conditionals(&two),
        [""; 0],
        "lines are counted over all files"
    );
    let none = "#endif\n#else\n// #if A\n/*\n#if B\n*/\n#include \"if.h\"\n";
    assert_eq!(conditionals(&[file("bpf-src/a.h", none, 0)]), [""; 0]);
    assert_eq!(conditionals(&[file("cni/a.h", text, 0)]), [""; 0]);
}

#[test]
fn a_long_or_missing_architecture_is_found() {
    for (lines, findings) in [(0, 1), (1, 0), (200, 0), (201, 1)] {
        assert_eq!(
            architecture(&"x\n".repeat(lines)).len(),
            findings,
            "{lines}"
        );
    }
}
