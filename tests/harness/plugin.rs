//! weir-cni as a runtime calls it: variables, a configuration on stdin, an answer on stdout.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::{Value, json};

use crate::trace::{self, Places, Traced};
use crate::{Finished, Lab, binaries, pods, process};

/// The name of the network in [`configuration`].
pub const NETWORK: &str = "pods";

/// A container's network namespace, with a name in the mount namespace of the test's node.
#[derive(Debug)]
pub struct Sandbox {
    /// `CNI_CONTAINERID`.
    pub id: String,
    /// `CNI_NETNS`.
    pub path: PathBuf,
    /// The namespace.
    pub namespace: File,
}

impl Sandbox {
    /// A new one on the node of the calling thread.
    pub fn new(id: &str) -> Self {
        let namespace = pods::new_namespace();
        let path = Path::new("/run/netns").join(id);
        File::create(&path).expect("a name can be made");
        let none: Option<&str> = None;
        let place = format!("/proc/self/fd/{}", namespace.as_raw_fd());
        mount(Some(place.as_str()), &path, none, MsFlags::MS_BIND, none)
            .expect("a name can be bound");
        Self {
            id: id.to_owned(),
            path,
            namespace,
        }
    }

    /// Takes the name away: the namespace goes with its last holder, which is this value.
    pub fn unname(&self) {
        umount2(&self.path, MntFlags::MNT_DETACH).expect("a name can be taken away");
        fs::remove_file(&self.path).expect("a name can be taken away");
    }
}

/// The configuration of one plugin, as a runtime sends it.
pub fn configuration(lab: &Lab) -> Value {
    json!({
        "cniVersion": "1.1.0",
        "name": NETWORK,
        "type": "weir-cni",
        "config": lab.node().config(),
        "ipam": {
            "type": "weir",
            "ranges": [[{ "subnet": "10.88.0.0/16" }], [{ "subnet": "fd88::/64" }]],
        },
    })
}

/// One call that can be made.
#[derive(Debug)]
pub struct Call {
    command: Command,
    stdin: Vec<u8>,
}

impl Call {
    /// A verb without a container: VERSION, STATUS, GC.
    pub fn of(verb: &str, configuration: &Value) -> Self {
        Self::by(binaries::weir_cni(), verb, configuration)
    }

    /// A verb of another plugin.
    pub fn by(mut command: Command, verb: &str, configuration: &Value) -> Self {
        command
            .env_clear()
            .env("CNI_COMMAND", verb)
            .env("CNI_PATH", "/opt/cni/bin")
            .env("PATH", path());
        Self {
            command,
            stdin: configuration.to_string().into_bytes(),
        }
    }

    /// A verb about the `eth0` of a container.
    pub fn about(verb: &str, sandbox: &Sandbox, configuration: &Value) -> Self {
        Self::of(verb, configuration).attached_to(sandbox)
    }

    /// About the `eth0` of a container.
    #[must_use]
    pub fn attached_to(self, sandbox: &Sandbox) -> Self {
        let netns = sandbox.path.to_str().expect("a name is text");
        self.env("CNI_CONTAINERID", &sandbox.id)
            .env("CNI_IFNAME", "eth0")
            .env("CNI_NETNS", netns)
    }

    /// With a variable set.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Without a variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// By way of another program, which starts it.
    #[must_use]
    pub fn under(self, program: &[&str]) -> Self {
        let mut command = Command::new(program[0]);
        command
            .args(&program[1..])
            .arg(self.command.get_program())
            .args(self.command.get_args())
            .env_clear();
        let set = self
            .command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?)));
        command.envs(set);
        Self { command, ..self }
    }

    /// With these bytes on stdin, whatever they are.
    #[must_use]
    pub fn stdin(mut self, bytes: &[u8]) -> Self {
        bytes.clone_into(&mut self.stdin);
        self
    }

    /// Makes the call.
    pub fn run(self) -> Answer {
        let mut file = tempfile::tempfile().expect("a temporary file can be made");
        file.write_all(&self.stdin)
            .expect("a temporary file can be written");
        file.seek(SeekFrom::Start(0))
            .expect("a file has a beginning");
        self.run_with(file)
    }

    /// Makes the call with this file as stdin.
    pub fn run_with(mut self, stdin: File) -> Answer {
        self.command.stdin(Stdio::from(stdin));
        Answer::of(process::run(&mut self.command))
    }

    /// Makes the call under a tracer, and kills it at a place if there is such a place.
    pub fn trace(mut self, places: Places, kill_at: Option<usize>) -> Traced {
        trace::run(&mut self.command, &self.stdin, places, kill_at)
    }

    /// The process to start, and what it reads on stdin.
    pub fn into_parts(self) -> (Command, Vec<u8>) {
        (self.command, self.stdin)
    }
}

fn path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// What a plugin said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The process.
    pub finished: Finished,
    /// stdout: a result, an error object, or null where there is nothing.
    pub body: Value,
}

impl Answer {
    /// Reads what a process said. Anything but one JSON document, or nothing, breaks the protocol.
    pub fn of(finished: Finished) -> Self {
        let body = if finished.stdout.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&finished.stdout)
                .unwrap_or_else(|e| panic!("stdout is no answer: {e}: {finished:?}"))
        };
        Self { finished, body }
    }

    /// Asserts success and returns the result.
    #[track_caller]
    pub fn expect_success(self) -> Value {
        assert_eq!(self.finished.code, Some(0), "{self:?}");
        self.body
    }

    /// Asserts failure and returns the code and the message.
    #[track_caller]
    pub fn expect_failure(&self) -> (u64, &str) {
        assert_eq!(self.finished.code, Some(1), "{self:?}");
        let code = self.body["code"]
            .as_u64()
            .unwrap_or_else(|| panic!("an error has a code: {self:?}"));
        let message = self.body["msg"]
            .as_str()
            .unwrap_or_else(|| panic!("an error has a text: {self:?}"));
        (code, message)
    }
}
