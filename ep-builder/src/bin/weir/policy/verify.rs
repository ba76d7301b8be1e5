//! `weir policy verify`: whether the programs of this node answer what documents mean.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ep_builder::error::chain;
use ep_builder::policy::oracle::{Answer, Verdict};
use ep_builder::policy::{Counterexample, Moment, Seen, Verification, VerifyError};
use ep_builder::timeline::Timeline;
use serde::Serialize;

use crate::cli::Verify;
use crate::failure::Failure;
use crate::monitor::signals::Signals;
use crate::node::Node;
use crate::screen::{Format, Screen, talk};

/// What the programs must do for their answers to be compared.
const NEEDED: [(&str, u8); 2] = [("conntrack", 1), ("policy_audit_mode", 0)];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// The first case is made from this number, and the next ones from the next numbers.
    seed: u64,
    cases: u64,
    /// How often a policy was asked.
    questions: u64,
    counterexample: Option<Shown>,
}

/// A counter-example.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    /// It comes again with this one.
    seed: u64,
    /// Documents; in comments the pods and the packet.
    documents: String,
    /// When the policy was asked.
    moment: &'static str,
    /// What the documents mean.
    meant: String,
    /// What the programs did.
    done: String,
}

/// When to stop.
enum Bound {
    Cases(u64),
    Time(Duration),
    None,
}

/// Exits with 1 if something is judged otherwise than it should be.
pub(super) fn run(node: &Node, asked: &Verify, screen: &Screen) -> Result<ExitCode, Failure> {
    let builder = node.builder()?;
    let mut shape = node.settings.endpoint.clone();
    for (option, value) in NEEDED {
        let set = shape.options.set(option, value);
        set.map_err(|error| Failure::Input(chain(&error)))?;
    }
    let template = builder.template(&shape, &mut Timeline::default())?;
    for notice in &template.notices {
        talk(&format!("note: {notice}"));
    }
    // Asked for between two cases, so that what was done until then is told.
    let signals = Signals::block()?;
    let made = Verification::new(&template.entry.template, &node.settings.node);
    let report = play(made.map_err(failed)?, asked, &signals)?;
    show(&report, screen)?;
    Ok(ExitCode::from(u8::from(report.counterexample.is_some())))
}

fn play(
    mut verification: Verification<'_>,
    asked: &Verify,
    signals: &Signals,
) -> Result<Report, Failure> {
    let bound = match asked.cases {
        Some(cases) => Bound::Cases(cases),
        None if asked.forever || asked.seconds == 0 => Bound::None,
        None => Bound::Time(Duration::from_secs(asked.seconds)),
    };
    let seed = asked.seed.unwrap_or_else(|| RandomState::new().hash_one(0));
    let (start, mut cases, mut found) = (Instant::now(), 0, None);
    while found.is_none() && !is_reached(&bound, cases, start) && !signals.arrived() {
        let next = verification.check(seed.wrapping_add(cases));
        found = next.map_err(failed)?;
        cases += 1;
    }
    Ok(Report {
        seed,
        cases,
        questions: verification.questions(),
        counterexample: found.map(|example| shown(&example)).transpose()?,
    })
}

fn is_reached(bound: &Bound, cases: u64, start: Instant) -> bool {
    match bound {
        Bound::Cases(all) => cases >= *all,
        Bound::Time(time) => start.elapsed() >= *time,
        Bound::None => false,
    }
}

fn failed(error: VerifyError) -> Failure {
    match error {
        VerifyError::Twins(error) => error.into(),
        VerifyError::Maps(error) => error.into(),
        other => Failure::Input(chain(&other)),
    }
}

fn show(report: &Report, screen: &Screen) -> Result<(), Failure> {
    if matches!(screen.format(), Format::Json | Format::Yaml) {
        return screen.value(report);
    }
    let mut lines = vec![
        ("seed", report.seed.to_string()),
        ("cases", report.cases.to_string()),
        ("questions", report.questions.to_string()),
    ];
    let Some(shown) = &report.counterexample else {
        lines.push(("answers", "as the documents mean".to_owned()));
        return screen.object(report, &lines);
    };
    lines.extend([
        ("wrong at seed", shown.seed.to_string()),
        ("packet", shown.moment.to_owned()),
        ("meant", shown.meant.clone()),
        ("done", shown.done.clone()),
    ]);
    screen.object(report, &lines)?;
    screen.data(&shown.documents)?;
    talk(&format!(
        "again: weir policy verify --cases 1 --seed {}",
        shown.seed
    ));
    Ok(())
}

fn shown(example: &Counterexample) -> Result<Shown, Failure> {
    Ok(Shown {
        seed: example.seed,
        documents: example.documents().map_err(failed)?,
        moment: match example.moment {
            Moment::First => "opens a connection",
            Moment::Again => "opens a connection, sent twice",
            Moment::Later => "of a connection that an earlier policy has allowed",
            Moment::Reply => "answers a connection that an earlier policy has allowed",
        },
        meant: example.meant().map(|it| meant(&it)).unwrap_or_default(),
        done: done(example.seen),
    })
}

fn meant(verdict: &Verdict<'_>) -> String {
    match verdict {
        Verdict::Allowed { freely: true, .. } => "allowed without a rule".to_owned(),
        Verdict::Allowed { rules, .. } => format!("allowed by {}", count(rules.len())),
        Verdict::Denied(rules) => format!("denied by {}", count(rules.len())),
        Verdict::NotAllowed => "dropped, as nothing allows it".to_owned(),
    }
}

fn count(rules: usize) -> String {
    match rules {
        1 => "one rule".to_owned(),
        rules => format!("{rules} rules"),
    }
}

fn done(seen: Seen) -> String {
    match seen {
        Seen::Answer(Answer::Allowed(0)) => "allowed without a rule".to_owned(),
        Seen::Answer(Answer::Allowed(rule)) => format!("allowed by rule {rule}"),
        Seen::Answer(Answer::Denied(rule)) => format!("denied by rule {rule}"),
        Seen::Answer(Answer::NotAllowed) => "dropped, as nothing allows it".to_owned(),
        Seen::Unasked => "passed without being judged".to_owned(),
        Seen::Undecided => "passed though no entry decided".to_owned(),
        Seen::Dropped(reason) => format!("dropped for the reason {reason}"),
    }
}
