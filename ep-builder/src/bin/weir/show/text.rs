//! The scene as a table: every program that stands somewhere, on what, and whose it is.

use super::scene::{Endpoint, Hook, Scene, Tails};

pub(super) const HEADINGS: [&str; 9] = [
    "DEVICE", "HOOK", "PRIO", "ID", "PROGRAM", "OWNER", "TAILS", "TAG", "SLOTS",
];
/// How many of them the plain table has.
pub(super) const PLAIN: usize = 7;

/// Whose hooks they are.
struct Owner {
    device: String,
    name: String,
}

/// A row for each program on a hook, and for each hook that lacks one.
pub(super) fn rows(scene: &Scene) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for endpoint in &scene.endpoints {
        let owner = Owner {
            device: device(endpoint),
            name: owner(endpoint),
        };
        let tails = scene.tails(endpoint.tails);
        rows.extend(of_hooks(scene, &owner, &endpoint.hooks, tails));
    }
    for device in &scene.devices {
        let owner = Owner {
            device: device.name.clone(),
            name: "node".to_owned(),
        };
        let tails = scene.tails(device.tails);
        rows.extend(of_hooks(scene, &owner, &device.hooks, tails));
    }
    let owner = Owner {
        device: "cgroup".to_owned(),
        name: "node".to_owned(),
    };
    rows.extend(of_hooks(scene, &owner, &scene.sockets, None));
    rows
}

fn device(endpoint: &Endpoint) -> String {
    let device = endpoint.row.host_ifname.clone();
    device.unwrap_or_else(|| "-".to_owned())
}

fn owner(endpoint: &Endpoint) -> String {
    match &endpoint.row.pod {
        Some(pod) => format!("{} {}/{}", endpoint.row.id, pod.namespace, pod.name),
        None => endpoint.row.id.to_string(),
    }
}

fn of_hooks(
    scene: &Scene,
    owner: &Owner,
    hooks: &[Hook],
    tails: Option<&Tails>,
) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for hook in hooks {
        for stand in &hook.standing {
            let program = stand.program.and_then(|id| scene.programs.get(&id));
            let name = program.map_or(stand.kind.as_str(), |it| it.name.as_str());
            let tails = tails.filter(|_| stand.ours);
            rows.push(vec![
                owner.device.clone(),
                hook.direction.clone(),
                or_dash(stand.priority),
                or_dash(stand.program),
                name.to_owned(),
                if stand.ours {
                    &owner.name
                } else {
                    "not weir's"
                }
                .to_owned(),
                or_dash(tails.map(|it| it.slots.len())),
                or_dash(program.map(|it| &it.tag)),
                or_dash(tails.map(|it| slots(scene, it))),
            ]);
        }
        if hook.ours().is_none() {
            rows.push(missing(owner, hook));
        }
    }
    rows
}

fn missing(owner: &Owner, hook: &Hook) -> Vec<String> {
    let mut row = vec!["-".to_owned(); HEADINGS.len()];
    let known = [
        (0, owner.device.clone()),
        (1, hook.direction.clone()),
        (4, format!("{} is missing", hook.section)),
        (5, owner.name.clone()),
    ];
    for (place, text) in known {
        if let Some(cell) = row.get_mut(place) {
            *cell = text;
        }
    }
    row
}

/// The places of an array, each with its program.
fn slots(scene: &Scene, tails: &Tails) -> String {
    let slots = tails.slots.iter();
    let slots = slots.map(|it| format!("{}={}", it.slot, scene.program_name(it.program)));
    slots.collect::<Vec<_>>().join(" ")
}

/// A value that may not be there.
pub(super) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |it| it.to_string())
}
