//! Which events are wanted: all kinds of filters have to hold, and of one kind any value will do.

use ep_builder::endpoint::{Label, Labels};
use ep_builder::events::packet::IpPacket;
use ep_builder::events::{Event, Kind, Vocabulary};
use ep_builder::maps::Prefix;

use super::directory::Directory;
use super::parties::{Parties, Party};
use crate::cli::{EventKind, LabelFilter, Monitor, Who};
use crate::failure::Failure;

/// What was asked for.
pub(super) struct Filter<'a> {
    arguments: &'a Monitor,
    /// The codes of the reasons.
    reasons: Vec<u8>,
}

/// An event with what is known about it.
pub(super) struct Candidate<'a> {
    pub(super) event: &'a Event,
    pub(super) ip: Option<&'a IpPacket>,
    pub(super) parties: &'a Parties,
}

impl<'a> Filter<'a> {
    pub(super) fn new(arguments: &'a Monitor, names: &Vocabulary) -> Result<Self, Failure> {
        let codes = arguments.reason.iter().map(|text| code(text, names));
        Ok(Self {
            arguments,
            reasons: codes.collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn admits(&self, it: &Candidate<'_>, directory: &mut Directory) -> bool {
        let Monitor {
            kinds,
            from,
            to,
            related_to,
            address,
            port,
            protocol,
            identity,
            label,
            ..
        } = self.arguments;
        let Parties {
            source,
            destination,
        } = *it.parties;
        let of = |who: &Who, party: Party| is_called(who, party, directory);
        any(kinds, |wanted| kind(*wanted) == it.event.kind())
            && any(from, |who| of(who, source))
            && any(to, |who| of(who, destination))
            && any(related_to, |who| of(who, source) || of(who, destination))
            && any(&self.reasons, |code| reason(it.event) == Some(*code))
            && any(protocol, |number| has_protocol(it, *number))
            && any(port, |number| has_port(it, *number))
            && any(address, |network| has_address(it, *network))
            && any(identity, |number| {
                it.parties
                    .each()
                    .iter()
                    .any(|party| party.identity == *number)
            })
            && any(label, |wanted| {
                let mut parties = it.parties.each().into_iter();
                parties.any(|party| has_labels(party, wanted, directory))
            })
    }
}

/// Without a value the filter is none.
fn any<T>(values: &[T], mut holds: impl FnMut(&T) -> bool) -> bool {
    values.is_empty() || values.iter().any(&mut holds)
}

fn kind(named: EventKind) -> Kind {
    match named {
        EventKind::Drop => Kind::Drop,
        EventKind::Trace => Kind::Trace,
        EventKind::Verdict => Kind::Verdict,
        EventKind::Debug => Kind::Debug,
    }
}

/// The code of a reason. Of one that is given by name the sources must know it.
fn code(text: &str, names: &Vocabulary) -> Result<u8, Failure> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let wanted = text.to_ascii_uppercase().replace('-', "_");
    let wanted = wanted.strip_prefix("DROP_").unwrap_or(&wanted);
    let mut drops = names.drops();
    let found = drops.find(|(_, reason)| reason.name == wanted);
    found.map(|(code, _)| code).ok_or_else(|| {
        let all: Vec<_> = names.drops().map(|(_, reason)| &*reason.name).collect();
        Failure::Input(format!(
            "{text:?} is no reason to drop a packet: {}",
            if all.is_empty() {
                "without the datapath's sources reasons are known by number alone".to_owned()
            } else {
                all.join(", ")
            }
        ))
    })
}

fn reason(event: &Event) -> Option<u8> {
    match event {
        Event::Drop(event) => Some(event.header.subtype),
        Event::Verdict(event) => Some(event.verdict).filter(|code| *code != 0),
        Event::Trace(_) | Event::Debug(_) => None,
    }
}

fn is_called(who: &Who, party: Party, directory: &Directory) -> bool {
    match who {
        Who::Endpoint(id) => party.is(id.get()),
        Who::Pod { namespace, name } => {
            let pod = party.endpoint.and_then(|id| directory.pod(id));
            pod.is_some_and(|pod| pod.namespace == *namespace && pod.name == *name)
        }
    }
}

/// A verdict says what it was asked, also where the packet does not show it.
fn has_protocol(it: &Candidate<'_>, number: u8) -> bool {
    let judged = match it.event {
        Event::Verdict(event) => Some(event.protocol),
        _ => None,
    };
    judged == Some(number) || it.ip.is_some_and(|ip| ip.protocol == number)
}

fn has_port(it: &Candidate<'_>, number: u16) -> bool {
    let judged = match it.event {
        Event::Verdict(event) => Some(u16::from_be(event.dport)),
        _ => None,
    };
    let shown = |ip: &IpPacket| [ip.sport(), ip.dport()].contains(&Some(number));
    judged == Some(number) || it.ip.is_some_and(shown)
}

fn has_address(it: &Candidate<'_>, network: Prefix) -> bool {
    it.ip.is_some_and(|ip| {
        let mut ends = [ip.source, ip.destination].into_iter();
        ends.any(|address| network.contains(Prefix::of(address)))
    })
}

fn has_labels(party: Party, wanted: &LabelFilter, directory: &mut Directory) -> bool {
    let own = party.endpoint.and_then(|id| directory.endpoint(id));
    if let Some(endpoint) = own {
        return matches(&endpoint.labels, wanted);
    }
    let labels = (party.identity != 0).then(|| directory.labels(party.identity));
    labels
        .flatten()
        .is_some_and(|labels| matches(labels, wanted))
}

fn matches(labels: &Labels, wanted: &LabelFilter) -> bool {
    let has = |key: &str, value: Option<&str>| {
        let is_it = |label: &Label| label.key == key && value.is_none_or(|it| label.value == it);
        labels.iter().any(is_it)
    };
    let mut all = wanted.0.iter();
    all.all(|(key, value)| has(key, value.as_deref()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use ep_builder::abi::{DropEvent, VerdictEvent};
    use ep_builder::events::packet::Frame;
    use ep_builder::maps::Record;

    use super::super::directory::tests::directory;
    use super::*;
    use crate::cli::{Cli, Command};

    /// Pod 7 was not allowed to ask 10.0.0.8 by UDP, port 53.
    fn dropped() -> Event {
        let mut event: DropEvent = Record::from_bytes(&[]);
        event.header.kind = 1;
        event.header.subtype = 133;
        event.header.lxc_id = 7;
        event.direction = 2;
        event.source_identity = 300;
        event.destination_identity = 301;
        Event::Drop(event)
    }

    fn allowed() -> Event {
        let mut event: VerdictEvent = Record::from_bytes(&[]);
        event.header.kind = 5;
        event.header.subtype = 1;
        event.header.lxc_id = 8;
        event.remote_identity = 300;
        event.protocol = 6;
        event.dport = 80_u16.to_be();
        Event::Verdict(event)
    }

    fn names() -> Vocabulary {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../bpf-src");
        Vocabulary::of(&ep_builder::sources::Sources::read(&root).unwrap())
    }

    fn monitor(line: &str) -> Monitor {
        let words = ["weir", "monitor"]
            .into_iter()
            .chain(line.split_whitespace());
        match Cli::try_parse_from(words).unwrap().command {
            Command::Monitor(arguments) => arguments,
            _ => panic!("{line}"),
        }
    }

    fn admits(line: &str, event: &Event) -> bool {
        let mut bytes = vec![0; 12];
        bytes.extend([8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0]);
        bytes.extend([10, 0, 0, 7, 10, 0, 0, 8, 0x30, 0x39, 0, 53, 0, 8, 0, 0]);
        let frame = Frame::decode(&bytes).unwrap();
        let mut directory = directory();
        let parties = Parties::of(event, frame.ip(), &directory);
        let candidate = Candidate {
            event,
            ip: frame.ip(),
            parties: &parties,
        };
        let arguments = monitor(line);
        let filter = Filter::new(&arguments, &names()).unwrap();
        filter.admits(&candidate, &mut directory)
    }

    #[test]
    fn each_filter_holds_and_fails() {
        for (line, drop, verdict) in [
            ("", true, true),
            ("--type drop", true, false),
            ("--type drop --type verdict", true, true),
            ("--from 7", true, true),
            ("--from shop/web-0", true, true),
            ("--from shop/other", false, false),
            ("--to 8", true, true),
            ("--to 7", false, false),
            ("--to 7 --to 8", true, true),
            ("--related-to 7", true, true),
            ("--pod shop/web-0", true, true),
            ("--pod 9", false, false),
            ("--reason policy", true, false),
            ("--reason DROP_POLICY --reason 150", true, false),
            ("--reason 150", false, false),
            ("--protocol udp", true, true),
            ("--protocol tcp", false, true),
            ("--port 53", true, true),
            ("--port 12345", true, true),
            ("--port 80", false, true),
            ("--port 81", false, false),
            ("--address 10.0.0.8", true, true),
            ("--address 10.0.0.0/24 --address fd00::/8", true, true),
            ("--address 10.1.0.0/16", false, false),
            ("--identity 300", true, true),
            ("--identity 999", false, false),
            ("--label app=web", true, true),
            ("--label app=web,tier=front", true, true),
            ("--label app=web,tier=back", false, false),
            ("--label tier=back --label app", true, true),
            ("--from 7 --port 80", false, true),
            ("--from 7 --port 80 --type drop", false, false),
        ] {
            assert_eq!(admits(line, &dropped()), drop, "drop: {line}");
            assert_eq!(admits(line, &allowed()), verdict, "verdict: {line}");
        }
    }

    #[test]
    fn an_unknown_reason_is_refused_with_those_there_are() {
        let arguments = monitor("--reason nothing");
        let failed = Filter::new(&arguments, &names()).err().unwrap();
        assert!(failed.text().contains("POLICY_DENY"), "{}", failed.text());
        let failed = Filter::new(&arguments, &Vocabulary::default()).err();
        assert!(failed.unwrap().text().contains("by number alone"));
    }
}
