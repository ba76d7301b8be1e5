//! Documents as users write them, and as they should not.

mod bad;
mod cut;
mod files;
mod good;
mod noise;
mod page;
mod schema;
mod shown;

use super::tree::{MAX_DEPTH, MAX_VALUES};
use super::{DocumentError, Documents, SourceFile, parse};

/// Reads texts as files of these names.
fn read(files: &[(&str, &str)]) -> Result<Documents, DocumentError> {
    let files = files.iter().map(|(name, text)| SourceFile {
        path: name.into(),
        text: (*text).into(),
    });
    parse(files.collect())
}

/// What a text says, a line for each policy, direction and rule.
#[track_caller]
fn said(text: &str) -> Vec<String> {
    match read(&[("a.yaml", text)]) {
        Ok(documents) => documents
            .set
            .policies
            .iter()
            .flat_map(shown::policy)
            .collect(),
        Err(error) => panic!("{text}\n{error}"),
    }
}

/// What is wrong with a text, a line for each mistake.
#[track_caller]
fn mistakes(text: &str) -> Vec<String> {
    match read(&[("a.yaml", text)]) {
        Ok(documents) => panic!("{text}\nis accepted: {:?}", documents.set),
        Err(error) => error.to_string().lines().map(str::to_owned).collect(),
    }
}

/// A `NetworkPolicy` with these lines below `spec`, the first of which is line 4.
fn network_policy(spec: &str) -> String {
    let head = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec:";
    format!("{head} {{podSelector: {{}}{spec}}}\n")
}

/// A `WeirPolicy` with these fields in `spec`, all in line 4.
fn weir_policy(spec: &str) -> String {
    let head = "apiVersion: weir.dev/v1alpha1\nkind: WeirPolicy\nmetadata: {name: p}\nspec:";
    format!("{head} {{{spec}}}\n")
}
