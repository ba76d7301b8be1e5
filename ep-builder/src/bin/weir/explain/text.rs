//! An explanation for people.

use ep_builder::maps::Direction;
use ep_builder::policy::Holder;

use super::report::{
    Described, Dropped, Entry, Excuse, Explanation, Judged, LookedUp, Party, Policy, Step, Verdict,
};
use crate::bpf::names::identity;

/// All of it, as names and values.
pub(super) fn lines(it: &Explanation) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("from", party(&it.from)),
        ("to", party(&it.to)),
        ("packet", packet(&it.packet)),
        ("verdict", verdict(it)),
    ];
    if let Some(now) = &it.now {
        let now = match (now.changes, now.verdict, now.reason) {
            (false, ..) => "the same".to_owned(),
            (true, Verdict::Dropped, Some(reason)) => format!("dropped: {reason}"),
            (true, verdict, _) => word(verdict).to_owned(),
        };
        lines.push(("now", now));
    }
    for (number, step) in (1..).zip(&it.steps) {
        lines.push(("", String::new()));
        lines.push(("step", step_line(number, step)));
        for judged in &step.judgements {
            lines.push(("", question(judged)));
            lines.extend(
                judged
                    .look_ups
                    .iter()
                    .map(|look_up| ("", look_up_line(look_up))),
            );
        }
    }
    lines.push(("", String::new()));
    lines.push(("rule", rule(it)));
    let isolating = it.isolated_by.iter();
    lines.extend(isolating.map(|policy| ("isolated by", document(policy))));
    lines.extend(it.advice.iter().map(|advice| ("fix", advice.clone())));
    lines
}

fn party(party: &Party) -> String {
    let mut words = vec![party.address.to_string()];
    match (party.kind, party.id) {
        (_, Some(id)) => words.push(format!("endpoint {id}")),
        ("host", _) => words.push("this node".to_owned()),
        (kind, _) => words.push(kind.to_owned()),
    }
    words.extend(
        party
            .pod
            .as_ref()
            .map(|pod| format!("{}/{}", pod.namespace, pod.name)),
    );
    words.extend(party.identity.map(|number| format!("identity {number}")));
    words.join("  ")
}

fn packet(packet: &Described) -> String {
    let end = |address: &dyn ToString, port: Option<u16>| match port {
        Some(port) if address.to_string().contains(':') => {
            format!("[{}]:{port}", address.to_string())
        }
        Some(port) => format!("{}:{port}", address.to_string()),
        None => address.to_string(),
    };
    format!(
        "{} {} -> {}",
        packet.protocol,
        end(&packet.source, packet.sport),
        end(&packet.destination, packet.dport)
    )
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Delivered => "delivered",
        Verdict::Stack => "goes on to the host's stack",
        Verdict::Sent => "leaves the node",
        Verdict::Answered => "answered by the datapath",
        Verdict::Dropped => "dropped",
    }
}

fn verdict(it: &Explanation) -> String {
    match (&it.drop, it.delivered_to) {
        (Some(drop), _) => dropped(drop),
        (None, Some(id)) => format!("delivered to endpoint {id}"),
        (None, None) => word(it.verdict).to_owned(),
    }
}

fn dropped(drop: &Dropped) -> String {
    let side = match drop.direction {
        Some(Direction::Egress) => "on its way out of",
        Some(Direction::Ingress) => "on its way into",
        None => "at",
    };
    let place = match (&drop.file, drop.line) {
        (Some(file), Some(line)) => format!(" ({file}:{line})"),
        _ => String::new(),
    };
    let answered = if drop.answered {
        "; the pod gets an error message"
    } else {
        ""
    };
    format!(
        "dropped {side} {}: {} {}, {}{place}{answered}",
        drop.endpoint, drop.reason, drop.name, drop.meaning
    )
}

fn step_line(number: usize, step: &Step) -> String {
    let connection = match step.connection {
        "asked" => "policy is asked",
        "known" => "part of a connection that policy has allowed",
        _ => "policy is not asked",
    };
    let device = step.device.as_ref().map(|device| format!(" at {device}"));
    format!(
        "{number}: {} of {}{}: {connection}; {}",
        step.program,
        step.endpoint,
        device.unwrap_or_default(),
        step.end
    )
}

fn question(judged: &Judged) -> String {
    let network = judged.network.map(|number| format!(" in network {number}"));
    format!(
        "  {}, peer {}{}, {} {}, revision {}: {}",
        judged.direction,
        identity(judged.identity),
        network.unwrap_or_default(),
        judged.protocol,
        judged.dport,
        judged.revision,
        match (judged.allowed, judged.audited, judged.excuse) {
            (true, ..) => "allowed".to_owned(),
            (false, true, _) => "not allowed, and audit mode lets it pass".to_owned(),
            (false, false, Some(why)) =>
                format!("not allowed, and it passes all the same: {}", excuse(why)),
            (false, false, None) => "not allowed".to_owned(),
        }
    )
}

fn excuse(why: Excuse) -> &'static str {
    match why {
        Excuse::OpenPort => "the port is always open",
        Excuse::Dhcp => "it tells the node which address it has",
        Excuse::Session => "the kernel has a socket for its session",
    }
}

fn look_up_line(look_up: &LookedUp) -> String {
    let who = match look_up.about {
        "anybody" => "anybody".to_owned(),
        about => format!("{about} {}", look_up.key.identity),
    };
    let found = look_up
        .found
        .as_ref()
        .map_or_else(|| "no entry".to_owned(), entry);
    format!("    {who}: {found}")
}

fn entry(entry: &Entry) -> String {
    let traffic = match (&entry.protocol, entry.dport, entry.dport_last) {
        (Some(protocol), Some(first), Some(last)) if first == last => format!("{protocol} {first}"),
        (Some(protocol), Some(first), Some(last)) => format!("{protocol} {first}-{last}"),
        (Some(protocol), ..) => protocol.clone(),
        _ => "all traffic".to_owned(),
    };
    let action = if entry.deny { "deny" } else { "allow" };
    let decides = if entry.decided { ", which decides" } else { "" };
    format!("{action} {traffic}, rule {}{decides}", entry.rule)
}

fn rule(it: &Explanation) -> String {
    if let Some(rule) = &it.rule {
        let action = match rule.action {
            ep_builder::policy::Action::Allow => "allows",
            ep_builder::policy::Action::Deny => "denies",
        };
        return format!("{} {action} it", document(&rule.policy));
    }
    let asked = it.steps.iter().rev().find_map(|step| {
        let judged = step.judgements.last()?;
        Some((step.endpoint, judged))
    });
    let Some((whose, asked)) = asked else {
        return "none was asked for".to_owned();
    };
    if let Some(why) = asked.excuse {
        return format!("none: {}", excuse(why));
    }
    let found = asked
        .look_ups
        .iter()
        .filter_map(|it| Some((it, it.found.as_ref()?)));
    let mut decided = found.filter(|(_, found)| found.decided);
    match (decided.next(), whose) {
        (None, _) => "none: no rule allows it".to_owned(),
        (Some((_, found)), _) if found.rule > 0 => format!("number {}", found.rule),
        (_, Holder::Node) => "none: no policy isolates the node".to_owned(),
        (Some((look_up, _)), _) if look_up.about == "identity" => {
            "none: the node reaches its pods".to_owned()
        }
        (Some(_), _) => "none: no policy isolates the pod".to_owned(),
    }
}

fn document(policy: &Policy) -> String {
    format!(
        "{} {} at {}:{}",
        policy.kind_name(),
        policy.full_name(),
        policy.file,
        policy.line
    )
}
