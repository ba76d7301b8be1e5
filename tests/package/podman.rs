//! A podman of a test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ep_builder::whole_file;
use serde_json::Value;
use weir_tests::process::{self, Finished};

use crate::cgroup::Cgroup;
use crate::image::NAME;
use crate::manifests::{list, pod, words};
use crate::private;

/// Its folder is in memory, and so is all that it keeps elsewhere.
pub(crate) struct Podman {
    /// Where it keeps everything.
    pub(crate) folder: PathBuf,
    cgroup: Cgroup,
}

impl Podman {
    /// One for the calling thread, which has mounts of its own.
    pub(crate) fn new(folder: PathBuf) -> Self {
        let at = |name: &str| format!("{:?}", folder.join(name).to_str().unwrap());
        let containers = [
            "[containers]".to_owned(),
            "default_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]".to_owned(),
            "log_driver = \"none\"".to_owned(),
            "[engine]".to_owned(),
            "cgroup_manager = \"cgroupfs\"".to_owned(),
            "events_logger = \"none\"".to_owned(),
            "runtime = \"runc\"".to_owned(),
            format!("static_dir = {}", at("static")),
            format!("tmp_dir = {}", at("volatile")),
            format!("volume_path = {}\n", at("volumes")),
        ];
        let (run, graph) = (at("run"), at("graph"));
        let storage =
            format!("[storage]\ndriver = \"overlay\"\nrunroot = {run}\ngraphroot = {graph}\n");
        // Storage in memory: an overlay over an overlay is refused.
        private::mount_new("tmpfs", &folder);
        for (name, text) in [
            ("containers.conf", containers.join("\n")),
            ("storage.conf", storage),
        ] {
            whole_file::write(&folder.join(name), text.as_bytes()).unwrap();
        }
        for place in ["/run", "/dev/shm"] {
            private::mount_new("tmpfs", Path::new(place));
        }
        let cgroup = Cgroup::new();
        Self { folder, cgroup }
    }

    /// Runs it with these arguments.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        let mut podman = Command::new("podman");
        podman
            .args(arguments)
            .env("CONTAINERS_CONF", self.folder.join("containers.conf"))
            .env("CONTAINERS_STORAGE_CONF", self.folder.join("storage.conf"));
        process::run(&mut podman)
    }

    /// A command of a container of the manifest, on a node whose file system is at `host`.
    pub(crate) fn container(
        &self,
        container: &Value,
        command: &[&str],
        host: &Path,
        more: &[&str],
    ) -> Finished {
        let context = &container["securityContext"];
        let mut arguments = vec![
            "run".to_owned(),
            "--network=host".into(),
            "--read-only".into(),
        ];
        arguments.extend(more.iter().map(|&it| it.to_owned()));
        arguments.push(format!("--cgroup-parent={}", self.cgroup.path()));
        if context["privileged"] == true {
            arguments.push("--privileged".into());
        }
        for capability in words(&context["capabilities"]["drop"]) {
            arguments.push(format!("--cap-drop={capability}"));
        }
        if context["allowPrivilegeEscalation"] == false {
            arguments.push("--security-opt=no-new-privileges".into());
        }
        for (from, to) in mounts(container, host) {
            arguments.push(format!("--volume={}:{to}", from.display()));
        }
        arguments.push(format!("--entrypoint={}", command[0]));
        arguments.push(NAME.to_owned());
        arguments.extend(command[1..].iter().map(|&it| it.to_owned()));
        self.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// What a container of the manifest mounts, of a node whose file system is at `host`, and where.
pub(crate) fn mounts(container: &Value, host: &Path) -> Vec<(PathBuf, String)> {
    let pod = pod();
    let mount = |mount: &Value| {
        let mut volumes = list(&pod["volumes"]).iter();
        let volume = volumes.find(|it| it["name"] == mount["name"]).unwrap();
        let path = volume["hostPath"]["path"].as_str().unwrap();
        // The kernel's own is that of this thread's namespaces.
        let from = match path {
            "/sys" => PathBuf::from(path),
            other => host.join(&other[1..]),
        };
        fs::create_dir_all(&from).unwrap();
        (from, mount["mountPath"].as_str().unwrap().to_owned())
    };
    list(&container["volumeMounts"]).iter().map(mount).collect()
}
