/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Layer 2: may this frame enter, and what is in it?
 * Reads: the Ethernet header, the MAC of SELF_MAP. Drops: 130, 166, 182.
 */
#pragma once

#include "lib/cursor.h"
#include "lib/drop.h"

#undef THIS_FILE
#define THIS_FILE FILE_ETH

/* Takes the header of a frame; 0, or a drop. */
static __always_inline int eth_header(struct __sk_buff *ctx, struct ethhdr **header)
{
	struct cursor cursor = cursor_open(ctx, sizeof(**header));
	struct ethhdr *eth = cursor_take(&cursor, sizeof(*eth));

	if (!eth || __builtin_bswap16(eth->h_proto) < ETH_P_802_3_MIN)
		return DROP_HERE(DROP_UNSUPPORTED_L2);
	*header = eth;
	return 0;
}

/* The ethertype, in network order, of a frame to the pod, or a drop. */
static __always_inline int eth_type(struct __sk_buff *ctx)
{
	struct ethhdr *eth = NULL;
	int verdict = eth_header(ctx, &eth);

	return verdict < 0 ? verdict : eth->h_proto;
}

/* Likewise, of a frame the pod sent: it must be untagged, and under the pod's own MAC. */
static __always_inline int eth_type_from_container(struct __sk_buff *ctx,
						   const struct endpoint_self *self)
{
	struct ethhdr *eth = NULL;
	int verdict = eth_header(ctx, &eth);

	if (verdict < 0)
		return verdict;
	/* The kernel has moved the outer tag out of the frame, whoever put it there. */
	if (ctx->vlan_present || eth->h_proto == BE16(ETH_P_8021Q) ||
	    eth->h_proto == BE16(ETH_P_8021AD))
		return DROP_HERE(DROP_VLAN_FILTERED);
	if (mac_read(eth->h_source) != self->mac)
		return DROP_HERE(DROP_INVALID_SOURCE_MAC);
	return eth->h_proto;
}
