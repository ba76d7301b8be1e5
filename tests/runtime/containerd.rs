//! A containerd of the test's own.

use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use ep_builder::whole_file;
use serde_json::Value;

use crate::cri::Cri;
use crate::host::{Host, text};
use crate::image;

/// It ends a hang and judges no speed.
const PATIENCE: Duration = Duration::from_mins(1);

/// The daemon, with the image in its store.
pub(crate) struct Containerd<'host> {
    host: &'host Host<'host>,
    folder: PathBuf,
    daemon: Child,
    /// Its interface for a kubelet.
    pub(crate) cri: Cri,
}

impl<'host> Containerd<'host> {
    /// Starts it with this list of plugins.
    pub(crate) fn start(host: &'host Host<'host>, list: &Value) -> Self {
        let folder = host.folder("containerd");
        let lists = host.folder("containerd/net.d");
        write(&lists.join("10-test.conflist"), &list.to_string());
        let config = folder.join("config.toml");
        write(&config, &configuration(&folder));

        let log = fs::File::create(folder.join("log")).expect("a log can be made");
        let mut command = host.command("containerd");
        command.arg("--config").arg(&config);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let daemon = command.spawn().expect("containerd can be started");
        let cri = ready(&folder);
        let containerd = Self {
            host,
            folder,
            daemon,
            cri,
        };
        containerd.import();
        containerd
    }

    /// Runs `ctr` in the name space that the kubelet's interface uses too.
    pub(crate) fn ctr(&self, arguments: &str) -> String {
        let socket = socket(&self.folder);
        self.host
            .run(&format!("ctr -a {} -n k8s.io {arguments}", text(&socket)))
    }

    /// A folder for the logs of containers, which nobody reads.
    pub(crate) fn logs(&self) -> String {
        text(&self.host.folder("containerd/pods")).to_owned()
    }

    fn import(&self) {
        let archive = self.folder.join("image.tar");
        image::write(&archive);
        self.ctr(&format!("images import {}", text(&archive)));
    }
}

impl Drop for Containerd<'_> {
    fn drop(&mut self) {
        // The daemon itself ends with the node; this is who waits for it.
        let _ended = self.daemon.kill().and_then(|()| self.daemon.wait());
        if thread::panicking() {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            let telling = log.lines().filter(|line| !line.contains("level=info"));
            let telling: Vec<_> = telling.collect();
            println!("containerd said:\n{}", telling.join("\n"));
        }
    }
}

fn socket(folder: &std::path::Path) -> PathBuf {
    folder.join("socket")
}

fn configuration(folder: &std::path::Path) -> String {
    let at = |name: &str| format!("{:?}", text(&folder.join(name)));
    let cri = "plugins.\"io.containerd.grpc.v1.cri\"";
    // Without CAP_SYS_RESOURCE nobody may make a process less likely to be killed than its parent is.
    [
        "version = 2".to_owned(),
        format!("root = {}", at("root")),
        format!("state = {}", at("state")),
        "disabled_plugins = [\"io.containerd.internal.v1.opt\"]".to_owned(),
        format!("[grpc]\naddress = {}", at("socket")),
        format!("[{cri}]"),
        "restrict_oom_score_adj = true".to_owned(),
        "disable_apparmor = true".to_owned(),
        format!("sandbox_image = {:?}", image::NAME),
        format!("[{cri}.cni]\nbin_dir = \"/usr/lib/cni\""),
        format!("conf_dir = {}", at("net.d")),
        format!("[{cri}.containerd.runtimes.runc]"),
        "runtime_type = \"io.containerd.runc.v2\"".to_owned(),
        format!("[{cri}.containerd.runtimes.runc.options]\nSystemdCgroup = false\n"),
    ]
    .join("\n")
}

/// Waits until it can make pods: its interface answers, and it has loaded the network.
fn ready(folder: &std::path::Path) -> Cri {
    let start = Instant::now();
    let mut last = "nobody listens".to_owned();
    while start.elapsed() < PATIENCE {
        let connected = Cri::connect(&socket(folder));
        let said = connected.map(|mut cri| cri.status().map(|status| (cri, status)));
        match said {
            None => {}
            Some(Err(error)) => error.to_string().clone_into(&mut last),
            Some(Ok((cri, status))) => {
                let missing = status.conditions.iter().find(|it| !it.status);
                let Some(missing) = missing else {
                    return cri;
                };
                last = format!("{}: {}", missing.kind, missing.message);
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    panic!("containerd is not ready: {last}\n{log}");
}

fn write(path: &std::path::Path, text: &str) {
    whole_file::write(path, text.as_bytes()).expect("a file can be written");
}
