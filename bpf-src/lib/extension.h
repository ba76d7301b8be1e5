/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * IPv6 extension headers: walks the chain to the transport header. A routing header that is not used up
 * would replace the destination that policy has seen by another one (RFC 5095), and is dropped.
 * Drops: 156.
 */
#pragma once

#include "lib/drop.h"
#include "lib/flow.h"

#undef THIS_FILE
#define THIS_FILE FILE_EXTENSION

/* Each kind may occur once, one of them twice (RFC 8200, 4.1). */
#define EXTENSIONS_MAX 6

static __always_inline int extension_is(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_AH:
	case IPPROTO_DSTOPTS:
		return 1;
	default:
		return 0;
	}
}

static __always_inline __u32 extension_len(__u8 protocol, const struct ipv6_extension *extension)
{
	if (protocol == IPPROTO_FRAGMENT)
		return sizeof(*extension);
	if (protocol == IPPROTO_AH)
		return (extension->length + 2U) * 4;
	return (extension->length + 1U) * 8;
}

/* The octet after the type of a routing header. */
static __always_inline int extension_is_route(__u8 protocol, const struct ipv6_extension *extension)
{
	return protocol == IPPROTO_ROUTING && extension->offset_more & BE16(0x00ff);
}

/* Moves flow->protocol, transport and payload_len over one header; 0, or a drop. */
VERIFIED_ALONE int extension_step(struct __sk_buff *ctx, struct flow *flow, __u32 is_first)
{
	struct ipv6_extension extension;
	__u32 len;

	if (!flow || bpf_skb_load_bytes(ctx, flow->transport, &extension, sizeof(extension)))
		return DROP_HERE(DROP_INVALID_EXTHDR);
	/* Options for each hop stand first or not at all. */
	if (flow->protocol == IPPROTO_HOPOPTS && !is_first)
		return DROP_HERE(DROP_INVALID_EXTHDR);
	len = extension_len(flow->protocol, &extension);
	if (len > flow->payload_len || extension_is_route(flow->protocol, &extension))
		return DROP_HERE(DROP_INVALID_EXTHDR);
	if (flow->protocol == IPPROTO_FRAGMENT) {
		/* One is enough for everybody. */
		if (flow->fragment)
			return DROP_HERE(DROP_INVALID_EXTHDR);
		flow->fragment_id = extension.id;
		flow->fragment = __builtin_bswap16(extension.offset_more) >> 3;
		if (extension.offset_more & BE16(IPV6_FRAGMENT_MORE))
			flow->fragment |= FRAGMENT_MORE;
	}
	flow->protocol = extension.nexthdr;
	flow->transport += len;
	flow->payload_len -= len;
	return 0;
}

/* To the transport header, or to what follows the header of a later fragment; 0, or a drop. */
VERIFIED_ALONE int extension_walk(struct __sk_buff *ctx, struct flow *flow)
{
	int verdict, count;

	if (!flow)
		return DROP_HERE(DROP_INVALID_EXTHDR);
#pragma clang loop unroll(disable)
	for (count = 0; count < EXTENSIONS_MAX; count++) {
		/* One that is all of its packet is no fragment (RFC 6946): its place is 0, too. */
		if (!extension_is(flow->protocol) || flow->fragment & FRAGMENT_PLACE)
			return 0;
		verdict = extension_step(ctx, flow, count == 0);
		if (verdict < 0)
			return verdict;
	}
	return extension_is(flow->protocol) ? DROP_HERE(DROP_INVALID_EXTHDR) : 0;
}
