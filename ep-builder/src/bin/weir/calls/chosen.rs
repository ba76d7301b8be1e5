//! Which calls are meant, and the last of them from the log.

use std::collections::VecDeque;

use super::{Call, Log};
use crate::cli::{CallCommand, Chosen};
use crate::failure::Failure;
use crate::node::Node;

/// Which calls.
pub(super) struct Wanted<'a> {
    pod: Option<&'a str>,
    command: Option<CallCommand>,
    outcome: Option<Outcome>,
}

/// How a call ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Failed,
    Succeeded,
}

impl<'a> Wanted<'a> {
    pub(super) fn of(chosen: &'a Chosen) -> Self {
        Self {
            pod: chosen.pod.as_deref(),
            command: chosen.command,
            outcome: chosen.failed.then_some(Outcome::Failed),
        }
    }

    /// Calls of one command: phases of different ones have nothing to do with one another.
    pub(super) fn or_command(self, command: CallCommand) -> Self {
        Self {
            command: self.command.or(Some(command)),
            ..self
        }
    }

    /// Calls that succeeded, unless those that failed are asked for.
    pub(super) fn or_succeeded(self) -> Self {
        Self {
            outcome: self.outcome.or(Some(Outcome::Succeeded)),
            ..self
        }
    }

    /// In words: `ADD`, `ADD of shop/web-0`.
    pub(super) fn text(&self) -> String {
        let mut text = self.command.map_or("call", CallCommand::name).to_owned();
        text += match self.outcome {
            Some(Outcome::Failed) => " that failed",
            Some(Outcome::Succeeded) => " that succeeded",
            None => "",
        };
        if let Some(pod) = self.pod {
            text = text + " of " + pod;
        }
        text
    }

    pub(super) fn means(&self, call: &Call) -> bool {
        let is_pod = |wanted: &str| {
            let container = call.container_id.as_deref().unwrap_or_default();
            call.pod.as_deref() == Some(wanted) || container.starts_with(wanted)
        };
        let command = self.command.map(CallCommand::name);
        self.pod.is_none_or(is_pod)
            && (command.is_none() || command == call.command.as_deref())
            && self
                .outcome
                .is_none_or(|outcome| (outcome == Outcome::Succeeded) == call.is_ok())
    }
}

/// The last ones of those that are meant, the oldest first.
pub(super) fn read(node: &Node, wanted: &Wanted<'_>, last: u32) -> Result<Vec<Call>, Failure> {
    let Some(path) = &node.settings.paths.log_file else {
        let text =
            "weir-cni keeps no log on this node: `log_file` under [paths] in weir.toml names one";
        return Err(Failure::NotFound(text.to_owned()));
    };
    let most = usize::try_from(last).unwrap_or(usize::MAX);
    let mut calls = VecDeque::new();
    let keep = |line: &[u8]| {
        if let Some(call) = Call::parse(line).filter(|call| wanted.means(call)) {
            if calls.len() == most {
                calls.pop_front();
            }
            calls.push_back(call);
        }
    };
    Log::new(path)
        .read(keep)
        .map_err(|source| Failure::System {
            what: format!("cannot read the log of weir-cni, {}", path.display()),
            source,
        })?;
    Ok(calls.into())
}
