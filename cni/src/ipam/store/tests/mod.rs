//! The store under everything that can happen to it.

mod crash;
mod exhausted;
mod interop;
mod order;
mod parallel;
mod pure;
mod whose;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use ep_builder::whole_file;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::ipam::config::{Config, Sources, read};
use crate::names::{ContainerId, InterfaceName};
use crate::netconf::Ipam;
use crate::version::Version;

const WAIT: Duration = Duration::from_mins(1);

/// A data folder of one's own.
struct Fixture {
    root: TempDir,
    store: Store,
}

/// Addresses lie below /run, which is in memory; so do those of the tests where they can.
fn memory() -> TempDir {
    let place = Path::new("/dev/shm");
    let folder = if place.is_dir() {
        tempfile::tempdir_in(place)
    } else {
        tempfile::tempdir()
    };
    folder.unwrap()
}

fn network() -> NetworkName {
    NetworkName::new("net").unwrap()
}

fn owner(number: usize) -> Attachment {
    Attachment {
        network: network(),
        container: ContainerId::new(&format!("container-{number}")).unwrap(),
        ifname: InterfaceName::new("eth0").unwrap(),
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A set for each of these networks, with addresses that are asked for.
fn config(subnets: &[&str], wished: &[&str]) -> Config {
    let sets = subnets.iter().map(|subnet| json!([{"subnet": subnet}]));
    let block = json!({"ranges": sets.collect::<Vec<_>>()});
    let ipam = Ipam {
        kind: "weir".to_owned(),
        block: block.as_object().unwrap().clone(),
    };
    let sources = Sources {
        version: Version::V1_0_0,
        ipam: &ipam,
        ip_ranges: None,
        wished: wished.iter().map(|text| ip(text)).collect(),
        reserved: &[],
    };
    read(sources).unwrap()
}

impl Fixture {
    fn new() -> Self {
        let root = memory();
        let store = Store::new(root.path(), &network(), WAIT);
        Self { root, store }
    }

    fn add(&self, number: usize, config: &Config) -> Result<Vec<IpAddr>, StoreError> {
        self.store
            .reserve(&owner(number), &config.pools, &config.excluded)
    }

    fn del(&self, number: usize) -> Vec<IpAddr> {
        self.store.release(&owner(number), &[]).unwrap()
    }

    #[track_caller]
    fn assert_nothing_to_release(&self, number: usize) {
        assert_eq!(self.del(number), Vec::<IpAddr>::new());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("net").join(name)
    }

    fn derived(&self, name: &str) -> PathBuf {
        self.root.path().join(".index-net").join(name)
    }

    /// Makes a file as another program does.
    fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        whole_file::private_folder(path.parent().unwrap()).unwrap();
        fs::remove_file(&path).unwrap_or_default();
        whole_file::write_scratch(&path, text.as_bytes()).unwrap();
    }

    /// Every address with its holder.
    fn truth(&self) -> BTreeMap<IpAddr, Holder> {
        let addresses = self.store.folder.addresses(false).unwrap();
        let held = addresses.into_iter().filter_map(|address| {
            match self.store.folder.record(address).unwrap() {
                Record::Held(holder) => Some((address, holder)),
                _ => None,
            }
        });
        held.collect()
    }

    /// Whatever is derived says the same as the files, and nothing else lies around.
    #[track_caller]
    fn assert_sound(&self) {
        let truth = self.truth();
        let mut linked: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for holder in truth.values().collect::<BTreeSet<_>>() {
            let key = owners::Key::of(holder);
            for address in self.store.owners.addresses(&key).unwrap() {
                *linked.entry(address).or_default() += 1;
            }
        }
        let expected: BTreeMap<_, _> = truth.keys().map(|address| (*address, 1)).collect();
        assert_eq!(linked, expected, "links");
        let stamp = self.store.folder.stamp().unwrap().unwrap();
        let index = Index::open(&self.store.owners.index(), stamp).expect("a valid index");
        assert_eq!(
            index.taken(0, u128::MAX).unwrap(),
            truth.len() as u128,
            "bits"
        );
        for address in truth.keys() {
            let number = number(*address);
            assert_eq!(index.next_free(number, number).unwrap(), None, "{address}");
        }
        self.assert_no_leftover(truth.len());
    }

    /// Nothing lies around but `addresses` of files with a link each.
    #[track_caller]
    fn assert_no_leftover(&self, addresses: usize) {
        let is_known = |name: &String| name == "lock" || name.starts_with("last_reserved_ip.");
        let mut names = folder::names(&self.path("")).unwrap();
        names.retain(|name| !is_known(name));
        assert_eq!(names.len(), addresses, "{names:?}");
        let mut names = folder::names(&self.derived("")).unwrap();
        names.retain(|name| name != "index");
        assert_eq!(names.len(), addresses, "{names:?}");
    }
}
