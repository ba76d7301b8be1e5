//! The CNI plugin: one short process per pod operation.
//!
//! A runtime puts the command into the environment and the configuration on stdin; it reads one JSON
//! document from stdout and the exit status. [`run`] is that whole process with its surroundings passed
//! in, so that every rule of the protocol is tested without one: [`request`] reads the environment and
//! stdin, [`perform`] does what was asked, [`reply`] writes.
//!
//! What each command does is in [`verbs`]; links are in [`net`], addresses in [`ipam`], and the programs are
//! the business of `ep_builder`.

mod attachments;
mod document;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod heap;
mod ipam;
mod log;
mod names;
mod net;
mod netconf;
mod reply;
mod request;
mod result;
mod streams;
mod verbs;
mod version;

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::process::ExitCode;

use error::Error;
pub use heap::take_memory_in_few_pieces;
use log::CallLog;
use reply::Reply;
pub use request::Environment;
use request::Request;
pub use streams::{Deadlined, take_stdout};
use version::Version;

/// The streams of the process. That VERSION never touches stdin is part of the contract (people run it by
/// hand, and some runtimes leave the pipe open), and only a passed-in stream can show it.
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
    // Both outlive a panic, so that the error about it too is logged, and in the version of what was asked.
    let spoken = Cell::new(Version::NEWEST);
    let log = RefCell::new(CallLog::default());
    let reply = reply::or_internal_error(|| {
        request::read(environment, streams.stdin, &mut |version| {
            spoken.set(version);
        })
        .and_then(|request| perform(&request, environment, &mut log.borrow_mut()))
        .unwrap_or_else(Reply::Error)
    });
    let exit = reply.send(spoken.get(), streams.stdout, streams.stderr);
    let mut log = log.into_inner();
    reply.tell(&mut log);
    log.write();
    exit
}

/// Does what was asked for.
fn perform(
    request: &Request,
    environment: &Environment,
    log: &mut CallLog,
) -> Result<Reply, Error> {
    request.tell(log);
    match request {
        Request::About => Ok(Reply::About),
        Request::Release => Ok(Reply::Release),
        Request::Help => Ok(Reply::Help),
        Request::Version => Ok(Reply::Versions),
        Request::Add(add) => verbs::add(add, environment, log),
        Request::Del(del) => verbs::del(del, environment, log),
        Request::Check(check) => verbs::check(check, environment, log),
        Request::Status(status) => verbs::status(status, environment, log),
        Request::Gc(gc) => verbs::gc(gc, environment, log),
    }
}

#[cfg(test)]
mod tests;
