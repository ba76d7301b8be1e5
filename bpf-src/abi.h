/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every structure that C and Rust share: keys and values of maps, and events. The twins are in
 * ep-builder/src/abi.rs; sizes and offsets are asserted on both sides, and the BTF of the object is
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

#define ENDPOINT_IS_HOST 0x0001

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

/* The bits of a key before the address, which every prefix covers. */
#define IPCACHE_FIXED_BITS 32

/* IPCACHE_MAP: prefixlen is IPCACHE_FIXED_BITS + bits of the address... */
struct __abi ipcache_key {
	__u32 prefixlen;
	__u8 family;
	__u8 pad[3];
	__be32 address[4];
};

#define IPCACHE_HAS_TUNNEL  0x01
#define IPCACHE_TUNNEL_IPV6 0x02

/* ...and who is there; and, for pods of other nodes, the node to send to. */
struct __abi ipcache_value {
	__u32 identity;
	__u8 flags;
	__u8 encrypt_key;
	__u8 pad[2];
	__be32 tunnel_endpoint[4];
};

/* The bits of a key before the protocol, which every rule fixes: identity and direction. */
#define POLICY_FIXED_BITS 40
#define POLICY_FULL_BITS  64

/*
 * POLICY_MAP: a rule for a peer (identity 0: any), fixing nothing more (prefixlen is
 * POLICY_FIXED_BITS), the protocol (+ 8), or leading bits of the port, too (+ 8 + bits). The port is the
 * one of the side that answers; for ICMP it is the type of the message, and otherwise 0.
 */
struct __abi policy_key {
	__u32 prefixlen;
	__u32 identity;
	__u8 direction;
	__u8 protocol;
	__be16 dport;
};

/*
 * The decision. `match_bits` repeats how many bits after POLICY_FIXED_BITS the rule fixes: the look-ups
 * for the peer and for anybody both answer, and the datapath must know which is the finer one. `rule` is
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
 * the side that asked is the identifier, and the other one is 0. `flags` is 0...
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

/* Of ct_value.flags: the peer began, so the policy for ingress judges; audit mode alone let it pass. */
#define CT_INGRESS      0x0001
#define CT_POLICY_AUDIT 0x0002

/* Instead of the flags of TCP in `tx_tcp_flags` and `rx_tcp_flags`, for every other protocol. */
#define CT_SEEN 0x01

/*
 * ...and what is known of it; tx is the direction of the first packet. It fills one cache line.
 * `lifetime` and the two `reported` are seconds of the monotonic clock; an entry whose lifetime is over
 * counts as absent. `policy_revision` is the one under which `policy_rule` allowed the connection: while
 * it stands, packets skip the look-up. `source_identity` is that of the side that began. The flags that
 * each side has sent are the state of TCP: a byte has one writer, so nothing is lost. `translation` is 0.
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
	__u32 translation;
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

/* METRICS_MAP, with values per CPU: a drop code or METRICS_*, and a direction. */
struct __abi metrics_key {
	__u8 reason;
	__u8 direction;
	__u8 pad[2];
};

struct __abi metrics_value {
	__u64 packets;
	__u64 bytes;
};

/* EVENTS_MAP: records of these kinds, each beginning with an event_header. */
enum event_kind {
	EVENT_DROP = 1,
	EVENT_DEBUG = 2,
	EVENT_TRACE = 4,
	EVENT_VERDICT = 5,
};

/* `subtype`: the drop code, trace_point (with a trace_reason), direction, or debug_message. */
struct __abi event_header {
	__u8 kind;
	__u8 subtype;
	__u16 lxc_id;
	__u32 hash;
	__u64 monotonic_ns;
};

#define EVENT_CAPTURE 128

/* The packet an event is about; `captured` bytes of `start` are valid. */
struct __abi event_packet {
	__u32 ifindex;
	__u32 len;
	__u16 captured;
	__u8 pad[6];
	__u8 start[EVENT_CAPTURE];
};

/* `detail` depends on the drop code: the slot of a missed tail call, the errno of a helper. */
struct __abi drop_event {
	struct event_header header;
	__u32 source_identity;
	__u32 destination_identity;
	__u32 policy_rule;
	__u16 destination_id;
	__u16 line;
	__u8 file;
	__u8 direction;
	__u8 detail;
	__u8 pad[5];
	struct event_packet packet;
};

struct __abi trace_event {
	struct event_header header;
	__u32 source_identity;
	__u32 destination_identity;
	__u16 destination_id;
	__u8 reason;
	__u8 pad[5];
	struct event_packet packet;
};

#define VERDICT_IPV6    0x01
#define VERDICT_AUDITED 0x02

/* `verdict` is 0 for allowed, else the drop code; `match_bits` as in policy_value. */
struct __abi verdict_event {
	struct event_header header;
	__u32 remote_identity;
	__u32 policy_revision;
	__u32 policy_rule;
	__be16 dport;
	__u8 verdict;
	__u8 protocol;
	__u8 match_bits;
	__u8 flags;
	__u8 pad[6];
	struct event_packet packet;
};

struct __abi debug_event {
	struct event_header header;
	__u32 argument[4];
};

#define ABI_SIZE(name, size) _Static_assert(sizeof(struct name) == (size), "twin in Rust")

ABI_SIZE(endpoint_key, 20);
ABI_SIZE(endpoint_value, 32);
ABI_SIZE(ipcache_key, 24);
ABI_SIZE(ipcache_value, 24);
ABI_SIZE(policy_key, 12);
ABI_SIZE(policy_value, 24);
ABI_SIZE(ct4_key, 16);
ABI_SIZE(ct6_key, 40);
ABI_SIZE(ct_value, 64);
ABI_SIZE(frag4_key, 12);
ABI_SIZE(frag6_key, 36);
ABI_SIZE(frag_value, 8);
ABI_SIZE(metrics_key, 4);
ABI_SIZE(metrics_value, 16);
ABI_SIZE(event_header, 16);
ABI_SIZE(event_packet, 144);
ABI_SIZE(drop_event, 184);
ABI_SIZE(trace_event, 176);
ABI_SIZE(verdict_event, 184);
ABI_SIZE(debug_event, 32);
