/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every structure that C and Rust share: keys and values of maps; events are in abi_events.h. The twins are
 * in ep-builder/src/abi.rs; sizes and offsets are asserted on both sides, and the BTF of the object is
 * compared with the twins (ep-builder/src/layout_check.rs).
 *
 * Rules: no bit-fields, no implicit padding (a key is compared byte by byte, padding included), no
 * unions; fields of network order are __be16 and __be32; IPv4 stands in the first word of an address
 * and the rest is zero. A live map keeps its layout: a changed structure needs a new map name.
 */
#pragma once

#include "kernel/types.h"

/* Marks a structure as shared. The mark is in the BTF, so one without a twin is found, too. */
#define __abi __attribute__((btf_decl_tag("abi")))

/* `family` in keys. */
#define FAMILY_IPV4 1
#define FAMILY_IPV6 2

/* As the pod sees it: a packet that leaves it is egress. */
enum direction {
	DIRECTION_INGRESS = 1,
	DIRECTION_EGRESS = 2,
};

/* ENDPOINTS_MAP: a local address... */
struct __abi endpoint_key {
	__be32 address[4];
	__u8 family;
	__u8 pad[3];
};

#define ENDPOINT_IS_HOST    0x0001
#define ENDPOINT_MASQUERADE 0x0002 /* its packets leave the node under the node's address */

/* ...and the endpoint that has it. MACs are numbers: octet 0 lowest, the upper 16 bits zero. */
struct __abi endpoint_value {
	__u64 mac;
	__u64 host_mac;
	__u32 ifindex;
	__u32 identity;
	__u16 lxc_id;
	__u16 flags;
	__u8 pad[4];
};

/* The bits of a key before the address, which every prefix covers: revision, family and padding. */
#define IPCACHE_FIXED_BITS 64

/*
 * IPCACHE_MAP: prefixlen is IPCACHE_FIXED_BITS + bits of the address. Revision 0 says who is there; another
 * one has the networks that the policy of this revision names, with their numbers as identities. So networks
 * and the entries about them come and go together, and who is there is none of policy's business...
 */
struct __abi ipcache_key {
	__u32 prefixlen;
	__u32 revision;
	__u8 family;
	__u8 pad[3];
	__be32 address[4];
};

#define IPCACHE_HAS_TUNNEL  0x01
#define IPCACHE_TUNNEL_IPV6 0x02

/* The revision under which addresses are found, and no network. */
#define IPCACHE_WHO 0

/* ...and who is there; and, for pods of other nodes, the node to send to. */
struct __abi ipcache_value {
	__u32 identity;
	__u8 flags;
	__u8 encrypt_key;
	__u8 pad[2];
	__be32 tunnel_endpoint[4];
};

/* The bits of a key before the protocol, which every rule fixes: revision, identity and direction. */
#define POLICY_FIXED_BITS 72
#define POLICY_FULL_BITS  96

/*
 * POLICY_MAP: a rule of a revision for a peer (an identity, the number of a network, or 0: any), fixing
 * nothing more (prefixlen is POLICY_FIXED_BITS), the protocol (+ 8), or leading bits of the port, too
 * (+ 8 + bits). The port is the one of the side that answers; for ICMP it is the type of the message, and
 * otherwise 0. Entries of a revision that is not the endpoint's are not seen.
 */
struct __abi policy_key {
	__u32 prefixlen;
	__u32 revision;
	__u32 identity;
	__u8 direction;
	__u8 protocol;
	__be16 dport;
};

/*
 * The decision. `match_bits` repeats how many bits after POLICY_FIXED_BITS the rule fixes: the look-ups
 * for the peer, its network and anybody all answer, and the datapath must know which is the finest one. `rule` is
 * the number of the rule in the endpoint's compiled policy, for verdict events and explanations.
 */
struct __abi policy_value {
	__u64 packets;
	__u64 bytes;
	__u32 rule;
	__u8 deny;
	__u8 match_bits;
	__u8 pad[2];
};

/*
 * CT_MAP_TCP4, CT_MAP_ANY4: a connection of a pod, always written as a packet that leaves the pod has it:
 * saddr and sport are the pod's, whoever began. So each packet, of either direction, needs one look-up,
 * and a connection between two pods of a node has an entry for each of them. For an ICMP echo the port of
 * the side that asked is the identifier, and the other one is 0 (icmp.h says what is for 0). `flags` is 0...
 */
struct __abi ct4_key {
	__be32 daddr;
	__be32 saddr;
	__be16 dport;
	__be16 sport;
	__u8 protocol;
	__u8 flags;
	__u8 pad[2];
};

/* CT_MAP_TCP6, CT_MAP_ANY6: likewise... */
struct __abi ct6_key {
	__be32 daddr[4];
	__be32 saddr[4];
	__be16 dport;
	__be16 sport;
	__u8 protocol;
	__u8 flags;
	__u8 pad[2];
};

/*
 * Of ct_value.flags: the peer began, so the policy for ingress judges; audit mode alone let it pass; a pod began, and
 * its peer is the node itself.
 */
#define CT_INGRESS      0x0001
#define CT_POLICY_AUDIT 0x0002
#define CT_TO_NODE      0x0004

/* Instead of the flags of TCP in `tx_tcp_flags` and `rx_tcp_flags`, for every other protocol. */
#define CT_SEEN 0x01

/*
 * ...and what is known of it; tx is the direction of the first packet. It fills one cache line.
 * `lifetime` and the two `reported` are seconds of the monotonic clock; an entry whose lifetime is over
 * counts as absent. `policy_revision` is the one under which `policy_rule` allowed the connection: while
 * it stands, packets skip the look-up. `source_identity` is that of the side that began. The flags that
 * each side has sent are the state of TCP: a byte has one writer, so nothing is lost. `sought` is the second in which
 * it was last looked whether the peer is a pod of this node, times 2, and 1 more if it is one.
 */
struct __abi ct_value {
	__u64 tx_packets;
	__u64 tx_bytes;
	__u64 rx_packets;
	__u64 rx_bytes;
	__u32 lifetime;
	__u32 source_identity;
	__u32 policy_revision;
	__u32 policy_rule;
	__u32 tx_reported;
	__u32 rx_reported;
	__u32 sought;
	__u16 flags;
	__u8 tx_tcp_flags;
	__u8 rx_tcp_flags;
};

/* FRAG4_MAP: a fragmented datagram... */
struct __abi frag4_key {
	__be32 daddr;
	__be32 saddr;
	__be16 id;
	__u8 protocol;
	__u8 pad;
};

/* FRAG6_MAP: likewise... */
struct __abi frag6_key {
	__be32 daddr[4];
	__be32 saddr[4];
	__be32 id;
};

/*
 * ...and what only its first fragment shows: the ports, for ICMP its identifier and type; and, over
 * IPv6, the protocol behind the last extension header.
 */
struct __abi frag_value {
	__be16 sport;
	__be16 dport;
	__u8 protocol;
	__u8 pad[3];
};

/* Reasons below every drop code. */
#define METRICS_FORWARDED  0
#define METRICS_EVENT_LOST 1

/*
 * METRICS_MAP, an array with values per CPU: a drop code or METRICS_*, and a direction, which as a number are the
 * place, lowest octet first. As many places as there may be. Those without a direction are no counters; in the first
 * of them is what the programs know of the clock (conntrack.h).
 */
#define METRICS_CLOCK  0
#define METRICS_PLACES ((DIRECTION_EGRESS + 1) * 0x100)

struct __abi metrics_key {
	__u8 reason;
	__u8 direction;
	__u8 pad[2];
};

struct __abi metrics_value {
	__u64 packets;
	__u64 bytes;
};

#define ABI_SIZE(name, size) _Static_assert(sizeof(struct name) == (size), "twin in Rust")

ABI_SIZE(endpoint_key, 20);
ABI_SIZE(endpoint_value, 32);
ABI_SIZE(ipcache_key, 28);
ABI_SIZE(ipcache_value, 24);
ABI_SIZE(policy_key, 16);
ABI_SIZE(policy_value, 24);
ABI_SIZE(ct4_key, 16);
ABI_SIZE(ct6_key, 40);
ABI_SIZE(ct_value, 64);
ABI_SIZE(frag4_key, 12);
ABI_SIZE(frag6_key, 36);
ABI_SIZE(frag_value, 8);
ABI_SIZE(metrics_key, 4);
ABI_SIZE(metrics_value, 16);
