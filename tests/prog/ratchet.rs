//! What the verifier walks through in each shape, held by a file: an endpoint's load time is mostly this, and
//! it grows unseen.
//!
//! The counts belong to a kernel and a compiler, which the file names. On others every shape must be accepted,
//! and the counts are not compared.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use ep_builder::builder::Builder;
use ep_builder::device::DeviceKind;
use ep_builder::pairwise::Shape;
use ep_builder::settings::Paths;
use ep_builder::timeline::Timeline;
use ep_builder::unit::Unit;
use ep_builder::whole_file;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use weir_tests::need;
use weir_tests::need::Need;
use weir_tests::node::repository;

#[path = "../kernels/shapes.rs"]
mod shapes;

const FILE: &str = "tests/prog/instructions.txt";
/// Makes the test write the file instead.
const UPDATE: &str = "WEIR_UPDATE";
/// By how many parts of a hundred a count may grow.
const GROWTH: u32 = 5;

/// Verified instructions by shape and program.
type Counts = BTreeMap<(String, String), u32>;

/// What is counted, and where.
#[derive(Debug, PartialEq, Eq)]
struct Measured {
    /// Kernel and compiler.
    place: String,
    counts: Counts,
}

impl Measured {
    fn parse(text: &str) -> Self {
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let place = lines.next().unwrap_or_default().to_owned();
        let row = |line: &str| {
            let mut columns = line.split(" | ");
            let mut column = || columns.next().unwrap().to_owned();
            ((column(), column()), column().parse().unwrap())
        };
        Self {
            place,
            counts: lines.map(row).collect(),
        }
    }

    fn to_text(&self) -> String {
        let mut text = format!(
            "# Shape, program, verified instructions. Written by `{UPDATE}=1 cargo test -p weir-tests --test prog ratchet`.\n{}\n",
            self.place
        );
        for ((shape, program), count) in &self.counts {
            writeln!(text, "{shape} | {program} | {count}").unwrap();
        }
        text
    }

    /// What is new, gone, or larger than it may be.
    fn findings(&self, known: &Self) -> Vec<String> {
        if self.place != known.place {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (row, count) in &self.counts {
            let (shape, program) = row;
            match known.counts.get(row) {
                None => found.push(format!("{shape}: {program} is not in {FILE}")),
                Some(was) if *count * 100 > *was * (100 + GROWTH) => found.push(format!(
                    "{shape}: {program} has {count} verified instructions, {was} before"
                )),
                Some(_) => {}
            }
        }
        let gone = known
            .counts
            .keys()
            .filter(|row| !self.counts.contains_key(row));
        found.extend(gone.map(|(shape, program)| format!("{shape}: {program} is gone")));
        found
    }
}

/// Compiles and loads every shape, in a namespace of each worker's own.
fn measure(state: PathBuf) -> Measured {
    let paths = Paths {
        state_dir: state,
        bpf_dir: repository("bpf-src"),
        bpf_templates_dir: repository("bpf-templates"),
        bundle_dir: "/nowhere".into(),
        ..Paths::default()
    };
    let wanted = shapes::every();
    let queue = Mutex::new(wanted.iter());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let counts = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers)
            .map(|_| scope.spawn(|| work(&queue, &paths)))
            .collect();
        let results = workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap());
        results.collect()
    });
    let builder = shapes::builder(&shapes::base(), &paths, None).unwrap();
    let clang = builder.clang().unwrap().version;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let kernel: Vec<_> = kernel.splitn(3, '.').take(2).collect();
    Measured {
        place: format!("Linux {}, {clang}", kernel.join(".")),
        counts,
    }
}

fn work<'a>(queue: &Mutex<impl Iterator<Item = &'a Shape>>, paths: &Paths) -> Counts {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(
        Some("bpf"),
        "/sys/fs/bpf",
        Some("bpf"),
        MsFlags::empty(),
        none,
    )
    .unwrap();
    let mut counts = Counts::new();
    let next = || queue.lock().unwrap().next();
    while let Some(shape) = next() {
        let name = shapes::name(shape);
        let builder = shapes::builder(shape, paths, None).unwrap();
        let template = builder
            .template(&shape.1, &mut Timeline::default())
            .unwrap();
        let endpoint = shapes::endpoint(1).unwrap();
        let programs = shapes::verify(&template.entry.template, &endpoint, &paths.bpffs_dir);
        let programs = programs.unwrap_or_else(|error| panic!("shape {name}: {error}"));
        let rows = programs
            .into_iter()
            .map(|p| ((name.clone(), p.name), p.verified_instructions));
        counts.extend(rows);
        counts.extend(of_node(&builder, shape, &name, &paths.bpffs_dir));
    }
    counts
}

/// The programs of the node's devices, each once; a shape that is the same for them has the same counts.
fn of_node(builder: &Builder, shape: &Shape, name: &str, bpffs_dir: &Path) -> Counts {
    let template = builder.template_of(Unit::Host, &shape.1, &mut Timeline::default());
    let template = template.unwrap().entry.template;
    let kinds = [DeviceKind::Native, DeviceKind::Host].into_iter();
    let programs = kinds.flat_map(|kind| {
        let programs = shapes::verify_device(&template, kind, bpffs_dir);
        programs.unwrap_or_else(|error| panic!("the node in shape {name}: {error}"))
    });
    let rows = programs.map(|p| {
        let program = format!("node/{}", p.name);
        ((name.to_owned(), program), p.verified_instructions)
    });
    rows.collect()
}

#[test]
fn the_verifier_s_work_does_not_grow_unseen() {
    need!(Need::Root, Need::Tool("clang"));
    let state = tempfile::tempdir().unwrap();
    let now = measure(state.path().to_owned());
    let file = repository(FILE);
    if env::var_os(UPDATE).is_some() {
        whole_file::write(&file, now.to_text().as_bytes()).unwrap();
        return;
    }
    let known = Measured::parse(&std::fs::read_to_string(file).unwrap());
    if now.place != known.place {
        eprintln!(
            "counts of {} are not compared with those of {}",
            now.place, known.place
        );
    }
    let found = now.findings(&known);
    assert!(
        found.is_empty(),
        "{}\nmore than {GROWTH} % needs a reason; if there is one, `{UPDATE}=1` writes {FILE} anew",
        found.join("\n")
    );
}

#[test]
fn growth_and_change_are_found() {
    let measured = |place: &str, rows: &[(&str, u32)]| Measured {
        place: place.to_owned(),
        counts: rows
            .iter()
            .map(|(program, count)| (("+A -B".to_owned(), (*program).to_owned()), *count))
            .collect(),
    };
    let known = measured("here", &[("a", 1000), ("b", 10)]);
    assert_eq!(Measured::parse(&known.to_text()), known);
    for (place, rows, expected) in [
        ("here", &[("a", 1050), ("b", 10)][..], &[][..]),
        (
            "here",
            &[("a", 1051), ("b", 1)],
            &["a has 1051 verified instructions, 1000 before"],
        ),
        ("here", &[("a", 1000)], &["b is gone"]),
        ("here", &[("a", 1), ("b", 1), ("c", 1)], &["c is not in"]),
        ("there", &[("a", 5000)], &[]),
    ] {
        let found = measured(place, rows).findings(&known);
        let matches =
            found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| f.contains(e));
        assert!(matches, "{rows:?}: {found:?}");
    }
}
