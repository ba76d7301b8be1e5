//! Where everything stands in the picture: columns from the pods to the outside, each centred, joined by edges.

use super::arcs::{Arc, arcs, peers};
use super::columns::{self, Card};
use super::fill::{Bar, bars};
use super::group::{Group, groups};
use super::scene::Scene;
use crate::picture::{Area, Drawing, Edge, Face, Line, Point, Stroke, Tone};

/// The columns: where each begins, and how wide it is.
const PODS: (i32, i32) = (92, 196);
const HOST_ENDS: (i32, i32) = (322, 190);
const PROGRAMS: (i32, i32) = (550, 218);
const MAPS: (i32, i32) = (806, 246);
const DEVICES: (i32, i32) = (1090, 190);
const OUTSIDE: (i32, i32) = (1316, 80);

/// From the top to the first box, and from box to box.
const TOP: i32 = 58;
const GAP: i32 = 14;
/// Half of what lies between where edges of policy leave and arrive.
const APART: i32 = 8;
/// From bar to bar.
const BAR: i32 = 33;
/// Cards with their places.
struct Placed {
    cards: Vec<(Area, Card)>,
}

/// The picture of the scene: of a node or of one endpoint.
pub(super) fn draw(scene: &Scene) -> Drawing {
    let groups = groups(scene);
    let (bars, more) = bars(scene);
    let host_ends: Vec<_> = groups
        .iter()
        .map(|it| columns::host_ends(scene, it))
        .collect();
    let (peers, unshown) = peers(scene);
    let beside = peers.iter().map(|it| columns::peer(it));
    let pods = groups.iter().map(columns::pods).chain(beside);
    let pods: Vec<_> = pods.chain(columns::more_peers(unshown)).collect();
    let programs = scene.tails.iter().map(|it| columns::tails(scene, it));
    let programs: Vec<_> = programs.chain(columns::called(scene)).collect();
    let devices = scene
        .devices
        .iter()
        .map(|it| columns::node_device(scene, it));
    let devices: Vec<_> = devices.chain(columns::sockets(scene)).collect();
    let panel = bars_height(&bars, more);
    let all = [&pods, &programs, &devices];
    let tallest = all.map(|it| height(it)).into_iter().max();
    let tallest = tallest.unwrap_or(0).max(panel);

    let mut drawing = Drawing::new(title(scene), description(scene));
    headings(&mut drawing, scene);
    let pods = Placed::column(pods, PODS, tallest);
    let ends = Placed::beside(host_ends, HOST_ENDS, &pods);
    let programs = Placed::column(programs, PROGRAMS, tallest);
    let devices = Placed::column(devices, DEVICES, tallest);
    let maps = Area {
        x: MAPS.0,
        y: TOP + (tallest - panel) / 2,
        width: MAPS.1,
        height: panel,
    };
    edges_of_pods(&mut drawing, scene, &groups, [&pods, &ends, &programs]);
    edges_of_maps(&mut drawing, [&programs, &devices], maps);
    edges_of_policy(&mut drawing, &arcs(scene, &groups, &peers), &pods);
    outside(&mut drawing, scene, &devices);
    for placed in [&pods, &ends, &programs, &devices] {
        for (area, card) in &placed.cards {
            drawing.boxed(*area, card.tone, &card.lines, &card.title);
        }
    }
    draw_bars(&mut drawing, maps, &bars, more);
    drawing
}

fn title(scene: &Scene) -> String {
    match scene.endpoints.as_slice() {
        [only] if scene.devices.is_empty() => format!("{} on {}", only.name(), scene.host),
        _ => format!("weir on {}", scene.host),
    }
}

fn description(scene: &Scene) -> String {
    format!(
        "{} endpoints, {} programs, {} maps, {} devices of the node",
        scene.endpoints.len(),
        scene.programs.len(),
        scene.maps.len(),
        scene.devices.len()
    )
}

fn headings(drawing: &mut Drawing, scene: &Scene) {
    let mut all = vec![
        (PODS, "Pods"),
        (HOST_ENDS, "Host ends and hooks"),
        (PROGRAMS, "Programs they call"),
        (MAPS, "Maps"),
    ];
    if !scene.devices.is_empty() || !scene.sockets.is_empty() {
        all.push((DEVICES, "The node's own part"));
    }
    for ((x, width), text) in all {
        let at = Point { x, y: 32 };
        drawing.words(at, width, &Line::new(Face::Strong, text));
    }
}

fn height(cards: &[Card]) -> i32 {
    let cards = cards
        .iter()
        .map(|it| Drawing::box_height(it.lines.len()) + GAP);
    cards.sum::<i32>() - GAP
}

impl Placed {
    /// One below the other, centred.
    fn column(cards: Vec<Card>, (x, width): (i32, i32), tallest: i32) -> Self {
        let mut y = TOP + (tallest - height(&cards)) / 2;
        let mut placed = Vec::new();
        for card in cards {
            let height = Drawing::box_height(card.lines.len());
            placed.push((
                Area {
                    x,
                    y,
                    width,
                    height,
                },
                card,
            ));
            y += height + GAP;
        }
        Self { cards: placed }
    }

    /// Each in the middle of the row of another.
    fn beside(cards: Vec<Card>, (x, width): (i32, i32), rows: &Self) -> Self {
        let rows = rows.cards.iter().map(|(area, _)| *area);
        let placed = cards.into_iter().zip(rows).map(|(card, row)| {
            let height = Drawing::box_height(card.lines.len());
            let y = row.y + (row.height - height) / 2;
            (
                Area {
                    x,
                    y,
                    width,
                    height,
                },
                card,
            )
        });
        Self {
            cards: placed.collect(),
        }
    }

    fn area(&self, index: usize) -> Option<Area> {
        self.cards.get(index).map(|(area, _)| *area)
    }
}

fn edge(from: Point, to: Point, tone: Tone, stroke: Stroke, title: &str) -> Edge {
    Edge {
        from,
        to,
        tone,
        stroke,
        label: String::new(),
        title: title.to_owned(),
    }
}

fn edges_of_pods(
    drawing: &mut Drawing,
    scene: &Scene,
    groups: &[Group<'_>],
    [pods, ends, programs]: [&Placed; 3],
) {
    for (index, group) in groups.iter().enumerate() {
        let (Some(pod), Some(end)) = (pods.area(index), ends.area(index)) else {
            continue;
        };
        let pair = edge(
            pod.right(),
            end.left(),
            Tone::Blue,
            Stroke::Line,
            "a veth pair",
        );
        drawing.edge(&pair);
        let tails = group.first().and_then(|it| it.tails);
        let place = scene.tails.iter().position(|it| Some(it.map) == tails);
        if let Some(array) = place.and_then(|place| programs.area(place)) {
            let calls = edge(
                end.right(),
                array.left(),
                Tone::Violet,
                Stroke::Arrow,
                "its programs call these",
            );
            drawing.edge(&calls);
        }
    }
}

fn edges_of_maps(drawing: &mut Drawing, [programs, devices]: [&Placed; 2], maps: Area) {
    let last = maps.y + maps.height - GAP;
    let within = |y: i32| y.clamp((maps.y + GAP).min(last), last);
    for (area, _) in &programs.cards {
        let from = area.right();
        let to = Point {
            x: maps.x,
            y: within(from.y),
        };
        let uses = edge(from, to, Tone::Green, Stroke::Line, "these use the maps");
        drawing.edge(&uses);
    }
    for (area, _) in &devices.cards {
        let to = area.left();
        let from = Point {
            x: maps.x + maps.width,
            y: within(to.y),
        };
        let uses = edge(from, to, Tone::Green, Stroke::Line, "these use the maps");
        drawing.edge(&uses);
    }
}

/// Who may reach whom by a rule, to the left of the pods.
fn edges_of_policy(drawing: &mut Drawing, arcs: &[Arc], pods: &Placed) {
    for arc in arcs {
        let (Some(from), Some(to)) = (pods.area(arc.from), pods.area(arc.to)) else {
            continue;
        };
        // Leaves above the middle and arrives below it: both ways between two pods stay apart.
        let (from, to) = (from.left(), to.left());
        let from = Point {
            y: from.y - APART,
            ..from
        };
        let to = Point {
            y: to.y + APART,
            ..to
        };
        drawing.arc(from, to, Tone::Amber, &arc.title);
    }
}

fn outside(drawing: &mut Drawing, scene: &Scene, devices: &Placed) {
    let natives = scene.devices.iter().zip(&devices.cards);
    let natives = natives.filter(|(device, _)| device.kind == "native");
    let natives: Vec<_> = natives.map(|(_, (area, _))| *area).collect();
    let (Some(first), Some(last)) = (natives.first(), natives.last()) else {
        return;
    };
    let height = Drawing::box_height(1);
    let middle = i32::midpoint(first.left().y, last.left().y);
    let area = Area {
        x: OUTSIDE.0,
        y: middle - height / 2,
        width: OUTSIDE.1,
        height,
    };
    for native in &natives {
        let leads = edge(
            native.right(),
            area.left(),
            Tone::Slate,
            Stroke::Line,
            "leads outside",
        );
        drawing.edge(&leads);
    }
    let line = Line::new(Face::Strong, "outside");
    drawing.boxed(area, Tone::Slate, &[line], "what is not on this node");
}

fn bars_height(bars: &[Bar], more: usize) -> i32 {
    let rows = i32::try_from(bars.len() + usize::from(more > 0)).unwrap_or(0);
    rows.max(1) * BAR + GAP
}

fn draw_bars(drawing: &mut Drawing, area: Area, bars: &[Bar], more: usize) {
    drawing.panel(area, "");
    let (left, right) = (area.x + GAP, area.x + area.width - GAP);
    for (index, bar) in (0..).zip(bars) {
        let y = area.y + GAP + BAR * index;
        let count = format!("{} of {}", bar.entries, bar.max_entries);
        drawing.words(
            Point { x: left, y: y + 4 },
            142,
            &Line::new(Face::Code, &bar.name),
        );
        drawing.words_before(
            Point { x: right, y: y + 4 },
            96,
            &Line::new(Face::Muted, &count),
        );
        let tone = match bar.percent {
            0..75 => Tone::Green,
            75..90 => Tone::Amber,
            _ => Tone::Red,
        };
        let track = Area {
            x: left,
            y: y + 14,
            width: right - left,
            height: 6,
        };
        let title = format!("{}: {count}, {} %", bar.about, bar.percent);
        drawing.bar(track, tone, bar.thousandths, &title);
    }
    let at = |rows: usize| Point {
        x: left,
        y: area.y + GAP + BAR * i32::try_from(rows).unwrap_or(0) + 6,
    };
    let rest = match (bars.len(), more) {
        (0, _) => "no map can be full".to_owned(),
        (_, 0) => return,
        (_, more) => format!("and {more} more, which are less full"),
    };
    let line = Line::new(Face::Muted, rest);
    drawing.words(at(bars.len()), right - left, &line);
}
