//! The log: one line of JSON for each call, with the time of each phase.
//!
//! The log must never cost a pod anything: it is opened without blocking, written by one system call, so
//! that lines of processes side by side stay whole, and whatever fails about it is forgotten.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ep_builder::events::clock::rfc3339;
use ep_builder::timeline::Timeline;
use nix::libc::{O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

/// A file of this size is put aside; with the one before it, twice this is all the log ever takes.
const KEEP: u64 = 8 << 20;

/// Longer texts, a compiler's or a delegate's, are cut: one line is one write.
const LONGEST_TEXT: usize = 16 << 10;

/// What is told of one call.
#[derive(Debug, Default)]
pub(crate) struct CallLog {
    /// The phases so far.
    pub(crate) timeline: Timeline,
    fields: Map<String, Value>,
    notices: Vec<String>,
    path: Option<PathBuf>,
}

impl CallLog {
    /// Adds a fact of the call.
    pub(crate) fn field(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// Adds what an operator should know although the call goes on.
    pub(crate) fn notice(&mut self, text: impl Into<String>) {
        self.notices.push(text.into());
    }

    /// Sets the file that the line goes to. Without one there is no log.
    pub(crate) fn send_to(&mut self, path: Option<PathBuf>) {
        self.path = path;
    }

    /// Writes the line to the end of the file.
    pub(crate) fn write(mut self) {
        if let Some(path) = self.path.take() {
            // Nobody can be told: stdout is the answer's, and what a call that succeeds says on stderr is
            // read by no one.
            append(&path, &self.line(SystemTime::now())).unwrap_or_default();
        }
    }

    fn line(mut self, now: SystemTime) -> String {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let total = milliseconds(self.timeline.total());
        self.fields.insert("time".to_owned(), json!(rfc3339(since)));
        self.fields
            .insert("pid".to_owned(), json!(std::process::id()));
        self.fields.insert("totalMs".to_owned(), total);
        if !self.notices.is_empty() {
            self.fields
                .insert("notices".to_owned(), json!(self.notices));
        }
        let line = Line {
            fields: shortened(Value::Object(self.fields)),
            phases: Phases(self.timeline.stages()),
            beside: Phases(self.timeline.beside()),
        };
        // Texts and numbers: there is nothing in it that JSON has no words for.
        serde_json::to_string(&line).unwrap_or_default() + "\n"
    }
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    fields: Value,
    #[serde(rename = "phasesMs")]
    phases: Phases<'a>,
    /// What ran on other threads in the meantime, and counts for nothing.
    #[serde(rename = "besideMs", skip_serializing_if = "Phases::is_empty")]
    beside: Phases<'a>,
}

/// In the order in which they ran, which the members of a [`Value`] have not; what ran twice is one.
struct Phases<'a>(&'a [(&'static str, Duration)]);

impl Phases<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Phases<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in self.0 {
            if !names.contains(name) {
                names.push(name);
            }
        }
        serializer.collect_map(names.into_iter().map(|name| {
            let of_it = self.0.iter().filter(|(phase, _)| *phase == name);
            (name, milliseconds(of_it.map(|(_, time)| *time).sum()))
        }))
    }
}

/// To the microsecond.
fn milliseconds(time: Duration) -> Value {
    json!((time.as_secs_f64() * 1e6).round() / 1e3)
}

fn shortened(value: Value) -> Value {
    match value {
        Value::String(text) if text.len() > LONGEST_TEXT => {
            Value::String(text[..text.floor_char_boundary(LONGEST_TEXT)].to_owned() + " [cut]")
        }
        Value::Array(items) => items.into_iter().map(shortened).collect(),
        Value::Object(fields) => fields.into_iter().map(|(k, v)| (k, shortened(v))).collect(),
        other => other,
    }
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = open(path)?;
    if file.metadata()?.len() >= KEEP {
        put_aside(path, &file)?;
        file = open(path)?;
    }
    file.write_all(line.as_bytes())
}

fn open(path: &Path) -> io::Result<File> {
    let attempt = || {
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)
            .open(path)
    };
    let file = match (attempt(), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(folder)?;
            attempt()?
        }
        (opened, _) => opened?,
    };
    let metadata = file.metadata()?;
    // A FIFO or a device may block, or do anything at all. A file with another name may be somebody's who was
    // not asked, and one of another owner is theirs to read.
    let is_ours = metadata.uid() == nix::unistd::geteuid().as_raw() && metadata.nlink() == 1;
    if !metadata.is_file() || !is_ours {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(file)
}

/// Renames a full log. Of several processes that find it full, the one with the lock does it.
fn put_aside(path: &Path, full: &File) -> io::Result<()> {
    if full.try_lock().is_err() {
        return Ok(());
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(".1");
    // Whoever had the lock before may have renamed it already.
    if fs::metadata(path)?.len() >= KEEP {
        fs::rename(path, PathBuf::from(aside))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(text: &str, path: &Path) -> CallLog {
        let mut log = CallLog::default();
        log.send_to(Some(path.to_owned()));
        log.field("command", "ADD");
        log.field("text", text);
        for phase in ["first", "again", "after", "again"] {
            log.timeline.mark(phase);
        }
        log
    }

    fn lines(path: &Path) -> Vec<Value> {
        let text = fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn a_call_is_one_line_with_its_phases() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/log");
        let mut log = call("two\nlines", &path);
        log.notice("mind the gap");
        log.write();
        call("x", &path).write();
        let lines = lines(&path);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["text"], "two\nlines");
        assert_eq!(lines[0]["notices"], json!(["mind the gap"]));
        assert!(lines[0]["phasesMs"]["first"].is_number() && lines[0]["totalMs"].is_number());
        let text = fs::read_to_string(&path).unwrap();
        let at = |phase| text.match_indices(phase).map(|(at, _)| at).next();
        assert!(at("\"first\"") < at("\"again\"") && at("\"again\"") < at("\"after\""));
        assert_eq!(text.lines().next().unwrap().matches("\"again\"").count(), 1);
        assert!(lines[0]["time"].as_str().unwrap().ends_with('Z'));
        assert!(lines[1].get("notices").is_none());
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let line = call(&"é".repeat(LONGEST_TEXT), Path::new("")).line(UNIX_EPOCH);
        assert!(line.len() < 2 * LONGEST_TEXT, "{}", line.len());
        assert!(line.contains("é [cut]"));
    }

    #[test]
    fn a_full_log_is_put_aside_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let full = File::create(&path).unwrap();
        full.set_len(KEEP).unwrap();
        for _ in 0..3 {
            call("after", &path).write();
        }
        assert_eq!(lines(&path).len(), 3);
        assert_eq!(
            fs::metadata(folder.path().join("log.1")).unwrap().len(),
            KEEP
        );
    }

    /// None of these may block, panic, or be written through.
    #[test]
    fn what_is_no_plain_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        call("fifo", &path).write();
        fs::remove_file(&path).unwrap();
        let victim = folder.path().join("victim");
        ep_builder::whole_file::write(&victim, b"as it was").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        call("symlink", &path).write();
        fs::remove_file(&path).unwrap();
        fs::hard_link(&victim, &path).unwrap();
        call("hard link", &path).write();
        call("no folder", Path::new("/proc/none/log")).write();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "as it was");
    }
}
