//! What a process that died has left, and how it is brought to an end.
//!
//! Only `_next` can be left over. The record is its first file, so it has a generation number from
//! the first moment; the number of a generation being built is above all others of the endpoint, and
//! the number of one that has just been replaced is below that of the live one.

use super::error::StateError;
use super::folder::Folder;
use super::layout::{Place, StateLayout};
use super::read::{self, Origin};
use crate::endpoint::EndpointId;
use crate::step::Step;

/// What one of an endpoint's folders holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// There is no folder.
    Absent,
    /// There is an empty folder.
    Empty,
    /// There are facts of the endpoint.
    Kept {
        /// The generation, or 0 where the record is lost.
        generation: u64,
        /// Whether record, header and object are there at the right length.
        whole: bool,
    },
    /// There is something that gives no facts.
    Broken,
}

impl Side {
    /// Looks at a folder. Only a record of a newer weir is an error: what it means is for the newer
    /// one to say.
    pub(super) fn look(
        layout: &StateLayout,
        id: EndpointId,
        place: Place,
    ) -> Result<Self, StateError> {
        let folder = match Folder::open(layout.folder(id, place)) {
            Ok(folder) => folder,
            Err(e) if e.is_not_found() => return Ok(Self::Absent),
            Err(_) => return Ok(Self::Broken),
        };
        match read::load(&folder, id) {
            Ok(loaded) => Ok(Self::Kept {
                generation: loaded.record.generation,
                whole: match loaded.origin {
                    Origin::Record { files } => read::check_sizes(&folder, &files).is_ok(),
                    Origin::Header { .. } => false,
                },
            }),
            Err(StateError::NotBuilt { .. }) => Ok(Self::Empty),
            Err(newer @ StateError::NewerFormat { .. }) => Err(newer),
            Err(_) => Ok(Self::Broken),
        }
    }

    /// The generation, 0 where there is none or it is unknown.
    pub(super) fn generation(self) -> u64 {
        match self {
            Self::Kept { generation, .. } => generation,
            Self::Absent | Self::Empty | Self::Broken => 0,
        }
    }
}

/// What [`Store::recover`](super::Store::recover) found and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing was left over.
    Nothing,
    /// A build that was not committed, or a removal that was not finished, was cleared away.
    Discarded,
    /// A commit was cut short after the swap: the replaced generation became the previous one.
    Finished,
    /// The live generation was damaged beyond reading, and the whole one beside it took its place.
    Promoted,
}

/// Decides what to do about `_next`.
pub(super) fn decide(live: Side, next: Side) -> Recovery {
    match (live, next) {
        (_, Side::Absent) => Recovery::Nothing,
        (Side::Broken, Side::Kept { whole: true, .. }) => Recovery::Promoted,
        // Only a whole generation may push out an older whole one.
        (
            Side::Kept {
                generation: live, ..
            },
            Side::Kept {
                generation: next,
                whole: true,
            },
        ) if next < live => Recovery::Finished,
        _ => Recovery::Discarded,
    }
}

/// The steps of a decision. Each may be the last one that happens: what is left then leads to the same
/// decision again.
pub(super) fn steps(layout: &StateLayout, id: EndpointId, what: Recovery) -> Vec<Step<'static>> {
    let folder = |place| layout.folder(id, place);
    let sync = || Step::Sync(layout.root().to_owned());
    match what {
        Recovery::Nothing => vec![],
        Recovery::Discarded => vec![Step::Remove(folder(Place::Next)), sync()],
        Recovery::Finished => vec![
            Step::Remove(folder(Place::Failed)),
            Step::Remove(folder(Place::Previous)),
            Step::Rename(folder(Place::Next), folder(Place::Previous)),
            sync(),
        ],
        Recovery::Promoted => vec![
            Step::Exchange(folder(Place::Next), folder(Place::Live)),
            sync(),
            Step::Remove(folder(Place::Next)),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn whole(generation: u64) -> Side {
        Side::Kept {
            generation,
            whole: true,
        }
    }

    const fn part(generation: u64) -> Side {
        Side::Kept {
            generation,
            whole: false,
        }
    }

    #[test]
    fn decisions() {
        use Recovery::{Discarded, Finished, Nothing, Promoted};
        use Side::{Absent, Broken, Empty};
        for (live, next, want) in [
            (Absent, Absent, Nothing),
            (Empty, Absent, Nothing),
            (whole(4), Absent, Nothing),
            (Broken, Absent, Nothing),
            // A removal cut short.
            (Absent, whole(4), Discarded),
            // A first build, before and after its commit.
            (Empty, whole(1), Discarded),
            (whole(1), Empty, Discarded),
            // A later build: just begun, half written, whole, swapped.
            (whole(4), Empty, Discarded),
            (whole(4), part(5), Discarded),
            (whole(4), whole(5), Discarded),
            (whole(5), whole(4), Finished),
            // The live one has lost its record.
            (part(0), whole(5), Discarded),
            (whole(5), part(0), Discarded),
            (whole(5), Broken, Discarded),
            // The live one is beyond reading.
            (Broken, whole(5), Promoted),
            (Broken, part(5), Discarded),
            (Broken, Empty, Discarded),
        ] {
            assert_eq!(decide(live, next), want, "{live:?} {next:?}");
        }
    }
}
