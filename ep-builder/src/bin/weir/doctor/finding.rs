//! What the doctor says of one thing.

use ep_builder::endpoint::EndpointId;
use serde::Serialize;

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Health {
    /// As it should be.
    Ok,
    /// It works, and somebody should look at it.
    Warn,
    /// Pods suffer from it, or new ones would.
    Fail,
}

impl Health {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What `--fix` does about a thing, in the order in which one may need the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Remedy {
    /// A BPF file system is mounted at the usual place.
    Mount,
    /// What `weir node init` does.
    OwnPart,
    /// What `weir endpoint regenerate` does.
    Regenerate(EndpointId),
    /// What `weir gc` does: last, when what is needed is there.
    Collect,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at.
    pub(super) check: &'static str,
    pub(super) result: Health,
    /// What was found.
    pub(super) found: String,
    /// Why it matters.
    pub(super) why: &'static str,
    /// What to do; nothing where all is well.
    pub(super) fix: Option<String>,
    /// What can be done without asking.
    #[serde(skip)]
    pub(super) remedy: Option<Remedy>,
}

/// A thing that is looked at, and why.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) why: &'static str,
}

impl Check {
    pub(super) fn ok(self, found: impl Into<String>) -> Finding {
        self.finding(Health::Ok, found.into(), None)
    }

    pub(super) fn warn(self, found: impl Into<String>, fix: impl Into<String>) -> Finding {
        self.finding(Health::Warn, found.into(), Some(fix.into()))
    }

    pub(super) fn fail(self, found: impl Into<String>, fix: impl Into<String>) -> Finding {
        self.finding(Health::Fail, found.into(), Some(fix.into()))
    }

    fn finding(self, result: Health, found: String, fix: Option<String>) -> Finding {
        let Self { name, why } = self;
        Finding {
            check: name,
            result,
            found,
            why,
            fix,
            remedy: None,
        }
    }
}

impl Finding {
    pub(super) fn with(self, remedy: Remedy) -> Self {
        Self {
            remedy: Some(remedy),
            ..self
        }
    }
}
