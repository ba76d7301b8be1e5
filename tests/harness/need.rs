//! What a test needs of the machine.
//!
//! A missing need fails the test where the variable `CI` is set. Elsewhere the test is skipped, and that is
//! seen: one line `test: reason` goes to stderr and to the file that `WEIR_SKIP_LOG` names. The file is
//! there because the test library counts a test that returned early as passed and hides what it printed.

use std::env;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::bundle;
use crate::group::MemoryGroup;

/// Returns from the test, as skipped, unless every need is met:
/// `need!(Need::Root, Need::Templates);`
#[macro_export]
macro_rules! need {
    ($($need:expr),+ $(,)?) => {
        if !$crate::need::met($crate::here!(), &[$($need),+]) {
            return;
        }
    };
}

/// The path of the function that stands around it.
#[doc(hidden)]
#[macro_export]
macro_rules! here {
    () => {{
        fn here() {}
        let name = ::std::any::type_name_of_val(&here);
        name.strip_suffix("::here").unwrap_or(name)
    }};
}

/// One need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The privileges of the superuser.
    Root,
    /// A program on `PATH`.
    Tool(&'static str),
    /// Templates of the datapath: a compiler, or those that were compiled before.
    Templates,
    /// A device file that can be opened.
    Device(&'static str),
    /// A control group that bounds memory.
    MemoryGroup,
    /// Linux of at least this version.
    Linux(u32, u32),
}

impl Need {
    fn missing(self) -> Option<String> {
        match self {
            Self::Root => (!is_root()).then(|| "root privileges".to_owned()),
            Self::Tool(name) => match find_tool(name) {
                Some(_) => None,
                None => Some(format!("{name} on PATH")),
            },
            Self::Templates if bundle::given().is_some() => None,
            Self::Templates => Self::Tool("clang").missing(),
            Self::Device(path) => {
                let opened = OpenOptions::new().read(true).write(true).open(path);
                opened.err().map(|error| format!("{path} ({error})"))
            }
            Self::Linux(major, minor) => {
                let is_older = kernel().is_none_or(|running| running < (major, minor));
                is_older.then(|| format!("Linux {major}.{minor}"))
            }
            Self::MemoryGroup => {
                let made = MemoryGroup::new().err();
                made.map(|error| format!("a control group that bounds memory ({error})"))
            }
        }
    }
}

/// Whether `test` can run here. If not, it is reported as skipped, or fails under `CI`.
pub fn met(test: &str, needs: &[Need]) -> bool {
    let missing: Vec<_> = needs.iter().filter_map(|need| need.missing()).collect();
    let ci = env::var_os("CI");
    match verdict(test, &missing, ci.as_deref()) {
        Verdict::Run => true,
        Verdict::Skip(line) => {
            let log = env::var_os("WEIR_SKIP_LOG").map(PathBuf::from);
            report(&line, &mut io::stderr(), log.as_deref())
                .expect("a skip that is not reported would pass for a success");
            false
        }
        Verdict::Fail(reason) => panic!("{reason}"),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Run,
    Skip(String),
    Fail(String),
}

/// `CI` set to nothing, `0` or `false` is no CI: people switch it off that way.
fn verdict(test: &str, missing: &[String], ci: Option<&OsStr>) -> Verdict {
    if missing.is_empty() {
        return Verdict::Run;
    }
    let reason = format!("needs {}", missing.join(" and "));
    let strict = ci.is_some_and(|value| !value.is_empty() && value != "0" && value != "false");
    if strict {
        Verdict::Fail(format!(
            "{test} {reason}; CI is set, so it may not be skipped"
        ))
    } else {
        Verdict::Skip(format!("{test}: {reason}\n"))
    }
}

/// One write each: tests skip at the same time, and lines that mix are not counted.
fn report(line: &str, seen: &mut dyn Write, log: Option<&Path>) -> io::Result<()> {
    seen.write_all(format!("skipped {line}").as_bytes())?;
    match log {
        Some(path) => OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)?
            .write_all(line.as_bytes()),
        None => Ok(()),
    }
}

/// The version of the running kernel.
fn kernel() -> Option<(u32, u32)> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn find_tool(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    let metadata = std::fs::metadata(file);
    metadata.is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_need_skips_and_under_ci_fails() {
        let missing = ["root privileges".to_owned(), "clang on PATH".to_owned()];
        let skip = Verdict::Skip("a::b: needs root privileges and clang on PATH\n".into());
        for off in [None, Some(""), Some("0"), Some("false")] {
            assert_eq!(
                verdict("a::b", &missing, off.map(OsStr::new)),
                skip,
                "CI={off:?}"
            );
        }
        for on in ["1", "true", "yes"] {
            let verdict = verdict("a::b", &missing, Some(OsStr::new(on)));
            assert!(matches!(verdict, Verdict::Fail(_)), "CI={on}");
        }
        assert_eq!(verdict("a::b", &[], Some(OsStr::new("1"))), Verdict::Run);
    }

    #[test]
    fn a_tool_is_a_program_on_the_path() {
        need!(Need::Tool("sh"));
        assert_eq!(Need::Tool("sh").missing(), None);
        let missing = Need::Tool("weir-no-such-tool").missing();
        assert_eq!(missing.as_deref(), Some("weir-no-such-tool on PATH"));
        // A folder of that name is none, and neither is a file without the right to run it.
        assert!(!is_program(Path::new("/proc")) && !is_program(Path::new("/proc/version")));
    }

    #[test]
    fn a_device_is_a_file_that_can_be_opened() {
        assert_eq!(Need::Device("/dev/null").missing(), None);
        let missing = Need::Device("/dev/weir-no-such-device").missing();
        assert!(missing.is_some_and(|it| it.starts_with("/dev/weir-no-such-device (")));
    }

    #[test]
    fn every_skip_is_one_line_of_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("skips");
        let mut seen = Vec::new();
        for line in ["a: needs x\n", "b: needs y\n"] {
            report(line, &mut seen, Some(&log)).unwrap();
        }
        let text = std::fs::read_to_string(&log).unwrap();
        assert_eq!(text, "a: needs x\nb: needs y\n");
        assert_eq!(seen, b"skipped a: needs x\nskipped b: needs y\n");
        assert!(
            report("c: needs z\n", &mut seen, Some(folder.path())).is_err(),
            "a folder is no log"
        );
    }

    #[test]
    fn a_test_knows_its_name() {
        assert!(
            here!().ends_with("need::tests::a_test_knows_its_name"),
            "{}",
            here!()
        );
    }
}
