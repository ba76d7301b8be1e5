//! Hardware addresses of both ends.

use ep_builder::endpoint::MacAddr;
use sha2::{Digest, Sha256};

/// The addresses of both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Macs {
    pub(super) host: MacAddr,
    pub(super) pod: MacAddr,
}

/// An end of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The one on the host, which the pod takes for its router.
    Host,
    /// The one in the pod.
    Pod,
}

/// The address of an end: it follows from the pair's name, so two pods never have the same by chance more
/// often than two names have, and an address of the one cannot be mistaken for that of the next pod.
pub(super) fn of(host_name: &str, end: End) -> MacAddr {
    let which: &[u8] = match end {
        End::Host => b"host",
        End::Pod => b"pod",
    };
    let digest = Sha256::new()
        .chain_update(which)
        .chain_update([0])
        .chain_update(host_name);
    let digest = digest.finalize();
    let mut octets = [0; 6];
    octets.copy_from_slice(&digest[..6]);
    // Administered locally, of one station.
    octets[0] = octets[0] & 0xfc | 0x02;
    MacAddr(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_stable_local_and_the_ends_own() {
        let all = ["lxc000000000001", "lxc000000000002"].map(|name| {
            [End::Host, End::Pod].map(|end| {
                assert_eq!(of(name, end), of(name, end));
                assert_eq!(of(name, end).0[0] & 3, 2);
                of(name, end)
            })
        });
        let mut all = all.concat();
        all.sort_by_key(|mac| mac.0);
        all.dedup();
        assert_eq!(all.len(), 4);
    }
}
