//! How fast a link sends: a token bucket in the place of its queue (`ep_builder::attach`).
//!
//! The host end's bounds what the pod gets, the pod end's what the pod sends; `docs/decisions/0031` says why not a
//! device of its own (`ifb`). Both die with the pair.

use ep_builder::attach::{find_queue, new_bucket};
use ep_builder::endpoint::Limit;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL};

use super::error::Task;
use super::link::Link;
use super::socket::Request;

/// As long as a bucket that nobody gave a size sends before it is empty, and a packet waits at most: what the reference
/// plugin takes.
const PATIENCE_MS: u64 = 25;
/// No packet of a socket is larger, with the headers of the segments it is cut into: a smaller bucket makes the
/// kernel cut them one by one.
const LARGEST_PACKET: u64 = 80 << 10;
/// Before the octets that the MTU counts.
const ETHERNET_HEADER: u64 = 14;

/// The limit of a link with this MTU. A bucket that no full packet fits into would let none pass, ever; it gets
/// the size of one.
pub(crate) fn limit(rate: u64, burst: Option<u64>, mtu: u32) -> Limit {
    let usual = (rate / 1000).saturating_mul(PATIENCE_MS);
    let burst = burst.unwrap_or(usual.max(LARGEST_PACKET * 8));
    let least = (u64::from(mtu) + ETHERNET_HEADER) * 8;
    Limit {
        rate,
        burst: burst.max(least),
    }
}

/// Limits what a link sends. It must be one that nobody has given a queue.
pub(super) fn bound(link: &str, index: u32, limit: Limit) -> Request {
    Request {
        task: Task::Limit,
        link: link.to_owned(),
        flags: NLM_F_CREATE | NLM_F_EXCL,
        message: new_bucket(index, limit),
    }
}

/// Asks for the queue of a link. Of queues the kernel tells nothing but to all who listen, among whom who asks is
/// with ECHO alone.
pub(super) fn look(link: &Link) -> Request {
    Request {
        task: Task::FindQueue,
        link: link.name.clone(),
        flags: NLM_F_ECHO,
        message: find_queue(link.index),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1 << 10;
    const M: u64 = 1_000_000;

    #[test]
    fn a_burst_has_room_for_a_packet_and_a_default() {
        for (rate, burst, mtu, expected) in [
            // As asked.
            (8 * M, Some(8 * M), 1500, 8 * M),
            (8 * M, Some(12_112), 1500, 12_112),
            // Smaller than a packet with its header.
            (8 * M, Some(12_111), 1500, 12_112),
            (16, Some(64), 9000, 72_112),
            // Not said: 25 ms, or the largest packet.
            (8 * M, None, 1500, 80 * KIB * 8),
            (8, None, 1500, 80 * KIB * 8),
            (1_000 * M, None, 1500, 25 * M),
            (8, None, 65_535, 80 * KIB * 8),
        ] {
            let limit = limit(rate, burst, mtu);
            assert_eq!(
                (limit.rate, limit.burst),
                (rate, expected),
                "{rate} {burst:?}"
            );
        }
    }
}
