/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Layer 4: ports, flags of TCP, identifier and type of ICMP. Protocols without ports have zeros.
 * Drops: 135.
 */
#pragma once

#include "lib/cursor.h"
#include "lib/drop.h"
#include "lib/flow.h"

#undef THIS_FILE
#define THIS_FILE FILE_TRANSPORT

union transport_header {
	struct tcphdr tcp;
	struct udphdr udp;
	struct icmphdr icmp;
};

static __always_inline int transport_is_icmp(__u8 protocol, const int family)
{
	return protocol == (family == FAMILY_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

/* How much of the header has to be there; 0 for a protocol of which nothing is read. */
static __always_inline __u32 transport_header_len(__u8 protocol, const int family)
{
	if (protocol == IPPROTO_TCP)
		return sizeof(struct tcphdr);
	if (protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	    transport_is_icmp(protocol, family))
		return sizeof(struct udphdr);
	return 0;
}

/*
 * Reads a header of TCP or UDP that lies open, as nearly all do; 0 for transport_read() and what else a packet
 * may need. In line, as is all that a packet of a known connection meets: a return from a function costs more than what is
 * done here (decision 45).
 */
static __always_inline int transport_peek(const struct __sk_buff *ctx, struct flow *flow)
{
	const struct tcphdr *open;
	int is_tcp = flow->protocol == IPPROTO_TCP;

	if (!is_tcp && flow->protocol != IPPROTO_UDP)
		return 0;
	if (flow->fragment || flow->payload_len < sizeof(*open))
		return 0;
	open = cursor_peek(ctx, flow->transport, sizeof(*open));
	if (!open || (is_tcp && open->offset_reserved >> 4 < sizeof(*open) / 4))
		return 0;
	flow->sport = open->source;
	flow->dport = open->dest;
	flow->tcp_flags = is_tcp ? open->flags : CT_SEEN;
	return 1;
}

/* Reads the header at flow->transport; 0, or a drop. */
VERIFIED_ALONE int transport_read(struct __sk_buff *ctx, struct flow *flow, __u32 family)
{
	union transport_header header = {};
	const union transport_header *open;
	__u32 len;

	if (!flow)
		return DROP_HERE(DROP_INVALID);
	len = transport_header_len(flow->protocol, (int)family);
	flow->tcp_flags = CT_SEEN;
	if (len == 0)
		return 0;
	if (flow->payload_len < len)
		return DROP_HERE(DROP_CT_INVALID_HEADER);
	open = cursor_peek(ctx, flow->transport, sizeof(header));
	if (open)
		header = *open;
	else if (bpf_skb_load_bytes(ctx, flow->transport, &header, len))
		return DROP_HERE(DROP_CT_INVALID_HEADER);
	if (transport_is_icmp(flow->protocol, (int)family)) {
		flow->sport = header.icmp.id;
		flow->dport = BE16(header.icmp.type);
		flow->icmp_code = header.icmp.code;
		return 0;
	}
	flow->sport = header.udp.source;
	flow->dport = header.udp.dest;
	if (flow->protocol != IPPROTO_TCP)
		return 0;
	if (header.tcp.offset_reserved >> 4 < sizeof(struct tcphdr) / 4)
		return DROP_HERE(DROP_CT_INVALID_HEADER);
	flow->tcp_flags = header.tcp.flags;
	return 0;
}

/* The ports of a packet as a key has them: from the pod's side. */
static __always_inline void transport_ports(const struct flow *flow, __be16 *sport, __be16 *dport,
					    __u32 direction)
{
	const int from_pod = direction == DIRECTION_EGRESS;

	*dport = from_pod ? flow->dport : flow->sport;
	*sport = from_pod ? flow->sport : flow->dport;
}
