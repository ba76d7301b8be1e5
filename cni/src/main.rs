//! The CNI plugin as a process: the real environment and streams go into [`weir_cni::run`].

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use weir_cni::{Deadlined, Environment, Streams};

/// How long the runtime may take to write the configuration: it does so at once, on a node that swaps too.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    weir_cni::take_memory_in_few_pieces();
    let environment: Environment = std::env::vars_os().collect();
    let environment = environment.with_argument(std::env::args_os().nth(1));
    let mut stdin: Box<dyn Read> = match io::stdin().as_fd().try_clone_to_owned() {
        Ok(stdin) => Box::new(Deadlined::new(stdin, PATIENCE)),
        Err(_) => Box::new(io::stdin()),
    };
    // Without /dev/null or a free descriptor the answer still comes, only unguarded.
    let mut stdout: Box<dyn Write> = match weir_cni::take_stdout() {
        Ok(stdout) => Box::new(stdout),
        Err(_) => Box::new(io::stdout()),
    };
    let mut streams = Streams {
        stdin: &mut stdin,
        stdout: &mut stdout,
        stderr: &mut io::stderr(),
    };
    weir_cni::run(&environment, &mut streams).into()
}
