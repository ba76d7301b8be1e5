//! Every step that can fail, made to fail: the right code, a message that says what to do, nothing left, and
//! all well again when the cause is gone.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::json;
use weir_tests::node::repository;
use weir_tests::plugin::Call;
use weir_tests::pods::MAPS;

use crate::stage::{Stage, needs};

const NONE: Option<&str> = None;

/// Something that goes wrong.
struct Fault {
    what: &'static str,
    set: fn(&Stage),
    lift: fn(&Stage),
    /// How the plugin is called meanwhile.
    call: fn(Call) -> Call,
    code: u64,
    /// What the message must contain: what failed, and what to do.
    says: &'static [&'static str],
}

impl Fault {
    const fn new(what: &'static str, code: u64, says: &'static [&'static str]) -> Self {
        Self {
            what,
            set: |_| {},
            lift: |_| {},
            call: |call| call,
            code,
            says,
        }
    }
}

fn check(stage: &Stage, fault: &Fault) {
    let mut watch = stage.watch();
    let what = fault.what;
    (fault.set)(stage);
    let answer = (fault.call)(stage.call("ADD")).run();
    watch.note_ids();
    (fault.lift)(stage);
    let (code, message) = answer.expect_failure();
    assert_eq!(code, fault.code, "{what}: {message}");
    for part in fault.says {
        assert!(
            message.contains(part),
            "{what}: {part:?} is not in {message:?}"
        );
    }
    assert!(
        !message.contains("not found"),
        "{what}: runtimes take this for success: {message}"
    );
    assert_eq!(watch.residue(), None, "{what}: the failed ADD left this");
    stage.add();
    watch.note_ids();
    // A DEL that meets the same may fail or not. The next one has nothing in its way.
    (fault.set)(stage);
    (fault.call)(stage.call("DEL")).run();
    (fault.lift)(stage);
    stage.del();
    assert_eq!(watch.residue(), None, "{what}: the DEL after it left this");
    watch.assert_nothing();
}

fn without(call: Call, capability: &str) -> Call {
    let set = format!("-{capability}");
    call.under(&["setpriv", "--bounding-set", &set, "--inh-caps", &set])
}

#[test]
fn rights_that_are_missing_are_named() {
    needs!("setpriv");
    let stage = Stage::alone();
    check(
        &stage,
        &Fault {
            call: |call| without(call, "net_admin"),
            ..Fault::new("netlink refuses", 100, &["CAP_NET_ADMIN"])
        },
    );
    check(
        &stage,
        &Fault {
            call: |call| without(without(call, "bpf"), "sys_admin"),
            ..Fault::new("bpf(2) refuses", 100, &["CAP_"])
        },
    );
}

const BPFFS: &str = "/sys/fs/bpf";

#[test]
fn a_bpffs_that_is_absent_or_read_only_is_named() {
    needs!();
    let stage = Stage::alone();
    check(
        &stage,
        &Fault {
            set: |_| mount(Some("tmpfs"), BPFFS, Some("tmpfs"), MsFlags::empty(), NONE).unwrap(),
            lift: |_| umount2(BPFFS, MntFlags::MNT_DETACH).unwrap(),
            ..Fault::new("no bpffs", 5, &["mount -t bpf bpf /sys/fs/bpf"])
        },
    );
    check(
        &stage,
        &Fault {
            set: |_| remount_bpffs(MsFlags::MS_RDONLY),
            lift: |_| remount_bpffs(MsFlags::empty()),
            ..Fault::new("bpffs read-only", 100, &["read-only", "/sys/fs/bpf"])
        },
    );
}

fn remount_bpffs(flags: MsFlags) {
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | flags;
    mount(NONE, BPFFS, NONE, flags, NONE).unwrap();
}

fn templates(stage: &Stage) -> PathBuf {
    stage.lab.node().state().join("templates")
}

fn hidden(path: &Path) -> PathBuf {
    path.with_extension("hidden")
}

#[test]
fn a_template_that_is_nowhere_and_no_clang_are_said() {
    needs!();
    let stage = Stage::alone();
    check(
        &stage,
        &Fault {
            set: |stage| {
                let bundle = stage.lab.node().bundle();
                fs::rename(&bundle, hidden(&bundle)).unwrap();
                fs::remove_dir_all(templates(stage)).unwrap();
            },
            lift: |stage| {
                let bundle = stage.lab.node().bundle();
                fs::rename(hidden(&bundle), &bundle).unwrap();
            },
            call: |call| call.env("PATH", "/nowhere"),
            ..Fault::new("no template and no clang", 100, &["clang", "install"])
        },
    );
}

/// A copy of the datapath's sources with a use of a register that nobody set.
fn broken_sources(stage: &Stage) -> PathBuf {
    let folder = stage.lab.node().config().with_file_name("broken-src");
    copy(&repository("bpf-src"), &folder);
    let file = folder.join("bpf_lxc.c");
    let text = fs::read_to_string(&file).unwrap();
    let at = text
        .find("SEC(\"tc\")")
        .or_else(|| text.find("SEC("))
        .unwrap();
    let body = at + text[at..].find("{\n").unwrap() + 2;
    let broken = format!(
        "{}\tasm volatile(\"r0 = r9\\n\");\n{}",
        &text[..body],
        &text[body..]
    );
    fs::write(&file, broken).unwrap();
    folder
}

fn copy(from: &Path, to: &Path) {
    DirBuilder::new().recursive(true).create(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_program_that_the_kernel_refuses_is_said_with_its_reason() {
    needs!();
    let stage = Stage::alone();
    check(
        &stage,
        &Fault {
            set: |stage| {
                let sources = broken_sources(stage);
                let config = stage.lab.node().config();
                let text = fs::read_to_string(&config).unwrap();
                let own = repository("bpf-src");
                let text = text.replace(own.to_str().unwrap(), sources.to_str().unwrap());
                fs::write(&config, text).unwrap();
            },
            lift: |stage| stage.lab.configure(MAPS),
            ..Fault::new("the verifier refuses", 100, &["R9 !read_ok"])
        },
    );
}

#[test]
fn a_full_disk_is_said_wherever_it_gets_full() {
    needs!();
    let stage = Stage::alone();
    let mut watch = stage.watch();
    let state = stage.lab.node().state();
    let mut failed = 0;
    // A template of the bundle is some 150 KiB, an object as much.
    for pages in (0..200).step_by(7) {
        mount(
            Some("tmpfs"),
            &state,
            Some("tmpfs"),
            MsFlags::empty(),
            Some("size=800k,mode=700"),
        )
        .unwrap();
        let _ = fs::write(state.join(".tmp-fill"), vec![0; (200 - pages) * 4096]);
        let answer = stage.try_add();
        watch.note_ids();
        if answer.finished.code != Some(0) {
            let (code, message) = answer.expect_failure();
            assert!(
                matches!(code, 5 | 100),
                "{pages} pages free: {code} {message}"
            );
            let says = message.contains("No space left on device") || message.contains("full");
            assert!(says, "{pages} pages free: {message}");
            failed += 1;
            fs::remove_file(state.join(".tmp-fill")).unwrap();
            assert_eq!(watch.residue(), None, "{pages} pages free");
        } else {
            fs::remove_file(state.join(".tmp-fill")).unwrap();
        }
        stage.del();
        assert_eq!(watch.residue(), None, "{pages} pages free, after DEL");
        umount2(&state, MntFlags::MNT_DETACH).unwrap();
    }
    assert!((5..29).contains(&failed), "{failed} of 29 failed");
    stage.add();
    stage.del();
    watch.assert_nothing();
}

/// An IPAM plugin that does what a script says. It keeps its address as a file, so that one that is left is seen.
fn delegate(stage: &Stage, script: &str) {
    let folder = plugins(stage);
    DirBuilder::new().recursive(true).create(&folder).unwrap();
    let file = folder.join("fake-ipam");
    let state = stage.lab.node().state();
    let text = format!(
        "#!/bin/sh\nkept={}/00.kept\ncat >/dev/null\n{script}\n",
        state.display()
    );
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

fn plugins(stage: &Stage) -> PathBuf {
    stage.lab.node().config().with_file_name("plugins")
}

/// What a good one does.
const GOOD: &str = r#"case $CNI_COMMAND in
ADD) : >$kept; echo '{"cniVersion":"1.0.0","ips":[{"address":"10.99.0.7/24","gateway":"10.99.0.1"}]}' ;;
DEL) rm -f $kept ;;
esac"#;

fn with_delegate() -> Stage {
    let mut stage = Stage::alone();
    let path = plugins(&stage);
    stage.change(|configuration| configuration["ipam"] = json!({ "type": "fake-ipam" }));
    stage.set_path(&path);
    delegate(&stage, GOOD);
    stage
}

/// One that does something else at ADD, having taken its address.
fn bad_add(stage: &Stage, script: &str) {
    let script = format!("[ $CNI_COMMAND = ADD ] && {{ : >$kept; {script}; exit; }}\n{GOOD}");
    delegate(stage, &script);
}

#[test]
fn a_delegate_that_fails_or_talks_nonsense_is_quoted() {
    needs!();
    let stage = with_delegate();
    let faults: [(&'static str, fn(&Stage), u64, &'static [&'static str]); 8] = [
        (
            "no such plugin",
            |stage| fs::remove_file(plugins(stage).join("fake-ipam")).unwrap(),
            7,
            &["fake-ipam", "install"],
        ),
        (
            "an error",
            |stage| bad_add(stage, "echo '{\"code\":11,\"msg\":\"none left\"}'; exit 1"),
            11,
            &["fake-ipam", "none left"],
        ),
        (
            "an error of its own",
            |stage| bad_add(stage, "echo '{\"code\":123,\"msg\":\"odd\"}'; exit 1"),
            123,
            &["odd"],
        ),
        (
            "a death",
            |stage| bad_add(stage, "echo why >&2; kill -9 $$"),
            6,
            &["signal 9", "why"],
        ),
        (
            "garbage",
            |stage| bad_add(stage, "echo garbage"),
            6,
            &["fake-ipam"],
        ),
        ("nothing", |stage| bad_add(stage, "true"), 6, &["fake-ipam"]),
        (
            "a flood",
            |stage| bad_add(stage, "cat /dev/zero"),
            6,
            &["fake-ipam"],
        ),
        (
            "no address",
            |stage| {
                bad_add(
                    stage,
                    "echo '{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"x\"}]}'",
                )
            },
            6,
            &["fake-ipam"],
        ),
    ];
    for (what, set, code, says) in faults {
        let lift = |stage: &Stage| delegate(stage, GOOD);
        check(
            &stage,
            &Fault {
                set,
                lift,
                ..Fault::new(what, code, says)
            },
        );
    }
}

#[test]
fn a_delegate_that_hangs_is_killed_and_said() {
    needs!();
    let stage = with_delegate();
    let hang = Fault {
        set: |stage| bad_add(stage, "sleep 600"),
        lift: |stage| delegate(stage, GOOD),
        ..Fault::new("a hang", 11, &["fake-ipam", "killed"])
    };
    check(&stage, &hang);
}
