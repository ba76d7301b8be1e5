//! A containerd of a test's own, without its interface for kubelets.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use ep_builder::whole_file;
use weir_tests::process::{self, Finished};

use crate::cgroup::Cgroup;
use crate::private;

/// The daemon. It ends with the value.
pub(crate) struct Containerd {
    /// Where it keeps everything, in memory.
    pub(crate) folder: PathBuf,
    daemon: Child,
    cgroup: Cgroup,
}

impl Containerd {
    /// Starts it for the calling thread, which has mounts of its own.
    pub(crate) fn start(folder: PathBuf) -> Self {
        // Storage in memory: an overlay over an overlay is refused. Shims keep sockets below /run.
        private::mount_new("tmpfs", &folder);
        private::mount_new("tmpfs", Path::new("/run"));
        let at = |name: &str| format!("{:?}", folder.join(name).to_str().unwrap());
        let lines = [
            "version = 2".to_owned(),
            format!("root = {}", at("root")),
            format!("state = {}", at("state")),
            "disabled_plugins = [\"io.containerd.grpc.v1.cri\"]".to_owned(),
            format!("[grpc]\naddress = {}\n", at("socket")),
        ];
        let config = folder.join("config.toml");
        whole_file::write(&config, lines.join("\n").as_bytes()).unwrap();
        let log = fs::File::create(folder.join("log")).unwrap();
        let mut daemon = Command::new("containerd");
        daemon.args(["--log-level", "error", "--config"]);
        let daemon = daemon.arg(config).stderr(log).spawn().unwrap();
        Self {
            folder,
            daemon,
            cgroup: Cgroup::new(),
        }
    }

    /// Asks it by its command.
    pub(crate) fn ctr(&self, arguments: &[&str]) -> Finished {
        let mut ctr = Command::new("ctr");
        ctr.arg("--address").arg(self.folder.join("socket"));
        ctr.args(["--connect-timeout", "60s", "--namespace", "weir"]);
        process::run(ctr.args(arguments))
    }

    /// Runs a command in a container of an image until it ends, with folders of the machine.
    pub(crate) fn run(
        &self,
        image: &str,
        command: &[&str],
        mounts: &[(PathBuf, String)],
    ) -> Finished {
        let group = format!("{}/container", self.cgroup.path());
        let mounts = mounts.iter().map(|(from, to)| {
            format!(
                "--mount=type=bind,src={},dst={to},options=rbind:rw",
                from.display()
            )
        });
        let mounts: Vec<_> = mounts.collect();
        let mut arguments = vec![
            "run",
            "--rm",
            "--net-host",
            "--read-only",
            "--cgroup",
            &group,
        ];
        arguments.extend(mounts.iter().map(String::as_str));
        arguments.extend([image, "container"]);
        arguments.extend(command);
        self.ctr(&arguments)
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let _ended = self.daemon.kill().and_then(|()| self.daemon.wait());
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            println!("containerd said:\n{log}");
        }
    }
}
