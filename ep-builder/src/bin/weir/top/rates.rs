//! From two looks at counters to what happens in a second. No I/O.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;

use crate::cli::Sort;

/// The counters of a device, as the pod sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) sent_packets: u64,
    pub(super) sent_bytes: u64,
    pub(super) received_packets: u64,
    pub(super) received_bytes: u64,
}

/// The counters of all devices by name, from the text of /proc/net/dev. A host end receives what its pod sends.
pub(super) fn devices(text: &str) -> HashMap<String, Traffic> {
    let device = |line: &str| {
        let (name, numbers) = line.split_once(':')?;
        let numbers: Vec<u64> = numbers
            .split_whitespace()
            .map(|number| number.parse().unwrap_or(0))
            .collect();
        let traffic = Traffic {
            sent_bytes: *numbers.first()?,
            sent_packets: *numbers.get(1)?,
            received_bytes: *numbers.get(8)?,
            received_packets: *numbers.get(9)?,
        };
        Some((name.trim().to_owned(), traffic))
    };
    text.lines().filter_map(device).collect()
}

/// How many in a second. A counter that went back is one that began anew.
#[expect(
    clippy::cast_precision_loss,
    reason = "a difference of counters within seconds has far fewer than 53 bits"
)]
pub(super) fn per_second(before: u64, after: u64, time: Duration) -> f64 {
    let more = after.saturating_sub(before) as f64;
    // To a tenth: what is smaller is an accident of when the two looks were.
    (more / time.as_secs_f64().max(1e-3) * 10.0).round() / 10.0
}

/// One endpoint as `-o json` gives it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EndpointRow {
    pub(super) id: u16,
    /// Namespace and name; null for what is no pod.
    pub(super) pod: Option<String>,
    pub(super) device: String,
    pub(super) sent_packets_per_second: f64,
    pub(super) received_packets_per_second: f64,
    pub(super) sent_bytes_per_second: f64,
    pub(super) received_bytes_per_second: f64,
    /// Null where the ring of events cannot be read.
    pub(super) drops_per_second: Option<f64>,
    /// Null where the endpoint has no map.
    pub(super) policy_entries: Option<u64>,
    pub(super) policy_max_entries: Option<u64>,
}

impl EndpointRow {
    pub(super) const HEADINGS: &[&str] = &[
        "ID",
        "POD",
        "SENT/S",
        "RECEIVED/S",
        "SENT B/S",
        "RECEIVED B/S",
        "DROPS/S",
        "POLICY",
        "IFACE",
    ];

    pub(super) fn columns(&self) -> Vec<String> {
        let policy = self.policy_entries.zip(self.policy_max_entries);
        vec![
            self.id.to_string(),
            self.pod.clone().unwrap_or_else(|| "-".to_owned()),
            short(self.sent_packets_per_second),
            short(self.received_packets_per_second),
            short(self.sent_bytes_per_second),
            short(self.received_bytes_per_second),
            self.drops_per_second.map_or("-".to_owned(), short),
            policy.map_or("-".to_owned(), |(entries, most)| {
                format!("{entries}/{most}")
            }),
            self.device.clone(),
        ]
    }

    fn weight(&self, sort: Sort) -> f64 {
        match sort {
            Sort::Packets => self.sent_packets_per_second + self.received_packets_per_second,
            Sort::Bytes => self.sent_bytes_per_second + self.received_bytes_per_second,
            Sort::Drops => self.drops_per_second.unwrap_or(0.0),
            Sort::Map => self.fill(),
            Sort::Name => 0.0,
        }
    }

    fn fill(&self) -> f64 {
        let number = |count: Option<u64>| u32::try_from(count.unwrap_or(0)).map_or(0.0, f64::from);
        number(self.policy_entries) / number(self.policy_max_entries).max(1.0)
    }

    fn name(&self) -> String {
        let pod = self.pod.as_deref().unwrap_or_default();
        format!("{pod} {} {}", self.device, self.id)
    }
}

/// One program, likewise.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProgramRow {
    pub(super) program: u32,
    pub(super) name: String,
    /// The endpoint or device that it is of; null for those that several share.
    pub(super) owner: Option<String>,
    pub(super) runs_per_second: f64,
    /// Null where it did not run.
    pub(super) nanoseconds_per_run: Option<f64>,
    /// Of one processor, from 0 to 1.
    pub(super) processor: f64,
}

impl ProgramRow {
    pub(super) const HEADINGS: &[&str] = &["PROGRAM", "NAME", "OF", "RUNS/S", "NS/RUN", "CPU %"];

    pub(super) fn columns(&self) -> Vec<String> {
        vec![
            self.program.to_string(),
            self.name.clone(),
            self.owner.clone().unwrap_or_else(|| "-".to_owned()),
            short(self.runs_per_second),
            self.nanoseconds_per_run
                .map_or("-".to_owned(), |ns| format!("{ns:.0}")),
            format!("{:.2}", self.processor * 100.0),
        ]
    }

    fn weight(&self, sort: Sort) -> f64 {
        match sort {
            Sort::Packets => self.runs_per_second,
            Sort::Bytes => self.processor,
            Sort::Drops | Sort::Map | Sort::Name => 0.0,
        }
    }

    fn label(&self) -> String {
        let owner = self.owner.as_deref().unwrap_or_default();
        format!("{} {owner} {}", self.name, self.program)
    }
}

/// Those whose name has the text, the heaviest first, and by name where that is the same.
pub(super) fn endpoints(mut rows: Vec<EndpointRow>, sort: Sort, filter: &str) -> Vec<EndpointRow> {
    rows.retain(|row| row.name().contains(filter));
    rows.sort_by(|a, b| {
        let order = b.weight(sort).total_cmp(&a.weight(sort));
        order.then_with(|| (&a.pod, a.id).cmp(&(&b.pod, b.id)))
    });
    rows
}

/// Likewise of programs.
pub(super) fn programs(mut rows: Vec<ProgramRow>, sort: Sort, filter: &str) -> Vec<ProgramRow> {
    rows.retain(|row| row.label().contains(filter));
    rows.sort_by(|a, b| {
        let order = b.weight(sort).total_cmp(&a.weight(sort));
        order.then_with(|| (&a.name, a.program).cmp(&(&b.name, b.program)))
    });
    rows
}

/// A number in at most six characters.
pub(super) fn short(number: f64) -> String {
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")];
    match units.into_iter().find(|(from, _)| number >= *from) {
        Some((1e4, unit)) => format!("{:.1}{unit}", number / 1e3),
        Some((from, unit)) => format!("{:.1}{unit}", number / from),
        None if number >= 100.0 || number == 0.0 => format!("{number:.0}"),
        None => format!("{number:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_as_the_pod_sees_them() {
        let text = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    lo:     1       2    0    0    0     0          0         0     3       4    0    0    0     0       0          0\nlxc7:10 20 0 1 0 0 0 0 30 40 0 2 0 0 0 0\nshort: 1 2\n";
        let devices = devices(text);
        assert_eq!(devices.len(), 2);
        let expected = Traffic {
            sent_bytes: 10,
            sent_packets: 20,
            received_bytes: 30,
            received_packets: 40,
        };
        assert_eq!(devices["lxc7"], expected);
    }

    #[test]
    fn rates_are_those_of_a_second() {
        for (before, after, milliseconds, expected) in [
            (0, 10, 1_000, 10.0),
            (5, 10, 500, 10.0),
            (0, 1, 3_000, 0.3),
            (10, 5, 1_000, 0.0),
            (0, 1, 0, 1_000.0),
        ] {
            let rate = per_second(before, after, Duration::from_millis(milliseconds));
            assert!((rate - expected).abs() < 1e-9, "{rate} {expected}");
        }
    }

    fn row(id: u16, pod: &str, weights: [f64; 3], policy: u64) -> EndpointRow {
        EndpointRow {
            id,
            pod: Some(pod.to_owned()).filter(|pod| !pod.is_empty()),
            device: format!("lxc{id}"),
            sent_packets_per_second: weights[0],
            received_packets_per_second: 0.0,
            sent_bytes_per_second: 0.0,
            received_bytes_per_second: weights[1],
            drops_per_second: Some(weights[2]),
            policy_entries: Some(policy),
            policy_max_entries: Some(100),
        }
    }

    #[test]
    fn the_heaviest_is_first_and_the_filter_holds() {
        let rows = || {
            vec![
                row(1, "a/x", [1.0, 9.0, 0.0], 2),
                row(2, "b/y", [3.0, 0.0, 0.0], 1),
                row(3, "", [2.0, 9.0, 5.0], 3),
            ]
        };
        for (sort, filter, expected) in [
            (Sort::Packets, "", vec![2, 3, 1]),
            (Sort::Bytes, "", vec![3, 1, 2]),
            (Sort::Drops, "", vec![3, 1, 2]),
            (Sort::Map, "", vec![3, 1, 2]),
            (Sort::Name, "", vec![3, 1, 2]),
            (Sort::Packets, "/", vec![2, 1]),
            (Sort::Packets, "lxc3", vec![3]),
            (Sort::Packets, "nobody", vec![]),
        ] {
            let sorted = endpoints(rows(), sort, filter);
            let ids: Vec<_> = sorted.iter().map(|row| row.id).collect();
            assert_eq!(ids, expected, "{sort:?} {filter}");
        }
    }

    #[test]
    fn numbers_are_short() {
        for (number, expected) in [
            (0.0, "0"),
            (0.25, "0.2"),
            (99.5, "99.5"),
            (1_234.0, "1234"),
            (12_345.0, "12.3k"),
            (1_500_000.0, "1.5M"),
            (2e9, "2.0G"),
            (3e12, "3.0T"),
        ] {
            assert_eq!(short(number), expected);
        }
    }
}
