//! The CNI plugin: one short process per pod operation.
//!
//! A runtime puts the command into the environment and the configuration on stdin; it reads one JSON
//! document from stdout and the exit status. [`run`] is that whole process with its surroundings passed
//! in, so that every rule of the protocol is tested without one: [`request`] reads the environment,
//! [`answer`] decides, [`reply`] writes.
//!
//! This build answers VERSION; the commands that touch a pod are refused by an error that says so.

mod error;
#[expect(dead_code, reason = "used when the verbs are there")]
mod names;
mod reply;
mod request;

use std::io::{Read, Write};
use std::process::ExitCode;

use error::Error;
use reply::Reply;
pub use request::Environment;
use request::{Command, Request};

/// The streams of the process.
///
/// stdin is here although nothing reads it yet: that VERSION never touches it is part of the contract
/// (people run it by hand, and some runtimes leave the pipe open), and only a passed-in stream can show it.
pub struct Streams<'a> {
    /// The network configuration.
    pub stdin: &'a mut dyn Read,
    /// The result or the error, and nothing else.
    pub stdout: &'a mut dyn Write,
    /// Talk for people.
    pub stderr: &'a mut dyn Write,
}

/// How the process ends. The protocol knows success and failure; the code is inside the error object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Status 0.
    Success,
    /// Status 1.
    Failure,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Success => Self::SUCCESS,
            Exit::Failure => Self::FAILURE,
        }
    }
}

/// Answers one invocation.
pub fn run(environment: &Environment, streams: &mut Streams<'_>) -> Exit {
    let reply = reply::or_internal_error(|| answer(environment));
    reply.send(streams.stdout, streams.stderr)
}

fn answer(environment: &Environment) -> Reply {
    match request::read(environment) {
        Ok(Request::About) => Reply::About,
        Ok(Request::Command(Command::Version)) => Reply::Versions,
        Ok(Request::Command(command)) => Reply::Error(Error::NotInThisBuild(command)),
        Err(error) => Reply::Error(error),
    }
}

#[cfg(test)]
mod tests;
