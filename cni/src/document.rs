//! JSON read as the rest of the protocol reads it, which is as Go does: a key's case does not matter, a null
//! is an absence, of two equal keys the last one counts.
//!
//! Every complaint names the place: `runtimeConfig.portMappings[0].hostPort`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde_json::{Map, Value};

/// What a document does not say as it should.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// A value of the wrong JSON type.
    #[error("{place} is {found} and must be {wanted}")]
    Type {
        /// Where it stands.
        place: String,
        /// The type it has.
        found: &'static str,
        /// The type it must have.
        wanted: &'static str,
    },
    /// A key that must be there.
    #[error("{place} is missing: {advice}")]
    Missing {
        /// Where it would stand.
        place: String,
        /// What to put there.
        advice: &'static str,
    },
    /// A value that means nothing.
    #[error("{place} is {value}: {rule}")]
    Value {
        /// Where it stands.
        place: String,
        /// What stands there, shortened.
        value: String,
        /// What could stand there.
        rule: String,
    },
}

/// How much of a bad value is shown.
const SHOWN: usize = 80;

impl Fault {
    /// A value that breaks a rule.
    pub(crate) fn value(place: &str, value: impl Display, rule: impl Into<String>) -> Self {
        let mut value = value.to_string();
        if let Some((end, _)) = value.char_indices().nth(SHOWN) {
            value.truncate(end);
            value.push_str("...");
        }
        Self::Value {
            place: place.to_owned(),
            value,
            rule: rule.into(),
        }
    }

    fn wrong_type(place: String, found: &Value, wanted: &'static str) -> Self {
        Self::Type {
            place,
            found: type_of(found),
            wanted,
        }
    }
}

/// An object whose keys are taken out one by one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Object {
    place: String,
    fields: Map<String, Value>,
}

/// A value and where it stood.
pub(crate) type Placed = (String, Value);

impl Object {
    /// The object in a value. The outermost one has the empty place.
    pub(crate) fn new((place, value): Placed) -> Result<Self, Fault> {
        match value {
            Value::Object(fields) => Ok(Self { place, fields }),
            other => Err(Fault::wrong_type(place, &other, "an object")),
        }
    }

    /// Where a key of this object stands.
    pub(crate) fn place(&self, key: &str) -> String {
        if self.place.is_empty() {
            return key.to_owned();
        }
        format!("{}.{key}", self.place)
    }

    /// Whether the key is there, be it with a null.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.fields.keys().any(|own| own.eq_ignore_ascii_case(key))
    }

    /// Takes out a key. Spellings that differ in case go together and the exact one counts: runtimes sort
    /// their keys, capitals first, and for Go the last one counts.
    pub(crate) fn take(&mut self, key: &str) -> Option<Value> {
        let exact = self.fields.remove(key);
        let same = |own: &&String| own.eq_ignore_ascii_case(key);
        let others: Vec<String> = self.fields.keys().filter(same).cloned().collect();
        let mut last = None;
        for other in others {
            last = self.fields.remove(&other);
        }
        exact.or(last).filter(|value| !value.is_null())
    }

    /// What nobody took.
    pub(crate) fn rest(self) -> Map<String, Value> {
        self.fields
    }

    /// All of it as texts by their keys.
    pub(crate) fn into_texts(self) -> Result<BTreeMap<String, String>, Fault> {
        let place = self.place;
        let named = self
            .fields
            .into_iter()
            .filter(|(_, value)| !value.is_null());
        let texts = named.map(|(key, value)| {
            let placed = (format!("{place}.{key}"), value);
            Ok((key, text(placed)?))
        });
        texts.collect()
    }

    /// A text.
    pub(crate) fn text(&mut self, key: &str) -> Result<Option<String>, Fault> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(Fault::wrong_type(self.place(key), &other, "a string")),
        }
    }

    /// A truth value.
    pub(crate) fn flag(&mut self, key: &str) -> Result<Option<bool>, Fault> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(Fault::wrong_type(self.place(key), &other, "true or false")),
        }
    }

    /// A whole number that fits `T`.
    pub(crate) fn number<T: TryFrom<i128>>(&mut self, key: &str) -> Result<Option<T>, Fault> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let place = self.place(key);
        let Value::Number(number) = &value else {
            return Err(Fault::wrong_type(place, &value, "a number"));
        };
        whole(number)
            .and_then(|whole| T::try_from(whole).ok())
            .map(Some)
            .ok_or_else(|| Fault::value(&place, number, "it is no whole number of that range"))
    }

    /// A whole number that stays where it is, and none where there is something else.
    pub(crate) fn peek_number<T: TryFrom<i128>>(&self, key: &str) -> Option<T> {
        let Value::Number(number) = self.fields.get(key)? else {
            return None;
        };
        T::try_from(whole(number)?).ok()
    }

    /// A text with a form of its own; the empty text is an absence.
    pub(crate) fn parsed<T: FromStr>(&mut self, key: &str, rule: &str) -> Result<Option<T>, Fault> {
        let place = self.place(key);
        let text = self.text(key)?.filter(|text| !text.is_empty());
        text.map(|text| parse((place, text), rule)).transpose()
    }

    /// An object.
    pub(crate) fn object(&mut self, key: &str) -> Result<Option<Self>, Fault> {
        let value = self.take(key);
        value
            .map(|value| Self::new((self.place(key), value)))
            .transpose()
    }

    /// The entries of a list; none where it is absent, and a null entry is none.
    pub(crate) fn list(&mut self, key: &str) -> Result<Vec<Placed>, Fault> {
        let value = self.take(key).unwrap_or_else(|| Value::Array(Vec::new()));
        list((self.place(key), value))
    }

    /// A list of texts.
    pub(crate) fn texts(&mut self, key: &str) -> Result<Vec<String>, Fault> {
        self.list(key)?.into_iter().map(text).collect()
    }
}

/// The entries of a list with their places.
pub(crate) fn list((place, value): Placed) -> Result<Vec<Placed>, Fault> {
    let Value::Array(values) = value else {
        return Err(Fault::wrong_type(place, &value, "a list"));
    };
    let entries = values.into_iter().enumerate();
    let placed = entries.map(|(index, value)| (format!("{place}[{index}]"), value));
    Ok(placed.filter(|(_, value)| !value.is_null()).collect())
}

/// A value that must be a text.
pub(crate) fn text((place, value): Placed) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(Fault::wrong_type(place, &other, "a string")),
    }
}

/// A text with a form of its own.
pub(crate) fn parse<T: FromStr>((place, text): (String, String), rule: &str) -> Result<T, Fault> {
    let parsed = text.trim().parse();
    parsed.map_err(|_| Fault::value(&place, format_args!("{text:?}"), rule))
}

/// The number when it is whole; runtimes write large ones as `1e+21`.
fn whole(number: &serde_json::Number) -> Option<i128> {
    let float = || {
        let float = number.as_f64()?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float beyond the range saturates and is then refused by its receiver's"
        )]
        (float.fract() == 0.0).then_some(float as i128)
    };
    let signed = number.as_i64().map(i128::from);
    signed
        .or_else(|| number.as_u64().map(i128::from))
        .or_else(float)
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
