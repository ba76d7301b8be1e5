//! What the runtime asks for: one type for each command, with exactly what that command uses.

mod command;
mod environment;

use std::io::Read;
use std::path::PathBuf;

pub(crate) use command::Command;
pub use environment::Environment;
pub(crate) use environment::EnvironmentError;

use crate::error::Error;
use crate::log::CallLog;
use crate::names::Attachment;
use crate::netconf::{Arguments, Common, ConfigError, Document, NetConf, Valid};
use crate::result::Outcome;
use crate::version::Version;

/// One invocation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    /// No command: a person typed the plugin's name.
    About,
    /// `--version`.
    Release,
    /// `--help`.
    Help,
    /// Which versions are spoken.
    Version,
    /// Wire a pod.
    Add(Box<Add>),
    /// Undo it.
    Del(Box<Del>),
    /// Compare with what ADD made.
    Check(Box<Check>),
    /// Whether ADD could work.
    Status(Box<Status>),
    /// Remove what no runtime knows any more.
    Gc(Box<Gc>),
}

/// ADD.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Add {
    /// What it is about.
    pub(crate) attachment: Attachment,
    /// The pod's namespace, as the result repeats it.
    pub(crate) netns: String,
    /// Whether that may be the namespace we are in.
    pub(crate) own_netns_is_fine: bool,
    /// `CNI_ARGS`.
    pub(crate) arguments: Arguments,
    /// The folders of plugins.
    pub(crate) path: Vec<PathBuf>,
    /// The configuration.
    pub(crate) conf: NetConf,
    /// The trace this call belongs to.
    pub(crate) trace: Option<String>,
}

/// DEL.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Del {
    /// What it is about.
    pub(crate) attachment: Attachment,
    /// The pod's namespace, which may be none, gone, or something else by now.
    pub(crate) netns: Option<PathBuf>,
    /// Whether that may be the namespace we are in.
    pub(crate) own_netns_is_fine: bool,
    /// The folders of plugins.
    pub(crate) path: Vec<PathBuf>,
    /// The configuration.
    pub(crate) conf: Common,
    /// The trace this call belongs to.
    pub(crate) trace: Option<String>,
}

/// CHECK.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Check {
    /// What it is about.
    pub(crate) attachment: Attachment,
    /// The pod's namespace.
    pub(crate) netns: String,
    /// The folders of plugins.
    pub(crate) path: Vec<PathBuf>,
    /// The configuration.
    pub(crate) conf: NetConf,
    /// The result of the whole chain, taken out of the configuration; an empty one where the runtime has lost
    /// it, or has deleted the attachment, and sends none.
    pub(crate) expected: Outcome,
    /// The trace this call belongs to.
    pub(crate) trace: Option<String>,
}

/// STATUS.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Status {
    /// The folders of plugins.
    pub(crate) path: Vec<PathBuf>,
    /// The configuration.
    pub(crate) conf: NetConf,
    /// The trace this call belongs to.
    pub(crate) trace: Option<String>,
}

/// GC.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gc {
    /// The folders of plugins.
    pub(crate) path: Vec<PathBuf>,
    /// The configuration.
    pub(crate) conf: Common,
    /// What must stay.
    pub(crate) valid: Valid,
    /// The trace this call belongs to.
    pub(crate) trace: Option<String>,
}

impl Request {
    /// Tells the log what was asked.
    pub(crate) fn tell(&self, log: &mut CallLog) {
        let (command, trace) = match self {
            Self::Add(add) => {
                tell_attachment(&add.attachment, log);
                log.field("netns", add.netns.clone());
                if let Some(name) = add.arguments.get("K8S_POD_NAME") {
                    let namespace = add.arguments.get("K8S_POD_NAMESPACE").unwrap_or_default();
                    log.field("pod", format!("{namespace}/{name}"));
                }
                (Command::Add, &add.trace)
            }
            Self::Del(del) => {
                tell_attachment(&del.attachment, log);
                (Command::Del, &del.trace)
            }
            Self::Check(check) => {
                tell_attachment(&check.attachment, log);
                (Command::Check, &check.trace)
            }
            Self::Status(status) => (Command::Status, &status.trace),
            Self::Gc(gc) => (Command::Gc, &gc.trace),
            Self::About | Self::Release | Self::Help | Self::Version => return,
        };
        log.field("command", command.as_str());
        if let Some(trace) = trace {
            log.field("traceparent", trace.clone());
        }
    }
}

fn tell_attachment(attachment: &Attachment, log: &mut CallLog) {
    log.field("network", attachment.network.as_str());
    log.field("containerId", attachment.container.as_str());
    log.field("ifname", attachment.ifname.as_str());
}

/// Reads an invocation. `speak` hears the version of the configuration as soon as it is known, so that a
/// refusal is in it too.
///
/// VERSION reads neither the other variables, which libcni fills with dummies there, nor stdin, which people
/// leave open.
pub(crate) fn read(
    environment: &Environment,
    stdin: &mut dyn Read,
    speak: &mut dyn FnMut(Version),
) -> Result<Request, Error> {
    let command = match environment.command()? {
        None => return Ok(for_a_person(environment)),
        Some(Command::Version) => return Ok(Request::Version),
        Some(command) => command,
    };
    // stdin is read first and complained about last: the answer about the environment needs its version.
    let mut document = Document::read(stdin).map_err(Error::from);
    let version = document.as_mut().ok().map(version);
    if let Some(Ok(version)) = version {
        speak(version);
    }
    environment.complete_for(command)?;
    let call = Call {
        environment,
        document: document?,
        // A document that could be read has a version or a complaint about it.
        version: version.unwrap_or(Ok(Version::UNNAMED))?,
    };
    command.in_version(call.version)?;
    match command {
        Command::Add => call.add(),
        Command::Del => call.del(),
        Command::Check => call.check(),
        Command::Status => call.status(),
        Command::Gc => call.gc(),
        Command::Version => Ok(Request::Version),
    }
}

/// Arguments are for people: no runtime passes any.
fn for_a_person(environment: &Environment) -> Request {
    match environment.argument() {
        Some("--version" | "-V") => Request::Release,
        Some("--help" | "-h") => Request::Help,
        _ => Request::About,
    }
}

fn version(document: &mut Document) -> Result<Version, Error> {
    let text = document
        .object
        .text("cniVersion")
        .map_err(ConfigError::from)?;
    Ok(Version::named(&text.unwrap_or_default())?)
}

/// A command with all that came with it.
struct Call<'a> {
    environment: &'a Environment,
    document: Document,
    version: Version,
}

impl Call<'_> {
    fn add(mut self) -> Result<Request, Error> {
        let arguments = self.environment.arguments();
        let mut conf = self.everything()?;
        conf.wishes
            .complete_from(&arguments)
            .map_err(EnvironmentError::Argument)?;
        Ok(Request::Add(Box::new(Add {
            attachment: self.attachment(&conf.common)?,
            netns: self.environment.netns()?,
            own_netns_is_fine: self.environment.own_netns_is_fine(),
            arguments,
            path: self.environment.path(),
            conf,
            trace: self.environment.trace(),
        })))
    }

    fn del(mut self) -> Result<Request, Error> {
        let conf = Common::forgiving(&mut self.document, self.version)?;
        Ok(Request::Del(Box::new(Del {
            attachment: self.attachment(&conf)?,
            netns: self.environment.netns_if_any(),
            own_netns_is_fine: self.environment.own_netns_is_fine(),
            path: self.environment.path(),
            conf,
            trace: self.environment.trace(),
        })))
    }

    fn check(mut self) -> Result<Request, Error> {
        let mut conf = self.everything()?;
        let expected = conf.prev_result.take().unwrap_or_default();
        Ok(Request::Check(Box::new(Check {
            attachment: self.attachment(&conf.common)?,
            netns: self.environment.netns()?,
            path: self.environment.path(),
            conf,
            expected,
            trace: self.environment.trace(),
        })))
    }

    fn status(mut self) -> Result<Request, Error> {
        Ok(Request::Status(Box::new(Status {
            path: self.environment.path(),
            conf: self.everything()?,
            trace: self.environment.trace(),
        })))
    }

    fn gc(mut self) -> Result<Request, Error> {
        Ok(Request::Gc(Box::new(Gc {
            path: self.environment.path(),
            valid: Valid::of(&mut self.document)?,
            conf: Common::read(&mut self.document, self.version)?,
            trace: self.environment.trace(),
        })))
    }

    fn everything(&mut self) -> Result<NetConf, Error> {
        Ok(NetConf::read(&mut self.document, self.version)?)
    }

    fn attachment(&self, conf: &Common) -> Result<Attachment, Error> {
        Ok(Attachment {
            network: conf.network.clone(),
            container: self.environment.container()?,
            ifname: self.environment.ifname()?,
        })
    }
}
