/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Layer 3, IPv4: is the header sound, is the sender who it says it is, and what is in the packet?
 * Drops: 132, 134, and those of fragment.h and icmp.h.
 */
#pragma once

#include "lib/cursor.h"
#include "lib/fragment.h"
#include "lib/icmp.h"

#undef THIS_FILE
#define THIS_FILE FILE_IPV4

/* To the next word of the header. */
#define IPV4_PADDING_MAX 3

/* Takes the headers of the packet, without options; 0, or a drop. */
static __always_inline int ipv4_header(struct __sk_buff *ctx, struct ethhdr **frame,
				       struct iphdr **header, struct flow *flow)
{
	const __u32 start = sizeof(struct ethhdr);
	struct cursor cursor = cursor_open(ctx, start + sizeof(struct iphdr));
	struct ethhdr *eth = cursor_take(&cursor, sizeof(*eth));
	struct iphdr *ip = cursor_take(&cursor, sizeof(*ip));
	__u32 header_len, total_len;

	if (!eth || !ip || ip->version_ihl >> 4 != IPV4_VERSION)
		return DROP_HERE(DROP_INVALID);
	header_len = (ip->version_ihl & 0xf) * 4;
	total_len = __builtin_bswap16(ip->tot_len);
	/* Segments to be cut may be larger together than the field can say; then it is 0. */
	if (total_len == 0 && ctx->len > 0xffff)
		total_len = ctx->len - start;
	if (header_len < sizeof(*ip) || total_len < header_len)
		return DROP_HERE(DROP_INVALID);
	/* Padding may follow, but nothing may be missing. */
	if (total_len > ctx->len - start)
		return DROP_HERE(DROP_INVALID);
	flow->protocol = ip->protocol;
	flow->fragment = __builtin_bswap16(ip->frag_off) & (FRAGMENT_MORE | FRAGMENT_PLACE);
	flow->fragment_id = ip->id;
	flow->transport = start + header_len;
	flow->payload_len = total_len - header_len;
	*frame = eth;
	*header = ip;
	return 0;
}

/*
 * Options of what the pod sends: one, behind one octet of nothing at most, and the padding. More have no
 * use, and a source route would replace the destination that policy has seen by another one. 0, or a drop.
 */
static __always_inline int ipv4_options(struct __sk_buff *ctx, const struct flow *flow)
{
	const __u32 start = sizeof(struct ethhdr) + sizeof(struct iphdr);
	__u8 option[3] = {};
	__u32 type, len;
	int skip;

	if (bpf_skb_load_bytes(ctx, start, option, sizeof(option)))
		return DROP_HERE(DROP_INVALID);
	skip = option[0] == IPV4_OPTION_NOP;
	type = skip ? option[1] : option[0];
	len = skip ? option[2] + 1U : option[1];
	if (type == IPV4_OPTION_END)
		return 0;
	if (type == IPV4_OPTION_LOOSE_ROUTE || type == IPV4_OPTION_STRICT_ROUTE ||
	    len + IPV4_PADDING_MAX < flow->transport - start)
		return DROP_HERE(DROP_INVALID);
	return 0;
}

/*
 * The packet that an ICMP error is about, and that was sent by the side that gets the error: `key` becomes
 * that of its connection; 0, or a drop. The rest of the packet may be missing, and so may be all but 8
 * octets of its transport header (RFC 792).
 */
VERIFIED_ALONE int ipv4_error(struct __sk_buff *ctx, struct ct4_key *key, struct flow *flow,
			      __u32 direction)
{
	const int to_pod = direction == DIRECTION_INGRESS;
	union transport_header transport = {};
	struct flow inner = {};
	struct iphdr ip;
	__u32 start;

	if (!key || !flow)
		return DROP_HERE(DROP_INVALID);
	start = flow->transport + sizeof(struct icmphdr);
	if (bpf_skb_load_bytes(ctx, start, &ip, sizeof(ip)) || ip.version_ihl >> 4 != IPV4_VERSION)
		return DROP_HERE(DROP_INVALID);
	if (bpf_skb_load_bytes(ctx, start + (ip.version_ihl & 0xf) * 4, &transport,
			       sizeof(transport.udp)))
		return DROP_HERE(DROP_INVALID);
	/* An error goes to the sender of what it is about, and the pod speaks of what it got alone. */
	if (ip.saddr != (to_pod ? key->saddr : key->daddr) || (!to_pod && ip.daddr != key->saddr))
		return DROP_HERE(DROP_INVALID);
	key->protocol = ip.protocol;
	key->daddr = to_pod ? ip.daddr : ip.saddr;
	if (ip.frag_off & BE16(IPV4_OFFSET_MASK) ||
	    transport_header_len(ip.protocol, FAMILY_IPV4) == 0)
		return 0;
	if (ip.protocol == IPPROTO_ICMP) {
		inner.dport = BE16(transport.icmp.type);
		inner.sport = transport.icmp.id;
		icmp_ports(&inner, &key->sport, &key->dport, FAMILY_IPV4,
			   to_pod ? DIRECTION_EGRESS : DIRECTION_INGRESS);
		return 0;
	}
	key->sport = to_pod ? transport.udp.source : transport.udp.dest;
	key->dport = to_pod ? transport.udp.dest : transport.udp.source;
	return 0;
}

/* A message of ICMP, with the type and identifier that are in `flow`; 0, or a drop. */
VERIFIED_ALONE int ipv4_icmp(struct __sk_buff *ctx, struct ct4_key *key, struct flow *flow,
			     __u32 direction)
{
	int verdict;

	KEEP(ctx);
	if (!key || !flow)
		return DROP_HERE(DROP_INVALID);
	verdict = icmp_classify(flow, FAMILY_IPV4);
	if (verdict < 0)
		return verdict;
	if (CONFIG_CONNTRACK && flow->class == CLASS_ERROR)
		return ipv4_error(ctx, key, flow, direction);
	icmp_ports(flow, &key->sport, &key->dport, FAMILY_IPV4, direction);
	return 0;
}

/* Reads what is behind the header; `key` has the addresses already. 0, or a drop. */
VERIFIED_ALONE int ipv4_transport(struct __sk_buff *ctx, struct ct4_key *key, struct flow *flow,
				  __u32 direction)
{
	int verdict;

	if (!key || !flow)
		return DROP_HERE(DROP_INVALID);
	verdict = flow->fragment && transport_header_len(flow->protocol, FAMILY_IPV4)
			  ? fragment_read4(ctx, key, flow, direction)
			  : transport_read(ctx, flow, FAMILY_IPV4);
	if (verdict < 0)
		return verdict;
	key->protocol = flow->protocol;
	if (flow->protocol == IPPROTO_ICMP)
		return ipv4_icmp(ctx, key, flow, direction);
	transport_ports(flow, &key->sport, &key->dport, direction);
	return 0;
}

/* Reads the packet whose header is at `ip` into `flow` and `key`; 0, or a drop. */
static __always_inline int ipv4_read(struct __sk_buff *ctx, const struct iphdr *ip,
				     struct ct4_key *key, struct flow *flow,
				     const enum direction direction)
{
	const int from_pod = direction == DIRECTION_EGRESS;
	int verdict;

	key->daddr = from_pod ? ip->daddr : ip->saddr;
	key->saddr = from_pod ? ip->saddr : ip->daddr;
	if (from_pod && flow->transport > sizeof(struct ethhdr) + sizeof(*ip)) {
		verdict = ipv4_options(ctx, flow);
		if (verdict < 0)
			return verdict;
	}
	if (!transport_peek(ctx, flow))
		return ipv4_transport(ctx, key, flow, direction);
	key->protocol = flow->protocol;
	transport_ports(flow, &key->sport, &key->dport, direction);
	return 0;
}

/* Whether the pod may send from this address. An endpoint without IPv4 has the address zero. */
static __always_inline int ipv4_is_own_source(const struct iphdr *ip,
					      const struct endpoint_self *self)
{
	__be32 own = self->ipv4;

	return own != 0 && ip->saddr == own;
}
