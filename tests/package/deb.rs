//! The package for Debian: what apt's users expect of one.

use std::path::Path;
use std::process::Command;

use weir_tests::Finished;
use weir_tests::need::Need;
use weir_tests::process;

use crate::listing::{Listing, difference, listing};
use crate::private;
use crate::release::{Made, needs};

/// Where a package or weir puts anything; dpkg's own books are beside that.
const FOLDERS: [&str; 5] = ["etc", "opt", "usr/bin", "usr/lib/weir", "usr/share/weir"];
const MORE: [&str; 9] = [
    "usr/lib/systemd",
    "usr/share/bash-completion",
    "usr/share/doc/weir",
    "usr/share/fish/vendor_completions.d",
    "usr/share/lintian/overrides",
    "usr/share/man",
    "usr/share/zsh/vendor-completions",
    "var/log/weir",
    "var/lib/weir",
];

/// A machine of its own: a copy of this one's root, nothing of which stays.
struct Machine<'a> {
    root: &'a Path,
}

impl Machine<'_> {
    fn run(&self, line: &str) -> Finished {
        let mut command = Command::new("chroot");
        command.arg(self.root).args(line.split_whitespace());
        command.env("DEBIAN_FRONTEND", "noninteractive");
        process::run(&mut command)
    }

    #[track_caller]
    fn does(&self, line: &str) -> String {
        let finished = self.run(line);
        assert_eq!(finished.code, Some(0), "{line}: {finished:?}");
        finished.stdout + &finished.stderr
    }

    fn listing(&self) -> Listing {
        listing(self.root, &[FOLDERS.as_slice(), &MORE].concat())
    }
}

#[test]
fn apt_s_life_of_a_package_leaves_nothing() {
    needs!(Need::Root, Need::Tool("dpkg-deb"), Need::Tool("dpkg"));
    let made = Made::new("deb");
    private::enter();
    let scratch = made.path().join("scratch");
    let root = private::copy_of_root(&scratch);
    std::fs::copy(made.file(".deb"), root.join("weir.deb")).unwrap();
    let machine = Machine { root: &root };
    let before = machine.listing();

    // Nothing of the network changes by this.
    let said = machine.does("dpkg --install /weir.deb");
    assert!(said.contains("weir install --dry-run"), "{said}");
    let unpacked = machine.listing();
    for path in ["etc", "opt"] {
        let foreign = difference(&before, &unpacked).into_iter();
        let foreign: Vec<_> = foreign.filter(|line| line[2..].starts_with(path)).collect();
        assert_eq!(foreign, [""; 0]);
    }
    assert_eq!(
        machine.does("weir version").trim(),
        format!("weir {}", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(machine.does("dpkg --verify weir"), "");

    machine.does("weir install --force --no-selftest");
    assert!(root.join("opt/cni/bin/weir-cni").is_file());
    assert!(root.join("etc/cni/net.d/10-weir.conflist").is_file());
    // The data stand where the package put them.
    assert_eq!(machine.does("dpkg --verify weir"), "");
    // As an upgrade does: the node follows.
    std::fs::remove_file(root.join("opt/cni/bin/weir-cni")).unwrap();
    machine.does("dpkg --install /weir.deb");
    assert!(root.join("opt/cni/bin/weir-cni").is_file());

    machine.does("dpkg --remove weir");
    machine.does("dpkg --purge weir");
    assert_eq!(difference(&before, &machine.listing()), [""; 0]);
    private::leave(&scratch);
}

#[test]
fn a_purge_takes_what_the_operator_changed() {
    needs!(Need::Root, Need::Tool("dpkg-deb"), Need::Tool("dpkg"));
    let made = Made::new("deb");
    private::enter();
    let scratch = made.path().join("scratch");
    let root = private::copy_of_root(&scratch);
    std::fs::copy(made.file(".deb"), root.join("weir.deb")).unwrap();
    let machine = Machine { root: &root };
    let before = machine.listing();
    machine.does("dpkg --install /weir.deb");
    machine.does("weir install --force --no-selftest");
    for (path, text) in [
        ("etc/weir/weir.toml", "map_prefix = \"mine\"\n"),
        ("etc/weir/policy.d/closed.yaml", "# nothing\n"),
    ] {
        ep_builder::whole_file::write(&root.join(path), text.as_bytes()).unwrap();
    }
    machine.does("dpkg --remove weir");
    assert!(root.join("etc/weir/weir.toml").is_file());
    assert!(root.join("etc/weir/policy.d/closed.yaml").is_file());
    machine.does("dpkg --purge weir");
    assert_eq!(difference(&before, &machine.listing()), [""; 0]);
    private::leave(&scratch);
}
