//! Compiler, entries and oracle held against each other.

mod agreement;
mod connections;
mod denials;
mod kubernetes;
mod mutants;
mod node;

use proptest::prelude::*;

use super::random::{self, Choices};
use super::{Case, Disagreement, shrink, yaml};
use crate::policy::Compiled;

/// Packets of a case: many, because a packet costs less than a case.
const PACKETS: usize = 64;

/// Cases from rows of choices, which proptest makes shorter and smaller.
fn cases() -> impl Strategy<Value = Case> {
    prop::collection::vec(any::<u32>(), 0..1_000)
        .prop_map(|row| random::case(&mut Choices::listed(row), PACKETS))
}

/// A case for a reader: the smallest that is still wrong, and what is wrong with it.
fn told(case: &Case, compiler: impl Fn(&Case) -> Compiled) -> String {
    let is_wrong = |case: &Case| case.disagreement_with(&compiler(case)).is_some();
    let smallest = shrink(case.clone(), is_wrong);
    let written = compiler(&smallest);
    let text = yaml(&smallest).unwrap();
    match smallest.disagreement_with(&written) {
        Some(Disagreement { meant, answer, .. }) => {
            format!("{text}\nmeant: {meant:?}\nanswer: {answer:?}\n{written:?}")
        }
        None => text,
    }
}
