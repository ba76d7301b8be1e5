//! A line of the log of weir-cni: one call, with the time of each phase.

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// One call. What a line does not say is none: a call may have failed before anything was known of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Call {
    /// What was asked: `ADD`, `DEL` and so on.
    pub(crate) command: Option<String>,
    /// The code of the answer: 0 for success.
    pub(crate) code: Option<i64>,
    /// The container.
    pub(crate) container_id: Option<String>,
    /// The interface inside of it.
    pub(crate) ifname: Option<String>,
    /// The network's name.
    pub(crate) network: Option<String>,
    /// The pod, as namespace/name.
    pub(crate) pod: Option<String>,
    /// When it ended (RFC 3339).
    pub(crate) time: Option<String>,
    /// The process.
    pub(crate) pid: Option<u32>,
    /// Why it failed.
    pub(crate) error: Option<String>,
    /// What an operator should know although it went on.
    #[serde(default)]
    pub(crate) notices: Vec<String>,
    /// How long it took, from the first look at the clock to the last.
    pub(crate) total_ms: f64,
    /// Its phases, one after the other.
    #[serde(default)]
    pub(crate) phases_ms: Phases,
    /// What ran on other threads meanwhile. When each of these began is not told.
    #[serde(default)]
    pub(crate) beside_ms: Phases,
}

/// Phases with their milliseconds, in the order in which they are written, which is that in which they ran. One that ran
/// twice stands where it ran first, with the time of both.
#[derive(Clone, Debug, Default)]
pub(crate) struct Phases(pub(crate) Vec<(String, f64)>);

impl Call {
    /// The call that a line tells of.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// Whether it was answered with success.
    pub(crate) fn is_ok(&self) -> bool {
        self.code.unwrap_or_default() == 0
    }
}

impl Phases {
    /// Whether there is one of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(own, _)| own == name)
    }
}

impl<'de> Deserialize<'de> for Phases {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Phases;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("phases with their milliseconds")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Phases, A::Error> {
        let mut phases = Vec::new();
        while let Some(phase) = map.next_entry()? {
            phases.push(phase);
        }
        Ok(Phases(phases))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_keep_the_order_in_which_they_ran() {
        let line = br#"{"command":"ADD","code":0,"totalMs":3.5,"phasesMs":{"node":1,"claim":2,"attach":0.5},"more":1}"#;
        let call = Call::parse(line).unwrap();
        let names: Vec<_> = call
            .phases_ms
            .0
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["node", "claim", "attach"]);
        assert!(call.is_ok() && call.phases_ms.has("claim") && !call.beside_ms.has("claim"));
    }

    #[test]
    fn what_is_no_call_is_none() {
        for line in [
            "",
            "no json",
            "{}",
            "[1]",
            r#"{"totalMs":"long"}"#,
            r#"{"totalMs":1,"phasesMs":{"a":"b"}}"#,
        ] {
            assert!(Call::parse(line.as_bytes()).is_none(), "{line}");
        }
        assert!(!Call::parse(br#"{"totalMs":1,"code":7}"#).unwrap().is_ok());
    }
}
