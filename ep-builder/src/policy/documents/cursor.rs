//! A walk through a document that knows the name of every field it meets, and keeps what it finds wrong.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use super::error::{Hint, MAX_MISTAKES, Mistake, Mistakes, Notice, Problem, named, place};
use super::scalar::{Scalar, describe};
use super::tree::{Entry, Mark, Node, Value};

/// What could not be read. Why has been said to the [`Reader`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused;

/// What was read, or a note that it was refused.
pub(super) type Read<T> = Result<T, Refused>;

/// A value and the name of its field.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'n> {
    pub(super) node: &'n Node,
    path: Path<'n>,
}

/// The way to a field from the root of its document.
#[derive(Clone, Debug, Default)]
struct Path<'n>(Option<Rc<(Path<'n>, Step<'n>)>>);

#[derive(Debug)]
enum Step<'n> {
    Key(&'n str),
    Item(usize),
}

impl<'n> Path<'n> {
    fn then(&self, step: Step<'n>) -> Self {
        Self(Some(Rc::new((self.clone(), step))))
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((before, step)) = self.0.as_deref() else {
            return Ok(());
        };
        write!(f, "{before}")?;
        let dot = if before.0.is_some() { "." } else { "" };
        match step {
            Step::Item(index) => write!(f, "[{index}]"),
            Step::Key(key) if key.chars().all(|c| c.is_ascii_alphanumeric()) => {
                write!(f, "{dot}{}", named(key))
            }
            Step::Key(key) => write!(f, "[{}]", named(key)),
        }
    }
}

impl<'n> Cursor<'n> {
    /// The root of a document.
    pub(super) fn root(node: &'n Node) -> Self {
        Self {
            node,
            path: Path::default(),
        }
    }

    /// The text that stands here, if it is text.
    pub(super) fn as_text(&self) -> Option<&'n str> {
        match Scalar::of(self.node) {
            Scalar::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is null, or nothing at all.
    pub(super) fn is_null(&self) -> bool {
        Scalar::of(self.node) == Scalar::Null
    }

    /// The line it begins in.
    pub(super) fn line(&self) -> u32 {
        self.node.mark.line
    }

    /// A member of this list.
    pub(super) fn item(&self, index: usize, node: &'n Node) -> Self {
        Self {
            node,
            path: self.path.then(Step::Item(index)),
        }
    }

    fn member(&self, entry: &'n Entry) -> Self {
        Self {
            node: &entry.value,
            path: self.path.then(Step::Key(&entry.key)),
        }
    }
}

/// The fields of a mapping, whose names are known.
#[derive(Clone, Debug)]
pub(super) struct Fields<'n> {
    pub(super) at: Cursor<'n>,
    entries: &'n [Entry],
}

impl<'n> Fields<'n> {
    /// A field. Null is no value: it is as if the field were absent.
    pub(super) fn get(&self, name: &str) -> Option<Cursor<'n>> {
        let entry = self.entries.iter().find(|entry| entry.key == name)?;
        let is_null = Scalar::of(&entry.value) == Scalar::Null;
        (!is_null).then(|| self.at.member(entry))
    }
}

/// Reads the values of files, one after the other, and keeps what is wrong with them.
#[derive(Debug)]
pub(super) struct Reader {
    file: Arc<str>,
    pub(super) mistakes: Mistakes,
    pub(super) notices: Vec<Notice>,
}

impl Reader {
    /// A reader that goes on where these mistakes were found.
    pub(super) fn new(mut told: Vec<Mistake>) -> Self {
        told.truncate(MAX_MISTAKES);
        let mistakes = Mistakes {
            told,
            is_cut_short: false,
        };
        Self {
            file: Arc::from(""),
            mistakes,
            notices: Vec::new(),
        }
    }

    /// Goes on with the next file.
    pub(super) fn turn_to(&mut self, file: Arc<str>) {
        self.file = file;
    }

    /// The file and a line of it.
    pub(super) fn place(&self, line: u32) -> super::Place {
        place(&self.file, line)
    }

    /// Keeps a mistake that belongs to no field.
    pub(super) fn refuse_at(&mut self, mark: Mark, problem: Problem) -> Refused {
        self.keep(mark, String::new(), problem)
    }

    /// Keeps what is wrong with a value.
    pub(super) fn refuse(&mut self, at: &Cursor<'_>, problem: Problem) -> Refused {
        self.keep(at.node.mark, at.path.to_string(), problem)
    }

    /// Keeps that a value is none of those that its field takes.
    pub(super) fn refuse_value(&mut self, at: &Cursor<'_>, takes: &'static str) -> Refused {
        let found = describe(at.node);
        self.refuse(at, Problem::Takes { takes, found })
    }

    /// Keeps that a field is missing.
    pub(super) fn refuse_absent(
        &mut self,
        parent: &Cursor<'_>,
        name: &'static str,
        takes: &'static str,
    ) -> Refused {
        let field = parent.path.then(Step::Key(name)).to_string();
        self.keep(parent.node.mark, field, Problem::Missing { takes })
    }

    fn keep(&mut self, mark: Mark, field: String, problem: Problem) -> Refused {
        if self.is_full() {
            self.mistakes.is_cut_short = true;
        } else {
            let Mark { line, column, .. } = mark;
            let place = self.place(line);
            self.mistakes.told.push(Mistake {
                place,
                column,
                field,
                problem,
            });
        }
        Refused
    }

    /// Keeps what is right but worth a word.
    pub(super) fn notice(&mut self, at: &Cursor<'_>, text: &'static str) {
        let place = self.place(at.line());
        self.notices.push(Notice {
            place,
            field: at.path.to_string(),
            text,
        });
    }

    /// Whether no more can be told: then nothing more is read.
    pub(super) fn is_full(&self) -> bool {
        self.mistakes.told.len() >= MAX_MISTAKES
    }

    /// A mapping with these fields and no others.
    pub(super) fn fields<'n>(
        &mut self,
        at: &Cursor<'n>,
        known: &'static [&'static str],
    ) -> Read<Fields<'n>> {
        let entries = self.entries(at)?;
        // The fields that are known are read all the same: there may be more to say.
        for entry in entries
            .iter()
            .filter(|entry| !known.contains(&entry.key.as_str()))
        {
            if self.is_full() {
                self.mistakes.is_cut_short = true;
                return Err(Refused);
            }
            let problem = Problem::UnknownField {
                name: named(&entry.key),
                hint: Hint::of(&entry.key, known),
            };
            let field = at.member(entry).path.to_string();
            self.keep(entry.mark, field, problem);
        }
        Ok(Fields {
            at: at.clone(),
            entries,
        })
    }

    /// A mapping, whatever its fields are.
    pub(super) fn any_fields<'n>(&mut self, at: &Cursor<'n>) -> Read<Fields<'n>> {
        let entries = self.entries(at)?;
        Ok(Fields {
            at: at.clone(),
            entries,
        })
    }

    /// A mapping of any keys to text, in the order of the text.
    pub(super) fn texts<'n>(
        &mut self,
        at: &Cursor<'n>,
    ) -> Read<Vec<(Cursor<'n>, &'n str, &'n str)>> {
        let entries = self.entries(at)?;
        each(entries, |entry| {
            let member = at.member(entry);
            let text = self.text(
                &member,
                "text, in quotes if it looks like a number or a truth value",
            )?;
            Ok((member, entry.key.as_str(), text))
        })
    }

    fn entries<'n>(&mut self, at: &Cursor<'n>) -> Read<&'n [Entry]> {
        match &at.node.value {
            Value::Map(entries) => Ok(entries),
            _ => Err(self.refuse_value(at, "a mapping")),
        }
    }

    /// The members of a list. None of them is null: it is not clear what that would mean.
    pub(super) fn items<'n>(&mut self, at: &Cursor<'n>) -> Read<Vec<Cursor<'n>>> {
        let Value::List(items, _) = &at.node.value else {
            return Err(self.refuse_value(at, "a list"));
        };
        each(items.iter().enumerate(), |(index, node)| {
            let item = at.item(index, node);
            if Scalar::of(node) == Scalar::Null {
                return Err(self.refuse_value(&item, "a value: {} where an empty one is meant"));
            }
            Ok(item)
        })
    }

    /// Text; `takes` describes it.
    pub(super) fn text<'n>(&mut self, at: &Cursor<'n>, takes: &'static str) -> Read<&'n str> {
        at.as_text().ok_or_else(|| self.refuse_value(at, takes))
    }

    /// A port's number; `takes` describes what else there may be.
    pub(super) fn number(&mut self, at: &Cursor<'_>, takes: &'static str) -> Read<u16> {
        let number = match Scalar::of(at.node) {
            Scalar::Int(Some(number)) => u16::try_from(number).ok().filter(|number| *number > 0),
            _ => None,
        };
        number.ok_or_else(|| self.refuse_value(at, takes))
    }

    /// One of these words: its index.
    pub(super) fn word(&mut self, at: &Cursor<'_>, words: &'static [&'static str]) -> Read<usize> {
        let text = self.text(at, "a word")?;
        let index = words.iter().position(|word| *word == text);
        index.ok_or_else(|| {
            let problem = Problem::Word {
                found: named(text),
                hint: Hint::of(text, words),
            };
            self.refuse(at, problem)
        })
    }
}

/// Reads each of them, whether or not one before is wrong.
pub(super) fn each<I: IntoIterator, T>(
    items: I,
    read: impl FnMut(I::Item) -> Read<T>,
) -> Read<Vec<T>> {
    // All of them first: collecting into a result would stop at the first that is refused.
    let all: Vec<Read<T>> = items.into_iter().map(read).collect();
    all.into_iter().collect()
}
