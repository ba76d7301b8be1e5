//! The repository as texts, and the two ways in which a rule is used.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use weir_tests::node::repository;

/// Folders that hold no work of ours.
const NOT_OURS: [&str; 2] = [".git", "target"];

/// A text of the repository.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// From the root of the repository.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.ends_with(&[".rs"])
    }

    pub(crate) fn is_c(&self) -> bool {
        self.ends_with(&[".c", ".h"])
    }

    fn ends_with(&self, endings: &[&str]) -> bool {
        endings.iter().any(|ending| self.path.ends_with(ending))
    }

    /// Whether it is compiled for tests alone.
    pub(crate) fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
    }

    /// The text without the module of unit tests at its end.
    pub(crate) fn shipped_text(&self) -> &str {
        let start = self.text.find("#[cfg(test)]\nmod tests {");
        &self.text[..start.unwrap_or(self.text.len())]
    }
}

/// Every text of the repository.
pub(crate) fn files() -> &'static [File] {
    static FILES: OnceLock<Vec<File>> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut files = Vec::new();
        collect(&repository(""), "", &mut files);
        assert!(
            files.len() > 30,
            "this is not the repository: {}",
            files.len()
        );
        files
    })
}

fn collect(folder: &Path, below: &str, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{below}{name}");
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && !NOT_OURS.contains(&name.as_str()) {
            collect(&entry.path(), &format!("{path}/"), files);
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).unwrap();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            files.push(File { path, text });
        }
    }
}

/// The text of one file, or nothing if it is not there: the rule about it then finds everything missing.
pub(crate) fn text(path: &str) -> &'static str {
    let file = files().iter().find(|file| file.path == path);
    file.map_or("", |file| file.text.as_str())
}

/// The number of the line that holds this byte.
pub(crate) fn line_of(text: &str, byte: usize) -> usize {
    text[..byte].matches('\n').count() + 1
}

/// Asserts that a rule has nothing against the repository.
#[track_caller]
pub(crate) fn accepts(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// Asserts that a rule finds in each text exactly what its row says, in order; parts of the findings do.
#[track_caller]
pub(crate) fn finds(rule: impl Fn(&File) -> Vec<String>, rows: &[(&str, &str, &[&str])]) {
    for (path, text, expected) in rows {
        let findings = rule(&File::new(path, text));
        let matches = findings.len() == expected.len()
            && findings.iter().zip(*expected).all(|(f, e)| f.contains(e));
        assert!(
            matches,
            "{path}: {text:?}\nexpected {expected:?}\nfound {findings:?}"
        );
    }
}

#[test]
fn a_file_knows_what_is_shipped_of_it() {
    let file = File::new("a.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n}\n");
    assert_eq!(file.shipped_text(), "fn a() {}\n");
    let file = File::new("a.rs", "#[cfg(test)]\nmod tests;\nfn a() {}\n");
    assert_eq!(file.shipped_text(), file.text);
    for (path, is_test) in [
        ("cni/src/tests.rs", true),
        ("ep-builder/tests/a.rs", true),
        ("cni/src/a.rs", false),
    ] {
        assert_eq!(File::new(path, "").is_test(), is_test, "{path}");
    }
}
