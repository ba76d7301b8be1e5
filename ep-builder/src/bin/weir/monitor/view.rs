//! An event as a line, or as JSON.

use ep_builder::abi::{DropEvent, TraceEvent, VerdictEvent};
use ep_builder::endpoint::Pod;
use ep_builder::events::clock::{Clock, rfc3339};
use ep_builder::events::packet::protocol;
use ep_builder::events::{Event, Vocabulary};
use ep_builder::maps::Direction;
use serde::Serialize;

use super::directory::Directory;
use super::packet::Packet;
use super::parties::Parties;
use super::rules::{Rule, Rules};
use crate::bpf::names::identity;
use crate::failure::Failure;
use crate::screen::{Format, printable};

/// `VERDICT_AUDITED` of `bpf-src/abi.h`.
const AUDITED: u8 = 0x02;

/// How events are shown.
pub(super) struct View {
    format: Format,
    names: Vocabulary,
    clock: Clock,
    rules: Rules,
    with_bytes: bool,
}

/// The names of a pod.
#[derive(Serialize)]
struct PodName {
    namespace: String,
    name: String,
}

/// One event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    time: String,
    monotonic_ns: u64,
    #[serde(rename = "type")]
    kind: &'static str,
    /// The endpoint whose programs report it.
    endpoint: u16,
    /// As the endpoint sees it.
    direction: Option<Direction>,
    /// The endpoints of this node on both sides, as far as they are known.
    source_endpoint: Option<u16>,
    destination_endpoint: Option<u16>,
    /// The pods that these are, where they are pods.
    source_pod: Option<PodName>,
    destination_pod: Option<PodName>,
    hash: u32,
    #[serde(flatten)]
    what: What,
    packet: Option<Packet>,
}

/// What only events of one kind have.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum What {
    Drop {
        reason: String,
        code: u8,
        meaning: String,
        file: Option<String>,
        line: u16,
        /// What it is depends on the reason: a slot, an error of the kernel.
        detail: u8,
        source_identity: u32,
        destination_identity: u32,
        policy_rule: u32,
        /// Where the rule stands, if one decided and it can be told.
        rule: Option<Rule>,
    },
    Trace {
        point: String,
        reason: String,
        source_identity: u32,
        destination_identity: u32,
    },
    Verdict {
        /// `allow`, or the name of the drop reason.
        verdict: String,
        code: u8,
        remote_identity: u32,
        /// The number of the network of the policy that the peer is in, or 0.
        remote_network: u32,
        policy_revision: u32,
        policy_rule: u32,
        /// As above.
        rule: Option<Rule>,
        protocol: String,
        dport: u16,
        match_bits: u8,
        audited: bool,
    },
    Debug {
        message: String,
        arguments: [u32; 4],
    },
}

impl View {
    pub(super) fn new(format: Format, names: Vocabulary, rules: Rules, with_bytes: bool) -> Self {
        Self {
            format,
            names,
            clock: Clock::new(),
            rules,
            with_bytes,
        }
    }

    /// Has rules read anew.
    pub(super) fn forget(&mut self) {
        self.rules.forget();
    }

    /// A line, a JSON object in a line, or a document of YAML.
    pub(super) fn text(
        &mut self,
        event: &Event,
        parties: &Parties,
        directory: &Directory,
    ) -> Result<String, Failure> {
        let shown = self.shown(event, parties, directory);
        let dump = shown.packet.as_ref().map(Packet::dump);
        let dump = dump.unwrap_or_default();
        Ok(match self.format {
            Format::Table => format!("{}\n{dump}", line(&shown)),
            Format::Wide => format!("{}{}\n{dump}", line(&shown), rest(&shown)),
            Format::Json => {
                serde_json::to_string(&shown).map_err(|e| Failure::Print(e.into()))? + "\n"
            }
            Format::Yaml => {
                let text = serde_saphyr::to_string(&shown)
                    .map_err(|e| Failure::Print(std::io::Error::other(e)))?;
                format!("---\n{}\n", text.trim_end())
            }
        })
    }

    fn shown(&mut self, event: &Event, parties: &Parties, directory: &Directory) -> Shown {
        let header = event.header();
        let pod = |endpoint: Option<u16>| endpoint.and_then(|id| directory.pod(id)).map(name);
        let [source, destination] = parties.each().map(|party| party.endpoint);
        Shown {
            time: rfc3339(self.clock.time(header.monotonic_ns)),
            monotonic_ns: header.monotonic_ns,
            kind: event.kind().name(),
            endpoint: header.lxc_id,
            direction: event.direction(),
            source_endpoint: source,
            destination_endpoint: destination,
            source_pod: pod(source),
            destination_pod: pod(destination),
            hash: header.hash,
            what: match event {
                Event::Drop(event) => self.drop(event),
                Event::Trace(event) => self.trace(event),
                Event::Verdict(event) => self.verdict(event),
                Event::Debug(event) => What::Debug {
                    message: self.names.debug_message(event.header.subtype),
                    arguments: event.argument,
                },
            },
            packet: event
                .packet()
                .map(|packet| Packet::new(packet, self.with_bytes)),
        }
    }

    fn drop(&mut self, event: &DropEvent) -> What {
        let rules = &mut self.rules;
        let rule = rules.rule_now(event.header.lxc_id, event.policy_rule);
        let code = event.header.subtype;
        let reason = self.names.counted(code);
        What::Drop {
            reason: reason.name,
            code,
            meaning: reason.meaning,
            file: self.names.file(event.file).map(str::to_owned),
            line: event.line,
            detail: event.detail,
            source_identity: event.source_identity,
            destination_identity: event.destination_identity,
            policy_rule: event.policy_rule,
            rule,
        }
    }

    fn trace(&self, event: &TraceEvent) -> What {
        What::Trace {
            point: self.names.trace_point(event.header.subtype),
            reason: self.names.trace_reason(event.reason),
            source_identity: event.source_identity,
            destination_identity: event.destination_identity,
        }
    }

    fn verdict(&mut self, event: &VerdictEvent) -> What {
        let rules = &mut self.rules;
        let rule = rules.rule(event.policy_revision, event.policy_rule);
        let verdict = match event.verdict {
            0 => "allow".to_owned(),
            code => self.names.counted(code).name,
        };
        What::Verdict {
            verdict,
            code: event.verdict,
            remote_identity: event.remote_identity,
            remote_network: event.remote_network,
            policy_revision: event.policy_revision,
            policy_rule: event.policy_rule,
            rule,
            protocol: protocol(event.protocol),
            dport: u16::from_be(event.dport),
            match_bits: event.match_bits,
            audited: event.flags & AUDITED != 0,
        }
    }
}

fn line(shown: &Shown) -> String {
    // The date and the zone are the same in every line.
    let time = shown.time.get(11..26).unwrap_or(&shown.time);
    let direction = shown.direction.map_or("-".to_owned(), |d| d.to_string());
    let start = format!(
        "{time} {:<7} {:>5} {direction:<7}",
        shown.kind, shown.endpoint
    );
    let pods = pods(shown);
    match &shown.packet {
        Some(packet) => format!("{start} {} | {}{pods}", packet.summary, shown.what),
        None => format!("{start} {}{pods}", shown.what),
    }
}

fn name(pod: &Pod) -> PodName {
    PodName {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
    }
}

/// Whose packet it is, where a side is a pod with a name.
fn pods(shown: &Shown) -> String {
    let side = |pod: &Option<PodName>, endpoint: Option<u16>| match (pod, endpoint) {
        (Some(pod), _) => printable(&format!("{}/{}", pod.namespace, pod.name)),
        (None, Some(id)) => format!("endpoint {id}"),
        (None, None) => "outside".to_owned(),
    };
    if shown.source_pod.is_none() && shown.destination_pod.is_none() {
        return String::new();
    }
    let source = side(&shown.source_pod, shown.source_endpoint);
    let destination = side(&shown.destination_pod, shown.destination_endpoint);
    format!(", {source} -> {destination}")
}

/// Where a rule stands, behind its number.
fn place(rule: Option<&Rule>) -> String {
    rule.map_or(String::new(), |rule| {
        format!(" ({})", printable(&rule.brief()))
    })
}

/// What `-o wide` says more.
fn rest(shown: &Shown) -> String {
    let hash = format!(" | hash {:#010x}", shown.hash);
    match &shown.packet {
        Some(packet) => {
            let macs = packet
                .macs()
                .map_or(String::new(), |macs| format!(", {macs}"));
            let (len, ifindex) = (packet.len, packet.ifindex);
            format!("{hash}, {len} bytes, ifindex {ifindex}{macs}")
        }
        None => hash,
    }
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Drop {
                reason,
                meaning,
                file,
                line,
                detail,
                source_identity,
                destination_identity,
                policy_rule,
                rule,
                ..
            } => {
                let file = file.as_deref().unwrap_or("unknown file");
                write!(f, "{reason}: {meaning} ({file}:{line}")?;
                if *detail != 0 {
                    write!(f, ", detail {detail}")?;
                }
                write!(f, "), {}", from_to(*source_identity, *destination_identity))?;
                match policy_rule {
                    0 => Ok(()),
                    number => write!(f, ", by rule {number}{}", place(rule.as_ref())),
                }
            }
            Self::Trace {
                point,
                reason,
                source_identity,
                destination_identity,
                ..
            } => {
                let identities = from_to(*source_identity, *destination_identity);
                write!(f, "{point}, {reason}, {identities}")
            }
            Self::Verdict {
                verdict,
                remote_identity,
                policy_revision,
                policy_rule,
                rule,
                audited,
                ..
            } => {
                let rule = place(rule.as_ref());
                let audited = if *audited { " (audit mode)" } else { "" };
                let peer = identity(*remote_identity);
                write!(
                    f,
                    "{verdict}{audited} by rule {policy_rule}{rule} of revision {policy_revision}, peer {peer}"
                )
            }
            Self::Debug { message, arguments } => {
                let arguments = arguments.map(|argument| format!("{argument:#x}"));
                write!(f, "{message} {}", arguments.join(" "))
            }
        }
    }
}

fn from_to(source: u32, destination: u32) -> String {
    // 0 is an identity that was not looked up.
    let known = |number| match number {
        0 => "unknown".to_owned(),
        number => identity(number),
    };
    format!("identity {} -> {}", known(source), known(destination))
}
