//! The structures of [`crate::abi`] as bytes, and back, field by field.
//!
//! A structure in memory is a sequence of bytes only to `unsafe` code; here each field is written behind the
//! one before it. That is the same because no structure has a gap, which `abi.rs` asserts. A field that is
//! missing in the table below does not compile, and one in the wrong place is found by the tests.

use crate::abi::{
    Ct4Key, Ct6Key, CtValue, DebugEvent, DropEvent, EndpointKey, EndpointValue, EventHeader,
    EventPacket, HostPortKey, HostPortValue, IpcacheKey, IpcacheValue, MetricsKey, MetricsValue,
    NativeCidrKey, NodeOpenKey, PolicyKey, PolicyValue, Snat4Key, Snat4Value, Snat6Key, Snat6Value,
    SockAskedKey, SockAskedValue, TraceEvent, VerdictEvent,
};

/// A structure that is shared with the datapath.
pub trait Record: Copy {
    /// As many bytes as the structure has.
    type Bytes: aya::Pod + AsRef<[u8]> + Ord;

    /// Its bytes, as the datapath has them.
    fn to_bytes(&self) -> Self::Bytes;

    /// The structure that these bytes begin with. Bytes that are missing count as zero: lengths are
    /// checked where they are not certain.
    fn from_bytes(bytes: &[u8]) -> Self;
}

/// Bytes that are not written yet.
struct Room<'a>(&'a mut [u8]);

impl Room<'_> {
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some((own, behind)) = std::mem::take(&mut self.0).split_first_chunk_mut() {
            *own = bytes;
            self.0 = behind;
        }
    }
}

/// What a structure is made of.
trait Field {
    /// Writes itself behind what is there.
    fn put(&self, room: &mut Room<'_>);

    /// Takes itself from the beginning of `rest`, and leaves what is behind it.
    fn take(rest: &mut &[u8]) -> Self;
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Field for $number {
            fn put(&self, room: &mut Room<'_>) {
                room.put(self.to_ne_bytes());
            }

            fn take(rest: &mut &[u8]) -> Self {
                match std::mem::take(rest).split_first_chunk() {
                    Some((own, behind)) => {
                        *rest = behind;
                        Self::from_ne_bytes(*own)
                    }
                    None => 0,
                }
            }
        }
    )*};
}

numbers! { u8 u16 u32 u64 }

impl<T: Field, const N: usize> Field for [T; N] {
    fn put(&self, room: &mut Room<'_>) {
        for element in self {
            element.put(room);
        }
    }

    fn take(rest: &mut &[u8]) -> Self {
        std::array::from_fn(|_| T::take(rest))
    }
}

/// Bytes that nobody reads.
impl<const N: usize> Record for [u8; N] {
    type Bytes = Self;

    fn to_bytes(&self) -> Self {
        *self
    }

    fn from_bytes(mut bytes: &[u8]) -> Self {
        Field::take(&mut bytes)
    }
}

macro_rules! records {
    ($($twin:ident: $($field:ident)*;)*) => {
        $(
            impl Field for $twin {
                fn put(&self, room: &mut Room<'_>) {
                    $(self.$field.put(room);)*
                }

                fn take(rest: &mut &[u8]) -> Self {
                    $(let $field = Field::take(rest);)*
                    Self { $($field),* }
                }
            }

            impl Record for $twin {
                type Bytes = [u8; size_of::<$twin>()];

                fn to_bytes(&self) -> Self::Bytes {
                    let mut bytes = [0; size_of::<$twin>()];
                    self.put(&mut Room(&mut bytes));
                    bytes
                }

                fn from_bytes(mut bytes: &[u8]) -> Self {
                    Self::take(&mut bytes)
                }
            }
        )*

        /// Each structure with its fields in the order of the table, and what it does to bytes.
        #[cfg(test)]
        const RECORDS: &[(crate::abi::Layout, &[&str], fn(&[u8]) -> Vec<u8>)] = &[$((
            $twin::LAYOUT,
            &[$(stringify!($field)),*],
            |bytes| $twin::from_bytes(bytes).to_bytes().to_vec(),
        )),*];
    };
}

records! {
    EndpointKey: address family pad;
    EndpointValue: mac host_mac ifindex identity lxc_id flags pad;
    IpcacheKey: prefixlen revision family pad address;
    IpcacheValue: identity flags encrypt_key pad tunnel_endpoint;
    PolicyKey: prefixlen revision identity direction protocol dport;
    PolicyValue: packets bytes rule deny match_bits pad;
    Ct4Key: daddr saddr dport sport protocol flags pad;
    Ct6Key: daddr saddr dport sport protocol flags pad;
    CtValue: tx_packets tx_bytes rx_packets rx_bytes lifetime source_identity policy_revision policy_rule
        tx_reported rx_reported sought flags tx_tcp_flags rx_tcp_flags;
    Snat4Key: daddr saddr dport sport protocol flags pad;
    Snat4Value: address port seen seen_back lifetime created;
    Snat6Key: daddr saddr dport sport protocol flags pad;
    Snat6Value: address port seen seen_back lifetime created;
    NativeCidrKey: prefixlen family pad address;
    NodeOpenKey: port protocol direction;
    HostPortKey: address port protocol family;
    HostPortValue: address port lxc_id;
    MetricsKey: reason direction pad;
    MetricsValue: packets bytes;
    SockAskedKey: cookie address port family pad;
    SockAskedValue: address port pad;
    EventHeader: kind subtype lxc_id hash monotonic_ns;
    EventPacket: ifindex len captured pad start;
    DropEvent: header source_identity destination_identity policy_rule destination_id line file direction
        detail pad packet;
    TraceEvent: header source_identity destination_identity destination_id reason pad packet;
    VerdictEvent: header remote_identity policy_revision policy_rule dport verdict protocol match_bits flags
        pad remote_network packet;
    DebugEvent: header argument;
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn every_structure_has_its_fields_in_the_order_of_its_layout() {
        for (layout, fields, _) in RECORDS {
            let expected: Vec<_> = layout.fields.iter().map(|field| field.name).collect();
            assert_eq!(*fields, expected, "{}", layout.name);
        }
    }

    #[test]
    fn bytes_come_back_as_they_were() {
        for (layout, _, through) in RECORDS {
            let bytes: Vec<u8> = (1..=255).cycle().take(layout.size).collect();
            assert_eq!(through(&bytes), bytes, "{}", layout.name);
        }
    }

    #[test]
    fn a_number_lies_as_the_datapath_reads_it() {
        let key = PolicyKey {
            prefixlen: 96,
            revision: 7,
            identity: 0x0102_0304,
            direction: 1,
            protocol: 6,
            dport: 80_u16.to_be(),
        };
        let expected = [
            &96_u32.to_ne_bytes()[..],
            &7_u32.to_ne_bytes(),
            &0x0102_0304_u32.to_ne_bytes(),
            &[1, 6, 0, 80],
        ];
        assert_eq!(key.to_bytes().as_slice(), expected.concat());
    }

    #[test]
    fn missing_bytes_are_zero() {
        for (layout, _, through) in RECORDS {
            for length in 0..layout.size {
                let bytes = through(&vec![0xff; length]);
                assert_eq!(bytes.len(), layout.size);
                assert!(
                    bytes[length..].iter().all(|byte| *byte == 0),
                    "{} {length}",
                    layout.name
                );
            }
        }
    }
}
