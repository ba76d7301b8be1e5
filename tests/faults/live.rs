//! A node with pods that talk, on which weir is installed over itself, another release of it, by processes that die: who
//! may goes on, who may not is not heard, and whoever comes next finishes it. The same for an uninstall, of which pods are
//! the reason to refuse, and which takes their network away by force.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::net::IpAddr;

use ep_builder::whole_file;
#[cfg(target_arch = "x86_64")]
use nix::errno::Errno;
use serde_json::{Value, json};
use weir_tests::bare::Bare;
use weir_tests::need_bare;
use weir_tests::pods::{MAPS, fd_path, new_namespace};
use weir_tests::release::Release;
#[cfg(target_arch = "x86_64")]
use weir_tests::trace::refuse;
use weir_tests::trace::{self, Places, Traced};

use crate::probe::{End, Probes, Sender};
use crate::stage::{MORE, OLD};
use crate::stride::places;

/// A node, with pods that a runtime has had wired.
struct Node<'a> {
    release: &'a Release,
    bare: Bare,
    probes: Probes,
}

impl<'a> Node<'a> {
    fn new(release: &'a Release) -> Self {
        let bare = Bare::new(release);
        bare.install();
        let ends = ["web", "db", "stranger", "late"].map(|app| wire(&bare, app));
        let [friend, to, stranger, newcomer] = ends;
        write_policy(&bare, "old.yaml", OLD);
        bare.weir(&["policy", "apply"]).expect_success();
        let probes = Probes::start([friend, stranger, newcomer], &to);
        Self {
            release,
            bare,
            probes,
        }
    }

    /// The endpoints, with all that is said of them.
    fn endpoints(&self) -> String {
        let listed = self.bare.weir(&["endpoint", "list"]);
        listed.expect_success()
    }

    /// Runs `weir` of the release, which dies at a place.
    fn dies(&self, words: &[&str], place: usize) -> Traced {
        let mut dying = self.bare.inside("/release/bin/weir", words);
        trace::run(&mut dying, b"", Places::from_environment(), Some(place))
    }

    /// Has another release to install: other programs and data.
    fn renew(&self, number: usize) {
        let text = format!("the release {number}\n");
        self.release.set("bpf-templates/README.md", &text);
        let plugin = self.release.path().join("bin/weir-cni");
        let file = OpenOptions::new().append(true).open(plugin);
        // What stands behind a program is nothing to it.
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Packets of whoever may by a new policy come through: silence before that meant something.
    fn assert_silence_means_something(&self) {
        assert!(self.probes.in_vain() > 0, "nobody has tried");
        write_policy(&self.bare, "more.yaml", MORE);
        self.bare.weir(&["policy", "apply"]).expect_success();
        self.probes.wait(Sender::Newcomer, 2).unwrap();
    }
}

fn write_policy(bare: &Bare, name: &str, text: &str) {
    let folder = bare.path("etc/weir/policy.d");
    let made = DirBuilder::new().recursive(true).create(&folder);
    made.unwrap();
    whole_file::write(&folder.join(name), text.as_bytes()).unwrap();
}

/// A pod with a label.
fn wire(bare: &Bare, app: &str) -> End {
    let namespace = new_namespace();
    let arguments = json!({"cni": {"labels": {"app": app}}});
    let added = bare.call_for("ADD", app, &fd_path(&namespace), &arguments);
    let result = added.expect_success();
    let address = |at: usize| -> IpAddr {
        let text = result["ips"][at]["address"].as_str().unwrap();
        text.split('/').next().unwrap().parse().unwrap()
    };
    End {
        addresses: [address(0), address(1)],
        namespace,
    }
}

/// A pod that comes and goes meanwhile is wired or not; its namespace.
fn try_to_wire(bare: &Bare) -> File {
    let namespace = new_namespace();
    if bare.path("opt/cni/bin/weir-cni").exists() && bare.path("etc/cni/net.d").exists() {
        let _wired_or_not = bare.call_for("ADD", "c9", &fd_path(&namespace), &Value::Null);
    }
    namespace
}

#[test]
fn an_upgrade_dies_and_pods_go_on() {
    need_bare!();
    let release = Release::whole(MAPS);
    let node = Node::new(&release);
    let known = node.endpoints();
    for place in places(37) {
        node.renew(place);
        let died = node.dies(&["install", "--no-selftest"], place);
        let what = format!("install, place {place}, {:?}", died.killed_before);
        assert_eq!(node.probes.defect(), None, "{what}");
        let namespace = try_to_wire(&node.bare);
        assert_eq!(node.probes.stranger_was_heard(), None, "{what}");
        node.bare.install();
        let again = node.bare.install();
        assert!(
            again.stderr.contains("nothing changes"),
            "{what}: {again:?}"
        );
        let gone = node
            .bare
            .call_for("DEL", "c9", &fd_path(&namespace), &Value::Null);
        gone.expect_success();
        assert_eq!(node.endpoints(), known, "{what}");
        assert_eq!(node.probes.defect(), None, "{what}");
        if died.killed_before.is_none() {
            assert_eq!(died.finished.code, Some(0), "{what}: {died:?}");
            assert!(place > 30, "it has more steps than {place}");
            break;
        }
    }
    node.assert_silence_means_something();
}

#[test]
fn an_uninstall_that_is_refused_dies_and_pods_go_on() {
    need_bare!();
    let release = Release::whole(MAPS);
    let node = Node::new(&release);
    let known = node.bare.listing();
    for place in places(5) {
        let died = node.dies(&["uninstall"], place);
        let what = format!("uninstall, place {place}, {:?}", died.killed_before);
        assert_eq!(node.probes.defect(), None, "{what}");
        if died.killed_before.is_none() {
            assert_eq!(died.finished.code, Some(1), "{what}: {died:?}");
            break;
        }
    }
    node.bare.install();
    assert_eq!(node.bare.listing(), known);
    node.assert_silence_means_something();
}

/// Pods that cannot be seen are none that are not there.
#[cfg(target_arch = "x86_64")]
#[test]
fn an_uninstall_that_cannot_look_takes_nothing_away() {
    need_bare!();
    let release = Release::whole(MAPS);
    let node = Node::new(&release);
    let known = node.endpoints();
    for place in places(1) {
        let mut command = node.bare.inside("/release/bin/weir", &["uninstall"]);
        let refused = refuse(&mut command, b"", Places::FileReads, place, Errno::EIO);
        let what = format!("uninstall, place {place}, {refused:?}");
        // The program that leads into the root reads its libraries first.
        let has_begun = !refused.finished.stderr.starts_with("chroot: ");
        assert!(!has_begun || refused.finished.code != Some(0), "{what}");
        if refused.call.is_none() {
            assert!(place > 20, "{what}");
            break;
        }
    }
    assert_eq!(node.endpoints(), known);
    assert_eq!(node.probes.defect(), None);
    node.assert_silence_means_something();
}

#[test]
fn an_uninstall_by_force_dies_and_nobody_is_let_in() {
    need_bare!();
    let release = Release::whole(MAPS);
    let node = Node::new(&release);
    node.assert_silence_means_something();
    for place in places(23) {
        let died = node.dies(&["uninstall", "--force", "--purge"], place);
        let what = format!("uninstall --force, place {place}, {:?}", died.killed_before);
        assert_eq!(node.probes.stranger_was_heard(), None, "{what}");
        if died.killed_before.is_none() {
            assert_eq!(died.finished.code, Some(0), "{what}: {died:?}");
            break;
        }
    }
    let left = node.bare.listing();
    let left = left.iter().filter(|line| !line.starts_with("mount "));
    let is_ours = |line: &&String| line.contains("weir") || line.contains("lxc");
    let left: Vec<_> = left.filter(is_ours).collect();
    assert!(left.is_empty(), "{left:#?}");
}
