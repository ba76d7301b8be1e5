//! The image, and a node's life by it, as `conf/kubernetes` has it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ep_builder::digest::sha256_hex;
use serde_json::Value;
use weir_tests::need::Need;
use weir_tests::process;

use crate::listing::{difference, listing};
use crate::manifests::{list, pod, words};
use crate::podman::Podman;
use crate::private;
use crate::release::{Made, needs};

/// What runtimes call it.
pub(crate) const NAME: &str = concat!("localhost/weir:", env!("CARGO_PKG_VERSION"));

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
