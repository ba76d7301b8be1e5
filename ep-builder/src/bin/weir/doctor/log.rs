//! The log of calls, which weir-cni rather does without than write where it should not.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::libc::{O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK};
use nix::unistd::{AccessFlags, Uid, access, geteuid};

use super::finding::{Check, Finding};

const LOG: Check = Check {
    name: "log",
    why: "how calls of runtimes ended is told there, and nowhere that it cannot be written: `weir calls` and the metrics of calls read it",
};

/// What to do about a file that weir-cni does not write to.
const MAKE_ROOM: &str = "move it away: the next call of weir-cni makes a new one";

/// Nothing is said where no log is wanted.
pub(super) fn look(path: Option<&Path>) -> Option<Finding> {
    let path = path?;
    let shown = path.display();
    let finding = match why_not(path, geteuid()) {
        Ok(None) => LOG.ok(format!("{shown} can be written")),
        Ok(Some(reason)) => LOG.warn(
            format!("{shown} {reason}: weir-cni leaves it alone, and keeps no log"),
            MAKE_ROOM,
        ),
        Err(error) => LOG.warn(
            format!("{shown} cannot be written: {error}"),
            "make it so, or set log_file in [paths] to a place that can be written",
        ),
    };
    Some(finding)
}

/// What weir-cni asks of the file before it writes a line, in the same order; it is not written.
fn why_not(path: &Path, us: Uid) -> io::Result<Option<String>> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return can_be_made(path).map(|()| None);
        }
        other => other?,
    };
    if metadata.is_symlink() {
        return Ok(Some("is a symbolic link".to_owned()));
    }
    if !metadata.is_file() {
        return Ok(Some("is no plain file".to_owned()));
    }
    if metadata.uid() != us.as_raw() {
        return Ok(Some(format!("belongs to user {}", metadata.uid())));
    }
    if metadata.nlink() > 1 {
        return Ok(Some("has another name somewhere".to_owned()));
    }
    // As it is opened for a line: a file system without a right to write says so here.
    OpenOptions::new()
        .append(true)
        .custom_flags(O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)
        .open(path)
        .map(|_file| None)
}

/// Whether the folder that weir-cni would make it in, or the one that it would make folders in, can be written to.
fn can_be_made(path: &Path) -> io::Result<()> {
    let folders = path.ancestors().skip(1);
    let there = folders.into_iter().find(|folder| folder.exists());
    let folder = there.unwrap_or(Path::new("/"));
    if !folder.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(access(folder, AccessFlags::W_OK)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use ep_builder::whole_file;
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::super::finding::Health;
    use super::*;

    fn check(path: &Path, expected: Result<(), &str>) {
        let finding = look(Some(path)).unwrap();
        let (found, shown) = (&finding.found, path.display().to_string());
        assert!(found.starts_with(&shown), "{found}");
        match expected {
            Ok(()) => assert_eq!(finding.result, Health::Ok, "{found}"),
            Err(reason) => {
                assert_eq!(finding.result, Health::Warn, "{found}");
                assert!(found.contains(reason), "{found}");
                assert!(finding.fix.is_some());
            }
        }
    }

    #[test]
    fn what_weir_cni_would_not_write_to_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert_eq!(look(None), None);
        check(&at("none/yet/log"), Ok(()));
        assert!(!at("none").exists(), "a look makes nothing");
        whole_file::write(&at("log"), b"a line\n").unwrap();
        check(&at("log"), Ok(()));
        assert_eq!(fs::read(at("log")).unwrap(), b"a line\n");
        symlink(at("log"), at("link")).unwrap();
        check(&at("link"), Err("is a symbolic link"));
        fs::hard_link(at("log"), at("twin")).unwrap();
        check(&at("log"), Err("has another name"));
        mkfifo(&at("fifo"), Mode::S_IRWXU).unwrap();
        check(&at("fifo"), Err("is no plain file"));
        check(&at("log/below"), Err("cannot be written"));
        check(folder.path(), Err("is no plain file"));
        fs::remove_file(at("twin")).unwrap();
        check(&at("log"), Ok(()));
        let another = Uid::from_raw(geteuid().as_raw() + 1);
        let reason = why_not(&at("log"), another).unwrap();
        let owner = format!("belongs to user {}", geteuid());
        assert_eq!(reason, Some(owner));
    }
}
