//! Labels and selectors.

use std::collections::BTreeMap;

use super::cursor::{Cursor, Read, Reader, Refused, each};
use super::error::Problem;
use super::names::{LABEL_KEY, LABEL_VALUE, is_label_key, is_label_value};
use crate::policy::{Operator, Requirement, Selector};

/// The fields of a selector.
pub(super) const SELECTOR: &[&str] = &["matchLabels", "matchExpressions"];
/// The fields of an expression.
pub(super) const EXPRESSION: &[&str] = &["key", "operator", "values"];
/// The operators; their order is that of [`operator`].
pub(super) const OPERATORS: &[&str] = &["In", "NotIn", "Exists", "DoesNotExist"];

/// A mapping of labels to their values.
pub(super) fn labels(reader: &mut Reader, at: &Cursor<'_>) -> Read<BTreeMap<String, String>> {
    let pairs = reader.texts(at)?;
    let pairs = each(pairs, |(member, key, value)| {
        let key_is_right = is_label_key(key) || {
            reader.refuse(&member, Problem::Key { takes: LABEL_KEY });
            false
        };
        let value = label_value(reader, &member, value)?;
        if key_is_right {
            Ok((key.to_owned(), value))
        } else {
            Err(Refused)
        }
    })?;
    Ok(pairs.into_iter().collect())
}

/// A selector. One that is empty selects all.
pub(super) fn selector(reader: &mut Reader, at: &Cursor<'_>) -> Read<Selector> {
    let fields = reader.fields(at, SELECTOR)?;
    let labels = fields.get("matchLabels").map(|at| labels(reader, &at));
    let expressions = fields.get("matchExpressions").map(|at| {
        let items = reader.items(&at)?;
        each(items, |item| expression(reader, &item))
    });
    let equals = labels.transpose()?.unwrap_or_default().into_iter();
    let mut requirements: Vec<_> = equals.map(equal).collect();
    requirements.extend(expressions.transpose()?.unwrap_or_default());
    Ok(Selector(requirements))
}

fn equal((key, value): (String, String)) -> Requirement {
    Requirement {
        key,
        operator: Operator::In,
        values: [value].into(),
    }
}

fn expression(reader: &mut Reader, at: &Cursor<'_>) -> Read<Requirement> {
    let fields = reader.fields(at, EXPRESSION)?;
    let key = match fields.get("key") {
        None => Err(reader.refuse_absent(at, "key", LABEL_KEY)),
        Some(at) => match reader.text(&at, LABEL_KEY)? {
            key if is_label_key(key) => Ok(key.to_owned()),
            _ => Err(reader.refuse_value(&at, LABEL_KEY)),
        },
    };
    let operator = match fields.get("operator") {
        None => Err(reader.refuse_absent(at, "operator", "In, NotIn, Exists or DoesNotExist")),
        Some(at) => reader.word(&at, OPERATORS).map(operator),
    };
    let values = fields.get("values").map(|at| (values(reader, &at), at));
    let (key, operator) = (key?, operator?);
    let Some((values, at_values)) = values else {
        return if asks_for_values(operator) {
            Err(reader.refuse_absent(at, "values", "the values that In and NotIn compare with"))
        } else {
            Ok(Requirement {
                key,
                operator,
                values: [].into(),
            })
        };
    };
    let values = values?;
    if asks_for_values(operator) == values.is_empty() {
        let takes = if values.is_empty() {
            "at least one value where operator is In or NotIn"
        } else {
            "no value where operator is Exists or DoesNotExist"
        };
        return Err(reader.refuse_value(&at_values, takes));
    }
    Ok(Requirement {
        key,
        operator,
        values: values.into_iter().collect(),
    })
}

fn values(reader: &mut Reader, at: &Cursor<'_>) -> Read<Vec<String>> {
    let items = reader.items(at)?;
    each(items, |item| {
        let value = reader.text(
            &item,
            "text, in quotes if it looks like a number or a truth value",
        )?;
        label_value(reader, &item, value)
    })
}

fn label_value(reader: &mut Reader, at: &Cursor<'_>, value: &str) -> Read<String> {
    if is_label_value(value) {
        Ok(value.to_owned())
    } else {
        Err(reader.refuse_value(at, LABEL_VALUE))
    }
}

fn operator(index: usize) -> Operator {
    match index {
        0 => Operator::In,
        1 => Operator::NotIn,
        2 => Operator::Exists,
        _ => Operator::DoesNotExist,
    }
}

fn asks_for_values(operator: Operator) -> bool {
    matches!(operator, Operator::In | Operator::NotIn)
}
