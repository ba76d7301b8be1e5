//! How fast an endpoint may send and be sent to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The bounds of both directions, seen from the pod, as they are in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bandwidth {
    /// To the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Limit>,
    /// From the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Limit>,
}

/// The bound of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limit {
    /// Bits a second.
    pub rate: u64,
    /// Bits at once.
    pub burst: u64,
}

impl Bandwidth {
    /// Whether nothing is bounded.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bounds = [("in", self.ingress), ("out", self.egress)];
        let mut bounds = bounds
            .into_iter()
            .filter_map(|(way, limit)| Some((way, limit?)));
        let Some((way, limit)) = bounds.next() else {
            return f.write_str("unlimited");
        };
        write!(f, "{way} {limit}")?;
        bounds.try_for_each(|(way, limit)| write!(f, ", {way} {limit}"))
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rate, burst) = (Readable(self.rate), Readable(self.burst));
        write!(f, "{rate}bit/s (burst {burst}bit)")
    }
}

/// A number with the largest decimal unit that leaves it whole.
struct Readable(u64);

impl fmt::Display for Readable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
        let whole = |(unit, _): &(u64, &str)| self.0 != 0 && self.0.is_multiple_of(*unit);
        let (unit, name) = units.into_iter().find(whole).unwrap_or((1, ""));
        write!(f, "{} {name}", self.0 / unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_shown_with_whole_units() {
        let limit = |rate, burst| Some(Limit { rate, burst });
        for (ingress, egress, text) in [
            (None, None, "unlimited"),
            (
                limit(8_000_000, 64_000),
                None,
                "in 8 Mbit/s (burst 64 kbit)",
            ),
            (
                limit(40_000_000_000, 655_360),
                limit(1_500, 1),
                "in 40 Gbit/s (burst 655360 bit), out 1500 bit/s (burst 1 bit)",
            ),
        ] {
            assert_eq!(Bandwidth { ingress, egress }.to_string(), text);
        }
    }

    #[test]
    fn an_endpoint_without_bounds_says_nothing_of_them() {
        for (bandwidth, json) in [
            (Bandwidth::default(), "{}"),
            (
                Bandwidth {
                    ingress: None,
                    egress: Some(Limit { rate: 8, burst: 9 }),
                },
                r#"{"egress":{"rate":8,"burst":9}}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&bandwidth).unwrap(), json);
            let read: Bandwidth = serde_json::from_str(json).unwrap();
            assert_eq!(read, bandwidth);
        }
    }
}
