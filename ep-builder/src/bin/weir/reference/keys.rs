//! Every key of `weir.toml`.

use ep_builder::settings::{KeyText, TableText, reference};

use super::cell;

/// The page.
pub(super) fn page() -> String {
    let tables = reference();
    let tables: Vec<_> = tables.iter().map(section).collect();
    format!("# The keys of weir.toml\n\n{}", tables.join("\n"))
}

fn section(table: &TableText) -> String {
    let heading = match table.name {
        "" => "At the top of the file, before any table:\n".to_owned(),
        name => format!("## \\[{name}\\]\n"),
    };
    let rows: String = table.keys.iter().map(row).collect();
    // The words about the file come before its first keys, those about a table below its name.
    let lines = match table.name {
        "" => [table.about.clone() + "\n", heading],
        _ => [heading, table.about.clone() + "\n"],
    };
    format!(
        "{}\n{}\nA change counts: {}.\n\n| key | takes | default | means |\n|---|---|---|---|\n{rows}",
        lines[0], lines[1], table.counts
    )
}

fn row(key: &KeyText) -> String {
    let cells = [
        format!("`{}`", key.name),
        key.takes.clone(),
        format!("`{}`", key.default),
        key.about.clone(),
    ];
    let cells = cells.map(|text| cell(&text));
    format!("| {} |\n", cells.join(" | "))
}
