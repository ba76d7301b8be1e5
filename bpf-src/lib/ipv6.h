/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Layer 3, IPv6: is the header sound, and is the sender who it says it is?
 * Reads: LXC_IP. Drops: 132, 134.
 */
#pragma once

#include "lib/cursor.h"
#include "lib/drop.h"

#undef THIS_FILE
#define THIS_FILE FILE_IPV6

/* Takes the fixed header of the packet; 0, or a drop. */
static __always_inline int ipv6_header(struct __sk_buff *ctx, struct ipv6hdr **header)
{
	const __u32 headers = sizeof(struct ethhdr) + sizeof(struct ipv6hdr);
	struct cursor cursor = cursor_open(ctx, headers);
	struct ethhdr *eth = cursor_take(&cursor, sizeof(*eth));
	struct ipv6hdr *ip = cursor_take(&cursor, sizeof(*ip));

	if (!eth || !ip || (ip->version_class_flow & BE32(0xf0000000)) != BE32(IPV6_VERSION << 28))
		return DROP_HERE(DROP_INVALID);
	/* Padding may follow, but nothing may be missing. A jumbogram says 0 (RFC 2675). */
	if (__builtin_bswap16(ip->payload_len) > ctx->len - headers)
		return DROP_HERE(DROP_INVALID);
	*header = ip;
	return 0;
}

/* fe80::/10 */
static __always_inline int ipv6_is_link_local(const union ipv6_address *address)
{
	return (address->word32[0] & BE32(0xffc00000)) == BE32(0xfe800000);
}

/* ff02::/16: never leaves the link. */
static __always_inline int ipv6_is_link_multicast(const union ipv6_address *address)
{
	return (address->word32[0] & BE32(0xffff0000)) == BE32(0xff020000);
}

/* Whether the pod may send from this address. */
static __always_inline int ipv6_is_own_source(const struct ipv6hdr *ip)
{
	union ipv6_address own = LXC_IP;

	if (ipv6_is_link_local(&ip->saddr))
		return 1;
	/* Who has no address yet asks the link whether it is free (RFC 4862, 5.4.2), no one else. */
	if (ipv6_is_zero(&ip->saddr))
		return ipv6_is_link_multicast(&ip->daddr);
	return ipv6_equal(&ip->saddr, &own);
}

/* A packet that the pod sent. */
static __always_inline int ipv6_from_container(struct __sk_buff *ctx)
{
	struct ipv6hdr *ip = NULL;
	int verdict = ipv6_header(ctx, &ip);

	if (verdict < 0)
		return verdict;
	return ipv6_is_own_source(ip) ? TC_ACT_OK : DROP_HERE(DROP_INVALID_SOURCE_IP);
}

/* A packet to the pod, from the host's stack. */
static __always_inline int ipv6_to_container(struct __sk_buff *ctx)
{
	struct ipv6hdr *ip = NULL;
	int verdict = ipv6_header(ctx, &ip);

	return verdict < 0 ? verdict : TC_ACT_OK;
}
