//! All metrics there are: the one place for names, types, labels and what they mean.

use serde::Serialize;

use crate::failure::Failure;
use crate::screen::{Columns, Screen};

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// It only grows, until the thing that counts is made anew.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How many there were up to each bound.
    Histogram,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    /// The unit of its values; none where they are plain numbers.
    pub(super) unit: Option<&'static str>,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

macro_rules! metrics {
    ($($constant:ident: $kind:ident $name:literal $([$unit:literal])? { $($label:literal),* } $help:literal;)+) => {
        $(pub(super) static $constant: Metric = Metric {
            name: $name,
            kind: Kind::$kind,
            unit: metrics!(@unit $($unit)?),
            labels: &[$($label),*],
            help: $help,
        };)+

        /// All of them, in the order in which they are shown.
        pub(super) static ALL: &[&Metric] = &[$(&$constant),+];
    };
    (@unit $unit:literal) => { Some($unit) };
    (@unit) => { None };
}

metrics! {
    BUILD_INFO: Gauge "weir_build_info" { "version" }
        "1, with the version of weir";
    FORWARDED_PACKETS: Counter "weir_datapath_forwarded_packets_total" ["packets"] { "direction" }
        "Packets that the programs let pass, by direction as the pod sees it";
    FORWARDED_BYTES: Counter "weir_datapath_forwarded_bytes_total" ["bytes"] { "direction" }
        "Bytes of the packets that the programs let pass";
    DROPPED_PACKETS: Counter "weir_datapath_dropped_packets_total" ["packets"] { "reason", "direction" }
        "Packets that the programs dropped, by reason";
    DROPPED_BYTES: Counter "weir_datapath_dropped_bytes_total" ["bytes"] { "reason", "direction" }
        "Bytes of the packets that the programs dropped";
    EVENTS_LOST: Counter "weir_events_lost_total" {}
        "Events that found no room in the ring buffer; without a monitor it fills once and then loses all";
    ENDPOINTS: Gauge "weir_endpoints" { "state" }
        "Endpoints of this node by state; all but ready and building are a matter for weir doctor";
    POLICY_REVISION: Gauge "weir_policy_revision" {}
        "The revision of the policy in force; 0 before the first one";
    POLICY_DOCUMENTS: Gauge "weir_policy_documents" { "kind" }
        "Documents of the policy in force";
    POLICY_UNSETTLED: Gauge "weir_policy_unsettled" {}
        "1 if somebody began to put a policy in force and did not end";
    POLICY_FULLEST: Gauge "weir_policy_map_fullest_ratio" ["ratio"] {}
        "How full the fullest policy map of an endpoint is, from 0 to 1";
    IDENTITIES: Gauge "weir_identities" {}
        "Numbers that were given to sets of labels";
    MAP_ENTRIES: Gauge "weir_map_entries" { "map" }
        "Entries in a map of the datapath; maps of one kind that endpoints have each are counted together";
    MAP_MAX_ENTRIES: Gauge "weir_map_max_entries" { "map" }
        "Entries that a map has room for";
    MAP_MEMORY: Gauge "weir_map_memory_bytes" ["bytes"] { "map" }
        "Memory that the kernel has given to a map";
    TEMPLATES: Gauge "weir_templates" { "place" }
        "Compiled templates in the node's cache and in the bundle";
    CALLS: Counter "weir_cni_calls_total" { "command", "code" }
        "Calls of weir-cni by command and code of the result; 0 is success";
    CALL_DURATION: Histogram "weir_cni_call_duration_seconds" ["seconds"] { "command" }
        "How long calls of weir-cni took that succeeded";
    ADD_PHASES: Histogram "weir_cni_add_phase_duration_seconds" ["seconds"] { "phase" }
        "How long each phase of an ADD took that succeeded";
    ADD_TEMPLATES: Counter "weir_cni_add_templates_total" { "source" }
        "ADDs that found their template ready, and ADDs that had it compiled";
    LOG_SKIPPED: Counter "weir_cni_log_lines_skipped_total" {}
        "Lines of the log of weir-cni that could not be read";
    SCRAPE_DURATION: Gauge "weir_scrape_duration_seconds" ["seconds"] {}
        "How long it took to collect these numbers";
    SCRAPE_ERRORS: Counter "weir_scrape_errors_total" { "part" }
        "Parts of these numbers that could not be collected, since this process began";
}

/// Prints the table.
pub(super) fn describe(screen: &Screen) -> Result<(), Failure> {
    let row = |metric: &&Metric| {
        vec![
            metric.name.to_owned(),
            metric.kind.name().to_owned(),
            metric.labels.join(","),
            metric.help.to_owned(),
            metric.unit.unwrap_or("-").to_owned(),
        ]
    };
    screen.list(
        ALL,
        &Columns {
            headings: &["NAME", "TYPE", "LABELS", "HELP", "UNIT"],
            plain: 4,
            rows: ALL.iter().map(row).collect(),
            empty: "",
        },
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn is_name(text: &str) -> bool {
        let mut bytes = text.bytes();
        let begins = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
        begins
            && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    }

    #[test]
    fn names_follow_the_conventions() {
        let names: BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
        for metric in ALL {
            let name = metric.name;
            assert!(is_name(name) && name.starts_with("weir_"), "{name}");
            assert_eq!(
                name.ends_with("_total"),
                metric.kind == Kind::Counter,
                "{name}"
            );
            let stem = name.strip_suffix("_total").unwrap_or(name);
            if let Some(unit) = metric.unit {
                assert!(stem.ends_with(&format!("_{unit}")), "{name}: {unit}");
            }
            assert!(
                metric
                    .labels
                    .iter()
                    .all(|label| is_name(label) && *label != "le")
            );
            assert!(
                !metric.help.is_empty() && !metric.help.ends_with('.'),
                "{name}"
            );
            for ending in ["_bucket", "_sum", "_count"] {
                assert!(!name.ends_with(ending), "{name}");
            }
        }
    }
}
