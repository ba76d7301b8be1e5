//! The network configuration, which is the operator's and stands beside those of others.

use std::fs;

use serde_json::Value;

use super::{CONFIG, Image, NETWORK, assert_same};

#[test]
fn a_network_configuration_is_the_operators_too() {
    let image = Image::new();
    let before = image.listing();
    image.install();
    let mine = image.text(NETWORK).replace("\"mtu\": 0", "\"mtu\": 1400");
    image.set(NETWORK, &mine);
    let said = image.install();
    assert!(
        said.stderr.contains("10-weir.conflist is yours"),
        "{said:?}"
    );
    // Other ranges are put into what the operator made of it.
    image
        .run(
            "install",
            &["--range", "10.5.0.0/16", "--range", "fd05::/64"],
        )
        .expect_success();
    let changed: Value = serde_json::from_str(&image.text(NETWORK)).unwrap();
    let plugin = &changed["plugins"][0];
    assert_eq!(plugin["mtu"], 1400);
    assert_eq!(plugin["ipam"]["ranges"][0][0]["subnet"], "10.5.0.0/16");
    assert_eq!(plugin["ipam"]["ranges"][1][0]["subnet"], "fd05::/64");
    // It is theirs as before.
    let said = image.install();
    assert!(
        said.stderr.contains("nothing changes") && said.stderr.contains("is yours"),
        "{said:?}"
    );
    let said = image.uninstall();
    assert!(said.stderr.contains("10-weir.conflist.saved"), "{said:?}");
    assert!(!image.path(NETWORK).exists());
    fs::remove_file(image.path("etc/cni/net.d/10-weir.conflist.saved")).unwrap();
    for folder in ["etc/cni/net.d", "etc/cni"] {
        fs::remove_dir(image.path(folder)).unwrap();
    }
    assert_same(&image.listing(), &before, "afterwards");
}

#[test]
fn ranges_that_were_asked_for_stay_through_an_upgrade_and_purge_takes_all() {
    let image = Image::new();
    let before = image.listing();
    image
        .run("install", &["--range", "10.5.0.0/16"])
        .expect_success();
    let first = image.text(NETWORK);
    image.release.set("bpf/bpf_lxc.c", "int newer;\n");
    image.install();
    assert_eq!(image.text(NETWORK), first);
    image.set(CONFIG, "# mine\n");
    image.set(NETWORK, "{}\n");
    image.set("etc/weir/policy.d/a.yaml", "");
    image.run("uninstall", &["--purge"]).expect_success();
    assert_same(&image.listing(), &before, "afterwards");
}

#[test]
fn other_networks_are_told_of_and_can_be_come_before() {
    let image = Image::new();
    image.set(
        "etc/cni/net.d/05-other.conflist",
        r#"{"plugins":[{"type":"bridge"}]}"#,
    );
    image.set("etc/cni/net.d/99-last.conf", "{}");
    let before = image.listing();
    let said = image.install();
    assert!(
        said.stderr
            .contains("takes /etc/cni/net.d/05-other.conflist"),
        "{said:?}"
    );
    let said = image.run("install", &["--first"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!said.stderr.contains("05-other"), "{said:?}");
    assert!(image.path("etc/cni/net.d/00-weir.conflist").exists());
    assert!(!image.path(NETWORK).exists());
    // The name stays.
    let again = image.install();
    assert!(again.stderr.contains("nothing changes"), "{again:?}");
    image.uninstall();
    assert_same(&image.listing(), &before, "afterwards");
}
