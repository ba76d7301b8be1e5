//! The allocator in this process: `"type": "weir"`.

use std::net::IpAddr;
use std::path::Path;

use ep_builder::whole_file;

use super::config::{self, Sources, number};
use super::store::{Collected, Reservation, Store, StoreError};
use super::{Call, Error, resolv};
use crate::names::Attachment;
use crate::netconf::Ipam;
use crate::result::{Address, Extra, Outcome};

/// The embedded allocator for one call.
///
/// What takes addresses back needs no valid configuration: it may have changed since they were given.
#[derive(Clone, Debug)]
pub(crate) struct Embedded<'a> {
    call: &'a Call<'a>,
    ipam: &'a Ipam,
}

impl<'a> Embedded<'a> {
    /// The allocator of a call.
    pub(super) fn new(call: &'a Call<'a>, ipam: &'a Ipam) -> Self {
        Self { call, ipam }
    }

    /// Gives the owner an address of each set, with the routes and the resolver's configuration.
    pub(super) fn add(&self, owner: &Attachment) -> Result<Outcome, Error> {
        let config = config::read(self.sources())?;
        let store = self.store(&config::data_dir(self.ipam, self.call.state_dir)?)?;
        let resolv_conf = config.resolv_conf.as_deref().map(resolv::read).transpose();
        let dns = resolv_conf.map_err(Error::ResolvConf)?.unwrap_or_default();
        let (pools, excluded) = (&config.pools, &config.excluded);
        let given = store.reserve(owner, pools, excluded);
        let given = given.map_err(|source| self.failed(source))?;
        let ips = given.iter().zip(pools).filter_map(|(address, pool)| {
            let range = pool.set.range_of(number(*address))?;
            Some(Address {
                address: range.with_prefix(*address),
                gateway: Some(range.gateway()),
                interface: None,
                extra: Extra::new(),
            })
        });
        Ok(Outcome {
            ips: ips.collect(),
            routes: config.routes,
            dns,
            ..Outcome::default()
        })
    }

    /// Gives back what is the owner's, and tells what.
    pub(super) fn del(&self, owner: &Attachment, known: &[IpAddr]) -> Result<Vec<IpAddr>, Error> {
        let released = self.tolerant_store()?.release(owner, known);
        released.map_err(|source| self.failed(source))
    }

    /// Whether the owner still has these addresses.
    pub(super) fn check(&self, owner: &Attachment, addresses: &[IpAddr]) -> Result<(), Error> {
        let checked = self.tolerant_store()?.check(owner, addresses);
        checked.map_err(|source| self.failed(source))
    }

    /// Whether an ADD would get its addresses.
    pub(super) fn status(&self) -> Result<(), Error> {
        let config = config::read(self.sources())?;
        let store = self.store(&config::data_dir(self.ipam, self.call.state_dir)?)?;
        for pool in &config.pools {
            let free = store.has_free(&pool.set, &config.excluded);
            free.map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    /// Gives back what `is_valid` does not want kept.
    pub(super) fn gc(&self, is_valid: &dyn Fn(&Reservation) -> bool) -> Result<Collected, Error> {
        let collected = self.tolerant_store()?.collect(is_valid);
        collected.map_err(|source| self.failed(source))
    }

    fn sources(&self) -> Sources<'a> {
        let wished = self.call.wished.iter();
        Sources {
            version: self.call.conf.version,
            ipam: self.ipam,
            ip_ranges: self.call.ip_ranges,
            wished: wished.map(|ip| ip.address.to_canonical()).collect(),
            reserved: self.call.reserved,
        }
    }

    /// What an operator names may be a symbolic link; in the place of our own folder one would have addresses given
    /// out, and taken back, elsewhere.
    fn store(&self, data_dir: &Path) -> Result<Store, Error> {
        if data_dir == config::default_data_dir(self.call.state_dir) {
            let refused = whole_file::refuse_link(data_dir);
            refused.map_err(|error| self.failed(error.into()))?;
        }
        let network = &self.call.conf.network;
        Ok(Store::new(data_dir, network, self.call.wait))
    }

    /// A `dataDir` that cannot be used gave out nothing.
    fn tolerant_store(&self) -> Result<Store, Error> {
        let state_dir = self.call.state_dir;
        let data_dir = config::data_dir(self.ipam, state_dir);
        self.store(&data_dir.unwrap_or_else(|_| config::default_data_dir(state_dir)))
    }

    fn failed(&self, source: StoreError) -> Error {
        Error::Store {
            network: self.call.conf.network.to_string(),
            source,
        }
    }
}
