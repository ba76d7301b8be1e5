/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the steps find out about one packet and hand to the next step. A program has one on its stack,
 * zero at first. Of the addresses only the conntrack key knows, so all but a few steps are the same for
 * both families.
 */
#pragma once

#include "kernel/types.h"
#include "abi.h"

/* What conntrack and policy make of a packet. */
enum flow_class {
	/* It belongs to a connection, or opens one. */
	CLASS_CONNECTION = 0,
	/* It answers something; without a connection policy judges it, and it opens none. */
	CLASS_ANSWER = 1,
	/* An ICMP error: judged as what it is about. */
	CLASS_ERROR = 2,
	/* Between neighbours (ND, MLD): neither applies. */
	CLASS_LINK = 3,
};

/* What its connection was then: the reason of a trace event. */
enum trace_reason {
	TRACE_NEW = 0,
	TRACE_ESTABLISHED = 1,
	TRACE_REPLY = 2,
	TRACE_RELATED = 3,
	TRACE_UNKNOWN = 5,
};

/* More fragments follow; below it stands the place of this one. */
#define FRAGMENT_MORE  0x2000
#define FRAGMENT_PLACE 0x1fff

struct flow {
	__u32 own_identity;  /* of the pod; with own_id: for whom the program runs */
	__u32 peer_identity; /* 0: not looked up */
	__u32 policy_rule;
	__u32 transport;   /* bytes before the transport header */
	__u32 payload_len; /* bytes from there on */
	__be32 fragment_id;
	__u16 fragment; /* of a fragment: its place in units of 8, and FRAGMENT_MORE; else 0 */
	__be16 sport;   /* as the packet has them; ICMP: identifier and type */
	__be16 dport;
	__u16 own_id;
	__u16 peer_id;
	__u8 protocol;
	__u8 tcp_flags; /* CT_SEEN for other protocols */
	__u8 icmp_code;
	__u8 class;
	__u8 reason;
	__u8 hop_limit;
	__u8 is_quiet;    /* aggregation folds its trace event away */
	__u8 events_lost; /* trace events that found no room, and are not counted yet */
	__u8 is_outside;  /* the peer is known to be no pod of this node; else one may be */
};
