//! The page of a node, or of one endpoint: the picture, and below it in tables what the picture says in short.

use ep_builder::endpoint::EndpointId;
use ep_builder::key::TemplateKey;

use super::layout;
use super::scene::{Endpoint, Scene, Side};
use super::text;
use crate::picture::{Cell, Fact, Page, Tone, table};
use crate::screen::printable;

/// Longer tables are closed until somebody opens them.
const SHORT: usize = 30;

/// The whole file. `rules` are the rows of `weir bpf policy get`, where one endpoint was asked for.
pub(super) fn html(scene: &Scene, id: Option<EndpointId>, rules: &[Vec<String>]) -> String {
    let only = id.and_then(|_| scene.endpoints.first());
    let title = match only {
        Some(endpoint) => endpoint.name(),
        None => format!("weir on {}", scene.host),
    };
    let Scene {
        host,
        kernel,
        version,
        ..
    } = scene;
    let lead = match id {
        Some(id) => format!("endpoint {id} on {host}, Linux {kernel}"),
        None => format!("what stands where on this node, Linux {kernel}"),
    };
    let foot = format!("weir {version}. What is counted was counted when this page was made.");
    let mut page = Page::new(title, lead, foot);
    // One endpoint needs no count of endpoints.
    page.facts(
        facts(scene)
            .get(usize::from(only.is_some())..)
            .unwrap_or_default(),
    );
    wrong(&mut page, scene);
    page.heading("The datapath");
    page.picture(&layout::draw(scene));
    page.note(
        "Packets of a pod meet the programs on the hooks of its host end, which call others and use the maps. Between host \
        ends and the node's devices the stack of the node routes.",
    );
    if let Some(endpoint) = only {
        about(&mut page, endpoint);
    } else {
        section(&mut page, "Endpoints", &ENDPOINTS, &endpoints(scene));
    }
    policy(&mut page, scene, rules);
    section(&mut page, "Hooks", &HOOKS, &hooks(scene));
    section(&mut page, "Programs", &PROGRAMS, &programs(scene));
    section(&mut page, "Maps", &MAPS, &maps(scene));
    drops(&mut page, scene);
    page.html()
}

const ENDPOINTS: [&str; 8] = [
    "Id",
    "Pod",
    "State",
    "Addresses",
    "Identity",
    "Policy in/eg",
    "Generation",
    "Template",
];
const HOOKS: [&str; 7] = [
    "Device", "Hook", "Priority", "Id", "Program", "Owner", "Tails",
];
const PROGRAMS: [&str; 6] = ["Id", "Name", "Tag", "Verified", "Bytes", "Maps"];
const MAPS: [&str; 5] = ["Name", "Type", "Entries", "Room", "Full"];

fn facts(scene: &Scene) -> Vec<Fact> {
    let fact = |value: String, name: &str, tone| Fact {
        value,
        name: name.to_owned(),
        tone,
    };
    let wrong = scene.endpoints.iter().filter(|it| it.row.problem.is_some());
    let wrong = wrong.count();
    let percents = scene.maps.iter().filter_map(|it| it.percent);
    let fullest = percents.max().unwrap_or(0);
    let others = scene.drops.others.iter().map(|it| it.packets);
    let others = others.fold(0, u64::wrapping_add);
    let problem = if wrong > 0 { Tone::Red } else { Tone::Green };
    let fill = if fullest >= 90 {
        Tone::Red
    } else {
        Tone::Green
    };
    let revision = scene
        .policy
        .revision
        .map_or_else(|| "none".to_owned(), |it| it.to_string());
    vec![
        fact(scene.endpoints.len().to_string(), "endpoints", Tone::Blue),
        fact(wrong.to_string(), "with something wrong", problem),
        fact(scene.programs.len().to_string(), "programs", Tone::Violet),
        fact(scene.maps.len().to_string(), "maps", Tone::Teal),
        fact(format!("{fullest} %"), "fullest map", fill),
        fact(revision, "policy revision", Tone::Amber),
        fact(
            scene.drops.by_policy.to_string(),
            "dropped by policy, whole node",
            Tone::Slate,
        ),
        fact(
            others.to_string(),
            "dropped otherwise, whole node",
            Tone::Slate,
        ),
    ]
}

fn wrong(page: &mut Page, scene: &Scene) {
    let endpoints = scene.endpoints.iter().filter_map(|it| {
        let problem = it.row.problem.as_ref()?;
        Some(format!("endpoint {}, {}: {problem}", it.row.id, it.name()))
    });
    let unseen = scene.unseen.iter();
    let unseen = unseen.map(|it| format!("{} could not be looked at: {}", it.part, it.why));
    let lines: Vec<_> = endpoints.chain(unseen).collect();
    if !lines.is_empty() {
        page.heading("What is wrong");
        page.wrong(&lines);
    }
}

fn section(page: &mut Page, name: &str, headings: &[&str], rows: &[Vec<Cell>]) {
    if rows.is_empty() {
        return;
    }
    page.heading(name);
    let summary = match rows.len() {
        1 => "1 row".to_owned(),
        count => format!("{count} rows"),
    };
    page.details(&summary, rows.len() <= SHORT, table(name, headings, rows));
}

fn on(enforced: bool) -> &'static str {
    if enforced { "on" } else { "off" }
}

fn endpoints(scene: &Scene) -> Vec<Vec<Cell>> {
    let row = |it: &Endpoint| {
        let policy = it.row.policy.unwrap_or_default();
        vec![
            Cell::number(it.row.id),
            Cell::text(it.name()),
            Cell::text(it.row.state),
            Cell::code(it.addresses().join(" ")),
            Cell::number(text::or_dash(it.row.identity)),
            Cell::text(format!("{} / {}", on(policy.ingress), on(policy.egress))),
            Cell::number(text::or_dash(it.row.generation)),
            Cell::code(text::or_dash(it.row.template.map(TemplateKey::short))),
        ]
    };
    scene.endpoints.iter().map(row).collect()
}

/// What is known of one endpoint.
fn about(page: &mut Page, endpoint: &Endpoint) {
    let row = &endpoint.row;
    let labels = row.labels.iter();
    let labels: Vec<_> = labels
        .map(|it| format!("{}:{}={}", it.source, it.key, it.value))
        .collect();
    let ports = row.host_ports.iter();
    let ports: Vec<_> = ports
        .map(|it| format!("{it} to port {}", it.container_port))
        .collect();
    let policy = row.policy.unwrap_or_default();
    let facts = [
        ("State", row.state.to_owned()),
        ("Addresses", endpoint.addresses().join(" ")),
        ("MAC address", text::or_dash(row.mac)),
        ("Host end", text::or_dash(row.host_ifname.as_ref())),
        ("Interface", text::or_dash(row.ifname.as_ref())),
        ("Container", text::or_dash(row.container_id.as_ref())),
        ("Identity", text::or_dash(row.identity)),
        ("Labels", labels.join(" ")),
        (
            "Policy",
            format!(
                "ingress {}, egress {}",
                on(policy.ingress),
                on(policy.egress)
            ),
        ),
        ("Policy revision", policy.revision.to_string()),
        ("Generation", text::or_dash(row.generation)),
        ("Template", text::or_dash(row.template)),
        ("Host ports", ports.join(" ")),
    ];
    let rows = facts.into_iter().filter(|(_, value)| !value.is_empty());
    let rows = rows.map(|(name, value)| vec![Cell::text(name), Cell::code(value)]);
    let rows: Vec<_> = rows.collect();
    page.heading("The endpoint");
    page.add(table("The endpoint", &["What", "Value"], &rows));
}

fn policy(page: &mut Page, scene: &Scene, rules: &[Vec<String>]) {
    let allowed = scene.policy.allowed.iter().map(|it| {
        vec![
            Cell::text(side(scene, &it.from)),
            Cell::text(side(scene, &it.to)),
            Cell::text(&it.traffic),
        ]
    });
    let headings = ["From", "To", "Traffic"];
    section(
        page,
        "Who may reach whom, by a rule",
        &headings,
        &allowed.collect::<Vec<_>>(),
    );
    let headings = [
        "Endpoint",
        "Direction",
        "Peer",
        "Protocol",
        "Port",
        "Action",
        "Rule",
        "Packets",
        "Bytes",
    ];
    let rules = rules.iter().map(|row| {
        let cells = row.iter().take(headings.len());
        cells.map(|it| Cell::text(printable(it))).collect()
    });
    section(
        page,
        "Entries of its policy",
        &headings,
        &rules.collect::<Vec<_>>(),
    );
}

/// The names of some, and of many the first.
fn side(scene: &Scene, side: &Side) -> String {
    const MOST: usize = 12;
    let pods = side.endpoints.iter().map(|id| scene.name(*id));
    let mut names: Vec<_> = pods.chain(side.others.iter().cloned()).collect();
    let more = names.len().saturating_sub(MOST);
    names.truncate(MOST);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}

fn hooks(scene: &Scene) -> Vec<Vec<Cell>> {
    let rows = text::rows(scene).into_iter();
    rows.map(|row| row.into_iter().take(HOOKS.len()).map(Cell::code).collect())
        .collect()
}

fn programs(scene: &Scene) -> Vec<Vec<Cell>> {
    let map = |id: &u32| scene.maps.iter().find(|it| it.id == *id);
    let rows = scene.programs.iter().map(|(id, program)| {
        let maps = program.maps.iter().filter_map(map);
        let maps: Vec<_> = maps.map(|it| it.name.as_str()).collect();
        vec![
            Cell::number(id),
            Cell::code(&program.name),
            Cell::code(&program.tag),
            Cell::number(program.verified_instructions),
            Cell::number(program.bytes),
            Cell::code(maps.join(" ")),
        ]
    });
    rows.collect()
}

fn maps(scene: &Scene) -> Vec<Vec<Cell>> {
    let rows = scene.maps.iter().map(|map| {
        vec![
            Cell::code(&map.name),
            Cell::text(&map.kind),
            Cell::number(text::or_dash(map.entries)),
            Cell::number(map.max_entries),
            Cell::number(
                map.percent
                    .map_or_else(|| "-".to_owned(), |it| format!("{it} %")),
            ),
        ]
    });
    rows.collect()
}

/// Counters are the node's: which endpoint a packet was dropped at, events tell as it happens.
fn drops(page: &mut Page, scene: &Scene) {
    let drops = &scene.drops;
    let mut rows = Vec::new();
    if drops.by_policy > 0 {
        rows.push(vec![
            Cell::text("no rule allows it, or one denies it"),
            Cell::number(drops.by_policy),
        ]);
    }
    let others = drops.others.iter();
    rows.extend(others.map(|it| vec![Cell::text(&it.reason), Cell::number(it.packets)]));
    if drops.lost_events > 0 {
        rows.push(vec![
            Cell::text("events that found no room"),
            Cell::number(drops.lost_events),
        ]);
    }
    section(
        page,
        "Drops of the whole node",
        &["Reason", "Packets"],
        &rows,
    );
}
