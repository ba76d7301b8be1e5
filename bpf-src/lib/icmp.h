/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP and ICMPv6: what a message is to conntrack and policy. An echo is a connection between the
 * identifier of the side that asks, as its port, and the port 0 of the other. Types that are neither echo
 * nor error have no use between pods and open ways around the routing: they are dropped.
 * Drops: 143, 144, 145, 146.
 */
#pragma once

#include "lib/flow.h"
#include "lib/drop.h"

#undef THIS_FILE
#define THIS_FILE FILE_ICMP

/* What is the highest code of an error; negative for a type that is none. */
static __always_inline int icmp4_highest_code(__u32 type)
{
	switch (type) {
	case ICMP_UNREACHABLE:
		return 15;
	case ICMP_TIME_EXCEEDED:
		return 1;
	case ICMP_PARAMETER:
		return 2;
	default:
		return -1;
	}
}

static __always_inline int icmp6_highest_code(__u32 type)
{
	switch (type) {
	case ICMPV6_UNREACHABLE:
		return 8;
	case ICMPV6_TOO_BIG:
		return 0;
	case ICMPV6_TIME_EXCEEDED:
		return 1;
	case ICMPV6_PARAMETER:
		return 10;
	default:
		return -1;
	}
}

/* Who listens to which group (MLD). */
static __always_inline int icmp6_is_listener(__u32 type)
{
	return (type >= ICMPV6_MLD_QUERY && type <= ICMPV6_MLD_DONE) || type == ICMPV6_MLD2_REPORT;
}

static __always_inline int icmp_is_request(const struct flow *flow, const int family)
{
	return flow->dport ==
	       (family == FAMILY_IPV4 ? BE16(ICMP_ECHO_REQUEST) : BE16(ICMPV6_ECHO_REQUEST));
}

static __always_inline int icmp_is_reply(const struct flow *flow, const int family)
{
	return flow->dport ==
	       (family == FAMILY_IPV4 ? BE16(ICMP_ECHO_REPLY) : BE16(ICMPV6_ECHO_REPLY));
}

/* Sets the class of a message that transport_read() or fragment_read() has read; 0, or a drop. */
static __always_inline int icmp_classify(struct flow *flow, const int family)
{
	__u32 type = __builtin_bswap16(flow->dport);
	int highest_code;

	if (icmp_is_request(flow, family))
		return 0;
	if (icmp_is_reply(flow, family)) {
		flow->class = CLASS_ANSWER;
		return 0;
	}
	highest_code = family == FAMILY_IPV4 ? icmp4_highest_code(type) : icmp6_highest_code(type);
	if (highest_code < 0)
		return family == FAMILY_IPV4 ? DROP_HERE(DROP_UNKNOWN_ICMP4_TYPE)
					     : DROP_HERE(DROP_UNKNOWN_ICMP6_TYPE);
	if (flow->icmp_code > highest_code)
		return family == FAMILY_IPV4 ? DROP_HERE(DROP_UNKNOWN_ICMP4_CODE)
					     : DROP_HERE(DROP_UNKNOWN_ICMP6_CODE);
	flow->class = CLASS_ERROR;
	return 0;
}

/*
 * The ports of an echo, as a packet that leaves the pod has them, from its own direction. With an identifier
 * of 0 those of what either side asks would be the same, and what the pod began would let the peer begin:
 * there the peer's has ports that no other echo has.
 */
static __always_inline void icmp_ports(const struct flow *flow, __be16 *own, __be16 *peers,
				       const int family, const enum direction direction)
{
	int pod_asked = icmp_is_request(flow, family) == (direction == DIRECTION_EGRESS);

	*own = pod_asked ? flow->sport : 0;
	*peers = pod_asked ? 0 : flow->sport;
	if (!pod_asked && !flow->sport)
		*own = *peers = 0xffff;
}
