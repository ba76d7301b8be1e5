//! What runs inside other kernels: their verifiers' opinion of the datapath, and traffic through it.
//!
//! `weir-kernels build FOLDER SHAPES` compiles the templates of `few` or `every` shape into a bundle in
//! FOLDER, in the repository, where a compiler is. `weir-kernels check FOLDER SHAPES WEIR` then needs none:
//! it loads each of them, and attaches two endpoints with the command WEIR. With `lockdown` behind that, the kernel
//! must be locked down. It ends with the line "N passed, N failed, N skipped". One process for all of it: in an emulated machine each start takes long.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod lockdown;
mod pods;
mod shapes;
mod smoke;

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;

use ep_builder::cache::Bundle;
use ep_builder::device::DeviceKind;
use ep_builder::error::chain;
use ep_builder::load::LoadedProgram;
use ep_builder::pairwise::Shape;
use ep_builder::settings::Paths;
use ep_builder::timeline::Timeline;
use ep_builder::unit::Unit;
use ep_builder::whole_file;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const USAGE: &str =
    "usage: weir-kernels build FOLDER few|every, or check FOLDER few|every WEIR [lockdown]";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["build", folder, shapes] => wanted(shapes).and_then(|shapes| build(folder, &shapes)),
        ["check", folder, shapes, weir, more @ ..] if matches!(more, [] | ["lockdown"]) => {
            let is_locked_down = !more.is_empty();
            wanted(shapes)
                .and_then(|shapes| check(folder, &shapes, Path::new(weir), is_locked_down))
        }
        _ => Err(USAGE.into()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("weir-kernels: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn wanted(shapes: &str) -> Outcome<Vec<Shape>> {
    match shapes {
        "few" => Ok(shapes::few()),
        "every" => Ok(shapes::every()),
        _ => Err(format!("`few` or `every` shape, not {shapes:?}").into()),
    }
}

/// What is in the folder: the bundle, the configuration for `weir`, and what a compile leaves behind.
struct Layout {
    bundle: PathBuf,
    configuration: PathBuf,
    paths: Paths,
}

impl Layout {
    fn new(folder: &str) -> Outcome<Self> {
        let (here, folder) = (env::current_dir()?, Path::new(folder));
        whole_file::private_folder(folder)?;
        let folder = folder.canonicalize()?;
        let bundle = folder.join("bundle");
        Ok(Self {
            configuration: folder.join("weir.toml"),
            paths: Paths {
                state_dir: folder.join("state"),
                bpf_dir: here.join("bpf-src"),
                bpf_templates_dir: here.join("bpf-templates"),
                bundle_dir: bundle.clone(),
                ..Paths::default()
            },
            bundle,
        })
    }
}

/// Compiles the templates, as many at a time as there are processors.
fn build(folder: &str, shapes: &[Shape]) -> Outcome<bool> {
    let layout = Layout::new(folder)?;
    let queue = Mutex::new(shapes.iter());
    let next = || queue.lock().ok().and_then(|mut queue| queue.next());
    let compile = || -> Outcome<()> {
        while let Some((node, endpoint)) = next() {
            let shape = (node.clone(), endpoint.clone());
            let builder = shapes::builder(&shape, &layout.paths, Some(&layout.bundle))?;
            for unit in [Unit::Lxc, Unit::Host] {
                builder.template_of(unit, endpoint, &mut Timeline::default())?;
            }
        }
        Ok(())
    };
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(compile)).collect();
        let results = workers.into_iter().map(|worker| match worker.join() {
            Ok(result) => result,
            Err(_) => Err("a worker panicked".into()),
        });
        results.collect::<Outcome<()>>()
    })?;
    let clang = shapes::builder(&shapes::base(), &layout.paths, None)?.clang()?;
    Bundle::write_index(&layout.bundle, &clang.version)?;
    let text = smoke::configuration(&shapes::base(), &layout.paths);
    whole_file::write(&layout.configuration, text.as_bytes())?;
    Ok(true)
}

/// Counts what succeeded and what did not, and says so line by line.
struct Report {
    kernel: String,
    passed: usize,
    failed: usize,
}

impl Report {
    fn note<E: AsRef<dyn Error + Send + Sync>>(&mut self, what: &str, result: Result<String, E>) {
        let kernel = &self.kernel;
        match result {
            Ok(text) => {
                self.passed += 1;
                println!("{kernel}: ok: {what}: {text}");
            }
            Err(error) => {
                self.failed += 1;
                println!("{kernel}: FAILED: {what}: {}", chain(error.as_ref()));
            }
        }
    }
}

fn check(folder: &str, shapes: &[Shape], weir: &Path, is_locked_down: bool) -> Outcome<bool> {
    let mut layout = Layout::new(folder)?;
    // The folder may be read-only, and what is compiled here by accident would be for this run alone.
    layout.paths.state_dir = Paths::default().state_dir;
    let mut report = Report {
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?
            .trim()
            .to_owned(),
        passed: 0,
        failed: 0,
    };
    if is_locked_down {
        lockdown::run(&mut report);
    }
    for shape in shapes {
        let said = verify(shape, &layout.paths).map(|programs| counts(&programs));
        report.note(&format!("shape {}", shapes::name(shape)), said);
        for kind in [DeviceKind::Native, DeviceKind::Host] {
            let said = verify_device(shape, kind, &layout.paths);
            let what = format!("{kind:?} device in shape {}", shapes::name(shape));
            report.note(&what, said.map(|programs| counts(&programs)));
        }
    }
    smoke::run(weir, &layout.configuration, &mut report);
    println!(
        "\n{} passed, {} failed, 0 skipped",
        report.passed, report.failed
    );
    Ok(report.failed == 0)
}

fn verify(shape: &Shape, paths: &Paths) -> Outcome<Vec<LoadedProgram>> {
    let builder = shapes::builder(shape, paths, None)?;
    let template = builder
        .template(&shape.1, &mut Timeline::default())?
        .entry
        .template;
    Ok(shapes::verify(
        &template,
        &shapes::endpoint(1)?,
        &paths.bpffs_dir,
    )?)
}

fn verify_device(shape: &Shape, kind: DeviceKind, paths: &Paths) -> Outcome<Vec<LoadedProgram>> {
    let builder = shapes::builder(shape, paths, None)?;
    let template = builder.template_of(Unit::Host, &shape.1, &mut Timeline::default())?;
    let template = template.entry.template;
    Ok(shapes::verify_device(&template, kind, &paths.bpffs_dir)?)
}

/// Verified instructions of each program, and of all of them.
fn counts(programs: &[LoadedProgram]) -> String {
    let each = programs
        .iter()
        .map(|p| format!("{} {}", p.name, p.verified_instructions));
    let sum: u32 = programs.iter().map(|p| p.verified_instructions).sum();
    format!(
        "{sum} verified instructions: {}",
        each.collect::<Vec<_>>().join(", ")
    )
}
