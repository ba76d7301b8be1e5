//! The second stage: from what was written to what holds.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::error::{Problem, SettingsError, Source, shown};
use super::keys::{Bounds, Kind, Takes};
use super::raw::{Entry, Raw, Value};
use super::{AllowLocalhost, ServicePort, Settings, node};
use crate::attach::AttachMode;
use crate::maps::Prefix;
use crate::options::{OPTIONS, OptionError};
use crate::shape::{self, MapPrefix, ShapeError};

/// The defaults, with every entry set, accepted by [`shape::validate`].
pub(super) fn resolve(raw: &Raw, source: &Source<'_>) -> Result<Settings, SettingsError> {
    let mut settings = Settings::default();
    for entry in &raw.entries {
        let written = source.text.get(entry.at.clone()).unwrap_or_default();
        set(&mut settings, entry, written).map_err(|problem| source.error(&entry.at, problem))?;
    }
    shape::validate(&settings.node, &settings.endpoint)
        .map_err(|e| source.error(&culprit(raw, &e), problem(e)))?;
    Ok(settings)
}

/// Sets one field. `written` is the value's text.
fn set(settings: &mut Settings, entry: &Entry, written: &str) -> Result<(), Problem> {
    match (entry.key.kind, &entry.value) {
        (Kind::Prefix, Value::Text(text)) => {
            settings.node.map_prefix =
                MapPrefix::new(text).map_err(|_| ShapeError::MapPrefix(shown(text)))?;
        }
        (Kind::Attach, Value::Text(text)) => {
            settings.attach = one_of(
                entry,
                text,
                [AttachMode::Tc, AttachMode::Tcx],
                AttachMode::name,
            )?;
        }
        (Kind::Localhost, Value::Text(text)) => {
            let known = [AllowLocalhost::Always, AllowLocalhost::Policy];
            settings.policy.allow_localhost = one_of(entry, text, known, AllowLocalhost::name)?;
        }
        (Kind::Folder(slot), Value::Text(text)) => *slot(settings) = absolute(entry, text)?,
        (Kind::Optional(slot), Value::Text(text)) => {
            let given = (!text.is_empty()).then(|| absolute(entry, text));
            *slot(settings) = given.transpose()?;
        }
        (Kind::Devices(slot), Value::List(names)) => {
            *slot(settings) = listed(entry, names.as_deref(), written, device)?;
        }
        (Kind::Networks(slot), Value::List(networks)) => {
            *slot(settings) = listed(entry, networks.as_deref(), written, network)?;
        }
        (Kind::Labels(slot), Value::List(labels)) => {
            *slot(settings) = listed(entry, labels.as_deref(), written, node::label)?;
        }
        (Kind::Ports(slot), Value::List(ports)) => {
            *slot(settings) = listed(entry, ports.as_deref(), written, ServicePort::parse)?;
        }
        (Kind::Switch(slot), Value::Switch(on)) => *slot(settings) = *on,
        (Kind::Size(slot, bounds), Value::Number(n)) => {
            *slot(settings) = number(entry, *n, bounds, written)?;
        }
        (Kind::Number(slot, bounds), Value::Number(n)) => {
            *slot(settings) = number(entry, *n, bounds, written)?;
        }
        (Kind::Time(slot, unit, bounds), Value::Number(n)) => {
            *slot(settings) = unit.span(number(entry, *n, bounds, written)?);
        }
        (Kind::Option(spec), _) => {
            let level = level(entry, written)?;
            let options = &mut settings.endpoint.options;
            options.set(spec.name, level).map_err(ShapeError::from)?;
        }
        _ => return Err(mistyped(entry)),
    }
    Ok(())
}

/// The value of an option: a switch is true or false, a level is a number.
fn level(entry: &Entry, written: &str) -> Result<u8, Problem> {
    match (entry.key.kind.takes(), &entry.value) {
        (Takes::Switch, Value::Switch(on)) => Ok(u8::from(*on)),
        (Takes::Number(bounds), Value::Number(n)) => number(entry, *n, bounds, written),
        _ => Err(mistyped(entry)),
    }
}

/// The one of this name.
fn one_of<T: Copy, const N: usize>(
    entry: &Entry,
    text: &str,
    known: [T; N],
    name: fn(T) -> &'static str,
) -> Result<T, Problem> {
    let found = known.into_iter().find(|it| name(*it) == text);
    found.ok_or_else(|| Problem::Range {
        key: entry.key.name,
        takes: entry.key.kind.takes().to_string(),
        found: format!("\"{}\"", shown(text)),
    })
}

/// The items of a list, each once; the first that is none is named.
fn listed<T: PartialEq>(
    entry: &Entry,
    items: Option<&[String]>,
    written: &str,
    read: fn(&str) -> Option<T>,
) -> Result<Vec<T>, Problem> {
    let refused = |found: String| Problem::Range {
        key: entry.key.name,
        takes: entry.key.kind.takes().to_string(),
        found,
    };
    let mut all = Vec::new();
    for text in items.ok_or_else(|| refused(shown(written)))? {
        let item = read(text).ok_or_else(|| refused(format!("\"{}\"", shown(text))))?;
        if !all.contains(&item) {
            all.push(item);
        }
    }
    Ok(all)
}

fn device(text: &str) -> Option<String> {
    node::is_device_name(text).then(|| text.to_owned())
}

/// An address alone is no network here: whoever means one address writes /32.
fn network(text: &str) -> Option<Prefix> {
    text.contains('/').then(|| text.parse().ok()).flatten()
}

fn mistyped(entry: &Entry) -> Problem {
    Problem::Type {
        key: entry.key.name,
        takes: entry.key.kind.takes().to_string(),
        found: entry.value.name(),
    }
}

/// A number within its bounds and the width of its field.
fn number<T: TryFrom<u64>>(
    entry: &Entry,
    value: Option<u64>,
    Bounds(low, high): Bounds,
    written: &str,
) -> Result<T, Problem> {
    value
        .filter(|n| (low..=high).contains(n))
        .and_then(|n| T::try_from(n).ok())
        .ok_or_else(|| Problem::Range {
            key: entry.key.name,
            takes: entry.key.kind.takes().to_string(),
            found: shown(written),
        })
}

/// A relative path would mean another folder for each caller: a plugin's working directory is its
/// runtime's.
fn absolute(entry: &Entry, text: &str) -> Result<PathBuf, Problem> {
    let key = entry.key.name;
    if text.contains('\0') {
        Err(Problem::Nul { key })
    } else if Path::new(text).is_absolute() {
        Ok(PathBuf::from(text))
    } else {
        Err(Problem::Relative { key })
    }
}

/// The value to point at: the last one written of those that the refusal is about.
fn culprit(raw: &Raw, error: &ShapeError) -> Range<usize> {
    let names: &[&str] = match error {
        ShapeError::MapPrefix(_) => &["map_prefix"],
        ShapeError::NoFamily => &["ipv4", "ipv6"],
        ShapeError::Size { map, .. } => &[map],
        ShapeError::Events(_) => &["events"],
        ShapeError::Option(OptionError::Unknown(name)) => &[name],
        ShapeError::Option(OptionError::Value { name, .. }) => &[name],
        ShapeError::Option(OptionError::Later { option, .. }) => &[option],
        ShapeError::Option(OptionError::Needs { option, needs }) => &[option, needs],
    };
    let concerned = |entry: &&Entry| match entry.key.kind {
        Kind::Option(spec) => names.contains(&spec.key) || names.contains(&spec.name),
        _ => names.contains(&entry.key.name),
    };
    let last = raw.entries.iter().rev().find(concerned);
    last.map_or(0..0, |entry| entry.at.clone())
}

/// A refusal in the words of the file: options by their keys.
fn problem(error: ShapeError) -> Problem {
    match error {
        ShapeError::Option(OptionError::Needs { option, needs }) => Problem::Needs {
            option: key_of(option),
            needs: key_of(needs),
        },
        other => Problem::Shape(other),
    }
}

fn key_of(name: &'static str) -> &'static str {
    let spec = OPTIONS.iter().find(|spec| spec.name == name);
    spec.map_or(name, |spec| spec.key)
}
