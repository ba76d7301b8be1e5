//! The pictures: one call as a waterfall, and many as how their times spread.

use super::show::{BESIDE, headline, in_us};
use super::spread::{Spread, marks, scale};
use super::{Call, time};
use crate::picture::{Area, Cell, Drawing, Face, Fact, Line, Page, Point, Tone, table};

const LEFT: i32 = 16;
/// Names of phases.
const NAMES: i32 = 150;
/// Times beside them.
const TIMES: i32 = 90;
/// Where bars begin, and how long the longest is.
const BEGIN: i32 = LEFT + NAMES + TIMES + 14;
const WIDTH: i32 = 720;
const ROW: i32 = 24;
const BAR: i32 = 14;
const TOP: i32 = 48;
/// The height of a row of a histogram.
const HILL: i32 = 36;
/// Marks on a linear scale.
const MARKS: i32 = 5;

/// One call: each phase begins where the one before it ends.
pub(super) fn waterfall(call: &Call) -> Drawing {
    let whole_us = call.total_ms * 1e3;
    let mut drawing = Drawing::new(
        headline(call),
        "Each phase is a bar that begins where the one before it ends. The same is told in words by `weir calls show`.",
    );
    let rows = |count: usize| i32::try_from(count).unwrap_or(0) * ROW;
    let bottom = TOP + rows(call.phases_ms.0.len());
    axis(&mut drawing, whole_us, bottom);
    let longest = call
        .phases_ms
        .0
        .iter()
        .map(|(_, ms)| ms * 1e3)
        .fold(0.0, f64::max);
    let (mut y, mut before) = (TOP, 0.0);
    for (name, us) in in_us(&call.phases_ms) {
        // The one that is worth a look.
        let tone = if us < longest {
            Tone::Blue
        } else {
            Tone::Amber
        };
        phase(
            &mut drawing,
            y,
            name,
            us,
            (before / whole_us, us / whole_us),
            tone,
        );
        before += us;
        y += ROW;
    }
    if !call.beside_ms.0.is_empty() {
        let at = Point {
            x: LEFT,
            y: y + ROW,
        };
        drawing.words(at, BEGIN + WIDTH, &Line::new(Face::Muted, BESIDE));
        y += ROW * 7 / 4;
        for (name, us) in in_us(&call.beside_ms) {
            phase(&mut drawing, y, name, us, (0.0, us / whole_us), Tone::Teal);
            y += ROW;
        }
    }
    drawing
}

/// Name, time, and a bar from one share of the width on, another share long.
fn phase(
    drawing: &mut Drawing,
    y: i32,
    name: &str,
    us: f64,
    (from, share): (f64, f64),
    tone: Tone,
) {
    let middle = y + ROW / 2;
    drawing.words(
        Point { x: LEFT, y: middle },
        NAMES,
        &Line::new(Face::Code, name),
    );
    let end = Point {
        x: LEFT + NAMES + TIMES,
        y: middle,
    };
    drawing.words_before(end, TIMES, &Line::new(Face::Muted, time(us)));
    let area = Area {
        x: BEGIN + part(from),
        y: y + (ROW - BAR) / 2,
        width: part(share).max(2),
        height: BAR,
    };
    drawing.bar(area, tone, 1000, &format!("{name}: {}", time(us)));
}

/// A share of the width.
#[expect(clippy::cast_possible_truncation, reason = "a share of a small width")]
fn part(share: f64) -> i32 {
    let share = if share.is_finite() { share } else { 0.0 };
    (share.clamp(0.0, 1.0) * f64::from(WIDTH)).round() as i32
}

fn axis(drawing: &mut Drawing, whole_us: f64, bottom: i32) {
    for mark in 0..=MARKS {
        let share = f64::from(mark) / f64::from(MARKS);
        upright(
            drawing,
            BEGIN + part(share),
            bottom,
            &time(whole_us * share),
        );
    }
}

/// A line down the picture, with its time above.
fn upright(drawing: &mut Drawing, x: i32, bottom: i32, text: &str) {
    drawing.rule(Point { x, y: TOP - 8 }, Point { x, y: bottom });
    let above = Point {
        x: x + 28,
        y: TOP - 20,
    };
    drawing.words_before(above, 80, &Line::new(Face::Muted, text));
}

/// The call on a page, with what it says and its phases in words.
pub(super) fn page(call: &Call) -> Page {
    let mut page = Page::new(
        headline(call),
        call.container_id.clone().unwrap_or_default(),
        "From the log of weir-cni. A phase that ran twice stands where it ran first, with the time of both; what ran between is shown too late.",
    );
    let said: Vec<_> = call.error.iter().chain(&call.notices).cloned().collect();
    let longest = call
        .phases_ms
        .0
        .iter()
        .max_by(|one, other| one.1.total_cmp(&other.1));
    let fact = |value: String, name: &str, tone| Fact {
        value,
        name: name.to_owned(),
        tone,
    };
    let mut facts = vec![fact(
        time(call.total_ms * 1e3),
        "the whole call",
        if call.is_ok() { Tone::Green } else { Tone::Red },
    )];
    if let Some((name, ms)) = longest {
        facts.push(fact(
            time(ms * 1e3),
            &format!("the longest phase, {name}"),
            Tone::Amber,
        ));
    }
    page.facts(&facts);
    if !said.is_empty() {
        page.wrong(&said);
    }
    page.heading("Phase by phase");
    page.picture(&waterfall(call));
    let mut begin = 0.0;
    let mut rows = Vec::new();
    for (name, us) in in_us(&call.phases_ms) {
        rows.push(vec![
            Cell::code(name),
            Cell::number(time(begin)),
            Cell::number(time(us)),
        ]);
        begin += us;
    }
    for (name, us) in in_us(&call.beside_ms) {
        rows.push(vec![
            Cell::code(name),
            Cell::text("beside"),
            Cell::number(time(us)),
        ]);
    }
    page.details(
        "In words",
        false,
        table("phases", &["PHASE", "BEGINS", "TAKES"], &rows),
    );
    page
}

/// Many calls: how the times of each phase spread over one scale of tens.
pub(super) fn histogram(spreads: &[Spread], what: &str) -> Drawing {
    let mut drawing = Drawing::new(
        format!("Phases in {what}"),
        "For each phase how many calls took how long, on a scale on which each mark is ten times the one before it. The same is told in words by `weir calls phases`.",
    );
    let (first, count) = scale(spreads);
    let bottom = TOP + i32::try_from(spreads.len()).unwrap_or(0) * HILL;
    for (step, ms) in marks(first, count) {
        upright(
            &mut drawing,
            BEGIN + place(step, count),
            bottom,
            &time(ms * 1e3),
        );
    }
    for (row, spread) in (0..).zip(spreads) {
        hill(&mut drawing, TOP + row * HILL, spread, (first, count));
    }
    drawing
}

/// Where a step of the scale begins.
fn place(step: usize, count: usize) -> i32 {
    let step = i64::try_from(step).unwrap_or(0) * i64::from(WIDTH);
    i32::try_from(step / i64::try_from(count).unwrap_or(1).max(1)).unwrap_or(WIDTH)
}

fn hill(drawing: &mut Drawing, top: i32, spread: &Spread, (first, count): (i32, usize)) {
    let middle = top + HILL / 2;
    let tone = if spread.is_beside {
        Tone::Teal
    } else {
        Tone::Blue
    };
    let name = Line::new(Face::Code, &spread.name);
    drawing.words(Point { x: LEFT, y: middle }, NAMES, &name);
    let [half, most] = [50, 95].map(|percent| time(spread.ms(percent) * 1e3));
    let end = LEFT + NAMES + TIMES;
    for (y, text) in [
        (middle - 7, format!("p50 {half}")),
        (middle + 7, format!("p95 {most}")),
    ] {
        drawing.words_before(
            Point { x: end, y },
            TIMES + 40,
            &Line::new(Face::Muted, text),
        );
    }
    let ground = top + HILL - 4;
    drawing.rule(
        Point {
            x: BEGIN,
            y: ground,
        },
        Point {
            x: BEGIN + WIDTH,
            y: ground,
        },
    );
    let steps = spread.steps(first, count);
    let highest = steps.iter().copied().max().unwrap_or(0).max(1);
    for (step, calls) in steps
        .into_iter()
        .enumerate()
        .filter(|(_, calls)| *calls > 0)
    {
        let height = i32::try_from(calls * 28 / highest).unwrap_or(0).max(2);
        let x = BEGIN + place(step, count);
        let area = Area {
            x,
            y: ground - height,
            width: (BEGIN + place(step + 1, count) - x - 1).max(2),
            height,
        };
        drawing.bar(area, tone, 1000, &format!("{}: {calls} calls", spread.name));
    }
}

/// The same on a page, with the numbers.
pub(super) fn histogram_page(spreads: &[Spread], what: &str) -> Page {
    let mut page = Page::new(
        "How long each phase takes",
        what,
        "From the log of weir-cni. Phases that ran beside others count for nothing in the whole.",
    );
    page.heading("How many calls took how long");
    page.picture(&histogram(spreads, what));
    let rows = spreads.iter().map(|spread| {
        let times =
            [0, 50, 95, 99, 100].map(|percent| Cell::number(time(spread.ms(percent) * 1e3)));
        let head = [
            Cell::code(&spread.name),
            Cell::text(if spread.is_beside { "beside" } else { "" }),
            Cell::number(spread.count()),
        ];
        head.into_iter().chain(times).collect()
    });
    let headings = ["PHASE", "", "CALLS", "MIN", "P50", "P95", "P99", "MAX"];
    page.heading("In numbers");
    page.add(table("phases", &headings, &rows.collect::<Vec<Vec<_>>>()));
    page
}
