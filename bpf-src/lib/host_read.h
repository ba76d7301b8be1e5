/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is in a packet at a device of the node? Most are not for pods and not from pods: what cannot be read is no
 * reason to drop it before it is known whose it is. Nothing is pulled in and nothing is written through a pointer,
 * since a packet of the node's own stays as it is: for a program that does, the kernel unshares each packet.
 * Drops: 134, and those of extension.h, fragment.h and transport.h; the caller decides whether they count.
 */
#pragma once

#include "lib/cursor.h"
#include "lib/extension.h"
#include "lib/fragment.h"
#include "lib/host_device.h"
#include "lib/icmp.h"
#include "lib/nat.h"

#undef THIS_FILE
#define THIS_FILE FILE_HOST_READ

/* The fixed header: 0, or a drop. */
static __always_inline int host_header4(struct __sk_buff *ctx, struct iphdr *ip, struct flow *flow)
{
	const __u32 start = device_network();
	__u32 header_len, total_len;

	if (cursor_copy_ipv4(ctx, start, ip) || ip->version_ihl >> 4 != IPV4_VERSION)
		return DROP_HERE(DROP_INVALID);
	header_len = (ip->version_ihl & 0xf) * 4;
	total_len = __builtin_bswap16(ip->tot_len);
	/* As in ipv4.h. */
	if (total_len == 0 && ctx->len > 0xffff)
		total_len = ctx->len - start;
	if (header_len < sizeof(*ip) || total_len < header_len || total_len > ctx->len - start)
		return DROP_HERE(DROP_INVALID);
	flow->protocol = ip->protocol;
	flow->hop_limit = ip->ttl;
	flow->fragment = __builtin_bswap16(ip->frag_off) & (FRAGMENT_MORE | FRAGMENT_PLACE);
	flow->fragment_id = ip->id;
	flow->transport = start + header_len;
	flow->payload_len = total_len - header_len;
	return 0;
}

static __always_inline int host_header6(struct __sk_buff *ctx, struct ipv6hdr *ip,
					struct flow *flow)
{
	const __u32 start = device_network();
	__u32 payload_len;

	if (cursor_copy_ipv6(ctx, start, ip) ||
	    (ip->version_class_flow & BE32(0xf0000000)) != BE32(IPV6_VERSION << 28))
		return DROP_HERE(DROP_INVALID);
	payload_len = __builtin_bswap16(ip->payload_len);
	if (payload_len == 0 && ctx->len > 0xffff)
		payload_len = ctx->len - start - sizeof(*ip);
	if (payload_len > ctx->len - start - sizeof(*ip))
		return DROP_HERE(DROP_INVALID);
	flow->protocol = ip->nexthdr;
	flow->hop_limit = ip->hop_limit;
	flow->transport = start + sizeof(*ip);
	flow->payload_len = payload_len;
	return extension_is(flow->protocol) ? extension_walk(ctx, flow) : 0;
}

/* The ports, as the key has them. What is between neighbours, or of no known type, has none. */
static __always_inline void host_ports_of(struct flow *flow, __be16 *own, __be16 *peers,
					  const int family, const enum direction direction)
{
	if (!transport_is_icmp(flow->protocol, family)) {
		*own = direction == DIRECTION_EGRESS ? flow->sport : flow->dport;
		*peers = direction == DIRECTION_EGRESS ? flow->dport : flow->sport;
		return;
	}
	if (icmp_classify(flow, family) < 0)
		flow->class = CLASS_LINK;
	else if (flow->class != CLASS_ERROR)
		icmp_ports(flow, own, peers, family, direction);
}

/* Reads a packet into `flow` and the key of its half; 0, or a drop. The addresses are there in any case. */
VERIFIED_ALONE int host_read4(struct __sk_buff *ctx, union nat_key *key, struct flow *flow,
			      __u32 direction)
{
	const int from_us = direction == DIRECTION_EGRESS;
	struct snat4_key *own;
	struct iphdr ip = {};
	int verdict;

	if (!CONFIG_ENABLE_IPV4 || !key || !flow)
		return DROP_HERE(DROP_INVALID);
	own = &key->v4;
	verdict = host_header4(ctx, &ip, flow);
	own->daddr = from_us ? ip.daddr : ip.saddr;
	own->saddr = from_us ? ip.saddr : ip.daddr;
	own->flags = from_us ? 0 : SNAT_IN;
	own->protocol = flow->protocol;
	if (verdict < 0)
		return verdict;
	verdict = flow->fragment && transport_header_len(flow->protocol, FAMILY_IPV4)
			  ? fragment_read4(ctx, (void *)own, flow, direction)
		  : transport_peek(ctx, flow) ? 0
					      : transport_read(ctx, flow, FAMILY_IPV4);
	if (verdict < 0)
		return verdict;
	host_ports_of(flow, &own->sport, &own->dport, FAMILY_IPV4, direction);
	return 0;
}

VERIFIED_ALONE int host_read6(struct __sk_buff *ctx, union nat_key *key, struct flow *flow,
			      __u32 direction)
{
	const int from_us = direction == DIRECTION_EGRESS;
	struct snat6_key *own;
	struct ipv6hdr ip = {};
	int verdict;

	if (!CONFIG_ENABLE_IPV6 || !key || !flow)
		return DROP_HERE(DROP_INVALID);
	own = &key->v6;
	verdict = host_header6(ctx, &ip, flow);
	__builtin_memcpy(own->daddr, from_us ? &ip.daddr : &ip.saddr, sizeof(own->daddr));
	__builtin_memcpy(own->saddr, from_us ? &ip.saddr : &ip.daddr, sizeof(own->saddr));
	own->flags = from_us ? 0 : SNAT_IN;
	if (verdict < 0)
		return verdict;
	verdict = flow->fragment              ? fragment_read6(ctx, (void *)own, flow, direction)
		  : transport_peek(ctx, flow) ? 0
					      : transport_read(ctx, flow, FAMILY_IPV6);
	own->protocol = flow->protocol;
	if (verdict < 0)
		return verdict;
	host_ports_of(flow, &own->sport, &own->dport, FAMILY_IPV6, direction);
	return 0;
}
