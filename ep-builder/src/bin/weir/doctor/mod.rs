//! `weir doctor`: what is wrong with this node, why that matters, and what to do.

mod build;
mod finding;
mod installation;
mod log;
mod machine;
mod maps;
mod own_part;
mod pods;
mod rates;

use std::collections::BTreeSet;
use std::process::ExitCode;

use ep_builder::endpoint::EndpointId;
use ep_builder::install::mount_missing_bpffs;
use ep_builder::lifecycle::{Endpoints, Level};
use ep_builder::load::Retired;
use ep_builder::settings::Settings;
use ep_builder::timeline::Timeline;

use crate::failure::Failure;
use crate::gc;
use crate::node::Node;
use crate::node_part;
use crate::screen::{Format, Screen, printable, talk};
use finding::{Finding, Health, Remedy};

/// Exit code 1 if something fails.
pub(crate) fn run(node: &Node, fix: bool, screen: &Screen) -> Result<ExitCode, Failure> {
    let mut findings = look(node);
    if fix {
        findings = mend(node, findings);
    }
    match screen.format() {
        Format::Json | Format::Yaml => screen.value(&findings)?,
        Format::Table => screen.data(&text(&findings, false))?,
        Format::Wide => screen.data(&text(&findings, true))?,
    }
    let fails = findings.iter().any(|it| it.result == Health::Fail);
    Ok(ExitCode::from(u8::from(fails)))
}

/// What keeps pods from a machine on which there are none yet, whether it has a BPF file system or not.
pub(crate) fn faults_of_machine(settings: &Settings) -> Vec<String> {
    let findings = machine::look(settings, false).into_iter();
    let faults = findings.filter(|it| it.result == Health::Fail && it.check != machine::BPFFS.name);
    let text = |it: Finding| format!("{}: {}: {}", it.check, it.found, it.fix.unwrap_or_default());
    faults.map(text).collect()
}

fn look(node: &Node) -> Vec<Finding> {
    let store = node.store();
    let listed = match &store {
        Ok(store) => build::listed(store),
        // The line about the folder says what is wrong with it.
        Err(_) => Ok(Vec::new()),
    };
    let (entries, unlisted) = match listed {
        Ok(entries) => (entries, None),
        Err(finding) => (Vec::new(), Some(finding)),
    };
    let records = entries.iter().filter_map(crate::node::record);
    let endpoints = records.map(|record| &record.endpoint);
    let ids: Vec<EndpointId> = endpoints.clone().map(|endpoint| endpoint.id).collect();
    let mut findings = machine::look(&node.settings, !ids.is_empty());
    let (sources, builder) = build::sources(node);
    findings.extend(installation::look());
    findings.extend(sources);
    findings.extend(build::state(node, &entries));
    findings.extend(unlisted);
    findings.extend(log::look(node.settings.paths.log_file.as_deref()));
    findings.extend(maps::look(node, &ids));
    findings.extend(own_part::look(node, endpoints));
    findings.extend(pods::look(node, builder.as_ref(), &entries));
    findings
}

/// Each remedy once, and a look after each round: a mount that is there again shows what was lost with the one before.
fn mend(node: &Node, mut findings: Vec<Finding>) -> Vec<Finding> {
    let mut tried = BTreeSet::new();
    loop {
        let remedies: BTreeSet<_> = findings.iter().filter_map(|it| it.remedy).collect();
        let new: Vec<_> = remedies.difference(&tried).copied().collect();
        if new.is_empty() {
            return findings;
        }
        for remedy in &new {
            apply(node, *remedy);
        }
        tried.extend(new);
        findings = look(node);
    }
}

/// Does what is safe. What fails stays as it is, and the second look tells it.
fn apply(node: &Node, remedy: Remedy) {
    let done = match remedy {
        Remedy::Collect => gc::collect(node, false).map(|removed| {
            let removed: Vec<_> = removed.iter().map(gc::Removed::text).collect();
            format!("removed {}", removed.join("; "))
        }),
        Remedy::Regenerate(id) => regenerate(node, id),
        Remedy::Mount => mount(node),
        Remedy::OwnPart => node_part::set_up(node).map(|()| "the node's own part".to_owned()),
    };
    match done {
        Ok(done) => talk(&format!("fixed: {done}")),
        Err(failure) => failure.say(),
    }
}

fn mount(node: &Node) -> Result<String, Failure> {
    let is_mounted = mount_missing_bpffs(&node.settings.paths)?;
    let done = [
        "nothing: there is a BPF file system by now",
        "mounted a BPF file system",
    ];
    Ok(done[usize::from(is_mounted)].to_owned())
}

fn regenerate(node: &Node, id: EndpointId) -> Result<String, Failure> {
    let (builder, store) = (node.builder()?, node.store()?);
    let endpoints = Endpoints::new(&builder, &store);
    let renewed = endpoints.renew(id, Level::Nothing, &mut Timeline::default())?;
    for notice in &renewed.notices {
        talk(&format!("note: {notice}"));
    }
    let level = renewed.done.level;
    Retired::after_grace(renewed.retired());
    Ok(format!("endpoint {id}, level {level}"))
}

/// The lines for a person: reason and cure where something is wrong, the reason everywhere if asked for.
fn text(findings: &[Finding], with_reasons: bool) -> String {
    let width = findings.iter().map(|it| it.check.len()).max().unwrap_or(0);
    let lines = findings.iter().flat_map(|finding| {
        let is_fine = finding.result == Health::Ok;
        let (result, check) = (finding.result.name(), finding.check);
        let found = printable(&finding.found);
        let indent = " ".repeat(width + 8);
        let why = (!is_fine || with_reasons).then(|| format!("{indent}why: {}\n", finding.why));
        let fix = finding.fix.as_deref();
        let fix = fix.map(|fix| format!("{indent}fix: {}\n", printable(fix)));
        let first = format!("{result:4}  {check:width$}  {found}\n");
        [Some(first), why, fix].into_iter().flatten()
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::finding::Check;
    use super::*;

    #[test]
    fn what_is_wrong_comes_with_reason_and_cure() {
        let check = Check {
            name: "x",
            why: "reason",
        };
        let findings = [check.ok("fine"), check.fail("a\nb", "cure")];
        let short = "ok    x  fine\nfail  x  a\\nb\n         why: reason\n         fix: cure\n";
        assert_eq!(text(&findings, false), short);
        let long = short.replacen("fine\n", "fine\n         why: reason\n", 1);
        assert_eq!(text(&findings, true), long);
    }
}
