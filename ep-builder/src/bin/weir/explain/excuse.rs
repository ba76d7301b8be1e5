//! What the node lets pass although its policy does not allow it (`bpf-src/lib/host_policy.h`).

use ep_builder::explain::{Addresses, Content, Judgement, Packet};
use ep_builder::maps::{Direction, OpenPort};
use ep_builder::policy::Holder;

use super::report::Excuse;
use super::scene::Scene;
use crate::failure::Failure;

/// RFC 2131, 4.1; RFC 8415, 7.2. A server of IPv6 may answer from any port.
const DHCP_SERVER: u16 = 67;
const DHCP_CLIENT: u16 = 68;
const DHCP6_CLIENT: u16 = 546;

/// Why a packet passes, if it does; none where audit mode lets it. The programs have decided that it does: this only
/// gives the reason its name, in their order.
pub(super) fn excuse(
    judgement: &Judgement,
    packet: &Packet,
    scene: &Scene<'_>,
) -> Result<Option<Excuse>, Failure> {
    if judgement.whose != Holder::Node || judgement.allows() {
        return Ok(None);
    }
    let port = OpenPort {
        port: judgement.port,
        protocol: judgement.protocol,
        direction: judgement.direction,
    };
    let open = scene.twins.maps().node_open()?.entries()?;
    Ok(if open.contains(&port) {
        Some(Excuse::OpenPort)
    } else if judgement.direction == Direction::Ingress && is_dhcp(packet) {
        Some(Excuse::Dhcp)
    } else {
        // What audit mode lets pass need not be asked for a session.
        (!scene.node().audits_policy()).then_some(Excuse::Session)
    })
}

fn is_dhcp(packet: &Packet) -> bool {
    let Content::Udp { sport, dport } = packet.content else {
        return false;
    };
    match packet.addresses {
        Addresses::V4(..) => (sport, dport) == (DHCP_SERVER, DHCP_CLIENT),
        Addresses::V6(..) => dport == DHCP6_CLIENT,
    }
}
