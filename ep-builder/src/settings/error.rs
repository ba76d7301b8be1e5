//! Why a configuration was refused: which file, line and column, the line itself, and what is allowed.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::shape::ShapeError;
use crate::trouble;
use crate::whole_file::FileError;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file could not be read.
    #[error("cannot load the configuration")]
    File(#[from] FileError),
    /// What stands in it is wrong.
    #[error("{0}")]
    Content(Box<Mistake>),
}

/// A mistake in the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{}:{}: {problem}\n{excerpt}", path.display(), excerpt.line, excerpt.column)]
pub struct Mistake {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub problem: Problem,
    /// Where.
    pub excerpt: Excerpt,
}

impl SettingsError {
    /// What to do about it, where the message does not say so itself.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::File(e) if e.is_not_found() => Some(
                "write that file, or name none: without a configuration every key has its default",
            ),
            // What a disk needs, whoever knows disks says.
            Self::File(_) if trouble::advice(self).is_some() => None,
            Self::File(_) => {
                Some("the configuration is a plain TOML file of at most 1 MiB that weir may read")
            }
            Self::Content(_) => None,
        }
    }
}

/// What is wrong with the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A byte that is no text.
    #[error("this is not UTF-8: save the file in that encoding")]
    NotUtf8,
    /// The text is no TOML.
    #[error("this is no TOML: {0}")]
    Syntax(String),
    /// A key or a table stands there twice.
    #[error("this key or table is there twice: keep one of them")]
    Duplicate,
    /// A table of no known name.
    #[error("there is no table [{name}]: {hint}")]
    UnknownTable {
        /// The name.
        name: String,
        /// What to write instead.
        hint: Hint,
    },
    /// A key of no known name, or one of another table.
    #[error("there is no key `{name}` {}: {hint}", Place(table))]
    UnknownKey {
        /// The table it stands in; empty at the top level.
        table: &'static str,
        /// The name.
        name: String,
        /// What to write instead.
        hint: Hint,
    },
    /// A value where a table should be.
    #[error(
        "`{table}` is a table, not {found}: write [{table}] on a line of its own, its keys below"
    )]
    NotATable {
        /// The table.
        table: &'static str,
        /// What was found.
        found: &'static str,
    },
    /// A value of the wrong type.
    #[error("`{key}` takes {takes}, not {found}")]
    Type {
        /// The key.
        key: &'static str,
        /// What it takes.
        takes: String,
        /// What was found.
        found: &'static str,
    },
    /// A number out of its range, or a word that is none of those a key takes.
    #[error("`{key}` takes {takes}, not {found}")]
    Range {
        /// The key.
        key: &'static str,
        /// What it takes.
        takes: String,
        /// The value as written.
        found: String,
    },
    /// A path that is not absolute.
    #[error("`{key}` takes an absolute path: weir runs in whatever folder its caller is in")]
    Relative {
        /// The key.
        key: &'static str,
    },
    /// A path that no system call accepts.
    #[error("`{key}` takes a path, and no path contains a NUL byte")]
    Nul {
        /// The key.
        key: &'static str,
    },
    /// An option that does nothing without another one.
    #[error("`{option}` needs `{needs}`: in [options], set {needs} = true or {option} = false")]
    Needs {
        /// The option that is on.
        option: &'static str,
        /// The option that is off.
        needs: &'static str,
    },
    /// A combination that cannot work.
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

/// What to write instead of an unknown name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A key of the same table, or a table, that is spelled alike.
    Spelling(&'static str),
    /// A key of another table that is spelled alike.
    Elsewhere {
        /// Its table; empty at the top level.
        table: &'static str,
        /// Its name.
        key: &'static str,
    },
    /// The key exists, in another table.
    BelongsIn(&'static str),
    /// The name is that of a table, which stands alone.
    IsTable(&'static str),
    /// Nothing is close: all there is.
    Known(Vec<&'static str>),
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spelling(name) => write!(f, "did you mean `{name}`?"),
            Self::Elsewhere { table, key } => {
                write!(f, "did you mean `{key}` {}?", Place(table))
            }
            Self::BelongsIn("") => f.write_str("it belongs above the first table of the file"),
            Self::BelongsIn(table) => write!(f, "it belongs in [{table}]"),
            Self::IsTable(table) => {
                write!(f, "[{table}] is a table of its own, inside no other")
            }
            Self::Known(names) => write!(f, "known are {}", names.join(", ")),
        }
    }
}

/// Where a key stands, for messages.
struct Place<'a>(&'a str);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => f.write_str("at the top level"),
            table => write!(f, "in [{table}]"),
        }
    }
}

/// The line of a mistake, with a mark below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line's number, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// The line, or the part of a long one around the mistake, with control characters replaced.
    pub text: String,
    /// Where the mark begins in `text`, in characters.
    pub mark: usize,
    /// How many characters are marked.
    pub width: usize,
}

impl Excerpt {
    /// How much of a line is shown on either side of the mistake.
    const SIDE: usize = 60;

    /// The excerpt of `text` at a range of bytes; a range that is none shows the nearest that is.
    fn new(text: &str, at: &Range<usize>) -> Self {
        let start = text.floor_char_boundary(at.start.min(text.len()));
        let end = text.floor_char_boundary(at.end.clamp(start, text.len()));
        let head = text.get(..start).unwrap_or_default();
        let line_start = head.rfind('\n').map_or(0, |newline| newline + 1);
        let line = text.get(line_start..).unwrap_or_default();
        let line = line.split('\n').next().unwrap_or_default();
        let before = head.get(line_start..).unwrap_or_default().chars().count();
        let marked = text.get(start..end).unwrap_or_default();
        let marked = marked.split('\n').next().unwrap_or_default();
        let skipped = before.saturating_sub(Self::SIDE);
        let shown = line.trim_end().chars().skip(skipped);
        Self {
            line: head.matches('\n').count() + 1,
            column: before + 1,
            text: shown.take(2 * Self::SIDE).map(printable).collect(),
            mark: before - skipped,
            width: marked.chars().count().clamp(1, Self::SIDE),
        }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let (text, mark, width) = (&self.text, self.mark, self.width);
        writeln!(f, "{number} | {text}")?;
        let gutter = number.len();
        write!(f, "{:gutter$} | {:mark$}{:^<width$}", "", "", "")
    }
}

/// A character that moves no cursor and speaks to no terminal.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// Something from the text, fit for a message.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).map(printable).collect()
}

/// The text of a configuration, and the path it came from.
pub(super) struct Source<'a> {
    pub(super) text: &'a str,
    path: &'a Path,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str, path: &'a Path) -> Self {
        Self { text, path }
    }

    /// The error of a problem at a range of bytes.
    pub(super) fn error(&self, at: &Range<usize>, problem: Problem) -> SettingsError {
        SettingsError::Content(Box::new(Mistake {
            path: self.path.to_owned(),
            problem,
            excerpt: Excerpt::new(self.text, at),
        }))
    }
}

/// The error of bytes that are text up to `valid_up_to` only.
pub(super) fn not_utf8(bytes: &[u8], valid_up_to: usize, path: &Path) -> SettingsError {
    let text = String::from_utf8_lossy(bytes);
    // What is valid is unchanged by the lossy conversion: the offset holds for its result too.
    Source::new(&text, path).error(&(valid_up_to..valid_up_to), Problem::NotUtf8)
}
