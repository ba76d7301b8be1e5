//! What the compiler writes is what the documents mean, whatever they are.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;
use std::path::PathBuf;

use proptest::prelude::*;

use super::{PACKETS, cases, told};
use crate::policy::documents::{SourceFile, parse};
use crate::policy::oracle::random::{self, Choices};
use crate::policy::oracle::{Answer, Case, Verdict, yaml};
use crate::policy::{CompileOptions, Compiled, PodFacts, compile, introduce};

fn compiled(case: &Case) -> Compiled {
    case.compiled().unwrap()
}

fn check(case: &Case) {
    let agrees = case.disagreement_with(&compiled(case)).is_none();
    assert!(agrees, "{}", told(case, compiled));
}

/// Entries sorted, each key once, and none that the datapath could do without knowing the rule of.
fn check_form(compiled: &Compiled) {
    for policy in compiled.subjects.values() {
        let sorted = policy
            .entries
            .is_sorted_by(|one, next| one.rule < next.rule);
        assert!(sorted, "{policy:?}");
        let keys: BTreeSet<_> = policy.entries.iter().map(|entry| entry.rule).collect();
        assert_eq!(keys.len(), policy.entries.len());
        for entry in &policy.entries {
            assert!(entry.decision.rule as usize <= compiled.origins.len());
        }
    }
}

proptest! {
    #[test]
    fn the_entries_say_what_the_documents_mean(case in cases()) {
        check(&case);
        check_form(&compiled(&case));
    }

    #[test]
    fn a_case_as_text_means_the_same(case in cases()) {
        let text = yaml(&case).unwrap().into();
        let file = SourceFile { path: PathBuf::from("a.yaml"), text };
        let read = Case { set: parse(vec![file]).unwrap().set, ..case.clone() };
        for packet in &case.packets {
            let [one, other] = [&case, &read].map(|case| discriminant(&case.meant(packet).unwrap()));
            prop_assert_eq!(one, other);
        }
    }

    #[test]
    fn a_new_identity_changes_what_compiling_with_it_would(case in cases(), at in 0..8_usize) {
        let all = case.facts();
        let (&newcomer, facts) = all.iter().nth(at % all.len()).unwrap();
        let mut known = all.clone();
        known.remove(&newcomer);
        let options = CompileOptions { allow_localhost: case.allow_localhost, max_entries: usize::MAX };
        let after = compile(&case.set, &all, &case.node, &options).unwrap();
        prop_assert_eq!(introduced(&case, &known, newcomer, facts, &options), after);
    }
}

/// What was compiled without the newcomer, changed as `introduce` says.
fn introduced(
    case: &Case,
    known: &BTreeMap<u32, PodFacts>,
    newcomer: u32,
    facts: &PodFacts,
    options: &CompileOptions,
) -> Compiled {
    let mut compiled = compile(&case.set, known, &case.node, options).unwrap();
    let news = introduce(&case.set, known, &case.node, newcomer, facts, options).unwrap();
    for (identity, additions) in news.additions {
        let policy = compiled.subjects.get_mut(&identity).unwrap();
        assert!(
            additions
                .iter()
                .all(|entry| entry.rule.identity == newcomer)
        );
        policy.entries.extend(additions);
        policy.entries.sort_by_key(|entry| entry.rule);
    }
    compiled.subjects.insert(newcomer, news.subject);
    compiled
}

/// Random cases are worth something only if all verdicts are common, and rules have to compete.
#[test]
fn random_cases_meet_every_verdict() {
    let mut counts = BTreeMap::new();
    for seed in 0..300 {
        let case = random::case(&mut Choices::seeded(seed), PACKETS);
        check(&case);
        for packet in &case.packets {
            let kind = match case.meant(packet).unwrap() {
                Verdict::Allowed { rules, .. } if rules.len() > 1 => "allowed by several",
                Verdict::Allowed { freely: true, .. } => "allowed without a rule",
                Verdict::Allowed { .. } => "allowed by one",
                Verdict::Denied(rules) if rules.len() > 1 => "denied by several",
                Verdict::Denied(_) => "denied by one",
                Verdict::NotAllowed => "not allowed",
            };
            *counts.entry(kind).or_insert(0) += 1;
        }
    }
    let packets: usize = counts.values().sum();
    let rare = counts.values().any(|count| *count < packets / 50);
    assert!(counts.len() == 6 && !rare, "{counts:?}");
}

#[test]
fn a_judge_that_errs_is_found_and_shrunk() {
    // Whoever is denied passes: the smallest case has one rule that denies, one pod and one packet.
    let careless = |case: &Case| {
        let mut compiled = compiled(case);
        for policy in compiled.subjects.values_mut() {
            policy.entries.retain(|entry| !entry.decision.deny);
        }
        compiled
    };
    let is_wrong = |case: &Case| case.disagreement_with(&careless(case)).is_some();
    let found = (0..1_000)
        .map(|seed| random::case(&mut Choices::seeded(seed), PACKETS))
        .find(is_wrong)
        .unwrap();
    let smallest = crate::policy::oracle::shrink(found, is_wrong);
    let [document] = &smallest.set.policies[..] else {
        panic!("{smallest:?}");
    };
    let rules = document.ingress.rules.len() + document.egress.rules.len();
    assert_eq!((rules, smallest.packets.len()), (1, 1), "{smallest:?}");
    assert!(smallest.pods.len() <= 2, "{smallest:?}");
    let answer = Answer::Allowed(0);
    let disagreement = smallest.disagreement_with(&careless(&smallest)).unwrap();
    assert!(matches!(disagreement.meant, Verdict::Denied(_)));
    assert!(disagreement.answer == answer || disagreement.answer == Answer::NotAllowed);
}
