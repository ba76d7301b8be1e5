//! The structures that Rust shares with the datapath: twins of `bpf-src/abi.h` and
//! `abi_events.h`.
//!
//! A row of [`LAYOUTS`] is a structure as Rust has it; [`crate::layout_check`] compares it with what an
//! object's BTF says. Sizes and offsets are also written down here, so that a twin that is wrong by
//! itself does not compile. Fields are documented where they are defined, in C; those that are
//! `__be16` and `__be32` there hold network order here, too.

use std::mem::{offset_of, size_of};

/// A structure's place in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Its name in C.
    pub name: &'static str,
    /// Its bytes.
    pub size: usize,
    /// Its fields, in order, without a gap.
    pub fields: &'static [Field],
}

/// A field's place in its structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name, in C and in Rust.
    pub name: &'static str,
    /// Bytes before it.
    pub offset: usize,
    /// Its bytes.
    pub size: usize,
}

impl Layout {
    /// Whether each field begins where the one before ends, and the last ends with the structure.
    const fn is_gapless(&self) -> bool {
        let (mut next, mut at) = (0, 0);
        while at < self.fields.len() {
            if self.fields[at].offset != next {
                return false;
            }
            next += self.fields[at].size;
            at += 1;
        }
        next == self.size
    }
}

macro_rules! twins {
    ($($(#[$doc:meta])* $twin:ident = $name:literal, $size:literal {
        $($offset:literal $field:ident: $type:ty,)*
    })*) => {
        $(
            $(#[$doc])*
            #[repr(C)]
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            #[expect(missing_docs, reason = "fields are documented once, in bpf-src/abi.h")]
            pub struct $twin {
                $(pub $field: $type,)*
            }

            impl $twin {
                /// Where its bytes lie.
                pub const LAYOUT: Layout = Layout {
                    name: $name,
                    size: size_of::<Self>(),
                    fields: &[$(Field {
                        name: stringify!($field),
                        offset: offset_of!(Self, $field),
                        size: size_of::<$type>(),
                    }),*],
                };
            }

            const _: () = {
                assert!(size_of::<$twin>() == $size, "size differs from bpf-src/abi.h");
                assert!($twin::LAYOUT.is_gapless(), "padding must be a field");
                $(assert!(offset_of!($twin, $field) == $offset, "offset differs from bpf-src/abi.h");)*
            };
        )*

        /// Every structure that is shared.
        pub const LAYOUTS: &[Layout] = &[$($twin::LAYOUT),*];
    };
}

twins! {
    /// Key of the map of local endpoints: an address.
    EndpointKey = "endpoint_key", 20 {
        0 address: [u32; 4],
        16 family: u8,
        17 pad: [u8; 3],
    }

    /// Value of the map of local endpoints: who has the address.
    EndpointValue = "endpoint_value", 32 {
        0 mac: u64,
        8 host_mac: u64,
        16 ifindex: u32,
        20 identity: u32,
        24 lxc_id: u16,
        26 flags: u16,
        28 pad: [u8; 4],
    }

    /// Key of the map of identities: a prefix, and whether it is about who is there or a policy's networks.
    IpcacheKey = "ipcache_key", 28 {
        0 prefixlen: u32,
        4 revision: u32,
        8 family: u8,
        9 pad: [u8; 3],
        12 address: [u32; 4],
    }

    /// Value of the map of identities: who is behind the prefix, and on which node.
    IpcacheValue = "ipcache_value", 24 {
        0 identity: u32,
        4 flags: u8,
        5 encrypt_key: u8,
        6 pad: [u8; 2],
        8 tunnel_endpoint: [u32; 4],
    }

    /// Key of a policy map: revision, peer, direction, protocol and leading bits of the port.
    PolicyKey = "policy_key", 16 {
        0 prefixlen: u32,
        4 revision: u32,
        8 identity: u32,
        12 direction: u8,
        13 protocol: u8,
        14 dport: u16,
    }

    /// Value of a policy map: the decision, and how often it was taken.
    PolicyValue = "policy_value", 24 {
        0 packets: u64,
        8 bytes: u64,
        16 rule: u32,
        20 deny: u8,
        21 match_bits: u8,
        22 pad: [u8; 2],
    }

    /// Key of the IPv4 conntrack maps.
    Ct4Key = "ct4_key", 16 {
        0 daddr: u32,
        4 saddr: u32,
        8 dport: u16,
        10 sport: u16,
        12 protocol: u8,
        13 flags: u8,
        14 pad: [u8; 2],
    }

    /// Key of the IPv6 conntrack maps.
    Ct6Key = "ct6_key", 40 {
        0 daddr: [u32; 4],
        16 saddr: [u32; 4],
        32 dport: u16,
        34 sport: u16,
        36 protocol: u8,
        37 flags: u8,
        38 pad: [u8; 2],
    }

    /// Value of every conntrack map.
    CtValue = "ct_value", 64 {
        0 tx_packets: u64,
        8 tx_bytes: u64,
        16 rx_packets: u64,
        24 rx_bytes: u64,
        32 lifetime: u32,
        36 source_identity: u32,
        40 policy_revision: u32,
        44 policy_rule: u32,
        48 tx_reported: u32,
        52 rx_reported: u32,
        56 sought: u32,
        60 flags: u16,
        62 tx_tcp_flags: u8,
        63 rx_tcp_flags: u8,
    }

    /// Key of the map of IPv4 fragments.
    Frag4Key = "frag4_key", 12 {
        0 daddr: u32,
        4 saddr: u32,
        8 id: u16,
        10 protocol: u8,
        11 pad: u8,
    }

    /// Key of the map of IPv6 fragments.
    Frag6Key = "frag6_key", 36 {
        0 daddr: [u32; 4],
        16 saddr: [u32; 4],
        32 id: u32,
    }

    /// Value of both maps of fragments: what only the first one shows.
    FragValue = "frag_value", 8 {
        0 sport: u16,
        2 dport: u16,
        4 protocol: u8,
        5 pad: [u8; 3],
    }

    /// Key of the map of host ports: a port of the node.
    HostPortKey = "host_port_key", 20 {
        0 address: [u32; 4],
        16 port: u16,
        18 protocol: u8,
        19 family: u8,
    }

    /// Value of the map of host ports: the pod that answers there.
    HostPortValue = "host_port_value", 20 {
        0 address: [u32; 4],
        16 port: u16,
        18 lxc_id: u16,
    }

    /// Key of a half of a translated IPv4 connection.
    Snat4Key = "snat4_key", 16 {
        0 daddr: u32,
        4 saddr: u32,
        8 dport: u16,
        10 sport: u16,
        12 protocol: u8,
        13 flags: u8,
        14 pad: [u8; 2],
    }

    /// Key of a half of a translated IPv6 connection.
    Snat6Key = "snat6_key", 40 {
        0 daddr: [u32; 4],
        16 saddr: [u32; 4],
        32 dport: u16,
        34 sport: u16,
        36 protocol: u8,
        37 flags: u8,
        38 pad: [u8; 2],
    }

    /// Value of a half of a translated IPv4 connection: what it is translated to.
    Snat4Value = "snat4_value", 16 {
        0 address: u32,
        4 port: u16,
        6 seen: u8,
        7 seen_back: u8,
        8 lifetime: u32,
        12 created: u32,
    }

    /// Value of a half of a translated IPv6 connection: what it is translated to.
    Snat6Value = "snat6_value", 28 {
        0 address: [u32; 4],
        16 port: u16,
        18 seen: u8,
        19 seen_back: u8,
        20 lifetime: u32,
        24 created: u32,
    }

    /// Key of the networks in which pods keep their address.
    NativeCidrKey = "native_cidr_key", 24 {
        0 prefixlen: u32,
        4 family: u8,
        5 pad: [u8; 3],
        8 address: [u32; 4],
    }

    /// Key of the ports of the node that are open whatever its policy says.
    NodeOpenKey = "node_open_key", 4 {
        0 port: u16,
        2 protocol: u8,
        3 direction: u8,
    }

    /// Key of what sockets were asked: the socket, and the pod with which it talks.
    SockAskedKey = "sock_asked_key", 32 {
        0 cookie: u64,
        8 address: [u32; 4],
        24 port: u16,
        26 family: u8,
        27 pad: [u8; 5],
    }

    /// Value of what sockets were asked: the address and port that the caller named.
    SockAskedValue = "sock_asked_value", 20 {
        0 address: [u32; 4],
        16 port: u16,
        18 pad: [u8; 2],
    }

    /// Key of the counters.
    MetricsKey = "metrics_key", 4 {
        0 reason: u8,
        1 direction: u8,
        2 pad: [u8; 2],
    }

    /// Value of the counters, one per CPU.
    MetricsValue = "metrics_value", 16 {
        0 packets: u64,
        8 bytes: u64,
    }

    /// The beginning of every event.
    EventHeader = "event_header", 16 {
        0 kind: u8,
        1 subtype: u8,
        2 lxc_id: u16,
        4 hash: u32,
        8 monotonic_ns: u64,
    }

    /// The packet an event is about.
    EventPacket = "event_packet", 144 {
        0 ifindex: u32,
        4 len: u32,
        8 captured: u16,
        10 pad: [u8; 6],
        16 start: [u8; 128],
    }

    /// A dropped packet.
    DropEvent = "drop_event", 184 {
        0 header: EventHeader,
        16 source_identity: u32,
        20 destination_identity: u32,
        24 policy_rule: u32,
        28 destination_id: u16,
        30 line: u16,
        32 file: u8,
        33 direction: u8,
        34 detail: u8,
        35 pad: [u8; 5],
        40 packet: EventPacket,
    }

    /// A packet seen on its way.
    TraceEvent = "trace_event", 176 {
        0 header: EventHeader,
        16 source_identity: u32,
        20 destination_identity: u32,
        24 destination_id: u16,
        26 reason: u8,
        27 pad: [u8; 5],
        32 packet: EventPacket,
    }

    /// A decision of the policy.
    VerdictEvent = "verdict_event", 184 {
        0 header: EventHeader,
        16 remote_identity: u32,
        20 policy_revision: u32,
        24 policy_rule: u32,
        28 dport: u16,
        30 verdict: u8,
        31 protocol: u8,
        32 match_bits: u8,
        33 flags: u8,
        34 pad: [u8; 2],
        36 remote_network: u32,
        40 packet: EventPacket,
    }

    /// A message of the datapath to its developers.
    DebugEvent = "debug_event", 32 {
        0 header: EventHeader,
        16 argument: [u32; 4],
    }
}
