//! The command line of `weir monitor`.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ep_builder::endpoint::EndpointId;
use ep_builder::events::packet::protocol;
use ep_builder::identity::LAST;
use ep_builder::maps::Prefix;

use super::time::time;

/// What is shown, and for how long. Kinds of filters narrow each other; one that is given several times widens.
#[derive(Args)]
pub(crate) struct Monitor {
    /// Only events of this kind. Each of these filters may be given several times, and then any of its values will
    /// do; of several filters all have to hold
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    pub(crate) kinds: Vec<EventKind>,
    /// Only packets that this pod sends: an endpoint's id, or namespace/name
    #[arg(long, value_name = "POD")]
    pub(crate) from: Vec<Who>,
    /// Only packets that this pod gets
    #[arg(long, value_name = "POD")]
    pub(crate) to: Vec<Who>,
    /// Only packets that this pod sends or gets
    #[arg(long, alias = "pod", value_name = "POD")]
    pub(crate) related_to: Vec<Who>,
    /// Only packets from or to this address or network
    #[arg(long, value_name = "ADDRESS|NETWORK")]
    pub(crate) address: Vec<Prefix>,
    /// Only packets from or to this port
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Vec<u16>,
    /// Only packets of this protocol, by name or number
    #[arg(long, value_name = "PROTOCOL", value_parser = protocol_number)]
    pub(crate) protocol: Vec<u8>,
    /// Only what was dropped or refused for this reason, by name or number
    #[arg(long, value_name = "REASON")]
    pub(crate) reason: Vec<String>,
    /// Only packets of which one side has this identity
    #[arg(long, value_name = "IDENTITY", value_parser = clap::value_parser!(u32).range(1..=i64::from(LAST)))]
    pub(crate) identity: Vec<u32>,
    /// Only packets of which one side has this label; of KEY=VALUE,KEY=VALUE it has all
    #[arg(long, value_name = "KEY[=VALUE]")]
    pub(crate) label: Vec<LabelFilter>,
    /// End after this many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// End after this time
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub(crate) duration: Option<Duration>,
    /// Show no more than so many events in this time, and say how many were left out
    #[arg(long, value_name = "N/s")]
    pub(crate) limit: Option<Limit>,
    /// Show the bytes of packets, too
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Begin with the events that were waiting for a monitor, which may be old
    #[arg(long)]
    pub(crate) backlog: bool,
}

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventKind {
    /// A packet was dropped
    Drop,
    /// A packet was seen on its way
    Trace,
    /// The policy judged
    Verdict,
    /// A message to developers
    Debug,
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// By its endpoint.
    Endpoint(EndpointId),
    /// By its names.
    Pod {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
    },
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => Ok(Self::Pod {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            }),
            Some(_) => Err("a pod is written namespace/name".to_owned()),
            None => EndpointId::parse(text)
                .map(Self::Endpoint)
                .map_err(|error| format!("{error}; a pod is an endpoint's id or namespace/name")),
        }
    }
}

/// Labels that all have to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LabelFilter(pub(crate) Vec<(String, Option<String>)>);

impl FromStr for LabelFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let label = |part: &str| {
            let (key, value) = match part.split_once('=') {
                Some((key, value)) => (key, Some(value.to_owned())),
                None => (part, None),
            };
            if key.is_empty() {
                return Err(format!("{part:?} has no key"));
            }
            Ok((key.to_owned(), value))
        };
        text.split(',')
            .map(label)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// How many in which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// How many.
    pub(crate) events: u64,
    /// In which time.
    pub(crate) each: Duration,
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (events, unit) = text.split_once('/').unwrap_or((text, "s"));
        let each = match unit {
            "s" => Duration::from_secs(1),
            "m" => Duration::from_mins(1),
            "h" => Duration::from_hours(1),
            _ => return Err(format!("{unit:?} is no unit of time: s, m or h")),
        };
        match events.parse() {
            Ok(events) if events > 0 => Ok(Self { events, each }),
            _ => Err(format!("{events:?} is no number of events from 1")),
        }
    }
}

fn protocol_number(text: &str) -> Result<u8, String> {
    let wanted = text.to_ascii_lowercase();
    let wanted = match wanted.as_str() {
        "icmpv6" => "icmp6",
        other => other,
    };
    let named = (0..=u8::MAX).find(|number| protocol(*number) == wanted);
    named
        .or_else(|| wanted.parse().ok())
        .ok_or_else(|| format!("{text:?} is neither the name nor the number of a protocol: tcp, udp, sctp, icmp, icmp6, 47"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_read() {
        let pod = |namespace: &str, name: &str| Who::Pod {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        for (text, expected) in [
            ("7", Some(Who::Endpoint(EndpointId::new(7).unwrap()))),
            ("shop/db", Some(pod("shop", "db"))),
            ("shop/", None),
            ("/db", None),
            ("0", None),
            ("db", None),
        ] {
            assert_eq!(text.parse::<Who>().ok(), expected, "{text}");
        }
    }

    #[test]
    fn labels_are_read() {
        let labels = |text: &str| text.parse::<LabelFilter>().ok().map(|filter| filter.0);
        let label = |key: &str, value: Option<&str>| (key.to_owned(), value.map(str::to_owned));
        assert_eq!(labels("app"), Some(vec![label("app", None)]));
        assert_eq!(
            labels("app=web,tier="),
            Some(vec![label("app", Some("web")), label("tier", Some(""))])
        );
        assert_eq!(
            (labels(""), labels("=x"), labels("a,,b")),
            (None, None, None)
        );
    }

    #[test]
    fn limits_are_read() {
        for (text, expected) in [
            ("1000/s", Some((1_000, 1))),
            ("5", Some((5, 1))),
            ("60/m", Some((60, 60))),
            ("1/h", Some((1, 3_600))),
            ("0/s", None),
            ("5/d", None),
            ("x/s", None),
        ] {
            let read = text.parse::<Limit>().ok();
            let read = read.map(|limit| (limit.events, limit.each.as_secs()));
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn protocols_are_read() {
        for (text, expected) in [
            ("tcp", Some(6)),
            ("UDP", Some(17)),
            ("icmpv6", Some(58)),
            ("47", Some(47)),
            ("99", Some(99)),
            ("256", None),
            ("http", None),
        ] {
            assert_eq!(protocol_number(text).ok(), expected, "{text}");
        }
    }
}
