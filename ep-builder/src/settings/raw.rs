//! The first stage: what was written, with its place. Names are known to be right, values are not.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Hint, Problem, SettingsError, Source, shown};
use super::keys::{self, Key};
use super::suggest::closest;

/// The keys of a file, in its order.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) entries: Vec<Entry>,
}

/// One key with what was written behind it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) value: Value,
    /// The bytes of the value.
    pub(super) at: Range<usize>,
}

/// A value as written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Switch(bool),
    /// A whole number; none where it is negative or beyond 64 bits.
    Number(Option<u64>),
    /// A list of texts; none where something else is in it.
    List(Option<Vec<String>>),
    /// Something no key takes, by its name in messages.
    Other(&'static str),
}

impl Value {
    fn new(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Boolean(on) => Self::Switch(*on),
            DeValue::Integer(n) => Self::Number(u64::from_str_radix(n.as_str(), n.radix()).ok()),
            DeValue::Float(_) => Self::Other("a fraction"),
            DeValue::Datetime(_) => Self::Other("a date"),
            DeValue::Array(items) => {
                let text = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
                    DeValue::String(text) => Some(text.to_string()),
                    _ => None,
                };
                Self::List(items.iter().map(text).collect())
            }
            DeValue::Table(_) => Self::Other("a table"),
        }
    }

    /// Its name in messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Switch(true) => "true",
            Self::Switch(false) => "false",
            Self::Number(_) => "a number",
            Self::List(_) => "a list",
            Self::Other(name) => name,
        }
    }
}

/// A name and its value as the parser gives them.
type Item<'a, 'i> = (
    &'a Spanned<toml::de::DeString<'i>>,
    &'a Spanned<DeValue<'i>>,
);

impl Raw {
    /// Parses the text and looks up every name. The first mistake of the file is the one reported.
    pub(super) fn parse(source: &Source<'_>) -> Result<Self, SettingsError> {
        let document = DeTable::parse(source.text).map_err(|e| syntax(&e, source))?;
        let mut entries = Vec::new();
        for (name, value) in in_order(document.get_ref()) {
            match (keys::table(name.get_ref()), value.get_ref()) {
                (Some(table), DeValue::Table(rows)) => {
                    for item in in_order(rows) {
                        below(table, item, source, &mut entries)?;
                    }
                }
                (Some(table), other) => {
                    let found = Value::new(other).name();
                    let problem = Problem::NotATable { table, found };
                    return Err(source.error(&name.span(), problem));
                }
                (None, _) => entries.push(entry("", (name, value), source)?),
            }
        }
        Ok(Self { entries })
    }
}

/// A key of a table, or the keys of a table in it.
fn below(
    table: &'static str,
    (name, value): Item<'_, '_>,
    source: &Source<'_>,
    entries: &mut Vec<Entry>,
) -> Result<(), SettingsError> {
    match (keys::table_within(table, name.get_ref()), value.get_ref()) {
        (Some(inner), DeValue::Table(rows)) => {
            for item in in_order(rows) {
                entries.push(entry(inner, item, source)?);
            }
        }
        (Some(inner), other) => {
            let found = Value::new(other).name();
            let problem = Problem::NotATable {
                table: inner,
                found,
            };
            return Err(source.error(&name.span(), problem));
        }
        (None, _) => entries.push(entry(table, (name, value), source)?),
    }
    Ok(())
}

/// The items in the order of the text: the parser sorts them by name.
fn in_order<'a, 'i>(table: &'a DeTable<'i>) -> Vec<Item<'a, 'i>> {
    let mut items: Vec<_> = table.iter().collect();
    items.sort_by_key(|(name, _)| name.span().start);
    items
}

fn entry(
    table: &'static str,
    (name, value): Item<'_, '_>,
    source: &Source<'_>,
) -> Result<Entry, SettingsError> {
    let key = keys::find(table, name.get_ref()).ok_or_else(|| {
        let is_table = matches!(value.get_ref(), DeValue::Table(_));
        source.error(&name.span(), unknown(table, name.get_ref(), is_table))
    })?;
    Ok(Entry {
        key,
        value: Value::new(value.get_ref()),
        at: value.span(),
    })
}

/// What is wrong with a name that is not in its table.
fn unknown(table: &'static str, name: &str, is_table: bool) -> Problem {
    if table.is_empty() && is_table {
        Problem::UnknownTable {
            name: shown(name),
            hint: closest(name, keys::tables())
                .map(Hint::Spelling)
                .or_else(|| elsewhere(name))
                .unwrap_or_else(|| Hint::Known(keys::tables().collect())),
        }
    } else {
        Problem::UnknownKey {
            table,
            name: shown(name),
            hint: key_hint(table, name),
        }
    }
}

/// A key of that very name in another table comes before one of a similar name in this table:
/// `[cache] timeout_seconds` is the compiler's.
fn key_hint(table: &'static str, name: &str) -> Hint {
    let names = |table| keys::of_table(table).map(|key| key.name);
    if let Some(key) = keys::all().find(|key| key.name == name) {
        return Hint::BelongsIn(key.table);
    }
    if let Some(table) = keys::table(name) {
        return Hint::IsTable(table);
    }
    closest(name, names(table))
        .map(Hint::Spelling)
        .or_else(|| elsewhere(name))
        .unwrap_or_else(|| match table {
            "" => Hint::Known(names("").chain(keys::tables()).collect()),
            table => Hint::Known(names(table).collect()),
        })
}

/// The closest key of any table.
fn elsewhere(name: &str) -> Option<Hint> {
    let close = closest(name, keys::all().map(|key| key.name))?;
    let key = keys::all().find(|key| key.name == close)?;
    Some(Hint::Elsewhere {
        table: key.table,
        key: key.name,
    })
}

fn syntax(error: &toml::de::Error, source: &Source<'_>) -> SettingsError {
    let problem = match error.message() {
        "duplicate key" => Problem::Duplicate,
        message => Problem::Syntax(message.to_owned()),
    };
    source.error(&error.span().unwrap_or_default(), problem)
}
