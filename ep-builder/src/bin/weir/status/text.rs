//! The screen that answers "is it fine?": the verdict in words first, then a line for each part. No I/O.

use super::facts::{Drops, Endpoints, Facts, Fill, Health, NodePart, Policy, Templates};
use super::verdict::{Remark, Verdict, listed};
use crate::screen::printable;

/// So many maps say enough; `-o wide` shows all that hold something.
const FULLEST: usize = 3;
const WIDTH: usize = 10;

/// The whole screen; `wide` has everything.
pub(super) fn text(facts: &Facts, verdict: &Verdict, is_wide: bool) -> String {
    let lines = [
        (
            "weir",
            format!("{} on Linux {}", facts.version, facts.kernel),
        ),
        ("templates", templates(&facts.templates)),
        ("endpoints", endpoints(&facts.endpoints)),
        ("node", node(&facts.node)),
        ("policy", policy(&facts.policy)),
        (
            "maps",
            maps(&facts.maps, if is_wide { usize::MAX } else { FULLEST }),
        ),
        ("drops", drops(&facts.drops, is_wide)),
        ("health", health(&facts.health)),
        ("leftovers", leftovers(&facts.leftovers, is_wide)),
    ];
    let parts = lines.map(|(part, what)| line(part, &what));
    let head = format!("{}\n", printable(&headline(facts, verdict)));
    head + &remarks(verdict) + "\n" + &parts.concat()
}

/// What there is to say where nothing could be looked at.
pub(super) fn alone(verdict: &Verdict) -> String {
    let said = verdict.problems.first().map(sentence).unwrap_or_default();
    format!("not fine: {}\n", printable(&said))
}

/// The verdict in words.
pub(super) fn headline(facts: &Facts, verdict: &Verdict) -> String {
    let more = match verdict.warnings.len() {
        0 => String::new(),
        1 => ", 1 thing to look at".to_owned(),
        count => format!(", {count} things to look at"),
    };
    match verdict.problems.as_slice() {
        [] => format!("fine: {}{more}", ready(facts)),
        [one] => format!("not fine: {}", sentence(one)),
        [first, others @ ..] => format!("not fine, and {} more: {}", others.len(), sentence(first)),
    }
}

fn ready(facts: &Facts) -> String {
    let has_answered = facts.health.pings.iter().any(|ping| ping.problem.is_none());
    let health = if has_answered {
        ", the health endpoint answers"
    } else {
        ""
    };
    let ready = match facts.endpoints.ready {
        0 => "no endpoint yet".to_owned(),
        1 => "1 endpoint is ready".to_owned(),
        count => format!("{count} endpoints are ready"),
    };
    ready + health
}

fn sentence(remark: &Remark) -> String {
    format!("{}; `{}` tells more", remark.what, remark.see)
}

fn remarks(verdict: &Verdict) -> String {
    let told = |kind: &str, remark: &Remark| {
        let Remark { part, what, see } = remark;
        format!("{kind:WIDTH$} {part}: {}; see `{see}`\n", printable(what))
    };
    // The one problem there is stands in the headline.
    let problems = verdict
        .problems
        .iter()
        .filter(|_| verdict.problems.len() > 1);
    let problems = problems.map(|it| told("problem", it));
    let warnings = verdict.warnings.iter().map(|it| told("warning", it));
    problems.chain(warnings).collect()
}

fn line(part: &str, what: &str) -> String {
    format!("{part:WIDTH$} {}\n", printable(what))
}

fn templates(templates: &Templates) -> String {
    let compiler = templates.compiler.as_deref().unwrap_or("none");
    format!(
        "{} in the cache, {} in the bundle; compiler: {compiler}",
        templates.cached, templates.bundled
    )
}

fn endpoints(endpoints: &Endpoints) -> String {
    if endpoints.all == 0 && endpoints.building == 0 {
        return "none: an ADD of weir-cni makes one".to_owned();
    }
    let mut parts = vec![format!("{} ready", endpoints.ready)];
    if endpoints.building > 0 {
        parts.push(format!("{} being made", endpoints.building));
    }
    if !endpoints.failing.is_empty() {
        let ids: Vec<_> = endpoints.failing.iter().map(|it| it.id).collect();
        parts.push(format!("{} failing: {}", ids.len(), listed(&ids)));
    }
    parts.join(", ")
}

fn node(node: &NodePart) -> String {
    if !node.is_set_up {
        return "not set up: the first pod that leaves it with its address does".to_owned();
    }
    let addresses: Vec<_> = node.addresses.iter().map(ToString::to_string).collect();
    let ways = if node.devices.is_empty() {
        "no device leads outside".to_owned()
    } else {
        format!("{} at {}", node.devices.join(", "), or_none(&addresses))
    };
    format!(
        "{ways}; {} masqueraded, {} host ports",
        node.masqueraded, node.host_ports
    )
}

fn policy(policy: &Policy) -> String {
    match policy.revision {
        None => "none: every pod may talk to everybody".to_owned(),
        Some(revision) => format!(
            "revision {revision} of {} documents; isolated: {} in ingress, {} in egress",
            policy.documents, policy.isolated_ingress, policy.isolated_egress
        ),
    }
}

fn maps(maps: &[Fill], most: usize) -> String {
    let told = |it: &Fill| {
        let Fill {
            name,
            entries,
            max_entries,
            percent,
            ..
        } = it;
        format!("{name} {entries} of {max_entries} ({percent} %)")
    };
    let used = maps.iter().filter(|it| it.entries > 0);
    let shown: Vec<_> = used.take(most).map(told).collect();
    match (maps, shown.as_slice()) {
        ([], _) => "none: they come with the first endpoint".to_owned(),
        (_, []) => "empty".to_owned(),
        (_, shown) => format!("fullest: {}", shown.join(", ")),
    }
}

fn drops(drops: &Drops, is_wide: bool) -> String {
    let most = if is_wide { usize::MAX } else { FULLEST };
    let packets = drops.others.iter().map(|it| it.packets);
    let others = packets.fold(0, u64::wrapping_add);
    let reasons = drops.others.iter().take(most);
    let reasons: Vec<_> = reasons
        .map(|it| format!("{} {}", it.packets, it.reason))
        .collect();
    let reasons = match reasons.as_slice() {
        [] => String::new(),
        all => format!(": {}", all.join(", ")),
    };
    let lost = match drops.lost_events {
        0 => String::new(),
        count => format!("; {count} events lost"),
    };
    format!(
        "{} packets by policy, {others} for other reasons{reasons}{lost}",
        drops.by_policy
    )
}

fn health(health: &Health) -> String {
    if health.pings.is_empty() {
        let told = if health.is_wanted {
            "wanted, and not there"
        } else {
            "no health endpoint: `weir node init --health` makes one"
        };
        return told.to_owned();
    }
    let told = health.pings.iter().map(|ping| match ping.microseconds {
        Some(time) => format!(
            "{} in {}.{:03} ms",
            ping.address,
            time / 1_000,
            time % 1_000
        ),
        None => format!("{} does not answer", ping.address),
    });
    told.collect::<Vec<_>>().join(", ")
}

fn leftovers(leftovers: &[String], is_wide: bool) -> String {
    match leftovers {
        [] => "none".to_owned(),
        all if is_wide => all.join("; "),
        all => format!("{}: `weir gc --dry-run` lists them", all.len()),
    }
}

fn or_none(all: &[String]) -> String {
    if all.is_empty() {
        "none".to_owned()
    } else {
        all.join(", ")
    }
}
