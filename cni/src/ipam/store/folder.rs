//! The folder of a network, in the format of `host-local`: one file per address that is given out, named like
//! the address, with the owner inside; and one that remembers the last address of each set.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ep_builder::whole_file::{self, FileError, TEMPORARY};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::libc::O_TMPFILE;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::linkat;

use super::steps::step;
use crate::names::Attachment;

/// A name and an interface; far more than any file of ours holds.
const LARGEST: u64 = 4096;

/// How old an empty file must be to be nobody's: `host-local` creates the file first and fills it then, so a
/// young one may be on its way. It holds the lock meanwhile, but it goes on when it could not take it.
const GRACE: Duration = Duration::from_mins(1);

/// Who an address belongs to, as its file says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Holder {
    /// The container.
    pub(crate) container: String,
    /// The interface. Very old files do not name it.
    pub(crate) ifname: Option<String>,
}

impl Holder {
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.trim().lines();
        let container = lines.next().map(str::trim).filter(|id| !id.is_empty())?;
        let ifname = lines.next().map(|name| name.trim().to_owned());
        Some(Self {
            container: container.to_owned(),
            ifname,
        })
    }

    /// The same container, without an interface.
    pub(super) fn without_interface(&self) -> Self {
        Self {
            container: self.container.clone(),
            ifname: None,
        }
    }
}

impl From<&Attachment> for Holder {
    fn from(owner: &Attachment) -> Self {
        Self {
            container: owner.container.to_string(),
            ifname: Some(owner.ifname.to_string()),
        }
    }
}

/// What the file of an address says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// There is no file: the address is free.
    Free,
    /// Somebody died before the owner stood in the file.
    Empty {
        /// Too old to be on its way.
        is_stale: bool,
    },
    /// The address is somebody's.
    Held(Holder),
    /// It is no plain file, so nobody made it who gives out addresses.
    Odd,
}

/// Tells whether somebody else was here.
///
/// Whoever makes or removes a name sets the folder's modification time to that of the kernel's last tick. We set
/// it to an instant between two ticks, so that even a change within the same tick is one of the stamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) seconds: i64,
    pub(super) nanoseconds: i64,
}

/// The folder of a network.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at this path, which need not exist.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes it where it is missing.
    pub(super) fn create(&self) -> Result<(), FileError> {
        step();
        whole_file::private_folder(&self.path)
    }

    /// The lock that `host-local` takes too.
    pub(super) fn lock(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// The state of the folder; none if there is no folder.
    pub(super) fn stamp(&self) -> Result<Option<Stamp>, FileError> {
        step();
        let metadata = match fs::symlink_metadata(&self.path) {
            Ok(metadata) if metadata.is_dir() => metadata,
            Ok(_) => {
                let error = io::Error::from(io::ErrorKind::NotADirectory);
                return Err(FileError::of("use folder", &self.path)(error));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FileError::of("look at", &self.path)(error)),
        };
        Ok(Some(Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
        }))
    }

    /// Gives the folder, as it is now, a stamp of its own.
    pub(super) fn mark(&self) -> Result<Stamp, FileError> {
        step();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = TimeSpec::from_duration(now.unwrap_or_default());
        let (omit, follow) = (TimeSpec::UTIME_OMIT, UtimensatFlags::FollowSymlink);
        utimensat(AT_FDCWD, &self.path, &omit, &now, follow)
            .map_err(io::Error::from)
            .map_err(FileError::of("set the time of", &self.path))?;
        // Read back: a file system may keep less than was given.
        Ok(self.stamp()?.unwrap_or_default())
    }

    /// Takes the address for `holder`; false if there is a file already.
    ///
    /// The file gets its name when it is complete, and until then it has none: whoever dies leaves nothing.
    /// It is not made durable: after a power failure there is no pod either that could have the address.
    pub(super) fn claim(&self, address: IpAddr, holder: &Holder) -> Result<bool, FileError> {
        let path = self.of(address);
        let claim = || -> io::Result<bool> {
            let mut file = self.nameless()?;
            step();
            file.write_all(contents(holder).as_bytes())?;
            step();
            // A descriptor can be linked by its own name only with a capability, by this one always.
            let source = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
            let follow = AtFlags::AT_SYMLINK_FOLLOW;
            match linkat(AT_FDCWD, &source, AT_FDCWD, &path, follow) {
                Ok(()) => Ok(true),
                Err(Errno::EEXIST) => Ok(false),
                Err(error) => Err(error.into()),
            }
        };
        claim().map_err(FileError::of("reserve", &path))
    }

    fn nameless(&self) -> io::Result<File> {
        step();
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600).custom_flags(O_TMPFILE);
        options.open(&self.path)
    }

    /// Who has the address.
    pub(super) fn record(&self, address: IpAddr) -> Result<Record, FileError> {
        let path = self.of(address);
        step();
        let (file, metadata) = match whole_file::open_plain(&path) {
            Ok(opened) => opened,
            Err(error) if error.is_not_found() => return Ok(Record::Free),
            Err(error) => {
                let there = fs::symlink_metadata(&path);
                let is_odd = there.is_ok_and(|metadata| !metadata.is_file());
                return if is_odd { Ok(Record::Odd) } else { Err(error) };
            }
        };
        let mut bytes = Vec::new();
        let read = file.take(LARGEST).read_to_end(&mut bytes);
        read.map_err(FileError::of("read", &path))?;
        let holder = Holder::parse(&String::from_utf8_lossy(&bytes));
        // A clock that was set back makes a file look young, which keeps it.
        let age = metadata.modified().ok();
        let age = age.and_then(|time| SystemTime::now().duration_since(time).ok());
        let is_stale = age.is_some_and(|age| age > GRACE);
        Ok(holder.map_or(Record::Empty { is_stale }, Record::Held))
    }

    /// Gives the address back. None there is success.
    pub(super) fn remove(&self, address: IpAddr) -> Result<(), FileError> {
        step();
        whole_file::remove(&self.of(address))
    }

    /// Every address with a file. Leftovers of writers that died are removed if `sweep` says so, which needs the lock.
    pub(super) fn addresses(&self, sweep: bool) -> Result<Vec<IpAddr>, FileError> {
        let mut addresses = Vec::new();
        for name in names(&self.path)? {
            if let Some(address) = canonical(&name) {
                addresses.push(address);
            } else if sweep && name.starts_with(TEMPORARY) {
                step();
                whole_file::remove(&self.path.join(name))?;
            }
        }
        Ok(addresses)
    }

    /// The address that the set of this index gave out last. One that cannot be read only costs the order.
    pub(super) fn last(&self, set: usize) -> Option<IpAddr> {
        step();
        let bytes = whole_file::read(&self.last_path(set), LARGEST).ok()?;
        let address: IpAddr = String::from_utf8_lossy(&bytes).trim().parse().ok()?;
        Some(address.to_canonical())
    }

    /// Remembers the address given out last.
    pub(super) fn set_last(&self, set: usize, address: IpAddr) -> Result<(), FileError> {
        let path = self.last_path(set);
        replace(&path, address.to_string().as_bytes())
    }

    fn last_path(&self, set: usize) -> PathBuf {
        self.path.join(format!("last_reserved_ip.{set}"))
    }

    fn of(&self, address: IpAddr) -> PathBuf {
        self.path.join(address.to_string())
    }
}

/// The file as `host-local` writes it.
fn contents(holder: &Holder) -> String {
    match &holder.ifname {
        Some(ifname) => format!("{}\r\n{ifname}", holder.container),
        None => holder.container.clone(),
    }
}

/// The address of a file's name. Another spelling of an address is a file of somebody else.
fn canonical(name: &str) -> Option<IpAddr> {
    let address: IpAddr = name.parse().ok()?;
    (address.to_string() == name).then_some(address)
}

/// The names in a folder; none if it is not there.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, FileError> {
    step();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(FileError::of("list", folder))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(FileError::of("list", folder))?;
        names.extend(entry.file_name().into_string());
    }
    Ok(names)
}

/// Replaces a file by a whole new one, under the lock, so that one temporary name is enough. It is not made
/// durable: what is written here can be derived again, or only orders what is given out next.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!("{TEMPORARY}{name}"));
    step();
    match whole_file::write_scratch(&temporary, bytes) {
        Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => {
            whole_file::remove(&temporary)?;
            whole_file::write_scratch(&temporary, bytes)?;
        }
        other => other?,
    }
    step();
    whole_file::rename(&temporary, path)
}
