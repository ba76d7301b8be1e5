//! `weir`, the operator's command: parse, run, exit code.

mod bench;
mod bpf;
mod calls;
mod cli;
mod doctor;
mod endpoint;
mod exit_codes;
mod explain;
mod failure;
mod gc;
mod health;
mod identity;
mod install;
mod ip;
mod map;
mod memory;
mod metrics;
mod monitor;
mod node;
mod node_part;
mod pause;
mod picture;
mod policy;
mod progress;
mod reference;
mod screen;
mod selftest;
mod show;
mod status;
mod template;
mod top;
mod uninstall;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use cli::{Cli, Command};
use failure::Failure;
use node::Node;
use screen::{Format, Screen};

/// The exit code of a wrong command line, which is clap's.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = cli.check() {
        error.print().unwrap_or_default();
        return ExitCode::from(USAGE);
    }
    let screen = Screen::new(cli.output);
    match run(&cli, &screen) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

fn run(cli: &Cli, screen: &Screen) -> Result<ExitCode, Failure> {
    let node = || Node::load(cli.config.as_deref());
    match &cli.command {
        Command::Version => version(screen)?,
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "weir", &mut script);
            screen.data(&String::from_utf8_lossy(&script))?;
        }
        Command::Template(command) => return template::run(command, &node()?, screen),
        Command::Endpoint(command) => return endpoint::run(command, &node()?, screen),
        Command::Identity(command) => identity::run(command, &node()?, screen)?,
        Command::Policy(command) => return policy::run(command, &node()?, screen),
        Command::Node(command) => return node_part::run(command, &node()?, screen),
        Command::Ip(command) => ip::run(command, &node()?, screen)?,
        Command::Map(command) => map::run(command, &node()?, screen)?,
        Command::Bpf(command) => bpf::run(command, &node()?, screen)?,
        Command::Top(arguments) => top::run(arguments, &node()?, screen)?,
        Command::Metrics(arguments) => metrics::run(arguments, node, screen)?,
        Command::Monitor(arguments) => monitor::run(arguments, &node()?, screen)?,
        Command::Calls(command) => calls::run(command, &node()?, screen)?,
        Command::Explain(arguments) => explain::run(arguments, &node()?, screen)?,
        Command::Show(arguments) => return show::run(arguments, &node()?, screen),
        Command::Status(arguments) => return status::run(arguments, &node()?, screen),
        Command::Doctor { fix } => return doctor::run(&node()?, *fix, screen),
        Command::Selftest(arguments) => return selftest::run(arguments, &node()?, screen),
        Command::Gc { dry_run } => gc::run(&node()?, *dry_run, screen)?,
        Command::Reference(command) => reference::run(command, &node()?)?,
        Command::Bench(command) => bench::run(command, &node()?, screen)?,
        Command::Pause => pause::run()?,
        Command::Install(arguments) => return install::run(arguments, node, screen),
        Command::Uninstall(arguments) => uninstall::run(arguments, node, screen)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn version(screen: &Screen) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    match screen.format() {
        Format::Table | Format::Wide => screen.data(&format!("weir {version}\n")),
        Format::Json | Format::Yaml => screen.value(&serde_json::json!({ "version": version })),
    }
}
