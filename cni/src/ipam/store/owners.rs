//! Who has which addresses, without a look at the files of all others: a folder of symbolic links, named by
//! the owner, that lead to nothing and hold an address as their text.
//!
//! It lies beside the folder of the network, not in it, because `host-local` reads every file that is there. A
//! link comes before the file of its address and goes after it, so every address of ours has one; one without
//! its address is a leftover. The owner inside the address's file decides.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use ep_builder::whole_file::{self, FileError, TEMPORARY};
use sha2::{Digest, Sha256};

use super::folder::{Holder, names};
use super::steps::step;

/// How much of the digest makes the name: more than any two owners will ever share.
const KEY_BYTES: usize = 16;

/// The name of an owner, from which its links are named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(String);

impl Key {
    /// The key of an owner.
    pub(super) fn of(holder: &Holder) -> Self {
        let mut hash = Sha256::new();
        hash.update(&holder.container);
        hash.update([0]);
        hash.update(holder.ifname.as_deref().unwrap_or_default());
        let digest = hash.finalize();
        let hex = digest
            .iter()
            .take(KEY_BYTES)
            .map(|byte| format!("{byte:02x}"));
        Self(hex.collect())
    }
}

/// The folder of links.
#[derive(Clone, Debug)]
pub(super) struct Owners {
    path: PathBuf,
}

impl Owners {
    /// The folder at this path, which need not exist.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes it where it is missing.
    pub(super) fn create(&self) -> Result<(), FileError> {
        step();
        whole_file::private_folder(&self.path)
    }

    /// Where the index of addresses lies: in the same folder, because it is derived as well.
    pub(super) fn index(&self) -> PathBuf {
        self.path.join("index")
    }

    /// The addresses that the links of an owner name. Its links are numbered from 0 without a gap.
    pub(super) fn addresses(&self, key: &Key) -> Result<Vec<IpAddr>, FileError> {
        let mut addresses = Vec::new();
        while let Some(address) = read(&self.link(key, addresses.len()))? {
            addresses.push(address);
        }
        Ok(addresses)
    }

    /// Notes an address of an owner. What stood there before is replaced.
    pub(super) fn note(&self, key: &Key, number: usize, address: IpAddr) -> Result<(), FileError> {
        let link = self.link(key, number);
        let target = address.to_string();
        step();
        let noted = match symlink(&target, &link) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                whole_file::remove(&link)?;
                step();
                symlink(&target, &link)
            }
            other => other,
        };
        noted.map_err(FileError::of("note the owner in", &link))
    }

    /// Forgets the links of an owner from `number` on, the last one first, so that no gap is ever left.
    pub(super) fn forget_from(&self, key: &Key, number: usize) -> Result<(), FileError> {
        let count = self.addresses(key)?.len();
        for number in (number..count).rev() {
            step();
            whole_file::remove(&self.link(key, number))?;
        }
        Ok(())
    }

    /// Makes the links say exactly this, and removes what processes left that died.
    pub(super) fn rewrite(
        &self,
        wanted: &BTreeMap<Key, BTreeSet<IpAddr>>,
    ) -> Result<(), FileError> {
        let there = self.all()?;
        for (key, links) in &there {
            if !is_exact(links, wanted.get(key)) {
                for number in links.keys() {
                    remove(&self.link(key, *number))?;
                }
            }
        }
        for (key, addresses) in wanted {
            let is_there = there
                .get(key)
                .is_some_and(|links| is_exact(links, Some(addresses)));
            if !is_there {
                for (number, address) in addresses.iter().enumerate() {
                    self.note(key, number, *address)?;
                }
            }
        }
        Ok(())
    }

    fn all(&self) -> Result<BTreeMap<Key, Links>, FileError> {
        let mut all: BTreeMap<Key, Links> = BTreeMap::new();
        for name in names(&self.path)? {
            if name.starts_with(TEMPORARY) {
                remove(&self.path.join(name))?;
            } else if let Some((key, number)) = numbered(&name) {
                let address = read(&self.path.join(name))?;
                all.entry(key).or_default().insert(number, address);
            }
        }
        Ok(all)
    }

    fn link(&self, key: &Key, number: usize) -> PathBuf {
        self.path.join(format!("{}.{number}", key.0))
    }
}

/// The links of an owner by their numbers. What is no link of ours names no address.
type Links = BTreeMap<usize, Option<IpAddr>>;

/// Whether these links name these addresses and nothing else, numbered without a gap.
fn is_exact(links: &Links, wanted: Option<&BTreeSet<IpAddr>>) -> bool {
    let is_numbered = links.keys().copied().eq(0..links.len());
    let named: BTreeSet<_> = links.values().flatten().copied().collect();
    is_numbered && named.len() == links.len() && Some(&named) == wanted
}

/// The owner and the number in the name of a link.
fn numbered(name: &str) -> Option<(Key, usize)> {
    let (key, number) = name.split_once('.')?;
    let is_key = key.len() == KEY_BYTES * 2 && key.bytes().all(|b| b.is_ascii_hexdigit());
    is_key.then_some((Key(key.to_owned()), number.parse().ok()?))
}

fn read(link: &Path) -> Result<Option<IpAddr>, FileError> {
    step();
    match fs::read_link(link) {
        Ok(target) => Ok(target.to_str().and_then(|text| text.parse().ok())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // Something else with the name of a link says nothing about an owner.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
        Err(error) => Err(FileError::of("read", link)(error)),
    }
}

fn remove(path: &Path) -> Result<(), FileError> {
    step();
    whole_file::remove(path)
}
