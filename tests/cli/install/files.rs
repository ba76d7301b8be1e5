//! What is where, and that it goes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::Value;

use super::{CONFIG, Image, NETWORK, PLUGIN, SOURCE, assert_same};

#[test]
fn what_is_installed_is_there_once_and_goes_without_a_trace() {
    let image = Image::new();
    let before = image.listing();
    let planned = image.run("install", &["--dry-run"]).expect_success();
    assert!(planned.contains("/opt/cni/bin/weir-cni"), "{planned}");
    assert_same(&image.listing(), &before, "a dry run changes nothing");

    let said = image.install();
    assert_eq!(
        said.stdout, planned,
        "a dry run says what is done, with the folder of the record"
    );
    let rows: Vec<_> = said.stdout.lines().collect();
    assert!(
        rows.last().unwrap().contains("10-weir.conflist"),
        "{rows:?}"
    );
    for (name, mode) in [
        (PLUGIN, 0o755),
        ("usr/local/bin/weir", 0o755),
        (SOURCE, 0o644),
        ("usr/lib/weir/bpf/lib/one.h", 0o644),
        ("usr/lib/weir/bpf-templates/ep_config.h.hbs", 0o644),
        ("usr/local/share/man/man8/weir.8", 0o644),
        ("etc/systemd/system/sys-fs-bpf.mount", 0o644),
        (CONFIG, 0o644),
        (NETWORK, 0o644),
        ("etc/weir/policy.d", 0o755),
    ] {
        let metadata = fs::metadata(image.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{name}");
    }
    let wanted = image.path("etc/systemd/system/local-fs.target.wants/sys-fs-bpf.mount");
    assert!(
        fs::read_to_string(wanted).unwrap().contains("Type=bpf"),
        "the link leads to the unit"
    );

    let installed = image.listing();
    let again = image.install();
    assert!(again.stderr.contains("nothing changes"), "{again:?}");
    assert_eq!(again.stdout, "");
    assert_same(&image.listing(), &installed, "afterwards");

    image.uninstall();
    assert_same(&image.listing(), &before, "afterwards");
    let again = image.uninstall();
    assert!(again.stderr.contains("nothing is installed"), "{again:?}");
    assert_same(&image.listing(), &before, "afterwards");
}

#[test]
fn json_says_what_the_table_says() {
    let image = Image::new();
    let said = image.run("install", &["-o", "json"]).expect_success();
    let rows: Vec<Value> = serde_json::from_str(&said).unwrap();
    let last = rows.last().unwrap();
    assert_eq!(last["action"], "write");
    assert_eq!(last["path"], "/etc/cni/net.d/10-weir.conflist");
    let data = rows.iter().find(|row| row["path"] == "/usr/lib/weir/bpf");
    assert_eq!(data.unwrap()["note"], "2 files");
}

#[test]
fn an_upgrade_replaces_what_is_ours_and_keeps_what_is_the_operators() {
    let image = Image::new();
    let before = image.listing();
    image.install();
    image.set(CONFIG, "# mine\n");
    image.set("usr/lib/weir/bpf/mine.h", "int mine;\n");
    image.release.set("bpf/bpf_lxc.c", "int newer;\n");
    image.release.set("conf/weir.toml", "# new_key = 1\n");
    image.release.remove("bpf/lib/one.h");
    image.release.remove("share/man/man8/weir.8");
    let said = image.install();
    for words in [
        "/etc/weir/weir.toml is yours and stays as it is; keys that are new: new_key",
        "/usr/lib/weir/bpf/mine.h",
    ] {
        assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
    }
    assert_eq!(image.text(CONFIG), "# mine\n");
    assert_eq!(image.text(SOURCE), "int newer;\n");
    assert_eq!(image.text("usr/lib/weir/bpf/mine.h"), "int mine;\n");
    for gone in ["usr/lib/weir/bpf/lib", "usr/local/share/man/man8/weir.8"] {
        assert!(!image.path(gone).exists(), "{gone}");
    }
    let again = image.install();
    assert!(again.stderr.contains("nothing changes"), "{again:?}");

    let said = image.uninstall();
    assert!(
        said.stderr
            .contains("/etc/weir/weir.toml was changed, and stays"),
        "{said:?}"
    );
    let mut left = image.listing();
    left.retain(|path, _| !before.contains_key(path));
    let left: Vec<_> = left.keys().map(|path| path.to_str().unwrap()).collect();
    let kept = [
        "etc/weir",
        CONFIG,
        "usr/lib/weir",
        "usr/lib/weir/bpf",
        "usr/lib/weir/bpf/mine.h",
    ];
    assert_eq!(left, kept);
}

#[test]
fn a_link_in_place_of_a_configuration_is_kept() {
    let image = Image::new();
    for name in [CONFIG, NETWORK] {
        fs::create_dir_all(image.path(name).parent().unwrap()).unwrap();
        symlink("/run/of-the-operator", image.path(name)).unwrap();
    }
    let before = image.listing();
    // The second one has a record.
    for _ in 0..2 {
        let said = image.install();
        for name in [CONFIG, NETWORK] {
            let kept = format!("/{name} is yours and stays as it is");
            assert!(said.stderr.contains(&kept), "{name}: {}", said.stderr);
        }
        assert!(!said.stderr.contains("keys that are new"), "{said:?}");
    }
    image.uninstall();
    assert_same(&image.listing(), &before, "afterwards");
}

#[test]
fn another_prefix_is_known_to_the_configuration() {
    let image = Image::new();
    let before = image.listing();
    image
        .run("install", &["--prefix", "/opt/weir"])
        .expect_success();
    let config: toml::Table = image.text(CONFIG).parse().unwrap();
    assert_eq!(
        config["paths"]["bpf_dir"].as_str(),
        Some("/opt/weir/lib/weir/bpf")
    );
    for name in [
        "opt/weir/bin/weir",
        "opt/weir/lib/weir/bpf/bpf_lxc.c",
        "opt/weir/share/man/man8/weir.8",
    ] {
        assert!(image.path(name).exists(), "{name}");
    }
    assert!(!image.path("usr/lib/weir").exists());
    let other = image.run("uninstall", &["--prefix", "/opt/other"]);
    assert_eq!(other.code, Some(1), "{other:?}");
    image
        .run("uninstall", &["--prefix", "/opt/weir"])
        .expect_success();
    assert_same(&image.listing(), &before, "afterwards");
}

#[test]
fn no_link_leads_out_of_the_image() {
    let outside = tempfile::tempdir().unwrap();
    let image = Image::new();
    // Of the image's own tree, whatever they look like.
    symlink("/etc/really", image.path("opt")).unwrap();
    fs::create_dir(image.path("etc/really")).unwrap();
    let escape = format!("../../../../../..{}", outside.path().display());
    symlink(&escape, image.path("etc/cni")).unwrap();
    let inside = image.path(&outside.path().display().to_string()[1..]);
    fs::create_dir_all(&inside).unwrap();
    let before = image.listing();
    image.install();
    assert!(image.path("etc/really/cni/bin/weir-cni").exists());
    assert!(inside.join("net.d/10-weir.conflist").exists());
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    image.uninstall();
    assert_same(&image.listing(), &before, "afterwards");
}
