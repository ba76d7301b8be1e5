//! The image, and a node's life by it, as `conf/kubernetes` has it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ep_builder::digest::sha256_hex;
use ep_builder::whole_file;
use serde_json::Value;
use weir_tests::need::Need;
use weir_tests::process::{self, Finished};

use crate::cgroup::Cgroup;
use crate::listing::{difference, listing};
use crate::manifests::{list, pod, words};
use crate::private;
use crate::release::{Made, needs};

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn what_the_layout_names_is_there_and_is_what_it_says() {
    needs!(Need::Tool("zstd"), Need::Tool("tar"));
    let made = Made::new("image");
    let image = made.path().join("weir-image");
    assert_eq!(
        json(&image.join("oci-layout"))["imageLayoutVersion"],
        "1.0.0"
    );
    let mut seen = BTreeSet::new();
    let mut blob = |descriptor: &Value| -> PathBuf {
        let digest = descriptor["digest"]
            .as_str()
            .unwrap()
            .strip_prefix("sha256:")
            .unwrap();
        let path = image.join("blobs/sha256").join(digest);
        let bytes = fs::read(&path).unwrap();
        assert_eq!(sha256_hex(&bytes), digest);
        assert_eq!(descriptor["size"], bytes.len());
        seen.insert(digest.to_owned());
        path
    };
    let index = json(&image.join("index.json"));
    let manifest = json(&blob(&index["manifests"][0]));
    let config = json(&blob(&manifest["config"]));
    let [layer] = list(&manifest["layers"]) else {
        panic!("{manifest}");
    };
    assert!(
        layer["mediaType"]
            .as_str()
            .unwrap()
            .ends_with("layer.v1.tar+zstd")
    );
    let layer = blob(layer);
    let plain = made.path().join("layer.tar");
    let mut unpack = Command::new("zstd");
    process::run(unpack.args(["-q", "-d", "-o"]).arg(&plain).arg(&layer)).expect_success();
    let digest = format!("sha256:{}", sha256_hex(&fs::read(&plain).unwrap()));
    assert_eq!(config["rootfs"]["diff_ids"], serde_json::json!([digest]));
    let names = fs::read_dir(image.join("blobs/sha256")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(
        names.collect::<BTreeSet<_>>(),
        seen,
        "nothing is there for nothing"
    );
    let tar = process::run(Command::new("tar").arg("-tf").arg(&plain)).expect_success();
    for name in ["./bin/weir", "./bin/weir-cni", "./templates/bundle.json"] {
        assert!(tar.lines().any(|line| line == name), "{name}");
    }
}

#[test]
fn containerd_takes_the_image() {
    needs!(
        Need::Root,
        Need::Tool("zstd"),
        Need::Tool("containerd"),
        Need::Tool("ctr")
    );
    let made = Made::new("image");
    let folder = made.path().join("containerd");
    fs::create_dir(&folder).unwrap();
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let config = format!(
        "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = {:?}\n",
        at("root"),
        at("state"),
        at("socket")
    );
    whole_file::write(&folder.join("config.toml"), config.as_bytes()).unwrap();
    private::enter();
    let mut daemon = Command::new("containerd");
    daemon.args(["--log-level", "error", "--config", &at("config.toml")]);
    let mut daemon = daemon.spawn().unwrap();
    let ctr = |arguments: &[&str]| {
        let mut ctr = Command::new("ctr");
        ctr.args([
            "--address",
            &at("socket"),
            "--connect-timeout",
            "60s",
            "--namespace",
            "weir",
        ]);
        process::run(ctr.args(arguments))
    };
    let archive = made.file(".tar");
    let imported = ctr(&["images", "import", archive.to_str().unwrap()]);
    let listed = ctr(&["images", "list", "-q"]);
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert_eq!(imported.code, Some(0), "{imported:?}");
    assert_eq!(
        listed.stdout.trim(),
        format!("localhost/weir:{}", env!("CARGO_PKG_VERSION"))
    );
}

/// A podman of the test's own.
struct Podman {
    folder: PathBuf,
    cgroup: Cgroup,
}

impl Podman {
    fn new(folder: PathBuf) -> Self {
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

    fn run(&self, arguments: &[&str]) -> Finished {
        let mut podman = Command::new("podman");
        podman
            .args(arguments)
            .env("CONTAINERS_CONF", self.folder.join("containers.conf"))
            .env("CONTAINERS_STORAGE_CONF", self.folder.join("storage.conf"));
        process::run(&mut podman)
    }

    /// A command of a container of the manifest, on a node whose file system is at `host`.
    fn container(
        &self,
        container: &Value,
        command: &[&str],
        host: &Path,
        more: &[&str],
    ) -> Finished {
        let pod = pod();
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
        for mount in list(&container["volumeMounts"]) {
            let volumes = list(&pod["volumes"]).iter();
            let volume = volumes
                .clone()
                .find(|it| it["name"] == mount["name"])
                .unwrap();
            let path = volume["hostPath"]["path"].as_str().unwrap();
            // The kernel's own is that of this thread's namespaces.
            let from = match path {
                "/sys" => PathBuf::from(path),
                other => host.join(&other[1..]),
            };
            fs::create_dir_all(&from).unwrap();
            let to = mount["mountPath"].as_str().unwrap();
            arguments.push(format!("--volume={}:{to}", from.display()));
        }
        arguments.push(format!("--entrypoint={}", command[0]));
        arguments.push(format!("localhost/weir:{}", env!("CARGO_PKG_VERSION")));
        arguments.extend(command[1..].iter().map(|&it| it.to_owned()));
        self.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

#[test]
fn the_daemon_set_s_containers_install_wait_and_take_away() {
    needs!(
        Need::Root,
        Need::Tool("zstd"),
        Need::Tool("podman"),
        Need::Tool("runc")
    );
    let made = Made::new("image");
    private::enter();
    let podman = Podman::new(made.path().join("podman"));
    let host = podman.folder.join("host");
    let archive = made.file(".tar");
    let loaded = podman.run(&["load", "-q", "-i", archive.to_str().unwrap()]);
    loaded.expect_success();
    let pod = pod();
    let (first, then) = (&pod["initContainers"][0], &pod["containers"][0]);

    let command = words(&first["command"]);
    podman
        .container(first, &command, &host, &["--rm"])
        .expect_success();
    let programs = [
        "opt/cni/bin/weir-cni",
        "opt/weir/bin/weir",
        "etc/cni/net.d/10-weir.conflist",
    ];
    for name in programs {
        assert!(host.join(name).is_file(), "{name}");
    }
    let installed = listing(&host, &["opt", "etc"]);
    podman
        .container(first, &command, &host, &["--rm"])
        .expect_success();
    assert_eq!(
        difference(&installed, &listing(&host, &["opt", "etc"])),
        [""; 0]
    );

    // Until it is told to end, and then at once and in peace.
    let detached = ["--detach", "--name=pause"];
    podman
        .container(then, &words(&then["command"]), &host, &detached)
        .expect_success();
    podman
        .run(&["stop", "--time", "60", "pause"])
        .expect_success();
    let code = podman.run(&["inspect", "--format", "{{.State.ExitCode}}", "pause"]);
    assert_eq!(code.expect_success().trim(), "0");
    podman.run(&["rm", "pause"]).expect_success();

    let stop = words(&then["lifecycle"]["preStop"]["exec"]["command"]);
    podman
        .container(then, &stop, &host, &["--rm"])
        .expect_success();
    let left = listing(&host, &["opt", "etc", "var"]);
    let files = left.iter().filter(|(_, text)| !text.ends_with("folder"));
    assert_eq!(files.count(), 0, "{left:?}");
    private::leave_one(&podman.folder);
}
