//! What is wrong with policy documents: every mistake with its place, its field, what stands there and what may.

use std::fmt;
use std::sync::Arc;

use crate::policy::Place;
use crate::whole_file::FileError;

/// How many mistakes are told. Nothing behind the last of these is read.
pub const MAX_MISTAKES: usize = 50;
/// Longer texts are cut short in messages.
const MAX_QUOTED: usize = 64;

/// Policy documents that cannot be used. Nothing of them is.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The folder cannot be listed.
    #[error("cannot list the policy documents")]
    Folder(#[source] FileError),
    /// A file cannot be read.
    #[error("cannot load a policy document")]
    File(#[source] FileError),
    /// What stands in the files is wrong.
    #[error("{0}")]
    Content(Mistakes),
}

impl DocumentError {
    /// What to do about it, where the message does not say so itself.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Folder(_) => Some("the policy folder is a folder that weir may list"),
            Self::File(e) if e.is_not_found() => Some("name a file that is there"),
            Self::File(_) => Some(
                "a policy document is a plain file of at most 4 MiB in UTF-8 that weir may read; all of them have at \
                 most 64 MiB",
            ),
            Self::Content(_) => None,
        }
    }
}

/// The mistakes of all files, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes {
    /// The first of them.
    pub told: Vec<Mistake>,
    /// Whether reading ended with the last of these: there may be more.
    pub is_cut_short: bool,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.told.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{mistake}")?;
        }
        if self.is_cut_short {
            write!(f, "\nthere may be more: mend these first")?;
        }
        Ok(())
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// File and line.
    pub place: Place,
    /// The column, from 1, in characters.
    pub column: u32,
    /// The field, from the document's root, as `spec.ingress[0].ports[1].endPort`; empty for the document itself.
    pub field: String,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { file, line } = &self.place;
        write!(f, "{file}:{line}:{}: ", self.column)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        write!(f, "{}", self.problem)
    }
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A byte that is no text.
    #[error("this is not UTF-8: save the file in that encoding")]
    NotUtf8,
    /// The text is neither YAML nor JSON.
    #[error("this is no YAML: {0}")]
    Syntax(String),
    /// A type that is given by a tag.
    #[error("a tag has no meaning here: put what shall be text in quotes")]
    Tag,
    /// A name for a value that is not given, or not yet.
    #[error("this alias has no anchor before it that is complete")]
    Alias,
    /// More levels than a document has.
    #[error("this is nested deeper than {0} levels")]
    TooDeep(usize),
    /// More values than a document has, with those that aliases repeat.
    #[error("this document has more than {0} values, counting what aliases repeat: split it up")]
    TooLarge(usize),
    /// A key that is no text.
    #[error("a key is text, not {0}")]
    KeyNotText(&'static str),
    /// A key that is there twice.
    #[error("the key `{key}` is there twice, first in line {first}: keep one of them")]
    DuplicateKey {
        /// The key.
        key: String,
        /// The line of the first one.
        first: u32,
    },
    /// A field of no known name.
    #[error("there is no field `{name}` here: {hint}")]
    UnknownField {
        /// The name.
        name: String,
        /// What to write instead.
        hint: Hint,
    },
    /// A field that has to be there.
    #[error("this field is missing: it takes {takes}")]
    Missing {
        /// What it takes.
        takes: &'static str,
    },
    /// Another value than the field takes.
    #[error("this takes {takes}, not {found}")]
    Takes {
        /// What it takes.
        takes: &'static str,
        /// What was found, and what to write, if that is clear.
        found: String,
    },
    /// A word that is none of those the field takes.
    #[error("there is no `{found}` here: {hint}")]
    Word {
        /// What was found.
        found: String,
        /// What to write instead.
        hint: Hint,
    },
    /// A key that no label has.
    #[error("the key of a label takes {takes}")]
    Key {
        /// What it takes.
        takes: &'static str,
    },
    /// A known kind of another version.
    #[error("kind {kind} is understood as {known}, not {found}")]
    Version {
        /// The kind.
        kind: &'static str,
        /// Its version here.
        known: &'static str,
        /// What was found.
        found: String,
    },
    /// Two values that cannot both be meant; or one that needs another.
    #[error("{0}")]
    Contradiction(String),
    /// A document of this kind and name was there before.
    #[error("{what} is there twice, first at {}:{}: keep one of them", first.file, first.line)]
    Duplicate {
        /// Its kind and name.
        what: String,
        /// The first one.
        first: Place,
    },
}

/// What to write instead of an unknown name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A name that is spelled alike.
    Spelling(&'static str),
    /// Nothing is close: all there is.
    Known(&'static [&'static str]),
}

impl Hint {
    /// The hint for a name that is none of those.
    pub(super) fn of(name: &str, known: &'static [&'static str]) -> Self {
        let closest = crate::settings::closest(name, known.iter().copied());
        closest.map_or(Self::Known(known), Self::Spelling)
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spelling(name) => write!(f, "did you mean `{name}`?"),
            Self::Known(names) => write!(f, "it takes {}", names.join(", ")),
        }
    }
}

/// Something that is right and does not do what it seems to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// File and line.
    pub place: Place,
    /// The field.
    pub field: String,
    /// What was seen, and what it means.
    pub text: &'static str,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { file, line } = &self.place;
        write!(f, "{file}:{line}: {}: {}", self.field, self.text)
    }
}

/// A text of the file as part of a message: one line, of bounded length.
pub(super) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(MAX_QUOTED).collect();
    let dots = if short.len() < text.len() { "..." } else { "" };
    format!("{short:?}{dots}")
}

/// A name of the file as part of a message that puts it between backquotes.
pub(super) fn named(text: &str) -> String {
    let quoted = quoted(text);
    quoted.replacen('"', "", 1).replacen('"', "", 1)
}

/// The place of a line of a file.
pub(super) fn place(file: &Arc<str>, line: u32) -> Place {
    Place {
        file: Arc::clone(file),
        line,
    }
}
