//! Pages of the manual.

use std::path::Path;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};
use ep_builder::settings::{TableText, reference};
use ep_builder::whole_file;

use crate::exit_codes::EXIT_CODES;
use crate::failure::Failure;

/// What stands at the foot of a page, and at its head.
const SOURCE: &str = concat!("weir ", env!("CARGO_PKG_VERSION"));
const MANUAL: &str = "weir manual";

/// Writes a page for every command, and one for `weir.toml`.
pub(super) fn write(folder: &Path, weir: &Command) -> Result<(), Failure> {
    whole_file::write(&folder.join("weir.toml.5"), &configuration())?;
    command(folder, "weir", weir)
}

/// The page of a command, and those of the commands below it.
fn command(folder: &Path, name: &str, command: &Command) -> Result<(), Failure> {
    let page = page(name, command).map_err(Failure::Print)?;
    whole_file::write(&folder.join(format!("{name}.8")), &page)?;
    for below in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        self::command(folder, &format!("{name}-{}", below.get_name()), below)?;
    }
    Ok(())
}

fn page(name: &str, command: &Command) -> std::io::Result<Vec<u8>> {
    let titled = command.clone().display_name(name.to_owned());
    let man = Man::new(titled)
        .title(name.to_ascii_uppercase())
        .section("8")
        .source(SOURCE)
        .manual(MANUAL);
    let mut page = Vec::new();
    man.render(&mut page)?;
    exit_status().to_writer(&mut page)?;
    let mut more = Roff::new();
    more.control("SH", ["SEE ALSO"]);
    more.text([
        bold("weir"),
        roman("(8), "),
        bold("weir.toml"),
        roman("(5)"),
    ]);
    more.to_writer(&mut page)?;
    Ok(page)
}

fn exit_status() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_CODES {
        entry(&mut roff, [bold(code.to_string())], meaning);
    }
    roff
}

fn entry(roff: &mut Roff, tag: impl Into<Vec<Inline>>, text: &str) {
    roff.control("TP", []);
    roff.text(tag);
    roff.text([roman(plain(text))]);
}

/// Without the marks of Markdown.
fn plain(text: &str) -> String {
    text.replace('`', "")
}

fn configuration() -> Vec<u8> {
    let mut roff = Roff::new();
    roff.control("TH", ["WEIR.TOML", "5", "", SOURCE, MANUAL]);
    roff.control("SH", ["NAME"]);
    roff.text([roman("weir.toml - the configuration of a node")]);
    for table in reference() {
        section(&mut roff, &table);
    }
    roff.render().into_bytes()
}

fn section(roff: &mut Roff, table: &TableText) {
    let heading = match table.name {
        "" => "DESCRIPTION".to_owned(),
        name => format!("[{name}]"),
    };
    roff.control("SH", [heading.as_str()]);
    for paragraph in table.about.split("\n\n") {
        roff.text([roman(plain(paragraph))]);
        roff.control("PP", []);
    }
    roff.text([roman(format!("A change counts: {}.", plain(table.counts)))]);
    for key in &table.keys {
        let tag = [bold(key.name), roman(format!(" = {}", key.default))];
        entry(roff, tag, &format!("{} Takes {}.", key.about, key.takes));
    }
}
