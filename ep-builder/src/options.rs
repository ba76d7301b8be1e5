//! The options of an endpoint: which code its program contains.
//!
//! An option is *shape*: it is hashed into the template's key. A new one is one row of [`OPTIONS`], one
//! line in `bpf-src/lib/config.h` and one key in `conf/weir.toml`; rendering, the command line and the
//! compile matrix follow from the row.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// What values an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// Off (0) or on (1).
    Switch,
    /// A level from 0 (off) to the given one.
    Level(u8),
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// The name in the record and in JSON.
    pub name: &'static str,
    /// The macro of `ep_config.h`.
    pub define: &'static str,
    /// The key in `weir.toml`.
    pub key: &'static str,
    /// The values it takes.
    pub kind: OptionKind,
    /// The value when nothing is configured.
    pub default: u8,
    /// What it does, in one line.
    pub help: &'static str,
}

impl OptionSpec {
    /// The highest value.
    pub fn max(&self) -> u8 {
        match self.kind {
            OptionKind::Switch => 1,
            OptionKind::Level(max) => max,
        }
    }
}

macro_rules! options {
    ($($name:literal $define:literal $key:literal $kind:expr, $default:literal, $help:literal;)*) => {
        /// Every option, in the order of the header: sorted by record name.
        pub const OPTIONS: &[OptionSpec] = &[$(OptionSpec {
            name: $name, define: $define, key: $key, kind: $kind, default: $default, help: $help,
        }),*];
    };
}

options! {
    "Conntrack" "CONNTRACK" "conntrack" OptionKind::Switch, 1, "track connections; replies need no rule of their own";
    "ConntrackAccounting" "CONNTRACK_ACCOUNTING" "conntrack_accounting" OptionKind::Switch, 1, "count packets and bytes per connection";
    "ConntrackLocal" "CONNTRACK_LOCAL" "conntrack_local" OptionKind::Switch, 0, "keep this endpoint's connections in maps of its own";
    "Debug" "DEBUG" "debug" OptionKind::Switch, 0, "debug events of the datapath";
    "DebugLB" "LB_DEBUG" "debug_lb" OptionKind::Switch, 0, "debug events of service translation";
    "DebugPolicy" "POLICY_DEBUG" "debug_policy" OptionKind::Switch, 0, "debug events of policy look-ups";
    "DropNotification" "DROP_NOTIFY" "drop_notification" OptionKind::Switch, 1, "an event for every dropped packet";
    "MonitorAggregationLevel" "MONITOR_AGGREGATION" "monitor_aggregation" OptionKind::Level(4), 0, "how many trace events are folded away";
    "NAT46" "ENABLE_NAT46" "nat46" OptionKind::Switch, 0, "translate between IPv4 and IPv6";
    "PolicyAuditMode" "POLICY_AUDIT_MODE" "policy_audit_mode" OptionKind::Switch, 0, "report what policy would drop, and let it pass";
    "PolicyVerdictNotification" "POLICY_VERDICT_NOTIFY" "policy_verdict_notification" OptionKind::Switch, 1, "an event for every policy decision";
    "TraceNotification" "TRACE_NOTIFY" "trace_notification" OptionKind::Switch, 1, "an event for every forwarded packet";
}

/// Options of a part that is yet to come, and what they need of it. They stay in the header and in records,
/// where they are off.
const LATER: [(&str, &str); 2] = [
    ("DebugLB", "service translation"),
    ("NAT46", "service translation"),
];

/// A value for each of [`OPTIONS`]. JSON is a map from record name to number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointOptions([u8; OPTIONS.len()]);

impl Default for EndpointOptions {
    fn default() -> Self {
        let mut values = [0; OPTIONS.len()];
        for (value, spec) in values.iter_mut().zip(OPTIONS) {
            *value = spec.default;
        }
        Self(values)
    }
}

impl EndpointOptions {
    /// Each option with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&'static OptionSpec, u8)> {
        OPTIONS.iter().zip(self.0)
    }

    /// The value of the option with this record name or key.
    pub fn get(&self, name: &str) -> Option<u8> {
        self.iter()
            .find_map(|(spec, value)| (spec.name == name || spec.key == name).then_some(value))
    }

    /// Sets the option with this record name or key.
    pub fn set(&mut self, name: &str, value: u8) -> Result<(), OptionError> {
        let (slot, spec) = self
            .0
            .iter_mut()
            .zip(OPTIONS)
            .find(|(_, spec)| spec.name == name || spec.key == name)
            .ok_or_else(|| OptionError::Unknown(name.to_owned()))?;
        if value > spec.max() {
            return Err(OptionError::Value {
                name: spec.name,
                value,
                max: spec.max(),
            });
        }
        *slot = value;
        Ok(())
    }

    /// Refuses an option that this version could only ignore, and a combination that means nothing.
    pub fn validate(&self) -> Result<(), OptionError> {
        let on = |name| self.get(name).is_some_and(|value| value > 0);
        for (option, lacks) in LATER {
            if on(option) {
                return Err(OptionError::Later { option, lacks });
            }
        }
        for dependent in ["ConntrackAccounting", "ConntrackLocal"] {
            if on(dependent) && !on("Conntrack") {
                return Err(OptionError::Needs {
                    option: dependent,
                    needs: "Conntrack",
                });
            }
        }
        Ok(())
    }
}

impl Serialize for EndpointOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(spec, value)| (spec.name, value)))
    }
}

impl<'de> Deserialize<'de> for EndpointOptions {
    /// Options that are not named keep their default: a record of an older version stays readable.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut options = Self::default();
        for (name, value) in BTreeMap::<String, u8>::deserialize(deserializer)? {
            options.set(&name, value).map_err(D::Error::custom)?;
        }
        Ok(options)
    }
}

/// Why an option was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// There is no such option.
    #[error("there is no option {0:?}")]
    Unknown(String),
    /// The value is out of its range.
    #[error("option {name} takes 0 to {max}, not {value}")]
    Value {
        /// The option.
        name: &'static str,
        /// The value given.
        value: u8,
        /// The highest value.
        max: u8,
    },
    /// The option belongs to a part that is yet to come.
    #[error("option {option} needs {lacks}, which this version does not have: switch it off")]
    Later {
        /// The option that is on.
        option: &'static str,
        /// The part it needs.
        lacks: &'static str,
    },
    /// The option needs another one.
    #[error("option {option} needs {needs}: switch {needs} on or {option} off")]
    Needs {
        /// The option that is on.
        option: &'static str,
        /// The option it needs.
        needs: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_unique_and_in_range() {
        assert!(
            OPTIONS.windows(2).all(|w| w[0].name < w[1].name),
            "the header's order is the record's"
        );
        assert!(OPTIONS.iter().all(|o| o.default <= o.max()));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let mut options = EndpointOptions::default();
        assert_eq!(
            options.set("nat64", 1),
            Err(OptionError::Unknown("nat64".into()))
        );
        assert!(options.set("MonitorAggregationLevel", 5).is_err());
        assert!(serde_json::from_str::<EndpointOptions>(r#"{"Nope":1}"#).is_err());
    }

    #[test]
    fn what_this_version_lacks_is_refused_and_never_ignored() {
        for (option, lacks) in LATER {
            let mut options = EndpointOptions::default();
            options.set(option, 1).unwrap();
            assert_eq!(
                options.validate(),
                Err(OptionError::Later { option, lacks })
            );
            options.set(option, 0).unwrap();
            assert_eq!(options.validate(), Ok(()));
        }
    }

    #[test]
    fn accounting_without_conntrack_is_refused() {
        let mut options = EndpointOptions::default();
        options.set("conntrack", 0).unwrap();
        assert!(matches!(options.validate(), Err(OptionError::Needs { .. })));
        options.set("conntrack_accounting", 0).unwrap();
        assert_eq!(options.validate(), Ok(()));
    }
}
