//! GC: addresses of attachments that no runtime knows any more.

use std::net::IpAddr;

use super::folder::{Holder, Record};
use super::session::Session;
use super::{Store, StoreError};

/// An address and who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reservation {
    /// The address.
    pub(crate) address: IpAddr,
    /// Its owner.
    pub(crate) holder: Holder,
}

/// What a collection did.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// What was given back.
    pub(crate) freed: Vec<Reservation>,
    /// What could not be looked at or given back, and why.
    pub(crate) failed: Vec<(IpAddr, StoreError)>,
}

impl Store {
    /// Gives back every address of this network that `is_valid` does not want kept. A failure stops nothing.
    pub(in crate::ipam) fn collect(
        &self,
        is_valid: &dyn Fn(&Reservation) -> bool,
    ) -> Result<Collected, StoreError> {
        let mut collected = Collected::default();
        if self.folder.stamp()?.is_none() {
            return Ok(collected);
        }
        // Looking into all files takes a while, and ADDs need not wait for it.
        let invalid = self.invalid(is_valid, &mut collected)?;
        self.owners.create()?;
        let mut session = Session::begin(self)?;
        // It finds what killed processes left, too.
        session.derive()?;
        for reservation in invalid {
            match take_back(&mut session, &reservation) {
                Ok(false) => {}
                Ok(true) => collected.freed.push(reservation),
                Err(error) => collected.failed.push((reservation.address, error)),
            }
        }
        session.end()?;
        Ok(collected)
    }

    fn invalid(
        &self,
        is_valid: &dyn Fn(&Reservation) -> bool,
        collected: &mut Collected,
    ) -> Result<Vec<Reservation>, StoreError> {
        let mut invalid = Vec::new();
        for address in self.folder.addresses(false)? {
            match self.folder.record(address) {
                Ok(Record::Held(holder)) => {
                    let reservation = Reservation { address, holder };
                    if !is_valid(&reservation) {
                        invalid.push(reservation);
                    }
                }
                // The session collects those nobody will fill.
                Ok(Record::Free | Record::Empty { .. } | Record::Odd) => {}
                Err(error) => collected.failed.push((address, error.into())),
            }
        }
        Ok(invalid)
    }
}

/// Frees one, unless somebody else got it in the meantime.
fn take_back(session: &mut Session<'_>, reservation: &Reservation) -> Result<bool, StoreError> {
    let Reservation { address, holder } = reservation;
    let held = session.held(holder, &[*address])?;
    if !held.contains(address) {
        return Ok(false);
    }
    session.free(*address)?;
    if held.len() == 1 {
        session.give_back(holder, &[])?;
    }
    Ok(true)
}
