//! What is refused, before anything changes, and what is left to others.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;
use weir_tests::{binaries, process};

use super::{Image, PLUGIN, RECORD};

#[test]
fn what_is_in_the_way_is_told_before_anything_changes() {
    let check = |prepare: &dyn Fn(&Image), more: &[&str], words: &[&str]| {
        let image = Image::new();
        prepare(&image);
        image.refuses(more, words);
    };
    check(
        &|image| image.set(PLUGIN, "somebody else's"),
        &[],
        &[
            "weir-cni is there, and `weir install` did not put it there",
            "--force",
        ],
    );
    check(
        &|image| fs::create_dir_all(image.path(PLUGIN)).unwrap(),
        &["--force"],
        &["weir-cni is no file: move it away"],
    );
    check(
        &|image| {
            let text = r#"{"plugins":[{"type":"bridge","ipam":{"subnet":"10.88.1.0/24"}}]}"#;
            image.set("etc/cni/net.d/20-other.conflist", text);
        },
        &[],
        &[
            "10.88.0.0/16 overlaps with 10.88.1.0/24 of the network configuration 20-other.conflist",
            "--range",
        ],
    );
    check(
        &|image| image.release.set("bin/weir-cni", "#!/bin/sh\n"),
        &[],
        &["weir-cni: it is no program of Linux"],
    );
    check(
        &|image| image.release.remove("conf/weir.toml"),
        &[],
        &["is no release of weir, it lacks conf/weir.toml", "fix: "],
    );
    check(
        &|image| image.set(RECORD, "{\"format\":9}"),
        &[],
        &["it has form 9, and this weir knows 1"],
    );
    check(
        &|image| {
            image.install();
        },
        &["--prefix", "/opt/weir"],
        &["is installed at other places", "`weir uninstall` first"],
    );
    let image = Image::new();
    image.set(PLUGIN, "somebody else's");
    image.run("install", &["--force"]).expect_success();
    let plugin = fs::read(image.path(PLUGIN)).unwrap();
    assert!(plugin.starts_with(b"\x7fELF"), "replaced by force");
}

#[test]
fn a_package_in_place_is_left_to_its_package() {
    // The release stands where its data belongs: as a package puts it, here under a prefix.
    let image = Image::new();
    let data = image.path("opt/p/lib/weir");
    fs::create_dir_all(data.parent().unwrap()).unwrap();
    let copied = Command::new("cp")
        .arg("-a")
        .arg(image.release.path())
        .arg(&data)
        .status();
    assert!(copied.unwrap().success());
    // The image's own path leads there for the command, too.
    let prefix = image.path("opt/p");
    let mut command = binaries::weir();
    command.args([
        "install",
        "--dry-run",
        "--root",
        "/",
        "--force",
        "-o",
        "json",
    ]);
    command
        .arg("--from")
        .arg(&data)
        .arg("--prefix")
        .arg(&prefix);
    let rows: Vec<Value> =
        serde_json::from_str(&process::run(&mut command).expect_success()).unwrap();
    let paths: Vec<_> = rows
        .iter()
        .map(|row| row["path"].as_str().unwrap())
        .collect();
    assert!(paths.contains(&"/opt/cni/bin/weir-cni"), "{paths:?}");
    assert!(
        !paths
            .iter()
            .any(|path| Path::new(path).starts_with(&prefix)),
        "{paths:?}"
    );
}

#[test]
fn whoever_cannot_write_is_told_what_to_do() {
    if nix::unistd::geteuid().is_root() {
        return read_only();
    }
    let image = Image::new();
    fs::set_permissions(image.root.path(), Permissions::from_mode(0o555)).unwrap();
    let refused = image.run("install", &[]);
    fs::set_permissions(image.root.path(), Permissions::from_mode(0o755)).unwrap();
    assert!(
        refused.stderr.contains("fix: run it as root"),
        "{refused:?}"
    );
}

/// Root may write everywhere but there.
fn read_only() {
    let none: Option<&str> = None;
    let image = Image::new();
    image.set("usr/x", "");
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    let usr = image.path("usr");
    mount(Some("tmpfs"), &usr, Some("tmpfs"), MsFlags::MS_RDONLY, none).unwrap();
    image.refuses(
        &[],
        &[
            "/usr/lib/weir/bpf is on a file system mounted read-only",
            "--prefix",
        ],
    );
    umount2(&usr, MntFlags::MNT_DETACH).unwrap();
    let opt = image.path("opt");
    fs::create_dir(&opt).unwrap();
    mount(
        Some("tmpfs"),
        &opt,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("size=8k"),
    )
    .unwrap();
    image.refuses(
        &[],
        &[
            "the file system of /opt/cni/bin has room for",
            "make room there",
        ],
    );
}
