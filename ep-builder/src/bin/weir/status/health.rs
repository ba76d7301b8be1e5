//! The health endpoint, asked in each family at the same time.

use std::net::IpAddr;
use std::thread;

use ep_builder::state::Entry;

use super::facts::{Health, Ping};
use crate::failure::Failure;
use crate::health::{self, Echo, ping};
use crate::node::Node;

pub(super) fn look(node: &Node, entries: &[Entry]) -> Result<Health, Failure> {
    let endpoint = health::of(entries);
    let addresses: Vec<_> = endpoint.into_iter().flat_map(health::addresses).collect();
    Ok(Health {
        is_wanted: health::is_wanted(node)?,
        endpoint: endpoint.map(|endpoint| endpoint.id),
        pings: asked(&addresses),
    })
}

fn asked(addresses: &[IpAddr]) -> Vec<Ping> {
    thread::scope(|scope| {
        let asking = addresses
            .iter()
            .map(|address| scope.spawn(|| ask(*address)));
        let asking: Vec<_> = asking.collect();
        asking.into_iter().filter_map(|it| it.join().ok()).collect()
    })
}

fn ask(address: IpAddr) -> Ping {
    let (microseconds, problem) = match ping(address) {
        Echo::Answered(time) => (u64::try_from(time.as_micros()).ok(), None),
        Echo::Silence => (None, Some("no answer within a second".to_owned())),
        Echo::Unasked(error) => (None, Some(format!("it cannot be asked: {error}"))),
    };
    Ping {
        address,
        microseconds,
        problem,
    }
}
