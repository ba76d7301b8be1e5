//! `weir-cni`, called as a runtime calls it.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ep_builder::health::{CONTAINER, INTERFACE};
use ep_builder::install::PLUGIN;
use ep_builder::settings::Settings;
use ep_builder::whole_file::FileError;
use serde_json::Value;

use super::error::HealthError;

/// Far more than any answer has.
const LIMIT: u64 = 1 << 20;
/// Where plugins are, besides beside this program.
const FOLDERS: [&str; 3] = ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"];

/// What is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Add,
    Del,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
        }
    }
}

/// A call, as a runtime makes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// What is asked.
    pub(crate) verb: &'a str,
    /// The container and its network namespace; none where the whole network is meant.
    pub(crate) about: Option<(&'a str, &'a Path)>,
    /// What a runtime says of the pod beside the configuration.
    pub(crate) arguments: &'a str,
    /// What the plugin is sent.
    pub(crate) configuration: &'a Value,
    /// Where a temporary file may be made: the image has no folder for them.
    pub(crate) folder: &'a Path,
}

/// No call lasts so long, but for a compiler, and for others who have it compile.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a call is looked at.
const GLANCE: Duration = Duration::from_millis(2);

/// The plugin.
#[derive(Debug)]
pub(crate) struct Plugin {
    program: PathBuf,
    /// Where it looks for plugins of its own.
    search: Vec<PathBuf>,
    /// How long a call may take.
    patience: Duration,
}

impl Plugin {
    /// The one beside this program, else the one in the folders of plugins.
    pub(crate) fn find(settings: &Settings) -> Result<Self, HealthError> {
        let own = std::env::current_exe().ok();
        let beside = own.as_deref().and_then(Path::parent).map(Path::to_owned);
        let search: Vec<_> = beside
            .into_iter()
            .chain(FOLDERS.map(PathBuf::from))
            .collect();
        let programs = search.iter().map(|folder| folder.join(PLUGIN));
        match programs.into_iter().find(|program| program.is_file()) {
            Some(program) => Ok(Self {
                program,
                search,
                patience: patience(settings),
            }),
            None => Err(HealthError::NoPlugin(search)),
        }
    }

    /// The one at this path.
    pub(crate) fn at(program: &Path, settings: &Settings) -> Self {
        let beside = program.parent().map(Path::to_owned).into_iter();
        Self {
            program: program.to_owned(),
            search: beside.chain(FOLDERS.map(PathBuf::from)).collect(),
            patience: patience(settings),
        }
    }

    /// Where it is.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Calls it for the health endpoint, and waits for its end.
    pub(super) fn call(
        &self,
        verb: Verb,
        configuration: &Value,
        netns: &Path,
    ) -> Result<(), HealthError> {
        let output = self.ask(&Call {
            verb: verb.name(),
            about: Some((CONTAINER, netns)),
            arguments: "",
            configuration,
            // The folder of the namespace is there in any case.
            folder: netns.parent().unwrap_or(netns),
        })?;
        self.judge(verb, &output)
    }

    /// Calls it, and waits for its end.
    pub(crate) fn ask(&self, call: &Call<'_>) -> Result<Output, HealthError> {
        let search: Vec<_> = self
            .search
            .iter()
            .map(|it| it.display().to_string())
            .collect();
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "CLANG"))
            .env("CNI_COMMAND", call.verb)
            .env("CNI_PATH", search.join(":"));
        if let Some((container, netns)) = call.about {
            command
                .env("CNI_CONTAINERID", container)
                .env("CNI_NETNS", netns)
                .env("CNI_IFNAME", INTERFACE);
        }
        if !call.arguments.is_empty() {
            command.env("CNI_ARGS", call.arguments);
        }
        let files = Files::new(call.configuration, call.folder);
        let files = files.map_err(FileError::of("write a temporary file in", call.folder))?;
        let output = files.run(&mut command, self.patience);
        let (status, [stdout, stderr]) = output.map_err(FileError::of("run", &self.program))?;
        let status = status.ok_or_else(|| HealthError::Silent {
            verb: call.verb.to_owned(),
            plugin: self.program.clone(),
            patience: self.patience,
            said: String::from_utf8_lossy(&stderr).trim().to_owned(),
        })?;
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }

    fn judge(&self, verb: Verb, output: &Output) -> Result<(), HealthError> {
        if output.status.success() {
            return Ok(());
        }
        Err(HealthError::Plugin {
            verb: verb.name(),
            plugin: self.program.clone(),
            said: said(output),
        })
    }
}

fn patience(settings: &Settings) -> Duration {
    PATIENCE + settings.clang.timeout + settings.cache.lock_timeout
}

/// What a call reads and says: files, which take however much there is while nobody reads.
struct Files {
    stdin: File,
    stdout: File,
    stderr: File,
}

impl Files {
    fn new(configuration: &Value, folder: &Path) -> io::Result<Self> {
        let mut stdin = tempfile::tempfile_in(folder)?;
        stdin.write_all(configuration.to_string().as_bytes())?;
        stdin.rewind()?;
        Ok(Self {
            stdin,
            stdout: tempfile::tempfile_in(folder)?,
            stderr: tempfile::tempfile_in(folder)?,
        })
    }

    /// Runs a command to its end; if it came to none and was killed, the status is none.
    fn run(
        mut self,
        command: &mut Command,
        patience: Duration,
    ) -> io::Result<(Option<ExitStatus>, [Vec<u8>; 2])> {
        let mut child = command
            .stdin(self.stdin)
            .stdout(self.stdout.try_clone()?)
            .stderr(self.stderr.try_clone()?)
            .spawn()?;
        let start = Instant::now();
        let status = loop {
            match child.try_wait()? {
                Some(status) => break Some(status),
                None if start.elapsed() < patience => sleep(GLANCE),
                None => {
                    child.kill()?;
                    child.wait()?;
                    break None;
                }
            }
        };
        let mut texts = [Vec::new(), Vec::new()];
        for (file, text) in [&mut self.stdout, &mut self.stderr]
            .into_iter()
            .zip(&mut texts)
        {
            file.rewind()?;
            file.take(LIMIT).read_to_end(text)?;
        }
        Ok((status, texts))
    }
}

/// The text of the answer, or what else there is.
pub(crate) fn said(output: &Output) -> String {
    let answer: Option<Value> = serde_json::from_slice(&output.stdout).ok();
    let text = answer.as_ref().and_then(|it| it.get("msg")?.as_str());
    let stderr = String::from_utf8_lossy(&output.stderr);
    match text {
        Some(text) => text.to_owned(),
        None => format!("{} {}", output.status, stderr.trim()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use ep_builder::whole_file;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plugin_that_comes_to_no_end_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let (script, note) = (folder.path().join("plugin"), folder.path().join("pid"));
        let sleeps = format!(
            "#!/bin/sh\necho waiting >&2\necho $$ > {}\nexec sleep 600\n",
            note.display()
        );
        let check = |text: &str| {
            whole_file::write(&script, text.as_bytes()).unwrap();
            fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
            let plugin = Plugin {
                patience: Duration::from_secs(2),
                ..Plugin::at(&script, &Settings::default())
            };
            plugin.ask(&Call {
                verb: "ADD",
                about: None,
                arguments: "",
                configuration: &json!({"name": "pods"}),
                folder: folder.path(),
            })
        };
        let output =
            check("#!/bin/sh\necho \"$CNI_COMMAND $(cat)\"; echo no >&2; exit 3\n").unwrap();
        assert_eq!(output.stdout, b"ADD {\"name\":\"pods\"}\n");
        assert_eq!(
            (output.stderr.as_slice(), output.status.code()),
            (&b"no\n"[..], Some(3))
        );
        let error = check(&sleeps).unwrap_err().to_string();
        assert!(
            error.ends_with("did not answer ADD within 2 s and was killed: waiting"),
            "{error}"
        );
        let pid = fs::read_to_string(note).unwrap();
        assert!(!Path::new("/proc").join(pid.trim()).exists());
    }
}
