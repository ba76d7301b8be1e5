//! The rules of the house that no compiler checks, each with a proof that it can fail.
//!
//! A rule is a function from text to findings. One test feeds it the repository, where it must find
//! nothing; one feeds it a table of small texts, where it must find exactly what is wrong with each.

#[cfg(test)]
mod budgets;
#[cfg(test)]
mod counts;
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod directions;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod functions;
#[cfg(test)]
mod house;
#[cfg(test)]
mod lex;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod options;
#[cfg(test)]
mod outside;
#[cfg(test)]
mod powers;
