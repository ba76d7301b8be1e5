//! What the runtime hears. The only file that writes stdout.

use std::any::Any;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value, json};

use crate::Exit;
use crate::error::Error;
use crate::log::CallLog;
use crate::request::Command;
use crate::result::Outcome;
use crate::version::Version;

/// The answer to one invocation.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Who we are, for a person.
    About,
    /// Which release we are, for a person.
    Release,
    /// How we are used, for a person.
    Help,
    /// The answer to VERSION.
    Versions,
    /// The result of an ADD.
    Result(Value),
    /// Success that has nothing to tell.
    Done,
    /// A failure.
    Error(Error),
}

impl Reply {
    /// The result of an ADD. Made before the ADD is final: the two oldest versions cannot tell every result.
    pub(crate) fn result(outcome: &Outcome, version: Version) -> Result<Self, Error> {
        Ok(Self::Result(outcome.encode(version)?))
    }

    /// Tells the log how the call ended.
    pub(crate) fn tell(&self, log: &mut CallLog) {
        match self {
            Self::Error(error) => {
                log.field("code", error.code());
                log.field("error", error.message());
            }
            _ => log.field("code", 0),
        }
    }

    /// Writes the answer; errors in the version given. One that the runtime could not get is a failure,
    /// whatever it said.
    pub(crate) fn send(
        &self,
        version: Version,
        stdout: &mut dyn Write,
        stderr: &mut dyn Write,
    ) -> Exit {
        let (sent, exit) = match self {
            Self::About => (send_text(stderr, &about()), Exit::Success),
            Self::Release => (send_text(stdout, RELEASE), Exit::Success),
            Self::Help => (send_text(stdout, &help()), Exit::Success),
            Self::Versions => (send_json(stdout, &versions()), Exit::Success),
            Self::Result(result) => (send_json(stdout, result), Exit::Success),
            Self::Done => (Ok(()), Exit::Success),
            Self::Error(error) => (send_json(stdout, &object(error, version)), Exit::Failure),
        };
        if sent.is_ok() { exit } else { Exit::Failure }
    }
}

const RELEASE: &str = concat!("weir-cni ", env!("CARGO_PKG_VERSION"), "\n");

fn help() -> String {
    format!(
        "{}\n\
        A container runtime starts it, with the command in CNI_COMMAND and the network configuration on \
        stdin.\nCommands: {}\n\n\
        By hand: CNI_COMMAND=VERSION weir-cni\n\
        Options: -h, --help and -V, --version\n",
        about(),
        Command::list()
    )
}

fn versions() -> Value {
    json!({
        "cniVersion": Version::NEWEST.as_str(),
        "supportedVersions": Version::ALL.map(Version::as_str),
    })
}

fn object(error: &Error, version: Version) -> Value {
    let mut object = json!({
        "cniVersion": version.as_str(),
        "code": error.code(),
        "msg": error.message(),
    });
    if let Some(details) = error.details() {
        object["details"] = details.into();
    }
    object
}

/// The banner that plugins print by custom; nerdctl takes a plugin's version out of its first line.
fn about() -> String {
    format!(
        "CNI weir-cni plugin v{}\nCNI protocol versions supported: {}\n",
        env!("CARGO_PKG_VERSION"),
        Version::list()
    )
}

fn send_json(stdout: &mut dyn Write, object: &Value) -> io::Result<()> {
    send_text(stdout, &format!("{object}\n"))
}

/// One write, so that a reader never meets half of an answer that fits a pipe.
fn send_text(stream: &mut dyn Write, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())?;
    stream.flush()
}

/// Turns a panic into an answer: a runtime that reads no JSON reports a decoding error and hides ours.
pub(crate) fn or_internal_error(answer: impl FnOnce() -> Reply) -> Reply {
    catch_unwind(AssertUnwindSafe(answer))
        .unwrap_or_else(|payload| Reply::Error(Error::Panic(panic_text(&*payload))))
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("it said nothing")
        .to_owned()
}
