//! The revision of each endpoint's policy.

use std::path::Path;

use super::batch::whole;
use super::error::MapsError;
use super::name::MapName;
use super::programs::Numbers;
use crate::bpf::Entries;
use crate::endpoint::EndpointId;

/// The bit of revisions that are made by hand ([`super::Maps::edit_policy`]): those of the node's policy are
/// below.
pub const BY_HAND: u32 = 1 << 31;
/// In such a revision, the bits of a number that grows; above them the endpoint's id.
const EDITS: u32 = 15;

/// The node's place among the endpoints.
const NODE: u32 = 0;

/// The next revision by hand of an endpoint that stands at `revision`. It is this endpoint's alone, and
/// begins where the node's number ends, so that what conntrack knows of earlier ones is seldom met again.
pub(super) fn next_by_hand(id: EndpointId, revision: u32) -> u32 {
    let edits = revision.wrapping_add(1) & ((1 << EDITS) - 1);
    BY_HAND | u32::from(id.get()) << EDITS | edits
}

/// The revisions of the endpoints' policies. A packet is judged by the entries of its endpoint's revision
/// alone, and what conntrack allowed under another one is asked anew.
pub struct RevisionsMap(Numbers);

impl RevisionsMap {
    pub(super) fn open(path: &Path) -> Result<Self, MapsError> {
        Numbers::open(MapName::PolicyRevision, path).map(Self)
    }

    /// An endpoint's revision; 0 before the first one.
    pub fn get(&self, id: EndpointId) -> Result<u32, MapsError> {
        Ok(self.0.get(id.get().into())?.unwrap_or_default())
    }

    /// The revision of the node's own policy; 0 where it has none.
    pub fn of_node(&self) -> Result<u32, MapsError> {
        Ok(self.0.get(NODE)?.unwrap_or_default())
    }

    /// Sets the revision of the node's own policy; with 0 nothing of the node is judged.
    pub fn set_node(&mut self, revision: u32) -> Result<(), MapsError> {
        self.0.set(NODE, revision)
    }

    /// Every endpoint's revision that is not 0, by id. Ids that nobody has may have one.
    pub fn all(&self) -> Result<Vec<(EndpointId, u32)>, MapsError> {
        let set = self.numbers()?.into_iter();
        let id = |place| EndpointId::new(u16::try_from(place).ok()?).ok();
        Ok(set
            .filter_map(|(place, revision)| Some((id(place)?, revision)))
            .collect())
    }

    /// Sets an endpoint's revision: after its entries are written, and before those of another one go. The
    /// packets that are being judged go by the one that they have read: see
    /// [`crate::bpf::wait_for_running_programs`].
    pub fn set(&mut self, id: EndpointId, revision: u32) -> Result<(), MapsError> {
        self.0.set(id.get().into(), revision)
    }

    /// Sets the revisions of several endpoints, with as little time between them as there can be.
    pub fn set_all(&mut self, revisions: &[(EndpointId, u32)]) -> Result<(), MapsError> {
        self.set_all_with_node(revisions, None)
    }

    /// Likewise with the node's own, if it is to be set.
    pub fn set_all_with_node(
        &mut self,
        revisions: &[(EndpointId, u32)],
        node: Option<u32>,
    ) -> Result<(), MapsError> {
        let endpoints = revisions
            .iter()
            .map(|(id, revision)| (u32::from(id.get()), *revision));
        let places: Vec<_> = endpoints.chain(node.map(|it| (NODE, it))).collect();
        let mut entries = Entries::default();
        for (place, revision) in &places {
            entries.keys.extend(place.to_ne_bytes());
            entries.values.extend(revision.to_ne_bytes());
        }
        let write = || whole(self.0.descriptor(), self.0.path())?.update_all(&entries);
        if write().is_ok() {
            return Ok(());
        }
        for (place, revision) in places {
            self.0.set(place, revision)?;
        }
        Ok(())
    }

    /// How many endpoints have a revision.
    pub fn count(&self) -> Result<usize, MapsError> {
        Ok(self.numbers()?.len())
    }

    /// Every place with a number that is not zero.
    fn numbers(&self) -> Result<Vec<(u32, u32)>, MapsError> {
        let places = usize::try_from(self.0.places()).unwrap_or(usize::MAX);
        let read = || whole(self.0.descriptor(), self.0.path())?.read_all(places);
        let Ok(Some(Entries { keys, values })) = read() else {
            let all = self.0.all()?;
            return Ok(all.into_iter().filter(|(_, number)| *number != 0).collect());
        };
        let (keys, _) = keys.as_chunks::<4>();
        let (values, _) = values.as_chunks::<4>();
        let both = keys.iter().zip(values);
        let numbers =
            both.map(|(key, value)| (u32::from_ne_bytes(*key), u32::from_ne_bytes(*value)));
        Ok(numbers.filter(|(_, number)| *number != 0).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_by_hand_are_an_endpoints_own_and_grow() {
        let id = |id| EndpointId::new(id).unwrap();
        let (a, b) = (id(1), id(65_534));
        let first = next_by_hand(a, 6);
        let second = next_by_hand(a, first);
        assert_eq!((first, second), (0x8000_8007, 0x8000_8008));
        for revision in [0, 6, 0x7fff, first, u32::MAX] {
            let next = next_by_hand(b, revision);
            assert!(next >= BY_HAND && next != revision, "{revision:#x}");
            assert_eq!(next >> EDITS, BY_HAND >> EDITS | 0xfffe, "{revision:#x}");
        }
    }
}
