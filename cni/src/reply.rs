//! What the runtime hears. The only file that writes stdout.

use std::any::Any;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;

use crate::Exit;
use crate::error::Error;

/// The version of the answers that carry none of the runtime's own.
const NEWEST: &str = "1.1.0";

/// Every version spoken, oldest first. Runtimes look for the exact string of their configuration.
const SUPPORTED: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", NEWEST];

/// The answer to one invocation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Who we are, for a person.
    About,
    /// The answer to VERSION.
    Versions,
    /// A refusal.
    Error(Error),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionsObject {
    cni_version: &'static str,
    supported_versions: [&'static str; 7],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorObject {
    cni_version: &'static str,
    code: u32,
    msg: String,
}

impl Reply {
    /// Writes the answer. One that the runtime could not get is a failure, whatever it said.
    pub(crate) fn send(&self, stdout: &mut dyn Write, stderr: &mut dyn Write) -> Exit {
        let (sent, exit) = match self {
            Self::About => (send_text(stderr, &about()), Exit::Success),
            Self::Versions => (send_json(stdout, &VERSIONS), Exit::Success),
            Self::Error(error) => (send_json(stdout, &ErrorObject::from(error)), Exit::Failure),
        };
        if sent.is_ok() { exit } else { Exit::Failure }
    }
}

const VERSIONS: VersionsObject = VersionsObject {
    cni_version: NEWEST,
    supported_versions: SUPPORTED,
};

impl From<&Error> for ErrorObject {
    fn from(error: &Error) -> Self {
        Self {
            cni_version: NEWEST,
            code: error.code(),
            msg: error.to_string(),
        }
    }
}

/// The banner that plugins print by custom; nerdctl takes a plugin's version out of its first line.
fn about() -> String {
    format!(
        "CNI weir-cni plugin v{}\nCNI protocol versions supported: {}\n",
        env!("CARGO_PKG_VERSION"),
        SUPPORTED.join(", ")
    )
}

fn send_json(stdout: &mut dyn Write, object: &impl Serialize) -> io::Result<()> {
    send_text(stdout, &format!("{}\n", serde_json::to_string(object)?))
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
