//! `weir install` and `weir uninstall` on a bare node: a root with nothing but a release, no compiler and no other
//! program, in which a pod comes and goes. Before and after are equal: files, links, mounts, pins, settings.

use std::collections::BTreeSet;
use std::fs;

use ep_builder::whole_file;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use weir_tests::bare::Bare;
use weir_tests::pods::{MAPS, fd_path, new_namespace, run};
use weir_tests::release::Release;
use weir_tests::trace::{self, Places};
use weir_tests::{need_bare, process};

const NONE: Option<&str> = None;

/// Every how many places a command is killed: each takes several commands.
const STRIDE: usize = 41;

#[track_caller]
fn assert_same(now: &BTreeSet<String>, before: &BTreeSet<String>, what: &str) {
    let come: Vec<_> = now.difference(before).collect();
    let gone: Vec<_> = before.difference(now).collect();
    assert!(
        come.is_empty() && gone.is_empty(),
        "{what}: come {come:#?}, gone {gone:#?}"
    );
}

#[test]
fn from_a_bare_node_to_a_pod_and_back() {
    need_bare!();
    let release = Release::whole(MAPS);
    let bare = Bare::new(&release);
    let before = bare.listing();
    let said = bare.weir(&["install"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("/sys/fs/bpf"), "{said:?}");
    assert!(said.stderr.contains("13 of 13 checks passed"), "{said:?}");
    let again = bare.install();
    assert!(again.stderr.contains("nothing changes"), "{again:?}");

    let pod = new_namespace();
    let result = bare.call("ADD", &fd_path(&pod)).expect_success();
    assert_eq!(result["ips"].as_array().unwrap().len(), 2, "{result}");
    bare.weir(&["node", "status"]).expect_success();
    let listed = bare.weir(&["endpoint", "list"]).expect_success();
    assert!(listed.contains("10.88.0.2"), "{listed}");
    let wired = bare.listing();

    let refused = bare.weir(&["uninstall"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for words in ["1 pod is wired", "(c1)", "weir endpoint list"] {
        assert!(refused.stderr.contains(words), "{words}: {refused:?}");
    }
    assert_same(&bare.listing(), &wired, "after a refusal");
    // An upgrade leaves the pod alone.
    release.set("bpf-templates/README.md", "newer\n");
    bare.install();
    let now = bare.weir(&["endpoint", "list"]).expect_success();
    assert_eq!(now, listed);
    bare.call("DEL", &fd_path(&pod)).expect_success();
    bare.weir(&["uninstall"]).expect_success();
    assert_same(&bare.listing(), &before, "after all");
}

#[test]
fn by_force_pods_lose_their_network_and_nothing_is_left() {
    need_bare!();
    let release = Release::whole(MAPS);
    let bare = Bare::new(&release);
    let before = bare.listing();
    bare.install();
    let pod = new_namespace();
    bare.call("ADD", &fd_path(&pod)).expect_success();
    let planned = bare
        .weir(&["uninstall", "--force", "--dry-run"])
        .expect_success();
    assert!(
        planned.contains("endpoint ") && planned.contains("pin"),
        "{planned}"
    );
    bare.weir(&["uninstall", "--force"]).expect_success();
    assert_same(&bare.listing(), &before, "by force");
    let links = weir_tests::pods::inside(&pod, || run("ip -o link"));
    assert!(!links.contains("eth0"), "{links}");
}

#[test]
fn ranges_that_the_node_has_are_refused() {
    need_bare!();
    let release = Release::small();
    let bare = Bare::new(&release);
    run("ip link add podman0 type veth peer name podman1");
    run("ip link set podman1 up");
    run("ip addr add 10.88.0.1/16 dev podman0");
    run("ip link set podman0 up");
    let install = |more: &[&str]| {
        let program = weir_tests::binaries::weir();
        let program = program.get_program().to_str().unwrap().to_owned();
        whole_file::write(&bare.path("run/weir-under-test"), b"").unwrap();
        let target = bare.path("run/weir-under-test");
        mount(
            Some(program.as_str()),
            &target,
            NONE,
            MsFlags::MS_BIND,
            NONE,
        )
        .unwrap();
        let arguments = [&["install", "--dry-run", "--from", "/release"], more].concat();
        let finished = process::run(&mut bare.inside("/run/weir-under-test", &arguments));
        umount2(&target, MntFlags::MNT_DETACH).unwrap();
        finished
    };
    let refused = install(&[]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for words in ["10.88.0.0/16 overlaps", "podman0", "--range"] {
        assert!(refused.stderr.contains(words), "{words}: {refused:?}");
    }
    install(&["--range", "10.5.0.0/16"]).expect_success();
    install(&["--force"]).expect_success();
}

#[test]
fn whoever_comes_after_the_dead_finishes_or_undoes_their_work() {
    need_bare!();
    let release = Release::whole(MAPS);
    let bare = Bare::new(&release);
    let before = bare.listing();
    let install = ["install", "--no-selftest"];
    for (verb, ready) in [(install.as_slice(), false), (&["uninstall"], true)] {
        for place in (0..).step_by(STRIDE) {
            if ready {
                bare.install();
                let pod = new_namespace();
                bare.call("ADD", &fd_path(&pod)).expect_success();
                bare.call("DEL", &fd_path(&pod)).expect_success();
            }
            let mut dying = bare.inside("/release/bin/weir", verb);
            let traced = trace::run(&mut dying, b"", Places::Effects, Some(place));
            let what = format!("{verb:?}, place {place}, {:?}", traced.killed_before);
            if place % 2 == 0 {
                bare.install();
                let again = bare.install();
                assert!(
                    again.stderr.contains("nothing changes"),
                    "{what}: {again:?}"
                );
            }
            bare.weir(&["uninstall"]).expect_success();
            assert_same(&bare.listing(), &before, &what);
            if traced.killed_before.is_none() {
                assert_eq!(
                    traced.finished.code,
                    Some(0),
                    "{what}: {:?}",
                    traced.finished
                );
                assert!(place > 30, "{verb:?} has more steps than {place}");
                break;
            }
        }
    }
}

/// A node on which no pod could be made is installed, and told so.
#[test]
fn a_selftest_that_fails_undoes_nothing_and_says_what_to_do() {
    need_bare!();
    let release = Release::whole(MAPS);
    let bare = Bare::new(&release);
    // A program, but not the plugin.
    fs::copy("/bin/true", release.path().join("bin/weir-cni")).unwrap();
    bare.install();
    let installed = bare.listing();
    let said = bare.weir(&["install"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let last = said.stderr.trim_end().lines().last().unwrap();
    for words in ["weir is installed, and its selftest", "`weir selftest`"] {
        assert!(last.contains(words), "{words}: {said:?}");
    }
    assert_same(&bare.listing(), &installed, "after a selftest that failed");
}
