//! The verification finds faults: in each of these programs, or compilers, something is wrong, and a few random
//! cases tell.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use ep_builder::patch::Template;
use ep_builder::policy::{Compiler, Peer, Verification};
use weir_tests::need;
use weir_tests::need::Need;
use weir_tests::node::repository;
use weir_tests::sources::write_with_fault;

use super::{template, told, verification};

/// How many cases may be needed to find a fault.
const CASES: u64 = 40;

/// A place in the sources, which is there once, and what stands there instead.
pub(super) struct Mutant {
    name: &'static str,
    file: &'static str,
    right: &'static str,
    wrong: &'static str,
}

const fn mutant(
    name: &'static str,
    file: &'static str,
    right: &'static str,
    wrong: &'static str,
) -> Mutant {
    Mutant {
        name,
        file,
        right,
        wrong,
    }
}

const POLICY: &str = "lib/policy.h";
const QUESTION: &str = "lib/question.h";
const IDENTITY: &str = "lib/identity.h";
const CONNECTION: &str = "lib/connection.h";

const MUTANTS: [Mutant; 20] = [
    mutant(
        "who allows wins over who denies",
        POLICY,
        "return first->deny ? first : second;",
        "return first->deny ? second : first;",
    ),
    mutant(
        "what is found for the peer alone is lost",
        POLICY,
        "return first ? first : second;",
        "return second;",
    ),
    mutant(
        "networks are not looked for",
        POLICY,
        "if (question->network) {",
        "if (0) {",
    ),
    mutant(
        "anybody is not looked for",
        POLICY,
        "key.identity = IDENTITY_NONE;",
        "key.identity = IDENTITY_WORLD;",
    ),
    mutant(
        "who denies is not minded",
        POLICY,
        "return value->deny ? DROP_POLICY_DENY : 0;",
        "return 0;",
    ),
    mutant(
        "what nothing allows passes",
        POLICY,
        "return DROP_POLICY;",
        "return 0;",
    ),
    mutant(
        "one port is like another",
        POLICY,
        ".dport = question->port,",
        ".dport = 0,",
    ),
    mutant(
        "one protocol is like another",
        POLICY,
        ".protocol = (__u8)(about >> QUESTION_PROTOCOL_SHIFT),",
        ".protocol = IPPROTO_TCP,",
    ),
    mutant(
        "the question loses the network",
        POLICY,
        "ctx->cb[QUESTION_NETWORK] = question->network;",
        "ctx->cb[QUESTION_NETWORK] = 0;",
    ),
    mutant(
        "the policy that was there first judges",
        POLICY,
        "return revision ? *revision : 0;",
        "return revision ? 0 : 0;",
    ),
    mutant(
        "a whole port is one bit short",
        "abi.h",
        "#define POLICY_FULL_BITS  96",
        "#define POLICY_FULL_BITS  95",
    ),
    mutant(
        "a known connection is judged by the port that asks",
        QUESTION,
        "? view->peers_port : view->own_port",
        "? view->own_port : view->peers_port",
    ),
    mutant(
        "who began is mistaken",
        QUESTION,
        "int by_peer = known->flags & CT_INGRESS;",
        "int by_peer = !(known->flags & CT_INGRESS);",
    ),
    mutant(
        "an answer is to whoever has the address",
        QUESTION,
        ": known->source_identity;",
        ": flow->peer_identity;",
    ),
    mutant(
        "what the sender said is not heard",
        QUESTION,
        "? flow->peer_identity : IDENTITY_NONE;",
        "? IDENTITY_NONE : IDENTITY_NONE;",
    ),
    mutant(
        "networks are those of no policy",
        IDENTITY,
        "key->revision = revision;",
        "key->revision = IPCACHE_WHO;",
    ),
    mutant(
        "what is forwarded is the node's own",
        IDENTITY,
        "return ctx->ingress_ifindex == 0 && ctx->sk ?",
        "return ctx->sk ?",
    ),
    mutant(
        "what was allowed is allowed for ever",
        CONNECTION,
        "if (entry->policy_revision != revision)",
        "if (entry->policy_revision > revision)",
    ),
    mutant(
        "whoever began is forgotten",
        CONNECTION,
        ".flags = (__u16)judged->flags,",
        ".flags = 0,",
    ),
    mutant(
        "the answer is not minded",
        CONNECTION,
        "if (verdict < 0)",
        "if (verdict > POLICY_AUDITED)",
    ),
];

/// Compilers, for the right programs.
const COMPILERS: [(&str, Compiler); 4] = [
    ("denials are left out", |case| {
        let mut compiled = case.compiled()?;
        for subject in compiled.subjects.values_mut() {
            subject.entries.retain(|entry| !entry.decision.deny);
        }
        Ok(compiled)
    }),
    ("networks get one another's numbers", |case| {
        let mut compiled = case.compiled()?;
        let numbers: Vec<_> = compiled
            .networks
            .iter()
            .map(|(_, number)| *number)
            .collect();
        let places = compiled.networks.iter_mut().zip(numbers.into_iter().rev());
        places.for_each(|((_, place), number)| *place = number);
        Ok(compiled)
    }),
    ("the node is forgotten", |case| {
        let mut forgetful = case.clone();
        forgetful.allow_localhost = false;
        forgetful.compiled()
    }),
    ("exceptions are ignored", |case| {
        let mut careless = case.clone();
        let policies = careless.set.policies.iter_mut();
        let rules = policies.flat_map(|it| it.ingress.rules.iter_mut().chain(&mut it.egress.rules));
        for peer in rules.flat_map(|rule| rule.peers.iter_mut().flatten()) {
            if let Peer::Network { except, .. } = peer {
                except.clear();
            }
        }
        careless.compiled()
    }),
];

pub(super) fn named(name: &str) -> &'static Mutant {
    MUTANTS.iter().find(|mutant| mutant.name == name).unwrap()
}

/// The sources with the fault in them.
pub(super) fn write_sources(folder: &Path, mutant: &Mutant) {
    write_with_fault(folder, mutant.file, mutant.right, mutant.wrong);
}

fn programs(mutant: &Mutant) -> Template {
    let folder = tempfile::tempdir().unwrap();
    write_sources(folder.path(), mutant);
    template(folder.path(), "")
}

fn is_found(mut verification: Verification<'_>) -> bool {
    (0..CASES).any(|seed| verification.is_wrong(seed).unwrap())
}

/// Does something for each, on two threads: compiling takes longest. Those for which it is not so.
fn all_but<T: Sync>(items: &[T], is_so: impl Fn(&T) -> bool + Sync) -> Vec<&T> {
    let next = AtomicUsize::new(0);
    let hand = || {
        let places = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        let items = places.map_while(|place| items.get(place));
        items.filter(|item| !is_so(item)).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let hands = [scope.spawn(hand), scope.spawn(hand)];
        hands
            .into_iter()
            .flat_map(|it| it.join().unwrap())
            .collect()
    })
}

#[test]
fn faults_of_the_programs_are_found() {
    need!(Need::Root, Need::Tool("clang"));
    let missed = all_but(&MUTANTS, |mutant| is_found(verification(&programs(mutant))));
    let missed: Vec<_> = missed.iter().map(|mutant| mutant.name).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn faults_of_the_compiler_are_found() {
    need!(Need::Root, Need::Tool("clang"));
    let template = template(&repository("bpf-src"), "");
    for (name, compiler) in COMPILERS {
        let verification = verification(&template).with_compiler(compiler);
        assert!(is_found(verification), "{name}");
    }
}

#[test]
fn a_counterexample_is_small_and_comes_again() {
    need!(Need::Root, Need::Tool("clang"));
    let template = programs(named("who denies is not minded"));
    let find = || {
        let mut verification = verification(&template);
        let found = (0..CASES).find_map(|seed| verification.check(seed).unwrap());
        found.unwrap()
    };
    let example = find();
    let [document] = &example.case.set.policies[..] else {
        panic!("{}", told(&example));
    };
    let rules = document.ingress.rules.len() + document.egress.rules.len();
    let counts = (rules, example.case.packets.len());
    assert_eq!(counts, (1, 1), "{}", told(&example));
    assert_eq!(told(&example), told(&find()));
}
