//! Every step that can fail, made to fail: the right code, a message that says what to do, nothing left, and
//! all well again when the cause is gone.

use std::fs::{self, DirBuilder, File};
use std::path::{Path, PathBuf};

use ep_builder::whole_file;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use weir_tests::node::repository;
use weir_tests::plugin::Call;
use weir_tests::pods::MAPS;

use crate::stage::{Stage, needs};

const NONE: Option<&str> = None;

/// Something that goes wrong.
pub(crate) struct Fault {
    pub(crate) what: &'static str,
    pub(crate) set: fn(&Stage),
    pub(crate) lift: fn(&Stage),
    /// How the plugin is called meanwhile.
    pub(crate) call: fn(Call) -> Call,
    pub(crate) code: u64,
    /// What the message must contain: what failed, and what to do.
    pub(crate) says: &'static [&'static str],
}

impl Fault {
    pub(crate) const fn new(what: &'static str, code: u64, says: &'static [&'static str]) -> Self {
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

pub(crate) fn check(stage: &Stage, fault: &Fault) {
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
            ..Fault::new(
                "bpffs read-only",
                100,
                &["Read-only", "remount,rw /sys/fs/bpf"],
            )
        },
    );
}

/// Makes the BPF file system read-only, or what it was.
pub(crate) fn remount_bpffs(flags: MsFlags) {
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
    needs!("clang");
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

/// A compiler takes its time, and what it says would hide the reason.
#[test]
fn what_needs_no_template_to_be_refused_is_refused_before_one_is_made() {
    needs!("clang");
    let stage = Stage::alone();
    let mut watch = stage.watch();
    let bundle = stage.lab.node().bundle();
    fs::rename(&bundle, hidden(&bundle)).unwrap();
    fs::remove_dir_all(templates(&stage)).unwrap();
    let mut labelled = stage.configuration().clone();
    labelled["args"]["cni"]["labels"]["weir.dev/ports"] = "http=80".into();
    let refused = |call: Call, word: &str| {
        let answer = call.env("PATH", "/nowhere").run();
        let (_, message) = answer.expect_failure();
        assert!(message.contains(word), "{message}");
        assert!(!message.contains("clang"), "{message}");
    };
    let bytes = labelled.to_string().into_bytes();
    refused(stage.call("ADD").stdin(&bytes), "weir.dev/ports");
    watch.note_ids();
    assert_eq!(watch.residue(), None, "labels");
    let nowhere = stage.call("ADD").env("CNI_NETNS", "/nowhere");
    refused(nowhere, "namespace");
    assert_eq!(watch.residue(), None, "namespace");
}

/// Points the node at a copy of the datapath's sources, in which the programs of pods are other ones.
fn with_sources(stage: &Stage, change: impl FnOnce(&str) -> String) {
    let folder = stage.lab.node().config().with_file_name("other-src");
    copy(&repository("bpf-src"), &folder);
    let file = folder.join("bpf_lxc.c");
    let text = change(&fs::read_to_string(&file).unwrap());
    whole_file::write(&file, text.as_bytes()).unwrap();
    let config = stage.lab.node().config();
    let text = fs::read_to_string(&config).unwrap();
    let own = repository("bpf-src");
    let text = text.replace(own.to_str().unwrap(), folder.to_str().unwrap());
    whole_file::write(&config, text.as_bytes()).unwrap();
}

/// Uses a register that nobody set.
fn broken(text: &str) -> String {
    let at = text
        .find("SEC(\"tc\")")
        .or_else(|| text.find("SEC("))
        .unwrap();
    let body = at + text[at..].find("{\n").unwrap() + 2;
    format!(
        "{}\tasm volatile(\"r0 = r9\\n\");\n{}",
        &text[..body],
        &text[body..]
    )
}

/// Has a program that nothing of this weir would call.
fn of_tomorrow(text: &str) -> String {
    let more = "\nSEC(\"tail/of-tomorrow\")\nint of_tomorrow(struct __sk_buff *ctx)\n{\n\treturn ctx->len ? TC_ACT_SHOT : TC_ACT_OK;\n}\n";
    format!("{text}{more}")
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
    needs!("clang");
    let stage = Stage::alone();
    check(
        &stage,
        &Fault {
            set: |stage| with_sources(stage, broken),
            lift: |stage| stage.lab.configure(MAPS),
            ..Fault::new("the verifier refuses", 100, &["R9 !read_ok"])
        },
    );
}

/// Left out, it would be missed by a packet only.
#[test]
fn sources_of_a_newer_weir_are_refused() {
    needs!("clang");
    let stage = Stage::alone();
    check(
        &stage,
        &Fault {
            set: |stage| with_sources(stage, of_tomorrow),
            lift: |stage| stage.lab.configure(MAPS),
            ..Fault::new("a newer weir", 100, &["tail/of-tomorrow", "bpf_dir"])
        },
    );
}

/// Mounts an empty disk of 200 pages at the state folder, with so many of them free.
fn nearly_full(folder: &Path, free: i64) -> PathBuf {
    let options = Some("size=800k,mode=700");
    mount(
        Some("tmpfs"),
        folder,
        Some("tmpfs"),
        MsFlags::empty(),
        options,
    )
    .unwrap();
    let filler = folder.join(".tmp-filler");
    let file = File::create(&filler).unwrap();
    fallocate(file, FallocateFlags::empty(), 0, (200 - free) * 4096).unwrap();
    filler
}

#[test]
fn a_full_disk_is_said_wherever_it_gets_full() {
    needs!();
    let stage = Stage::alone();
    let mut watch = stage.watch();
    let folder = stage.lab.node().state();
    let mut failed = 0;
    // An object of an endpoint, and the template that it is made of, take most of them.
    let steps = (0..200).step_by(7);
    for free in steps.clone() {
        let filler = nearly_full(&folder, free);
        let answer = stage.try_add();
        watch.note_ids();
        fs::remove_file(filler).unwrap();
        if answer.finished.code != Some(0) {
            let (code, message) = answer.expect_failure();
            let says = message.contains("No space left on device") || message.contains("full");
            assert!(
                says && matches!(code, 5 | 100),
                "{free} pages free: {code} {message}"
            );
            assert_eq!(watch.residue(), None, "{free} pages free: {code} {message}");
            failed += 1;
        }
        stage.del();
        assert_eq!(watch.residue(), None, "{free} pages free, after DEL");
        umount2(&folder, MntFlags::MNT_DETACH).unwrap();
    }
    assert!((5..steps.count()).contains(&failed), "{failed} have failed");
    stage.add();
    stage.del();
    watch.assert_nothing();
}
