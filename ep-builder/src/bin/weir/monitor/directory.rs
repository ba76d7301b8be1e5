//! Who the numbers of events are: pods by their endpoints and addresses, labels by identity.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ep_builder::endpoint::{Endpoint, Labels, Pod};
use ep_builder::identity::Identities;
use ep_builder::state::Store;

use crate::failure::Failure;
use crate::node::{Node, record};

/// A pod that is not known may have come since the records were read, but they are not read for every packet.
const READ_AGAIN: Duration = Duration::from_secs(1);
/// An id or an address may have gone to another pod.
const OLD: Duration = Duration::from_secs(10);

/// What the records of the endpoints say, kept for a while.
pub(crate) struct Directory {
    store: Store,
    state_dir: PathBuf,
    endpoints: HashMap<u16, Endpoint>,
    addresses: HashMap<IpAddr, u16>,
    /// Of identities that no endpoint of this node has. None is one that is not known, either.
    labels: HashMap<u32, Option<Labels>>,
    read: Instant,
}

impl Directory {
    pub(crate) fn open(node: &Node) -> Result<Self, Failure> {
        let mut directory = Self {
            store: node.store()?,
            state_dir: node.settings.paths.state_dir.clone(),
            endpoints: HashMap::new(),
            addresses: HashMap::new(),
            labels: HashMap::new(),
            read: Instant::now(),
        };
        directory.read();
        Ok(directory)
    }

    /// What cannot be read now stays as it was: a name is a help, and no reason to end.
    pub(crate) fn read(&mut self) {
        self.read = Instant::now();
        let Ok(entries) = self.store.list() else {
            return;
        };
        let endpoints = entries.iter().filter_map(record).map(|it| &it.endpoint);
        self.take(endpoints.cloned());
    }

    fn take(&mut self, endpoints: impl Iterator<Item = Endpoint>) {
        self.endpoints = endpoints.map(|it| (it.id.get(), it)).collect();
        let addresses = self.endpoints.values().flat_map(|endpoint| {
            let own = [endpoint.ipv4.map(IpAddr::V4), endpoint.ipv6.map(IpAddr::V6)];
            own.into_iter()
                .flatten()
                .map(|address| (address, endpoint.id.get()))
        });
        self.addresses = addresses.collect();
        self.labels.clear();
    }

    /// Reads anew what is old, and at once what lacks an endpoint.
    pub(crate) fn refresh(&mut self, needed: u16) {
        let is_lacking = needed != 0 && !self.endpoints.contains_key(&needed);
        let age = self.read.elapsed();
        if age >= OLD || (is_lacking && age >= READ_AGAIN) {
            self.read();
        }
    }

    /// Every endpoint.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.values()
    }

    pub(crate) fn endpoint(&self, id: u16) -> Option<&Endpoint> {
        self.endpoints.get(&id)
    }

    pub(crate) fn pod(&self, id: u16) -> Option<&Pod> {
        self.endpoint(id)?.pod.as_ref()
    }

    /// Whose address it is.
    pub(crate) fn at(&self, address: IpAddr) -> Option<u16> {
        self.addresses.get(&address).copied()
    }

    /// The labels that an identity stands for.
    pub(crate) fn labels(&mut self, identity: u32) -> Option<&Labels> {
        let mut endpoints = self.endpoints.values();
        if let Some(endpoint) = endpoints.find(|endpoint| endpoint.identity == identity) {
            return Some(&endpoint.labels);
        }
        let state_dir = &self.state_dir;
        let look = || Identities::open(state_dir).ok()?.get(identity).ok()?;
        self.labels.entry(identity).or_insert_with(look).as_ref()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const RECORD: &str = r#"{"id":7,"containerId":"abc","hostIfname":"lxc7","hostIfindex":9,
        "mac":"02:00:00:00:00:07","hostMac":"02:00:00:00:01:07","ipv4":"10.0.0.7","ipv6":"fd00::7","identity":300,
        "labels":[{"key":"app","value":"web","source":"k8s"},{"key":"tier","value":"front","source":"k8s"}],
        "pod":{"namespace":"shop","name":"web-0"}}"#;

    /// One pod, 7, of which all is known; and 8, of which little is.
    pub(crate) fn directory() -> Directory {
        let folder = tempfile::tempdir().unwrap();
        let first: Endpoint = serde_json::from_str(RECORD).unwrap();
        let mut second: Endpoint = serde_json::from_str(&RECORD.replace(":7,", ":8,")).unwrap();
        second.ipv4 = Some([10, 0, 0, 8].into());
        (second.ipv6, second.pod, second.identity) = (None, None, 301);
        second.labels = Labels::default();
        let mut directory = Directory {
            store: Store::open(folder.path()).unwrap(),
            state_dir: folder.path().to_owned(),
            endpoints: HashMap::new(),
            addresses: HashMap::new(),
            labels: HashMap::new(),
            read: Instant::now(),
        };
        directory.take([first, second].into_iter());
        directory
    }

    #[test]
    fn pods_are_found_by_all_their_numbers() {
        let mut directory = directory();
        assert_eq!(directory.pod(7).unwrap().name, "web-0");
        assert!(directory.pod(8).is_none() && directory.endpoint(8).is_some());
        for (address, expected) in [
            ("10.0.0.7", Some(7)),
            ("fd00::7", Some(7)),
            ("10.0.0.8", Some(8)),
            ("10.0.0.9", None),
        ] {
            assert_eq!(
                directory.at(address.parse().unwrap()),
                expected,
                "{address}"
            );
        }
        assert_eq!(directory.labels(300).unwrap().iter().count(), 2);
        assert!(directory.labels(999).is_none());
    }

    #[test]
    fn what_is_lacking_is_not_read_for_every_packet() {
        let mut directory = directory();
        let read = directory.read;
        directory.refresh(9);
        assert_eq!(directory.read, read);
        directory.read = Instant::now().checked_sub(READ_AGAIN).unwrap();
        let read = directory.read;
        directory.refresh(7);
        directory.refresh(0);
        assert_eq!(directory.read, read);
        directory.refresh(9);
        assert!(directory.read > read);
    }
}
