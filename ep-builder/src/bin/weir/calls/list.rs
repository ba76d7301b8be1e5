//! `weir calls list`

use serde::Serialize;

use super::{Call, Phases, time};
use crate::failure::Failure;
use crate::screen::{Columns, Screen};

/// Characters of a container's id that people compare.
const CONTAINER: usize = 12;
/// Characters of an error that a plain table has room for.
const ERROR: usize = 60;

/// A call as `-o json` gives it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report<'a> {
    /// When it ended.
    time: Option<&'a str>,
    command: Option<&'a str>,
    pod: Option<&'a str>,
    container_id: Option<&'a str>,
    ifname: Option<&'a str>,
    network: Option<&'a str>,
    /// 0 for success.
    code: i64,
    error: Option<&'a str>,
    notices: &'a [String],
    pid: Option<u32>,
    total_ms: f64,
    /// One after the other.
    phases: Vec<Phase<'a>>,
    /// What ran on other threads meanwhile.
    beside: Vec<Length<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Phase<'a> {
    name: &'a str,
    /// Since the call began.
    begin_ms: f64,
    ms: f64,
}

#[derive(Serialize)]
struct Length<'a> {
    name: &'a str,
    ms: f64,
}

impl<'a> Report<'a> {
    pub(super) fn new(call: &'a Call) -> Self {
        let mut begin_ms = 0.0;
        let phases = call.phases_ms.0.iter().map(|(name, ms)| {
            let phase = Phase {
                name,
                begin_ms: rounded(begin_ms),
                ms: *ms,
            };
            begin_ms += ms;
            phase
        });
        Self {
            time: call.time.as_deref(),
            command: call.command.as_deref(),
            pod: call.pod.as_deref(),
            container_id: call.container_id.as_deref(),
            ifname: call.ifname.as_deref(),
            network: call.network.as_deref(),
            code: call.code.unwrap_or_default(),
            error: call.error.as_deref(),
            notices: &call.notices,
            pid: call.pid,
            total_ms: call.total_ms,
            phases: phases.collect(),
            beside: lengths(&call.beside_ms),
        }
    }
}

/// To the microsecond, which is what the log has.
fn rounded(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

fn lengths(phases: &Phases) -> Vec<Length<'_>> {
    let lengths = phases.0.iter();
    lengths.map(|(name, ms)| Length { name, ms: *ms }).collect()
}

pub(super) fn show(calls: &[Call], screen: &Screen) -> Result<(), Failure> {
    let reports: Vec<_> = calls.iter().map(Report::new).collect();
    screen.list(
        &reports,
        &Columns {
            headings: &[
                "TIME",
                "COMMAND",
                "POD",
                "TOOK",
                "RESULT",
                "CONTAINER",
                "IFACE",
                "NETWORK",
                "LONGEST",
                "PID",
                "SAYS",
            ],
            plain: 5,
            rows: calls.iter().map(columns).collect(),
            empty: "the log of weir-cni tells of no such call",
        },
    )
}

fn columns(call: &Call) -> Vec<String> {
    let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let longest = call
        .phases_ms
        .0
        .iter()
        .max_by(|one, other| one.1.total_cmp(&other.1));
    let says: Vec<_> = call
        .error
        .iter()
        .chain(&call.notices)
        .map(String::as_str)
        .collect();
    vec![
        or_dash(call.time.as_deref()),
        or_dash(call.command.as_deref()),
        who(call),
        time(call.total_ms * 1e3),
        result(call),
        or_dash(call.container_id.as_deref()),
        or_dash(call.ifname.as_deref()),
        or_dash(call.network.as_deref()),
        longest.map_or_else(
            || "-".to_owned(),
            |(name, ms)| format!("{name} {}", time(ms * 1e3)),
        ),
        call.pid
            .map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
        if says.is_empty() {
            "-".to_owned()
        } else {
            says.join("; ")
        },
    ]
}

/// The pod, or as much of the container's id as people compare.
pub(super) fn who(call: &Call) -> String {
    let container = || {
        call.container_id
            .as_deref()
            .map(|id| shortened(id, CONTAINER))
    };
    call.pod
        .clone()
        .or_else(container)
        .unwrap_or_else(|| "-".to_owned())
}

/// How it ended.
fn result(call: &Call) -> String {
    match (call.is_ok(), &call.error) {
        (true, _) => "ok".to_owned(),
        (false, None) => format!("error {}", call.code.unwrap_or_default()),
        (false, Some(error)) => {
            format!(
                "error {}: {}",
                call.code.unwrap_or_default(),
                shortened(error, ERROR)
            )
        }
    }
}

/// The first characters of a text, with an ellipsis for the rest.
fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
        None => text.to_owned(),
    }
}
