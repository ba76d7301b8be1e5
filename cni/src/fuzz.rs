//! The doors for a fuzzer: hostile bytes in, and a complaint when a promise about them is broken.
//!
//! Nothing is carried out: the bytes are read and answered, no more.

use std::io;

use serde_json::Value;

use crate::reply::Reply;
use crate::request::{self, Environment, Request};
use crate::result::Outcome;
use crate::version::Version;
use crate::{Exit, names::Attachment};

/// An invocation: lines of `NAME=value`, an empty line, and stdin.
pub fn request(data: &[u8]) -> Result<(), String> {
    let (environment, stdin) = invocation(data);
    let mut spoken = Version::NEWEST;
    match request::read(&environment, &mut &*stdin, &mut |version| spoken = version) {
        Ok(request) => promises_of(&request, stdin),
        Err(error) => refusal(&Reply::Error(error), spoken),
    }
}

fn invocation(data: &[u8]) -> (Environment, &[u8]) {
    let end = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, stdin) = end.map_or((data, &[][..]), |at| (&data[..at], &data[at + 2..]));
    let head = String::from_utf8_lossy(head);
    let pairs = head.lines().filter_map(|line| line.split_once('='));
    (pairs.collect(), stdin)
}

/// Names that went through are names, and a delegate would get what we got.
fn promises_of(request: &Request, stdin: &[u8]) -> Result<(), String> {
    let (attachment, conf) = match request {
        Request::Add(add) => (Some(&add.attachment), &add.conf.common),
        Request::Del(del) => (Some(&del.attachment), &del.conf),
        Request::Check(check) => (Some(&check.attachment), &check.conf.common),
        Request::Status(status) => (None, &status.conf.common),
        Request::Gc(gc) => (None, &gc.conf),
        Request::About | Request::Release | Request::Help | Request::Version => return Ok(()),
    };
    if attachment.is_some_and(|attachment| !is_safe(attachment)) {
        return Err(format!("a name leads elsewhere: {attachment:?}"));
    }
    if conf
        .ipam
        .as_ref()
        .is_some_and(|ipam| ipam.kind.contains('/'))
    {
        return Err(format!("the delegate's name is a path: {:?}", conf.ipam));
    }
    if conf.raw != stdin {
        return Err("a delegate would get other bytes".to_owned());
    }
    Ok(())
}

fn is_safe(attachment: &Attachment) -> bool {
    let names = [
        attachment.network.as_str(),
        attachment.container.as_str(),
        attachment.ifname.as_str(),
    ];
    let is_name = |name: &&str| !name.contains(['/', '\0']) && !["", ".", ".."].contains(name);
    names.iter().all(is_name)
}

/// One JSON object with a code and a text, in the version of what was asked, and a failure.
fn refusal(reply: &Reply, version: Version) -> Result<(), String> {
    let mut stdout = Vec::new();
    if reply.send(version, &mut stdout, &mut io::sink()) != Exit::Failure {
        return Err(format!("a refusal succeeds: {reply:?}"));
    }
    let object: Value = serde_json::from_slice(&stdout).map_err(|e| format!("{reply:?}: {e}"))?;
    let message = object["msg"].as_str().unwrap_or_default();
    let is_whole = object["cniVersion"] == version.as_str()
        && object["code"].as_u64().is_some_and(|code| code > 0)
        && !message.is_empty()
        && !message.to_ascii_lowercase().contains("not found");
    is_whole
        .then_some(())
        .ok_or_else(|| format!("half an answer: {object}"))
}

/// A previous result. What can be read can be written, and what was written is read as the same.
pub fn previous_result(data: &[u8]) -> Result<(), String> {
    let Ok(value) = serde_json::from_slice::<Value>(data) else {
        return Ok(());
    };
    for otherwise in [Version::V0_2_0, Version::V0_4_0, Version::NEWEST] {
        let decode = |value| Outcome::decode(("prevResult".to_owned(), value), otherwise);
        let Ok(outcome) = decode(value.clone()) else {
            continue;
        };
        for version in Version::ALL {
            let Ok(written) = outcome.encode(version) else {
                continue;
            };
            let again =
                decode(written.clone()).map_err(|e| format!("{version}: {written}: {e}"))?;
            let twice = again
                .encode(version)
                .map_err(|e| format!("{version}: {written}: {e}"))?;
            if twice != written {
                return Err(format!("{version}: {written} became {twice}"));
            }
        }
    }
    Ok(())
}
