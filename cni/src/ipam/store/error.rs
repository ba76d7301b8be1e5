//! What can go wrong with addresses on disk.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use ep_builder::lock::LockError;
use ep_builder::whole_file::FileError;

use super::folder::Holder;
use crate::ipam::config::{Range, RangeSet};

/// How full a range is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    range: String,
    in_use: u128,
    usable: u128,
}

impl Counts {
    /// Those of each range of a set. `taken` tells how many numbers between two are given out.
    pub(super) fn of<E>(
        set: &RangeSet,
        excluded: &BTreeSet<u128>,
        taken: impl Fn(u128, u128) -> Result<u128, E>,
    ) -> Result<Vec<Self>, E> {
        let count = |range: &Range| {
            let (first, last) = (range.first(), range.last());
            let mut in_use = taken(first, last)?;
            let mut usable = range.size();
            for kept in excluded.range(first..=last) {
                usable -= 1;
                // Somebody else may give out what we keep.
                in_use -= taken(*kept, *kept)?;
            }
            let range = range.to_string();
            Ok(Self {
                range,
                in_use,
                usable,
            })
        };
        set.ranges().iter().map(count).collect()
    }

    /// Whether something is left.
    pub(super) fn has_free(&self) -> bool {
        self.in_use < self.usable
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} in {}", self.in_use, self.usable, self.range)
    }
}

fn listed(counts: &[Counts]) -> String {
    let texts: Vec<_> = counts.iter().map(Counts::to_string).collect();
    texts.join(", ")
}

fn of(holder: &Holder) -> String {
    match &holder.ifname {
        Some(ifname) => format!("interface {ifname} of container {}", holder.container),
        None => format!("container {}", holder.container),
    }
}

/// Why addresses could not be given, checked or taken back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Nothing is left.
    #[error(
        "every address is in use ({}): delete pods, widen the range, or let the runtime's GC free what is left over",
        listed(counts)
    )]
    Exhausted {
        /// Of each range of the set.
        counts: Vec<Counts>,
    },
    /// Somebody has the requested address.
    #[error(
        "the requested address {address} is in use by {}: ask for another one, or delete that pod",
        of(holder)
    )]
    Taken {
        /// The address.
        address: IpAddr,
        /// Who has it.
        holder: Holder,
    },
    /// What stands at the place of the requested address names no owner.
    #[error(
        "the requested address {address} has a file that names no owner: if nobody is just making it, remove it"
    )]
    Blocked {
        /// The address.
        address: IpAddr,
    },
    /// The owner has one.
    #[error(
        "{} has the address {address} already: a second ADD needs a DEL before it",
        of(holder)
    )]
    Duplicate {
        /// The address.
        address: IpAddr,
        /// The owner.
        holder: Holder,
    },
    /// An address is not the owner's any more.
    #[error(
        "the address {address} is not reserved for this interface{}: delete the pod, somebody else may get its address",
        holder.as_ref().map_or(String::new(), |holder| format!(" but for {}", of(holder)))
    )]
    Lost {
        /// The address.
        address: IpAddr,
        /// Who has it.
        holder: Option<Holder>,
    },
    /// Others hold the lock for too long, or it cannot be used.
    #[error("cannot lock the addresses of the network")]
    Lock(#[from] LockError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl StoreError {
    /// Whether the same call can succeed later with nothing changed by hand.
    pub(in crate::ipam) fn is_for_now(&self) -> bool {
        match self {
            Self::Exhausted { .. }
            | Self::Taken { .. }
            | Self::Blocked { .. }
            | Self::Lock(LockError::Busy { .. }) => true,
            Self::Duplicate { .. } | Self::Lost { .. } | Self::Lock(_) | Self::File(_) => false,
        }
    }
}
