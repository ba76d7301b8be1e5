//! The CNI plugin as a process: the real environment and streams go into [`weir_cni::run`].

use std::io;
use std::process::ExitCode;

use weir_cni::{Environment, Streams};

fn main() -> ExitCode {
    let environment: Environment = std::env::vars_os().collect();
    let mut streams = Streams {
        stdin: &mut io::stdin(),
        stdout: &mut io::stdout(),
        stderr: &mut io::stderr(),
    };
    weir_cni::run(&environment, &mut streams).into()
}
