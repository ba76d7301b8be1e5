//! What a word without quotes is: the core schema of YAML 1.2. `yes`, `no`, `on` and `off` are text.

use super::error::quoted;
use super::tree::{Node, Value};

/// A value by its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar<'n> {
    Null,
    Bool(bool),
    /// None if it is too large for anything, or begins with zeros: older YAML, that of Kubernetes, reads 010 as 8.
    Int(Option<i64>),
    Float,
    Text(&'n str),
    List,
    Map,
}

impl<'n> Scalar<'n> {
    /// The type of a node.
    pub(super) fn of(node: &'n Node) -> Self {
        match &node.value {
            Value::Plain(word) => plain(word),
            Value::Quoted(text) => Self::Text(text),
            Value::List(..) => Self::List,
            Value::Map(_) => Self::Map,
        }
    }
}

/// Whether a word without quotes is null.
pub(super) fn is_null(word: &str) -> bool {
    matches!(word, "" | "~" | "null" | "Null" | "NULL")
}

fn plain(word: &str) -> Scalar<'_> {
    match word {
        _ if is_null(word) => Scalar::Null,
        "true" | "True" | "TRUE" => Scalar::Bool(true),
        "false" | "False" | "FALSE" => Scalar::Bool(false),
        _ => integer(word).unwrap_or_else(|| {
            if is_float(word) {
                Scalar::Float
            } else {
                Scalar::Text(word)
            }
        }),
    }
}

fn integer(word: &str) -> Option<Scalar<'_>> {
    let with_base = |digits: &str, base: u32| {
        let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_digit(base));
        is_number.then(|| Scalar::Int(i64::from_str_radix(digits, base).ok()))
    };
    if let Some(digits) = word.strip_prefix("0x") {
        return with_base(digits, 16);
    }
    if let Some(digits) = word.strip_prefix("0o") {
        return with_base(digits, 8);
    }
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    let is_plain = digits == "0" || !digits.starts_with('0');
    let number = word.parse().ok().filter(|_| is_plain);
    with_base(digits, 10).map(|_| Scalar::Int(number))
}

fn is_float(word: &str) -> bool {
    let unsigned = word.strip_prefix(['-', '+']).unwrap_or(word);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(word, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (number, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let are_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let has_digits = !(whole.is_empty() && part.is_empty());
    has_digits && !exponent.is_empty() && [whole, part, exponent].into_iter().all(are_digits)
}

/// A value in a message: its type, and itself if it is short.
pub(super) fn describe(node: &Node) -> String {
    match (Scalar::of(node), &node.value) {
        (Scalar::Null, _) => "null".to_owned(),
        (Scalar::Bool(value), _) => value.to_string(),
        (Scalar::Int(_) | Scalar::Float, Value::Plain(word)) => {
            format!("the number {}", super::error::named(word))
        }
        (Scalar::Text(text), _) => format!("the text {}", quoted(text)),
        (_, Value::List(items, _)) if items.is_empty() => "a list without items".to_owned(),
        (Scalar::List, _) => "a list".to_owned(),
        _ => "a mapping".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_have_the_types_of_the_core_schema() {
        let check = |words: &[&str], expected: Scalar<'_>| {
            for word in words {
                assert_eq!(plain(word), expected, "{word:?}");
            }
        };
        check(&["", "~", "null", "Null", "NULL"], Scalar::Null);
        check(&["true", "True", "TRUE"], Scalar::Bool(true));
        check(&["80", "+80", "0x50", "0o120"], Scalar::Int(Some(80)));
        check(&["-1"], Scalar::Int(Some(-1)));
        check(&["99999999999999999999", "080", "-00"], Scalar::Int(None));
        check(
            &["1.", ".5", "1.5", "1e3", "-1.5E-3", ".inf", "-.Inf", ".nan"],
            Scalar::Float,
        );
        let texts = [
            "yes",
            "no",
            "on",
            "off",
            "y",
            "nULL",
            "tRue",
            "1.2.3",
            "10.0.0.0/8",
            ".",
            "-",
            "+",
            "0x",
            "0b1",
            "1e",
            "e1",
            "1_000",
            "12:30",
            "-.nan",
            "1e+-2",
            "--1",
        ];
        for text in texts {
            check(&[text], Scalar::Text(text));
        }
    }
}
