//! `weir reference`: what there is to look up, written from the code itself. For whoever builds a package or changes
//! the code, so it stands in no help.

mod commands;
mod drops;
mod keys;
mod manual;

use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use ep_builder::whole_file;

use crate::cli::{Cli, Reference};
use crate::failure::Failure;
use crate::node::Node;

/// The first line of a page, for whoever opens it to change it.
const NOTE: &str = "<!-- Written from the code by `weir reference pages`: change it there. -->";

pub(crate) fn run(command: &Reference, node: &Node) -> Result<(), Failure> {
    match command {
        Reference::Pages { folder } => pages(folder, node),
        Reference::Man { folder } => manual::write(folder, &known()),
        Reference::Completions { folder } => completions(folder),
    }
}

/// The whole command line, with its global options in every command and without `help` as a command.
fn known() -> Command {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    command
}

fn pages(folder: &Path, node: &Node) -> Result<(), Failure> {
    for (name, text) in [
        ("commands.md", commands::page(&known())),
        ("weir-toml.md", keys::page()),
        ("drops.md", drops::page(node)?),
    ] {
        let text = format!("{NOTE}\n{text}");
        whole_file::write(&folder.join(name), text.as_bytes())?;
    }
    Ok(())
}

fn completions(folder: &Path) -> Result<(), Failure> {
    for (shell, name) in [
        (Shell::Bash, "weir.bash"),
        (Shell::Zsh, "_weir"),
        (Shell::Fish, "weir.fish"),
    ] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "weir", &mut script);
        whole_file::write(&folder.join(name), &script)?;
    }
    Ok(())
}

/// Text for the cell of a table.
fn cell(text: &str) -> String {
    let line: Vec<_> = text.split_whitespace().collect();
    // What stands for something in angle brackets would be taken for HTML.
    let line = line.join(" ").replace('|', "\\|");
    line.replace('<', "&lt;")
}
