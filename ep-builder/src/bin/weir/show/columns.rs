//! What stands in each column of the picture, before it has a place: boxes with their lines.

use super::group::Group;
use super::scene::{Device, Endpoint, Hook, Scene, Tails};
use crate::picture::{Face, Line, Tone};

/// So many places of a program array are named.
const SLOTS: usize = 16;

/// A box without a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Card {
    pub(super) tone: Tone,
    pub(super) lines: Vec<Line>,
    pub(super) title: String,
}

/// The pods of a group.
pub(super) fn pods(group: &Group<'_>) -> Card {
    let tone = if group.is_wrong() {
        Tone::Red
    } else {
        Tone::Blue
    };
    let Some(endpoint) = group.only() else {
        return many_pods(group, tone);
    };
    let row = &endpoint.row;
    let about = match row.identity {
        Some(identity) if row.state == "ready" => {
            format!("id {} · identity {identity}", row.id)
        }
        _ => format!("id {} · {}", row.id, row.state),
    };
    Card {
        tone,
        lines: vec![
            Line::new(Face::Strong, endpoint.name()),
            Line::new(Face::Code, endpoint.addresses().join(" ")),
            Line::new(Face::Muted, about),
            Line::new(Face::Muted, policy(endpoint)),
        ],
        title: describe(endpoint),
    }
}

fn many_pods(group: &Group<'_>, tone: Tone) -> Card {
    let names = group.names();
    let first = names.lines().next().unwrap_or_default();
    let state = group.first().map_or("", |it| it.row.state);
    let about = match group.first() {
        Some(it) if !group.is_wrong() => policy(it),
        _ => "something is wrong".to_owned(),
    };
    Card {
        tone,
        lines: vec![
            Line::new(
                Face::Strong,
                format!("{} pods alike", group.endpoints.len()),
            ),
            Line::new(Face::Code, format!("{first}, …")),
            Line::new(Face::Muted, state),
            Line::new(Face::Muted, about),
        ],
        title: names,
    }
}

fn policy(endpoint: &Endpoint) -> String {
    let policy = endpoint.row.policy.unwrap_or_default();
    match (policy.ingress, policy.egress) {
        (false, false) => "no policy: all may pass".to_owned(),
        (true, false) => "ingress by rules only".to_owned(),
        (false, true) => "egress by rules only".to_owned(),
        (true, true) => "in and out by rules only".to_owned(),
    }
}

/// All in words, for those who point at it.
fn describe(endpoint: &Endpoint) -> String {
    let row = &endpoint.row;
    let mut lines = vec![endpoint.name()];
    lines.extend(endpoint.addresses());
    let labels = row.labels.iter();
    lines.extend(labels.map(|it| format!("{}:{}={}", it.source, it.key, it.value)));
    let ports = row.host_ports.iter();
    lines.extend(ports.map(|it| format!("host port {it} to port {}", it.container_port)));
    lines.extend(row.problem.clone());
    lines.join("\n")
}

/// Somebody who is no pod of the picture, and whom a rule names.
pub(super) fn peer(name: &str) -> Card {
    Card {
        tone: Tone::Slate,
        lines: vec![Line::new(Face::Strong, name)],
        title: name.to_owned(),
    }
}

/// Those for whom there is no room.
pub(super) fn more_peers(count: usize) -> Option<Card> {
    (count > 0).then(|| peer(&format!("and {count} more")))
}

/// The host ends of a group, with their hooks.
pub(super) fn host_ends(scene: &Scene, group: &Group<'_>) -> Card {
    let hooks = group.first().map_or(&[][..], |it| it.hooks.as_slice());
    let Some(endpoint) = group.only() else {
        let count = group.endpoints.len();
        let lines = hooks.iter().map(|hook| {
            let text = format!("{} ×{count}", hook.section);
            Line::new(Face::Code, text)
        });
        let heading = Line::new(Face::Strong, format!("{count} host ends"));
        return Card {
            tone: tone_of(hooks),
            lines: [heading].into_iter().chain(lines).collect(),
            title: group.names(),
        };
    };
    let device = endpoint.row.host_ifname.clone();
    let device = device.unwrap_or_else(|| "no host end".to_owned());
    on_device(scene, device, hooks)
}

/// A device of the node, with its hooks.
pub(super) fn node_device(scene: &Scene, device: &Device) -> Card {
    let mut card = on_device(scene, device.name.clone(), &device.hooks);
    let addresses = device.masquerade.iter().map(ToString::to_string);
    let addresses: Vec<_> = addresses.collect();
    let about = match (device.kind, addresses.is_empty()) {
        ("host", _) => "the node's own pair".to_owned(),
        (_, true) => "pods keep their addresses".to_owned(),
        (_, false) => format!("as {}", addresses.join(" ")),
    };
    card.lines.insert(1, Line::new(Face::Muted, about));
    card
}

/// The programs of sockets.
pub(super) fn sockets(scene: &Scene) -> Option<Card> {
    let hooks = scene.sockets.as_slice();
    (!hooks.is_empty()).then(|| on_device(scene, "sockets of all pods".to_owned(), hooks))
}

fn on_device(scene: &Scene, name: String, hooks: &[Hook]) -> Card {
    let mut title = vec![name.clone()];
    let mut lines = vec![Line::new(Face::Strong, name)];
    for hook in hooks {
        let others = hook.standing.iter().filter(|it| !it.ours);
        let others: Vec<_> = others.map(|it| it.note.clone()).collect();
        let ours = match hook.ours() {
            Some(id) => format!("#{id}"),
            None => "missing".to_owned(),
        };
        let beside = match others.len() {
            0 => String::new(),
            count => format!(" +{count}"),
        };
        lines.push(Line::new(
            Face::Code,
            format!("{} {ours}{beside}", hook.section),
        ));
        let name = hook.ours().map_or("", |id| scene.program_name(id));
        title.push(format!(
            "{} ({}): {name} {ours}",
            hook.section, hook.direction
        ));
        title.extend(others);
    }
    Card {
        tone: tone_of(hooks),
        lines,
        title: title.join("\n"),
    }
}

fn tone_of(hooks: &[Hook]) -> Tone {
    let is_lacking = hooks.is_empty() || hooks.iter().any(|it| it.ours().is_none());
    let is_shared = hooks.iter().any(|it| it.standing.len() > 1);
    match (is_lacking, is_shared) {
        (true, _) => Tone::Red,
        (false, true) => Tone::Amber,
        (false, false) => Tone::Teal,
    }
}

/// A program array with its places, and whose it is.
pub(super) fn tails(scene: &Scene, tails: &Tails) -> Card {
    let users = scene.endpoints.iter();
    let users = users.filter(|it| it.tails == Some(tails.map)).count();
    let mut devices = scene.devices.iter();
    let device = devices.find(|it| it.tails == Some(tails.map));
    let whose = match (users, device) {
        (0, Some(device)) => format!("of {}", device.name),
        (1, _) => "called by its programs".to_owned(),
        (count, _) => format!("shared by {count} endpoints"),
    };
    let slots = tails.slots.iter().map(|it| {
        let name = scene.program_name(it.program);
        format!("{:>2} {name} #{}", it.slot, it.program)
    });
    let slots: Vec<_> = slots.collect();
    let count = slots.len();
    let mut lines = vec![
        Line::new(Face::Strong, format!("{count} tail programs")),
        Line::new(Face::Muted, whose),
    ];
    let named = slots.iter().take(SLOTS);
    lines.extend(named.map(|it| Line::new(Face::Code, it.as_str())));
    if count > SLOTS {
        let more = format!("and {} more", count - SLOTS);
        lines.push(Line::new(Face::Muted, more));
    }
    Card {
        tone: Tone::Violet,
        lines,
        title: format!("{}\n{}", tails.name, slots.join("\n")),
    }
}

/// What others call by an endpoint's number; none where nobody has any.
pub(super) fn called(scene: &Scene) -> Option<Card> {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for called in scene.endpoints.iter().flat_map(|it| &it.called) {
        *counts.entry(called.map.as_str()).or_default() += 1;
    }
    if counts.is_empty() {
        return None;
    }
    let lines = counts.iter();
    let lines = lines.map(|(map, count)| Line::new(Face::Code, format!("{map}: {count}")));
    let heading = Line::new(Face::Strong, "called by endpoint");
    Some(Card {
        tone: Tone::Violet,
        lines: [heading].into_iter().chain(lines).collect(),
        title: "programs that others call by an endpoint's number".to_owned(),
    })
}
