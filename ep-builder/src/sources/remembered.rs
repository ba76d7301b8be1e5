//! The digest of an endpoint's sources, kept between two calls with the facts of the files that it was made of.
//!
//! An ADD that finds these facts again need not read 150 kB. It is not fooled by a change, however quick: every write,
//! rename and change of rights sets a file's time of change (ctime), which nobody can set, from the clock of the system.
//! So the digest is only kept when all these times are well in the past; whatever changes afterwards has a later one.
//! The record says in addition on which mount, of which start of the machine, all of it lies: another file system at the
//! same place may hold files of the same numbers and times. Where that cannot be told (Linux before 6.8), where another
//! machine may write (a network file system), or where anything else is odd, the sources are read.
//!
//! What is not seen is a store through a shared mapping of the file, behind the first one: it sets no time before the
//! page was written to the disk, and on a tmpfs none at all. No editor, package or copy writes so.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::statfs::{self, FsType, fstatfs};
use rustix::fs::{AtFlags, Statx, StatxFlags, statx};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::UnitSources;
use crate::digest::hex;
use crate::header::Texts;
use crate::header::envelope::VERSION;
use crate::sealed::{read_own, seal, unseal};
use crate::this_start::this_start;
use crate::whole_file;

/// Raised when the same record comes to mean something else.
const FORMAT: u64 = 1;
/// Far more than the names of the sources can be.
const LIMIT: u64 = 64 << 10;
/// How long a file must have been left alone: more than the coarsest time of change (a second, of ext4 with small inodes).
const SETTLED: Duration = Duration::from_secs(3);
/// A number of a mount that is never given again (`STATX_MNT_ID_UNIQUE`, Linux 6.8).
const UNIQUE_MOUNT: StatxFlags = StatxFlags::from_bits_retain(0x4000);
/// What goes into the digest of facts. Not all of the basic ones: a file system without times of access has none.
const ASKED: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::MODE)
    .union(StatxFlags::UID)
    .union(StatxFlags::INO)
    .union(StatxFlags::SIZE)
    .union(StatxFlags::MTIME)
    .union(StatxFlags::CTIME)
    .union(UNIQUE_MOUNT);
/// File systems that only this machine writes to, and that keep a time of change for each file. An overlay is none: what
/// lies below it may be another machine's.
const LOCAL: [FsType; 7] = [
    statfs::EXT4_SUPER_MAGIC,
    statfs::XFS_SUPER_MAGIC,
    statfs::BTRFS_SUPER_MAGIC,
    statfs::TMPFS_MAGIC,
    statfs::F2FS_SUPER_MAGIC,
    // squashfs and erofs, which nobody writes to while they are mounted.
    FsType(0x7371_7368),
    FsType(0xe0f5_e1e2),
];

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    format: u64,
    /// The version of weir that read the sources.
    version: String,
    /// The start of the machine.
    start: String,
    /// The digest of the templates of the headers, which include sources, too.
    headers: String,
    /// Relative to the root: its folders, and the files of the unit.
    paths: Vec<PathBuf>,
    /// The digest of the facts of all of these.
    facts: String,
    /// The digest of the sources.
    digest: [u8; 32],
}

/// The digest of the sources below `root`, if they are those of which it is kept in `memory`.
pub(super) fn recall(memory: &Path, root: &Path, headers: &Texts) -> Option<[u8; 32]> {
    let record = read_own(memory, LIMIT)?;
    let record: Record = serde_json::from_slice(unseal(&record)?).ok()?;
    let facts = Facts::of(root, &record.paths).ok()?;
    let is_same = record.format == FORMAT
        && record.version == VERSION
        && record.headers == digest_of(headers)
        && record.facts == facts.digest
        && record.start == this_start().ok()?;
    is_same.then_some(record.digest)
}

/// Keeps the digest of sources whose reading began at that time. Not remembering costs time only.
pub(super) fn remember(
    memory: &Path,
    root: &Path,
    headers: &Texts,
    sources: &UnitSources,
    began: SystemTime,
) {
    let record = Record::new(root, headers, sources, began);
    if let Some(line) = record.and_then(|record| serde_json::to_vec(&record).ok()) {
        whole_file::write(memory, &seal(line)).unwrap_or_default();
    }
}

impl Record {
    /// None where a later change might not be seen.
    fn new(root: &Path, headers: &Texts, sources: &UnitSources, began: SystemTime) -> Option<Self> {
        let files = sources.files.iter().map(|file| &file.path);
        let paths: Vec<_> = sources.folders.iter().chain(files).cloned().collect();
        // Looked at behind the reading: what changed meanwhile is not settled.
        let facts = Facts::of(root, &paths).ok()?;
        let is_settled = facts.changed + SETTLED < began.duration_since(UNIX_EPOCH).ok()?;
        let folder = File::open(root).ok()?;
        let is_local = LOCAL.contains(&fstatfs(&folder).ok()?.filesystem_type());
        (is_settled && is_local && facts.mounts == 1).then_some(Self {
            format: FORMAT,
            version: VERSION.to_owned(),
            start: this_start().ok()?,
            headers: digest_of(headers),
            paths,
            facts: facts.digest,
            digest: sources.digest,
        })
    }
}

/// What the file system tells of some files.
#[derive(Debug)]
struct Facts {
    digest: String,
    /// The last change of any of them, since 1970.
    changed: Duration,
    /// On how many mounts they lie.
    mounts: usize,
}

impl Facts {
    /// Looks at each; none of them may be missing.
    fn of(root: &Path, paths: &[PathBuf]) -> io::Result<Self> {
        let folder = File::open(root)?;
        let (mut hash, mut changed, mut mounts) = (Sha256::new(), Duration::ZERO, Vec::new());
        for path in paths {
            let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
            let facts = statx(&folder, path, flags, ASKED)?;
            if !StatxFlags::from_bits_retain(facts.stx_mask).contains(ASKED) {
                return Err(io::ErrorKind::Unsupported.into());
            }
            add(&mut hash, path, &facts);
            let since = Duration::new(
                u64::try_from(facts.stx_ctime.tv_sec).unwrap_or(0),
                facts.stx_ctime.tv_nsec,
            );
            changed = changed.max(since);
            if !mounts.contains(&facts.stx_mnt_id) {
                mounts.push(facts.stx_mnt_id);
            }
        }
        Ok(Self {
            digest: hex(&hash.finalize()),
            changed,
            mounts: mounts.len(),
        })
    }
}

/// Whatever changes with the file, and with what it is.
fn add(hash: &mut Sha256, path: &Path, facts: &Statx) {
    let path = path.as_os_str().as_encoded_bytes();
    hash.update((path.len() as u64).to_le_bytes());
    hash.update(path);
    for time in [facts.stx_ctime, facts.stx_mtime] {
        hash.update(time.tv_sec.to_le_bytes());
        hash.update(time.tv_nsec.to_le_bytes());
    }
    for number in [facts.stx_mnt_id, facts.stx_ino, facts.stx_size] {
        hash.update(number.to_le_bytes());
    }
    for number in [facts.stx_dev_major, facts.stx_dev_minor, facts.stx_uid] {
        hash.update(number.to_le_bytes());
    }
    hash.update(facts.stx_mode.to_le_bytes());
}

/// The digest of both templates.
fn digest_of(headers: &Texts) -> String {
    let mut hash = Sha256::new();
    for text in [&headers.ep_config, &headers.node_config] {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hex(&hash.finalize())
}
