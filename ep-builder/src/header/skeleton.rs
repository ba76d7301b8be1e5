//! What the template engine makes of the headers, kept with holes where an endpoint's own values go.
//!
//! To parse and to render the templates takes a millisecond, more than to hash all sources, and comes to the
//! same text for every endpoint of a shape but for its values. So the engine renders once with a mark in the
//! place of each value, and what it made is kept ([`super::memory`]); an endpoint's header is then a walk
//! through that text. Nothing here knows a line of the templates: where the engine decides something by a value,
//! the marks and the samples show it, and nothing is kept ([`Skeleton::new`]).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Around the path of a value. No value is searched for marks: what is filled in is never read again.
const OPEN: char = '\u{2}';
const CLOSE: char = '\u{3}';
/// Separates the names of a path.
const INSIDE: char = '/';
/// The list of an endpoint: its lines are there as often as it has labels.
const LABELS: &str = "labels";
/// What is no endpoint's own: the shape says it, so it stands in the text.
const SHAPE: [&str; 5] = [
    "ct_map_size_any",
    "ct_map_size_tcp",
    "features",
    "local_delivery_metrics",
    "options",
];

/// A rendered header with marks in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Skeleton(String);

/// The data of a template with a mark in place of each value of an endpoint, and so many labels. What is
/// missing (`null`) stays so: an endpoint without an address of a family has other lines.
fn marked(view: &Value, labels: usize) -> Value {
    let Value::Object(fields) = view else {
        return view.clone();
    };
    let each = |(name, value): (&String, &Value)| {
        let value = match name.as_str() {
            LABELS => vec![mark(LABELS); labels].into(),
            shape if SHAPE.contains(&shape) => value.clone(),
            own => leaves(value, own),
        };
        (name.clone(), value)
    };
    Value::Object(fields.iter().map(each).collect())
}

fn mark(path: &str) -> Value {
    format!("{OPEN}{path}{CLOSE}").into()
}

fn leaves(value: &Value, path: &str) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Object(fields) => {
            let each = |(name, value): (&String, &Value)| {
                let path = format!("{path}{INSIDE}{name}");
                (name.clone(), leaves(value, &path))
            };
            Value::Object(fields.iter().map(each).collect())
        }
        _ => mark(path),
    }
}

impl Skeleton {
    /// Has `render` make the header of the marked data. None if the header depends on values in other ways
    /// than by holding them, as the marks or one of the samples (same shape, same families) show: then each
    /// header must be rendered.
    pub(super) fn new<E>(
        samples: &[Value],
        render: impl Fn(&Value) -> Result<String, E>,
    ) -> Result<Option<Self>, E> {
        let Some(view) = samples.first() else {
            return Ok(None);
        };
        let this = Self(render(&marked(view, 1))?);
        let marks = [0, 3].map(|labels| marked(view, labels));
        for sample in samples.iter().chain(&marks) {
            if this.fill(sample) != Some(render(sample)?) {
                return Ok(None);
            }
        }
        Ok(Some(this))
    }

    /// The header of one endpoint; none if the data has not what the marks name.
    pub(super) fn fill(&self, view: &Value) -> Option<String> {
        let mut text = String::with_capacity(2 * self.0.len());
        let own = format!("{OPEN}{LABELS}{CLOSE}");
        for line in self.0.split_inclusive('\n') {
            if !line.contains(&own) {
                fill_line(&mut text, line, view, None)?;
                continue;
            }
            for label in view.get(LABELS)?.as_array()? {
                fill_line(&mut text, line, view, Some(label))?;
            }
        }
        Some(text)
    }
}

fn fill_line(text: &mut String, line: &str, view: &Value, label: Option<&Value>) -> Option<()> {
    let mut parts = line.split(OPEN);
    text.push_str(parts.next()?);
    for part in parts {
        let (path, rest) = part.split_once(CLOSE)?;
        let value = match label {
            Some(label) if path == LABELS => label,
            _ => path
                .split(INSIDE)
                .try_fold(view, |value, name| value.get(name))?,
        };
        text.push_str(&as_text(value)?);
        text.push_str(rest);
    }
    Some(())
}

/// As the engine writes it.
fn as_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use serde_json::json;

    use super::*;

    /// An engine with a mind of its own, for two endpoints of one shape.
    fn check(what: &str, render: impl Fn(&Value) -> String, is_kept: bool) {
        let sample = |name: &str, number: u32| {
            json!({
                "name": name, "number": { "dec": number }, "absent": null,
                "labels": ["l"], "options": [{ "name": "X", "value": 1 }],
            })
        };
        let samples = [sample("n", 1), sample("", 0)];
        let made = Skeleton::new(&samples, |view| Ok::<_, Infallible>(render(view))).unwrap();
        assert_eq!(made.is_some(), is_kept, "{what}");
        if let Some(skeleton) = made {
            let other = sample("\u{2}number/dec\u{3}{{name}}", 7);
            assert_eq!(skeleton.fill(&other), Some(render(&other)), "{what}");
        }
    }

    fn text(value: &Value) -> String {
        as_text(value).map_or(String::new(), Cow::into_owned)
    }

    fn labels(view: &Value, between: &str) -> String {
        let labels = view["labels"].as_array().unwrap();
        let texts = labels.iter().map(|label| format!(" - {}", text(label)));
        texts.map(|label| label + between).collect()
    }

    #[test]
    fn what_only_holds_the_values_is_kept() {
        let name = |view: &Value| text(&view["name"]);
        let number = |view: &Value| text(&view["number"]["dec"]);
        check("no value", |_| "text\n".into(), true);
        check(
            "values",
            |v| format!("a {} b {}\n", name(v), number(v)) + &labels(v, "\n"),
            true,
        );
        check("labels in one line", |v| labels(v, ", ") + "\n", false);
        check(
            "how many labels",
            |v| labels(v, "").len().to_string(),
            false,
        );
        check(
            "the length of a value",
            |v| name(v).len().to_string(),
            false,
        );
        check(
            "an empty value",
            |v| if name(v).is_empty() { "x" } else { "y" }.into(),
            false,
        );
        check(
            "the number 0",
            |v| if number(v) == "0" { "x" } else { "y" }.into(),
            false,
        );
        check("a stranger", |_| format!("{OPEN}stranger{CLOSE}"), false);
        check("half a mark", |_| OPEN.into(), false);
        check("a shape", |v| text(&v["options"][0]["name"]), true);
        check(
            "what is absent",
            |v| v["absent"].is_null().to_string(),
            true,
        );
    }
}
