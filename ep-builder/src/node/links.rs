//! Network devices as the kernel tells of them, and whose they are.

use nix::libc;

use super::pair;
use crate::attach::bytes::{attributes, text, word};
use crate::endpoint::MacAddr;

/// `struct ifinfomsg`: after the family the type of the hardware, then the number, then the flags.
const HEADER: usize = 16;
const INDEX: usize = 4;
const FLAGS: usize = 8;
/// Attributes of a link, and of `IFLA_LINKINFO`.
const ADDRESS: u16 = 1;
const NAME: u16 = 3;
const MTU: u16 = 4;
const LINK: u16 = 5;
const LINK_INFO: u16 = 18;
const ALIAS: u16 = 20;
const GROUP: u16 = 27;
const LINK_NETNSID: u16 = 37;
const INFO_KIND: u16 = 1;
/// `ARPHRD_RAWIP` and `ARPHRD_IP6GRE`.
const RAW_IP: u16 = 519;
const GRE_IPV6: u16 = 823;

/// What stands before the IP header of a packet on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// An Ethernet header.
    Ethernet,
    /// Nothing: tunnels and the like.
    Bare,
    /// Something that the datapath cannot read, by the kernel's number (`ARPHRD_*`).
    Other(u16),
}

impl Framing {
    fn of(hardware: u16) -> Self {
        match hardware {
            libc::ARPHRD_ETHER => Self::Ethernet,
            libc::ARPHRD_NONE
            | RAW_IP
            | libc::ARPHRD_PPP
            | libc::ARPHRD_TUNNEL
            | libc::ARPHRD_TUNNEL6
            | libc::ARPHRD_SIT
            | libc::ARPHRD_IPGRE
            | GRE_IPV6 => Self::Bare,
            other => Self::Other(other),
        }
    }
}

/// A network device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its alias; empty for none.
    pub alias: String,
    /// Its hardware address, where it is one of Ethernet.
    pub mac: Option<MacAddr>,
    /// Its MTU.
    pub mtu: u32,
    /// What its packets begin with.
    pub framing: Framing,
    /// Whether it is set up.
    pub is_up: bool,
    /// Whether it leads to this namespace itself.
    pub is_loopback: bool,
    /// Its driver, as `veth`; empty for hardware.
    pub kind: String,
    pub(super) group: u32,
    /// The number of its other end, if that is in this namespace.
    pub(super) peer: Option<u32>,
}

impl Link {
    /// Reads the kernel's answer.
    pub(super) fn read(answer: &[u8]) -> Option<Self> {
        let flags = word(answer, FLAGS)?.cast_signed();
        let [_, _, h0, h1, ..] = *answer else {
            return None;
        };
        let mut link = Self {
            index: word(answer, INDEX)?,
            name: String::new(),
            alias: String::new(),
            mac: None,
            mtu: 0,
            framing: Framing::of(u16::from_ne_bytes([h0, h1])),
            is_up: flags & libc::IFF_UP != 0,
            is_loopback: flags & libc::IFF_LOOPBACK != 0,
            kind: String::new(),
            group: 0,
            peer: None,
        };
        let mut is_elsewhere = false;
        for (kind, value) in attributes(answer, HEADER) {
            match kind {
                NAME => link.name = text(value),
                ALIAS => link.alias = text(value),
                ADDRESS => link.mac = value.try_into().ok().map(MacAddr),
                MTU => link.mtu = word(value, 0).unwrap_or_default(),
                GROUP => link.group = word(value, 0).unwrap_or_default(),
                LINK => link.peer = word(value, 0),
                LINK_NETNSID => is_elsewhere = true,
                LINK_INFO => link.kind = driver(value),
                _ => {}
            }
        }
        if is_elsewhere {
            link.peer = None;
        }
        Some(link)
    }

    /// Whether it is one of the node's own pair.
    pub fn is_ours(&self) -> bool {
        pair::is_ours(self)
    }

    /// Whether it is the host end of a pod's pair, by its name.
    pub fn is_pods(&self) -> bool {
        self.kind == "veth" && self.name.starts_with("lxc")
    }
}

fn driver(info: &[u8]) -> String {
    let kind = attributes(info, 0).find(|(kind, _)| *kind == INFO_KIND);
    kind.map(|(_, value)| text(value)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [&length.to_ne_bytes(), &kind.to_ne_bytes(), value].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn answer(hardware: u16, flags: i32, more: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![0, 0];
        bytes.extend(hardware.to_ne_bytes());
        bytes.extend(7_u32.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(more.concat());
        bytes
    }

    #[test]
    fn a_link_is_read_with_what_precedes_its_packets() {
        for (hardware, framing) in [
            (libc::ARPHRD_ETHER, Framing::Ethernet),
            (libc::ARPHRD_NONE, Framing::Bare),
            (libc::ARPHRD_PPP, Framing::Bare),
            (32, Framing::Other(32)),
        ] {
            let info = attribute(INFO_KIND, b"veth\0");
            let more = [
                attribute(NAME, b"eth0\0"),
                attribute(ADDRESS, &[2, 0, 0, 0, 0, 7]),
                attribute(MTU, &9000_u32.to_ne_bytes()),
                attribute(LINK, &8_u32.to_ne_bytes()),
                attribute(LINK_INFO, &info),
            ];
            let link = Link::read(&answer(hardware, libc::IFF_UP, &more)).unwrap();
            assert_eq!((link.index, link.framing), (7, framing));
            assert_eq!((link.name.as_str(), link.kind.as_str()), ("eth0", "veth"));
            assert_eq!((link.mtu, link.peer), (9000, Some(8)));
            assert_eq!(link.mac, Some(MacAddr([2, 0, 0, 0, 0, 7])));
            assert!(link.is_up && !link.is_loopback && !link.is_ours());
        }
    }

    #[test]
    fn an_end_in_another_namespace_has_no_number_here() {
        let more = [
            attribute(LINK, &8_u32.to_ne_bytes()),
            attribute(LINK_NETNSID, &0_u32.to_ne_bytes()),
        ];
        let link = Link::read(&answer(1, 0, &more)).unwrap();
        assert_eq!(link.peer, None);
        for length in 0..HEADER {
            let cut = answer(1, 0, &[]);
            let read = Link::read(&cut[..length]);
            assert!(read.is_none() || length >= FLAGS + 4, "{length}");
        }
    }
}
