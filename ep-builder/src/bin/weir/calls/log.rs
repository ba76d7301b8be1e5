//! The log of weir-cni, read as it grows.
//!
//! A full log is renamed and a new one begun, so what is open is read to its end before the new one is opened.
//! Where it was renamed twice between two looks, the one in the middle is read, too; of more than that, what
//! was in between is gone, and so are its calls.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc::{O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK};

/// Longer than any line that weir-cni writes.
const LONGEST_LINE: usize = 1 << 20;
const AT_ONCE: usize = 64 << 10;

/// A place in a log.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    open: Option<Open>,
    is_new: bool,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Device and inode: the file, whatever its name is now.
    place: (u64, u64),
    /// Bytes that were read.
    read: u64,
    /// The beginning of a line whose end is not there yet.
    rest: Vec<u8>,
}

impl Log {
    /// The log at this path, from its oldest line on.
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            open: None,
            is_new: true,
        }
    }

    /// Hands over every line that is new since the last time. Without a file there is none.
    pub(crate) fn read(&mut self, mut line: impl FnMut(&[u8])) -> io::Result<()> {
        if let Some(open) = &mut self.open {
            open.read(&mut line)?;
        }
        let known = self.open.as_ref().map(|open| open.place);
        let now = match place(&self.path) {
            Ok(now) => now,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if known == Some(now) {
            return Ok(());
        }
        // Somebody may have had it open when it was renamed.
        if let Some(open) = &mut self.open {
            open.read(&mut line)?;
        }
        let aside = aside(&self.path);
        let is_between = place(&aside).is_ok_and(|place| Some(place) != known);
        let is_wanted = is_between && (self.is_new || known.is_some());
        // Nothing is read before both are open: what fails then is tried again as a whole, and no line counts twice.
        let before = is_wanted.then(|| Open::at(&aside)).transpose()?;
        let open = self.open.insert(Open::at(&self.path)?);
        self.is_new = false;
        if let Some(mut before) = before {
            before.read(&mut line)?;
        }
        open.read(&mut line)
    }
}

impl Open {
    /// A FIFO or a link is no log.
    fn at(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true);
        let options = options.custom_flags(O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        let file = options.open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(ErrorKind::Unsupported.into());
        }
        Ok(Self {
            file,
            place: (metadata.dev(), metadata.ino()),
            read: 0,
            rest: Vec::new(),
        })
    }

    fn read(&mut self, line: &mut impl FnMut(&[u8])) -> io::Result<()> {
        if self.file.metadata()?.len() < self.read {
            self.begin_again()?;
        }
        let mut buffer = vec![0; AT_ONCE];
        loop {
            let length = match self.file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.read += length as u64;
            self.take(buffer.get(..length).unwrap_or_default(), line);
        }
    }

    /// Somebody has emptied it.
    fn begin_again(&mut self) -> io::Result<()> {
        io::Seek::rewind(&mut self.file)?;
        self.read = 0;
        self.rest.clear();
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], line: &mut impl FnMut(&[u8])) {
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        let last = pieces.next_back().unwrap_or_default();
        for piece in pieces {
            if self.rest.is_empty() {
                line(piece);
            } else {
                self.rest.extend_from_slice(piece);
                line(&self.rest);
                self.rest.clear();
            }
        }
        if self.rest.len() + last.len() <= LONGEST_LINE {
            self.rest.extend_from_slice(last);
        }
    }
}

fn place(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = path.symlink_metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

/// The name under which weir-cni puts a full log.
fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn append(path: &Path, text: &str) {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn new(log: &mut Log) -> Vec<String> {
        let mut lines = Vec::new();
        let text = |line: &[u8]| String::from_utf8(line.to_vec()).unwrap();
        log.read(|line| lines.push(text(line))).unwrap();
        lines
    }

    #[test]
    fn every_line_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Log::new(&path);
        assert!(new(&mut log).is_empty());
        append(&path, "a\nb\nhal");
        assert_eq!(new(&mut log), ["a", "b"]);
        assert!(new(&mut log).is_empty());
        append(&path, "f\nc\n");
        assert_eq!(new(&mut log), ["half", "c"]);
    }

    #[test]
    fn a_renamed_log_is_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&aside(&path), "before\n");
        append(&path, "a\n");
        let mut log = Log::new(&path);
        assert_eq!(new(&mut log), ["before", "a"]);
        append(&path, "b\n");
        fs::rename(&path, aside(&path)).unwrap();
        append(&path, "c\n");
        assert_eq!(new(&mut log), ["b", "c"]);
        append(&path, "d\n");
        fs::rename(&path, aside(&path)).unwrap();
        append(&path, "e\n");
        fs::rename(&path, aside(&path)).unwrap();
        append(&path, "f\n");
        assert_eq!(new(&mut log), ["d", "e", "f"]);
        assert!(new(&mut log).is_empty());
    }

    #[test]
    fn the_log_before_is_read_once_though_the_present_one_cannot_be_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&aside(&path), "before\n");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut log = Log::new(&path);
        let mut lines = 0;
        assert!(log.read(|_| lines += 1).is_err());
        assert_eq!(lines, 0);
        fs::remove_file(&path).unwrap();
        append(&path, "a\n");
        assert_eq!(new(&mut log), ["before", "a"]);
    }

    #[test]
    fn an_emptied_log_begins_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        append(&path, "one line\n");
        let mut log = Log::new(&path);
        assert_eq!(new(&mut log), ["one line"]);
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(0).unwrap();
        append(&path, "x\n");
        assert_eq!(new(&mut log), ["x"]);
    }

    #[test]
    fn what_is_no_log_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(Log::new(&path).read(|_| ()).is_err());
        append(
            &folder.path().join("other"),
            &"x".repeat(LONGEST_LINE + AT_ONCE),
        );
        append(&folder.path().join("other"), "\nshort\n");
        let mut log = Log::new(&folder.path().join("other"));
        assert_eq!(new(&mut log).last().unwrap(), "short");
    }
}
