//! `weir install` and `weir uninstall` on a bare node: a root with nothing but a release, no compiler and no other
//! program, in which a pod comes and goes. Before and after are equal: files, links, mounts, pins, settings.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ep_builder::whole_file;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;
use tempfile::TempDir;
use weir_tests::need::Need;
use weir_tests::plugin::{Answer, Call};
use weir_tests::pods::{MAPS, fd_path, new_namespace, run, set_sysctl};
use weir_tests::release::Release;
use weir_tests::trace::{self, Places};
use weir_tests::{Finished, need, process};

/// Every how many places a command is killed: each takes several commands.
const STRIDE: usize = 41;

const NONE: Option<&str> = None;
const NETWORK: &str = "etc/cni/net.d/10-weir.conflist";

/// The root of the node, in namespaces of the calling thread's own.
struct Bare {
    root: TempDir,
}

impl Bare {
    fn new(release: &Release) -> Self {
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).unwrap();
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(NONE, "/", NONE, private, NONE).unwrap();
        let root = tempfile::Builder::new().prefix("weir-bare-").tempdir();
        let bare = Self {
            root: root.unwrap(),
        };
        let flags = MsFlags::empty();
        mount(Some("tmpfs"), bare.root.path(), Some("tmpfs"), flags, NONE).unwrap();
        for folder in ["proc", "sys", "dev", "run", "var/lib", "etc", "release"] {
            fs::create_dir_all(bare.path(folder)).unwrap();
        }
        for (from, to, kind) in [
            ("/proc", "proc", NONE),
            ("/dev", "dev", NONE),
            (release.path().to_str().unwrap(), "release", NONE),
        ] {
            mount(Some(from), &bare.path(to), kind, MsFlags::MS_BIND, NONE).unwrap();
        }
        mount(Some("sysfs"), &bare.path("sys"), Some("sysfs"), flags, NONE).unwrap();
        run("ip link set lo up");
        set_sysctl("ipv6/conf/default/addr_gen_mode", "1");
        for setting in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            set_sysctl(setting, "0");
        }
        // A device that leads outside.
        run("ip link add up0 type veth peer name far0");
        run("ip link set up0 up");
        run("ip addr add 192.0.2.1/24 dev up0");
        run("ip route add default via 192.0.2.254");
        bare
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A program in the root.
    fn inside(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("chroot");
        command.arg(self.root.path()).arg(program).args(arguments);
        for variable in ["WEIR_CONFIG", "CLANG"] {
            command.env_remove(variable);
        }
        command.stdin(Stdio::null());
        command
    }

    fn weir(&self, arguments: &[&str]) -> Finished {
        process::run(&mut self.inside("/release/bin/weir", arguments))
    }

    /// Installs, and does without the selftest.
    fn install(&self) -> Finished {
        let finished = self.weir(&["install", "--no-selftest"]);
        finished.clone().expect_success();
        finished
    }

    /// What a runtime would send for a pod.
    fn call(&self, verb: &str, place: &str) -> Answer {
        let text = fs::read_to_string(self.path(NETWORK)).unwrap();
        let list: Value = serde_json::from_str(&text).unwrap();
        let mut configuration = list["plugins"][0].clone();
        for key in ["cniVersion", "name"] {
            configuration[key] = list[key].clone();
        }
        let root = self.root.path().to_str().unwrap();
        Call::by(Command::new("/opt/cni/bin/weir-cni"), verb, &configuration)
            .under(&["chroot", root])
            .env("CNI_CONTAINERID", "c1")
            .env("CNI_IFNAME", "eth0")
            .env("CNI_NETNS", place)
            .run()
    }

    /// Everything of the node that anybody could have changed.
    fn listing(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        files(self.root.path(), Path::new(""), &mut lines);
        let pins = self.path("sys/fs/bpf");
        files(&pins, Path::new(""), &mut lines);
        for command in [
            "ip -o link",
            "ip -o addr",
            "ip route show table all",
            "ip -6 route show table main",
            "tc qdisc show",
        ] {
            let text = run(command);
            lines.extend(
                text.lines()
                    .map(|line| format!("{command}: {}", steady(line))),
            );
        }
        for setting in [
            "ipv4/ip_forward",
            "ipv6/conf/all/forwarding",
            "ipv4/conf/up0/forwarding",
            "ipv4/conf/up0/rp_filter",
            "ipv6/conf/up0/accept_ra",
        ] {
            let text = fs::read_to_string(Path::new("/proc/sys/net").join(setting)).unwrap();
            lines.insert(format!("{setting} {text}"));
        }
        let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        let root = self.root.path().to_str().unwrap();
        let places = mounts.lines().filter_map(|line| line.split(' ').nth(4));
        let places = places.filter(|place| place.starts_with(root));
        lines.extend(places.map(|place| format!("mount {place}")));
        lines
    }
}

/// A line without what counts on.
fn steady(line: &str) -> String {
    let words = line.split_whitespace();
    let words = words.filter(|word| !word.starts_with("qlen"));
    words.collect::<Vec<_>>().join(" ")
}

impl Drop for Bare {
    fn drop(&mut self) {
        // Left mounted, the folder could not be removed; the namespace takes the rest along.
        let _unmounted = umount2(self.root.path(), MntFlags::MNT_DETACH);
    }
}

/// The files of a folder but for what is mounted into it for the test.
fn files(root: &Path, below: &Path, lines: &mut BTreeSet<String>) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let path = below.join(entry.unwrap().file_name());
        if ["proc", "sys", "dev", "release"]
            .iter()
            .any(|name| path == Path::new(name))
        {
            continue;
        }
        let whole = root.join(&path);
        let metadata = whole.symlink_metadata().unwrap();
        let mode = metadata.permissions().mode();
        let size = if metadata.is_file() {
            metadata.len()
        } else {
            0
        };
        lines.insert(format!("file {} {mode:o} {size}", path.display()));
        if metadata.is_dir() {
            files(root, &path, lines);
        }
    }
}

#[track_caller]
fn assert_same(now: &BTreeSet<String>, before: &BTreeSet<String>, what: &str) {
    let come: Vec<_> = now.difference(before).collect();
    let gone: Vec<_> = before.difference(now).collect();
    assert!(
        come.is_empty() && gone.is_empty(),
        "{what}: come {come:#?}, gone {gone:#?}"
    );
}

/// What every test here needs.
macro_rules! needs {
    () => {
        need!(
            Need::Root,
            Need::Templates,
            Need::Tool("ip"),
            Need::Tool("tc"),
            Need::Tool("chroot"),
            Need::Tool("strip")
        )
    };
}

#[test]
fn from_a_bare_node_to_a_pod_and_back() {
    needs!();
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
    needs!();
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
    needs!();
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
    needs!();
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
    needs!();
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
