//! Where programs of a control group meet the addresses that sockets are given.

/// Which calls on sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SockHook {
    /// `connect` of a socket, to an IPv4 address.
    Connect4,
    /// `connect` to an IPv6 address.
    Connect6,
    /// A datagram to an IPv4 address that is named with it.
    SendMsg4,
    /// A datagram to an IPv6 address that is named with it.
    SendMsg6,
    /// The sender of a datagram asked for, on a socket of IPv4.
    RecvMsg4,
    /// The sender of a datagram asked for, on a socket of IPv6.
    RecvMsg6,
    /// The peer asked for, on a socket of IPv4.
    GetPeerName4,
    /// The peer asked for, on a socket of IPv6.
    GetPeerName6,
}

impl SockHook {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Connect4,
        Self::Connect6,
        Self::SendMsg4,
        Self::SendMsg6,
        Self::RecvMsg4,
        Self::RecvMsg6,
        Self::GetPeerName4,
        Self::GetPeerName6,
    ];

    /// The kernel's number (`enum bpf_attach_type`).
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Connect4 => 10,
            Self::Connect6 => 11,
            Self::SendMsg4 => 14,
            Self::SendMsg6 => 15,
            Self::RecvMsg4 => 19,
            Self::RecvMsg6 => 20,
            Self::GetPeerName4 => 29,
            Self::GetPeerName6 => 30,
        }
    }

    /// What the kernel's tools call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect4 => "connect4",
            Self::Connect6 => "connect6",
            Self::SendMsg4 => "sendmsg4",
            Self::SendMsg6 => "sendmsg6",
            Self::RecvMsg4 => "recvmsg4",
            Self::RecvMsg6 => "recvmsg6",
            Self::GetPeerName4 => "getpeername4",
            Self::GetPeerName6 => "getpeername6",
        }
    }
}
