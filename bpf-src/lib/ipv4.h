/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Layer 3, IPv4: is the header sound, and is the sender who it says it is?
 * Reads: LXC_IPV4. Drops: 132, 134.
 */
#pragma once

#include "lib/cursor.h"
#include "lib/drop.h"

#undef THIS_FILE
#define THIS_FILE FILE_IPV4

/* Takes the header of the packet, without its options; 0, or a drop. */
static __always_inline int ipv4_header(struct __sk_buff *ctx, struct iphdr **header)
{
	const __u32 headers = sizeof(struct ethhdr) + sizeof(struct iphdr);
	struct cursor cursor = cursor_open(ctx, headers);
	struct ethhdr *eth = cursor_take(&cursor, sizeof(*eth));
	struct iphdr *ip = cursor_take(&cursor, sizeof(*ip));
	__u32 header_len, total_len;

	if (!eth || !ip || ip->version_ihl >> 4 != IPV4_VERSION)
		return DROP_HERE(DROP_INVALID);
	header_len = (ip->version_ihl & 0xf) * 4;
	total_len = __builtin_bswap16(ip->tot_len);
	if (header_len < sizeof(*ip) || total_len < header_len)
		return DROP_HERE(DROP_INVALID);
	/* Padding may follow, but nothing may be missing. */
	if (total_len > ctx->len - sizeof(*eth))
		return DROP_HERE(DROP_INVALID);
	*header = ip;
	return 0;
}

/* A packet that the pod sent. */
static __always_inline int ipv4_from_container(struct __sk_buff *ctx)
{
	__be32 own = LXC_IPV4;
	struct iphdr *ip = NULL;
	int verdict = ipv4_header(ctx, &ip);

	if (verdict < 0)
		return verdict;
	/* An endpoint without IPv4 has the address zero: nothing may come from it. */
	if (own == 0 || ip->saddr != own)
		return DROP_HERE(DROP_INVALID_SOURCE_IP);
	return TC_ACT_OK;
}

/* A packet to the pod, from the host's stack. */
static __always_inline int ipv4_to_container(struct __sk_buff *ctx)
{
	struct iphdr *ip = NULL;
	int verdict = ipv4_header(ctx, &ip);

	return verdict < 0 ? verdict : TC_ACT_OK;
}
