//! Every command with its options.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};

use super::cell;
use crate::exit_codes::EXIT_CODES;

/// The page.
pub(super) fn page(weir: &Command) -> String {
    let mut text = String::from(
        "# Commands\n\nData goes to stdout, everything that is meant for a person to stderr. `weir COMMAND --help` says the same as this page.\n\n",
    );
    text += "## For every command\n\n";
    let global: Vec<_> = shown(weir).collect();
    text += &table(&global);
    text += "\n## Exit codes\n\n| code | means |\n|---|---|\n";
    for (code, meaning) in EXIT_CODES {
        line(&mut text, format_args!("| {code} | {} |", cell(meaning)));
    }
    for command in weir.get_subcommands().filter(|c| !c.is_hide_set()) {
        section(&mut text, "weir", command, 2);
    }
    text
}

/// A command and those below it.
fn section(text: &mut String, above: &str, command: &Command, level: usize) {
    let name = format!("{above} {}", command.get_name());
    line(text, format_args!("\n{} {name}\n", "#".repeat(level)));
    line(text, format_args!("{}.\n", about(command)));
    let arguments: Vec<_> = shown(command).filter(|arg| !arg.is_global_set()).collect();
    let below: Vec<_> = command.get_subcommands().collect();
    if below.is_empty() {
        line(text, format_args!("`{}`", usage(&name, &arguments)));
    }
    if !arguments.is_empty() {
        text.push('\n');
        *text += &table(&arguments);
    }
    for command in below {
        if !command.is_hide_set() {
            section(text, &name, command, level + 1);
        }
    }
}

fn about(command: &Command) -> String {
    let about = command.get_about().map(ToString::to_string);
    cell(about.unwrap_or_default().trim_end_matches('.'))
}

/// What stands in help; `--help` and `--version` go without saying.
fn shown(command: &Command) -> impl Iterator<Item = &Arg> {
    let arguments = command.get_arguments().filter(|arg| !arg.is_hide_set());
    arguments.filter(|arg| !["help", "version"].contains(&arg.get_id().as_str()))
}

/// The command as it is typed: what may be left out in brackets, what may be repeated with dots.
fn usage(name: &str, arguments: &[&Arg]) -> String {
    let mut words = vec![name.to_owned()];
    let (named, placed): (Vec<_>, Vec<_>) =
        arguments.iter().partition(|arg| arg.get_long().is_some());
    for arg in named.into_iter().chain(placed) {
        let many = if is_repeated(arg) { "..." } else { "" };
        let typed = typed(arg);
        words.push(if arg.is_required_set() {
            format!("{typed}{many}")
        } else {
            format!("[{typed}]{many}")
        });
    }
    words.join(" ")
}

fn is_repeated(arg: &Arg) -> bool {
    let values = arg.get_num_args().map_or(1, |range| range.max_values());
    matches!(arg.get_action(), ArgAction::Append) || values > 1
}

/// An argument as it is typed.
fn typed(arg: &Arg) -> String {
    let values = values(arg);
    match arg.get_long() {
        Some(long) if values.is_empty() => format!("--{long}"),
        Some(long) => format!("--{long} {values}"),
        None => values,
    }
}

/// The words that stand for its value; none of a switch.
fn values(arg: &Arg) -> String {
    if !arg.get_action().takes_values() {
        return String::new();
    }
    let names = arg.get_value_names().unwrap_or_default();
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    if names.is_empty() {
        arg.get_id().as_str().to_ascii_uppercase()
    } else {
        names.join(" ")
    }
}

fn table(arguments: &[&Arg]) -> String {
    let mut text = String::from("| argument | means | takes | default |\n|---|---|---|---|\n");
    for arg in arguments {
        let short = arg.get_short().map(|short| format!("`-{short}`, "));
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let row = [
            format!("{}`{}`", short.unwrap_or_default(), typed(arg)),
            help,
            choices(arg),
            defaults(arg),
        ];
        let row = row.map(|text| cell(&text));
        line(&mut text, format_args!("| {} |", row.join(" | ")));
    }
    text
}

/// What an argument may be, where that is a list.
fn choices(arg: &Arg) -> String {
    if !arg.get_action().takes_values() {
        return String::new();
    }
    let choices = arg.get_possible_values();
    let choices = choices.iter().filter(|choice| !choice.is_hide_set());
    let choices: Vec<_> = choices.map(|c| format!("`{}`", c.get_name())).collect();
    choices.join(", ")
}

fn defaults(arg: &Arg) -> String {
    let defaults = arg.get_default_values().iter();
    let defaults: Vec<_> = defaults.map(|value| value.to_string_lossy()).collect();
    if arg.get_action().takes_values() && !defaults.is_empty() {
        format!("`{}`", defaults.join(","))
    } else {
        String::new()
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // A text takes whatever is written to it.
    writeln!(text, "{line}").unwrap_or_default();
}
