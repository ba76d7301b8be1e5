/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Layer 3, IPv6: is the header sound, is the sender who it says it is, and what is in the packet?
 * Drops: 132, 134, and those of extension.h, fragment.h, icmp.h and neighbor.h.
 */
#pragma once

#include "lib/cursor.h"
#include "lib/extension.h"
#include "lib/fragment.h"
#include "lib/icmp.h"
#include "lib/neighbor.h"

#undef THIS_FILE
#define THIS_FILE FILE_IPV6

/* Takes the fixed headers of the packet; 0, or a drop. */
static __always_inline int ipv6_header(struct __sk_buff *ctx, struct ethhdr **frame,
				       struct ipv6hdr **header, struct flow *flow)
{
	const __u32 headers = sizeof(struct ethhdr) + sizeof(struct ipv6hdr);
	struct cursor cursor = cursor_open(ctx, headers);
	struct ethhdr *eth = cursor_take(&cursor, sizeof(*eth));
	struct ipv6hdr *ip = cursor_take(&cursor, sizeof(*ip));
	__u32 payload_len;

	if (!eth || !ip || (ip->version_class_flow & BE32(0xf0000000)) != BE32(IPV6_VERSION << 28))
		return DROP_HERE(DROP_INVALID);
	payload_len = __builtin_bswap16(ip->payload_len);
	/* Segments to be cut may be larger together than the field can say; then it is 0 (RFC 2675). */
	if (payload_len == 0 && ctx->len > 0xffff)
		payload_len = ctx->len - headers;
	/* Padding may follow, but nothing may be missing. */
	if (payload_len > ctx->len - headers)
		return DROP_HERE(DROP_INVALID);
	flow->protocol = ip->nexthdr;
	flow->hop_limit = ip->hop_limit;
	flow->transport = headers;
	flow->payload_len = payload_len;
	*frame = eth;
	*header = ip;
	return 0;
}

/* Whether the pod may send from this address. */
static __always_inline int ipv6_is_own_source(const struct ipv6hdr *ip,
					      const struct endpoint_self *self)
{

	if (ipv6_is_link_local(&ip->saddr))
		return 1;
	/* Who has no address yet asks the link whether it is free (RFC 4862, 5.4.2), no one else. */
	if (ipv6_is_zero(&ip->saddr))
		return ipv6_is_link_multicast(&ip->daddr);
	return ipv6_equal(&ip->saddr, (const void *)self->ipv6);
}

/* As ipv4_error(). What the error is about may be behind extension headers: then nothing matches. */
VERIFIED_ALONE int ipv6_error(struct __sk_buff *ctx, struct ct6_key *key, struct flow *flow,
			      __u32 direction)
{
	const int to_pod = direction == DIRECTION_INGRESS;
	union transport_header transport = {};
	struct flow inner = {};
	struct ipv6hdr ip;
	__u32 start;

	if (!key || !flow)
		return DROP_HERE(DROP_INVALID);
	start = flow->transport + sizeof(struct icmphdr);
	if (bpf_skb_load_bytes(ctx, start, &ip, sizeof(ip)) ||
	    bpf_skb_load_bytes(ctx, start + sizeof(ip), &transport, sizeof(transport.udp)))
		return DROP_HERE(DROP_INVALID);
	/* An error goes to the sender of what it is about, and the pod speaks of what it got alone. */
	if (!ipv6_equal(&ip.saddr, (const void *)(to_pod ? key->saddr : key->daddr)) ||
	    (!to_pod && !ipv6_equal(&ip.daddr, (const void *)key->saddr)))
		return DROP_HERE(DROP_INVALID);
	key->protocol = ip.nexthdr;
	__builtin_memcpy(key->daddr, to_pod ? &ip.daddr : &ip.saddr, sizeof(key->daddr));
	if (transport_header_len(ip.nexthdr, FAMILY_IPV6) == 0)
		return 0;
	if (ip.nexthdr == IPPROTO_ICMPV6) {
		inner.dport = BE16(transport.icmp.type);
		inner.sport = transport.icmp.id;
		icmp_ports(&inner, &key->sport, &key->dport, FAMILY_IPV6,
			   to_pod ? DIRECTION_EGRESS : DIRECTION_INGRESS);
		return 0;
	}
	key->sport = to_pod ? transport.udp.source : transport.udp.dest;
	key->dport = to_pod ? transport.udp.dest : transport.udp.source;
	return 0;
}

/* Likewise ipv4_icmp(). */
VERIFIED_ALONE int ipv6_icmp(struct __sk_buff *ctx, struct ct6_key *key, struct flow *flow,
			     __u32 direction)
{
	int verdict;

	KEEP(ctx);
	if (!key || !flow)
		return DROP_HERE(DROP_INVALID);
	if (neighbor_is_message(flow))
		return neighbor_check(key, flow, direction);
	verdict = icmp_classify(flow, FAMILY_IPV6);
	if (verdict < 0)
		return verdict;
	if (CONFIG_CONNTRACK && flow->class == CLASS_ERROR)
		return ipv6_error(ctx, key, flow, direction);
	icmp_ports(flow, &key->sport, &key->dport, FAMILY_IPV6, direction);
	return 0;
}

/* ipv4_transport() */
VERIFIED_ALONE int ipv6_transport(struct __sk_buff *ctx, struct ct6_key *key, struct flow *flow,
				  __u32 direction)
{
	int verdict = 0;

	if (!key || !flow)
		return DROP_HERE(DROP_INVALID);
	if (extension_is(flow->protocol))
		verdict = extension_walk(ctx, flow);
	if (verdict < 0)
		return verdict;
	verdict = flow->fragment ? fragment_read6(ctx, key, flow, direction)
				 : transport_read(ctx, flow, FAMILY_IPV6);
	if (verdict < 0)
		return verdict;
	key->protocol = flow->protocol;
	if (flow->protocol == IPPROTO_ICMPV6)
		return ipv6_icmp(ctx, key, flow, direction);
	transport_ports(flow, &key->sport, &key->dport, direction);
	return 0;
}

/* and ipv4_read(). */
static __always_inline int ipv6_read(struct __sk_buff *ctx, const struct ipv6hdr *ip,
				     struct ct6_key *key, struct flow *flow,
				     const enum direction direction)
{
	const int from_pod = direction == DIRECTION_EGRESS;

	__builtin_memcpy(key->daddr, from_pod ? &ip->daddr : &ip->saddr, sizeof(key->daddr));
	__builtin_memcpy(key->saddr, from_pod ? &ip->saddr : &ip->daddr, sizeof(key->saddr));
	if (!transport_peek(ctx, flow))
		return ipv6_transport(ctx, key, flow, direction);
	key->protocol = flow->protocol;
	transport_ports(flow, &key->sport, &key->dport, direction);
	return 0;
}
