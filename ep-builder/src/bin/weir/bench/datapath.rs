//! `weir bench datapath`: what the programs cost a packet, by test runs, as a ratio to an empty program.
//!
//! Two endpoints without devices, under a policy of many rules, with events off. What is timed is what a
//! real node does: connections are opened by their real packets, through the real programs.

use std::time::Instant;

use ep_builder::bpf::{Program, SkContext, TestInput};
use ep_builder::load::LoadError;
use serde::Serialize;

use super::figures::Figure;
use super::packets::{Renewing, empty, renewing, set_counted_flow};
use super::pair::{OK, Pair, REDIRECT, expect};
use super::scratch::Scratch;
use super::times::{at, sorted};
use crate::failure::Failure;
use crate::node::Node;
use crate::progress::bar;
use crate::screen::{Columns, Screen};

/// Runs in one call: a fifth of a millisecond, so that the call itself is little, and the same for all, and
/// others who want the processor seldom come in between.
const RUNS: u32 = 1_000;
const RUNS_OF_NOTHING: u32 = 5_000;
/// Fewer: each stays in the map.
const NEW_FLOWS: u16 = 250;
const ESTABLISHED: f64 = 12.0;
const NEW: f64 = 40.0;
const EMPTY: &str = "empty program";
const ALONE: &str = "what makes a packet new again, taken off below";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    what: &'static str,
    rounds: usize,
    min_ns: f64,
    p50_ns: f64,
    /// Of the middle ones.
    ratio: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_ratio: Option<f64>,
}

/// A packet that is sent again and again.
struct Case<'a> {
    what: &'static str,
    target: Option<f64>,
    program: &'a Program,
    frame: Vec<u8>,
    verdict: u32,
    runs: u32,
    /// Each run is of another flow.
    is_new: bool,
    /// The renewing program stands before it, whose cost is taken off.
    is_renewed: bool,
}

pub(super) fn run(node: &Node, rounds: u32, screen: &Screen) -> Result<(), Failure> {
    show(&measure(node, rounds)?, screen)
}

/// Ratios to the empty program, for the whole table.
pub(super) fn figures(node: &Node, rounds: u32) -> Result<Vec<Figure>, Failure> {
    let rows = measure(node, rounds)?;
    let rows = rows
        .iter()
        .filter(|row| row.what != ALONE && row.what != EMPTY);
    let figure =
        |row: &Row| Figure::ratio("datapath", row.what, row.ratio).with_target(row.target_ratio);
    Ok(rows.map(figure).collect())
}

fn measure(node: &Node, rounds: u32) -> Result<Vec<Row>, Failure> {
    let scratch = Scratch::with_pins(&node.settings)?;
    let pair = Pair::load(node, scratch)?;
    let programs = Programs::load(&pair)?;
    let cases = programs.cases(&pair)?;
    let mut flows = Flows::default();
    check_new_flows(&cases, &pair, &mut flows)?;
    let progress = bar(usize::try_from(rounds).unwrap_or(0));
    let mut samples = vec![Vec::new(); cases.len()];
    for round in 0..=rounds {
        for (case, samples) in cases.iter().zip(&mut samples) {
            let sample = case.sample(&mut flows)?;
            // The first round warms up caches and the processor's clock.
            if round > 0 {
                samples.push(sample);
            }
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(rows(&cases, &samples))
}

/// The programs that packets are given to.
struct Programs<'a> {
    empty: Program,
    from: &'a Program,
    /// The renewing program, before the empty one and before `from`.
    alone: Renewing,
    same: Renewing,
    next: Renewing,
}

impl<'a> Programs<'a> {
    fn load(pair: &'a Pair) -> Result<Self, Failure> {
        let (empty, from) = (empty().map_err(LoadError::from)?, pair.first_program()?);
        let mac = pair.sender_mac();
        let renew = |program, step| renewing(program, mac, step).map_err(LoadError::from);
        Ok(Self {
            alone: renew(&empty, 0)?,
            same: renew(from, 0)?,
            next: renew(from, 1)?,
            empty,
            from,
        })
    }

    fn cases(&self, pair: &Pair) -> Result<Vec<Case<'_>>, Failure> {
        let (world4, world6) = (pair.open_to_world(false)?, pair.open_to_world(true)?);
        let plain = |what, program, frame| Case {
            what,
            target: None,
            program,
            frame,
            verdict: OK,
            runs: RUNS,
            is_new: false,
            is_renewed: false,
        };
        Ok(vec![
            Case {
                runs: RUNS_OF_NOTHING,
                ..plain(EMPTY, &self.empty, world4.clone())
            },
            Case {
                runs: RUNS_OF_NOTHING,
                ..plain(ALONE, &self.alone.program, world4.clone())
            },
            Case {
                target: Some(ESTABLISHED),
                ..plain("established TCP over IPv4, to the stack", self.from, world4)
            },
            Case {
                target: Some(ESTABLISHED),
                ..plain("established TCP over IPv6, to the stack", self.from, world6)
            },
            Case {
                verdict: REDIRECT,
                is_renewed: true,
                ..plain(
                    "established TCP over IPv4, to a pod: both policies",
                    &self.same.program,
                    pair.open_to_pod()?,
                )
            },
            Case {
                target: Some(NEW),
                runs: NEW_FLOWS.into(),
                is_new: true,
                is_renewed: true,
                ..plain(
                    "new flow of TCP over IPv4, to the stack",
                    &self.next.program,
                    pair.first_to_world(),
                )
            },
        ])
    }
}

/// A number nobody looked at would say that nothing was opened, too: as many entries as flows.
fn check_new_flows(cases: &[Case<'_>], pair: &Pair, flows: &mut Flows) -> Result<(), Failure> {
    let before = pair.connections()?;
    for case in cases.iter().filter(|case| case.is_new) {
        case.sample(flows)?;
    }
    let made = pair.connections()?.saturating_sub(before);
    if made == usize::from(NEW_FLOWS) {
        return Ok(());
    }
    Err(Failure::Input(format!(
        "cannot measure: {NEW_FLOWS} new flows made {made} connections; [maps] ct_tcp may be too small"
    )))
}

/// How many new flows there were.
#[derive(Default)]
struct Flows(u32);

impl Flows {
    /// Room for as many flows as one call makes: a port to begin with, and the last octet of the peer.
    fn advance(&mut self) -> (u16, u8) {
        let [_, peer, high, low] = self.0.to_be_bytes();
        self.0 += u32::from(NEW_FLOWS);
        // The last ports of a peer, too few for a call, are left out.
        if self.0 & 0xffff > 0xffff - u32::from(NEW_FLOWS) {
            self.0 = (self.0 | 0xffff) + 1;
        }
        (u16::from_be_bytes([high, low]), peer)
    }
}

impl Case<'_> {
    /// Nanoseconds of one run.
    ///
    /// By our clock: the kernel's own average is cut to whole nanoseconds.
    fn sample(&self, flows: &mut Flows) -> Result<f64, Failure> {
        let mut frame = self.frame.clone();
        if self.is_new {
            let (port, peer) = flows.advance();
            set_counted_flow(&mut frame, port, peer);
        }
        let input = TestInput {
            packet: &frame,
            context: SkContext::default(),
            repeat: self.runs,
        };
        let start = Instant::now();
        let output = self.program.test_run(&input).map_err(LoadError::from)?;
        let took = start.elapsed();
        expect(self.what, output.verdict, self.verdict)?;
        Ok(took.as_secs_f64() * 1e9 / f64::from(self.runs))
    }
}

/// The middle of each, less what stood before it, and as a ratio to the first: the empty program.
fn rows(cases: &[Case<'_>], samples: &[Vec<f64>]) -> Vec<Row> {
    let samples: Vec<_> = samples.iter().map(|all| sorted(all.clone())).collect();
    let middle = |index: usize| samples.get(index).map_or(0.0, |sorted| at(sorted, 50));
    let (empty, alone) = (middle(0), middle(1));
    let row = |(case, samples): (&Case<'_>, &Vec<f64>)| {
        let before = if case.is_renewed { alone - empty } else { 0.0 };
        let p50_ns = at(samples, 50) - before;
        Row {
            what: case.what,
            rounds: samples.len(),
            min_ns: at(samples, 0) - before,
            p50_ns,
            ratio: p50_ns / empty,
            target_ratio: case.target,
        }
    };
    cases.iter().zip(&samples).map(row).collect()
}

fn show(rows: &[Row], screen: &Screen) -> Result<(), Failure> {
    let text = rows
        .iter()
        .map(|row| {
            vec![
                row.what.to_owned(),
                row.rounds.to_string(),
                format!("{:.1}", row.min_ns),
                format!("{:.1}", row.p50_ns),
                format!("{:.1} x", row.ratio),
                row.target_ratio
                    .map(|ratio| format!("{ratio:.0} x"))
                    .unwrap_or_default(),
            ]
        })
        .collect();
    screen.list(
        rows,
        &Columns {
            headings: &["WHAT", "ROUNDS", "MIN NS", "P50 NS", "RATIO", "TARGET"],
            plain: 6,
            rows: text,
            empty: "nothing measured",
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_flow_comes_twice() {
        let mut flows = Flows::default();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..800 {
            let (first, peer) = flows.advance();
            for port in first..first.checked_add(NEW_FLOWS).unwrap() {
                assert!(seen.insert((port, peer)), "{port} {peer}");
            }
        }
        assert!(seen.iter().any(|(_, peer)| *peer == 3));
    }
}
