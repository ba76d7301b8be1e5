//! Frames as a neighbour on the link may send them to a node that lets nothing in.
#![expect(
    unsafe_code,
    reason = "a frame goes by an address of the link, which no safe call takes"
)]

use std::ffi::CString;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::libc;

use crate::needs;
use crate::talk::{PATIENCE, SILENCE, hears};
use crate::world::{NODE, Place, World};

const PORT: u16 = 9_999;
const EVERYBODY: [u8; 6] = [0xff; 6];
/// A tag of VLAN 0: a priority, and the device is the one without a tag.
const PRIORITY: [u8; 4] = [0x81, 0x00, 0xe0, 0x00];

/// Sends a frame by a device of the thread's namespace.
fn send(device: &str, frame: &[u8]) {
    let name = CString::new(device).unwrap();
    // SAFETY: the name ends with a zero, and the call keeps nothing of it.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    // SAFETY: three numbers go in, and a new descriptor or an error comes out.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    assert!(index > 0 && socket >= 0, "{device}");
    // SAFETY: the descriptor is new, and nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: zeros are an address of the link of no device.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).unwrap();
    address.sll_ifindex = i32::try_from(index).unwrap();
    let size = libc::socklen_t::try_from(size_of_val(&address)).unwrap();
    // SAFETY: frame and address live until the call is over, with the sizes that are said.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            frame.as_ptr().cast(),
            frame.len(),
            0,
            (&raw const address).cast(),
            size,
        )
    };
    assert_eq!(usize::try_from(sent), Ok(frame.len()));
}

/// A datagram for [`PORT`] in a frame, behind these tags.
fn frame(mac: [u8; 6], tags: &[[u8; 4]], to: Ipv4Addr, text: &[u8]) -> Vec<u8> {
    let length = |more: usize| u16::try_from(text.len() + more).unwrap().to_be_bytes();
    let from = Ipv4Addr::new(192, 0, 2, 254);
    let mut header = [
        &[0x45, 0][..],
        &length(28),
        &[0, 1, 0, 0, 64, 17, 0, 0],
        &from.octets(),
        &to.octets(),
    ]
    .concat();
    let words = header
        .chunks(2)
        .map(|word| u32::from(word[0]) << 8 | u32::from(word[1]));
    let sum: u32 = words.sum();
    let folded = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    header[10..12].copy_from_slice(&(!folded).to_be_bytes());
    let datagram = [
        &PORT.to_be_bytes()[..],
        &PORT.to_be_bytes(),
        &length(8),
        &[0, 0],
        text,
    ];
    let own = [2, 0, 0, 0, 0, 9];
    let link = [&mac[..], &own, &tags.concat(), &[0x08, 0x00]].concat();
    [link, header, datagram.concat()].concat()
}

/// The MAC of the node's device to the router.
fn mac(node: Place) -> [u8; 6] {
    let told = node.run("ip -o link show dev up0");
    let mut words = told.split_whitespace();
    words.find(|word| *word == "link/ether").unwrap();
    let bytes: Vec<_> = words.next().unwrap().split(':').collect();
    let bytes = bytes
        .iter()
        .map(|byte| u8::from_str_radix(byte, 16).unwrap());
    bytes.collect::<Vec<_>>().try_into().unwrap()
}

#[test]
fn neither_a_tag_nor_an_address_for_everybody_leads_past_the_policy() {
    needs!();
    let world = World::new();
    world.lab.weir(&["node", "init"]).expect_success();
    let (node, router) = (world.node(), world.router());
    let mac = mac(node);
    let own: Ipv4Addr = NODE[0].parse().unwrap();
    let server = node.inside(|| UdpSocket::bind(("0.0.0.0", PORT))).unwrap();
    let arrives = |mac, tags: &[[u8; 4]], to, text: &str, patience| {
        router.inside(|| send("node", &frame(mac, tags, to, text.as_bytes())));
        hears(&server, text.as_bytes(), patience).is_some()
    };
    let ways = [
        ("plain", mac, &[][..], own),
        ("a priority", mac, &[PRIORITY][..], own),
        ("everybody", EVERYBODY, &[], Ipv4Addr::BROADCAST),
        (
            "everybody of the net",
            EVERYBODY,
            &[],
            Ipv4Addr::new(192, 0, 2, 255),
        ),
    ];
    for (name, mac, tags, to) in ways {
        let text = format!("{name}, without a policy");
        assert!(arrives(mac, tags, to, &text, PATIENCE), "{text}");
    }
    let closed = "apiVersion: weir.dev/v1alpha1\nkind: WeirPolicy\nmetadata: {name: node}\nspec: {nodeSelector: {}, policyTypes: [Ingress]}\n";
    world.lab.node().write_policy("node.yaml", closed);
    world.lab.weir(&["policy", "apply"]).expect_success();
    for (name, mac, tags, to) in ways {
        let text = format!("{name}, though nothing is let in");
        assert!(!arrives(mac, tags, to, &text, SILENCE), "{text}");
    }
    // What is inside of two of them no program would see.
    let text = "two priorities";
    assert!(
        !arrives(mac, &[PRIORITY, PRIORITY], own, text, SILENCE),
        "{text}"
    );
}
