//! `weir policy validate`

use std::path::PathBuf;

use ep_builder::policy::documents::validate;

use crate::failure::Failure;
use crate::screen::{Screen, talk};

pub(super) fn run(files: &[PathBuf], screen: &Screen) -> Result<(), Failure> {
    let summary = validate(files)?;
    for notice in &summary.notices {
        talk(&format!("note: {notice}"));
    }
    let lines = [
        ("files", summary.files.to_string()),
        ("NetworkPolicy", summary.network_policies.to_string()),
        ("WeirPolicy", summary.weir_policies.to_string()),
        ("Namespace", summary.namespaces.to_string()),
        ("rules", summary.rules.to_string()),
    ];
    screen.object(&summary, &lines)
}
