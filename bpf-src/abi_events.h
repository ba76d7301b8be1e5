/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The records of EVENTS_MAP, by the rules of abi.h.
 */
#pragma once

#include "abi.h"

/* Records of these kinds, each beginning with an event_header. */
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

/*
 * `verdict` is 0 for allowed, else the drop code; `match_bits` as in policy_value; `remote_network` is the
 * number of the network of the policy that the peer is in, or 0.
 */
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
	__u8 pad[2];
	__u32 remote_network;
	struct event_packet packet;
};

struct __abi debug_event {
	struct event_header header;
	__u32 argument[4];
};

ABI_SIZE(event_header, 16);
ABI_SIZE(event_packet, 144);
ABI_SIZE(drop_event, 184);
ABI_SIZE(trace_event, 176);
ABI_SIZE(verdict_event, 184);
ABI_SIZE(debug_event, 32);
