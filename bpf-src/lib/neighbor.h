/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Messages between neighbours: neighbour discovery and multicast listeners. No policy applies to them, so
 * they must not come from farther away. The pod's question for any address but its own is answered with
 * the host's MAC, as arp.h does; that for a router, the answers to the host, and its reports go to the host.
 * Reads: the address and MACs of SELF_MAP. Drops: 132, 134, 141, 176, 184.
 */
#pragma once

#include "lib/checksum.h"
#include "lib/deliver.h"
#include "lib/icmp.h"

#undef THIS_FILE
#define THIS_FILE FILE_NEIGHBOR

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

/* Whether transport_read() has read such a message. */
static __always_inline int neighbor_is_message(const struct flow *flow)
{
	__u32 type = __builtin_bswap16(flow->dport);

	return (type >= ICMPV6_ROUTER_ASK && type <= ICMPV6_REDIRECT) || icmp6_is_listener(type);
}

/* Sets the class; 0, or a drop. */
static __always_inline int neighbor_check(const struct ct6_key *key, struct flow *flow,
					  const enum direction direction)
{
	const union ipv6_address *source =
		(const void *)(direction == DIRECTION_EGRESS ? key->saddr : key->daddr);
	__u32 type = __builtin_bswap16(flow->dport);

	flow->class = CLASS_LINK;
	if (direction == DIRECTION_EGRESS &&
	    (type == ICMPV6_ROUTER_TELL || type == ICMPV6_REDIRECT))
		return DROP_HERE(DROP_FORBIDDEN_ICMP6);
	if (icmp6_is_listener(type)) {
		/* RFC 3810, 5: such a source, and a limit of one hop. */
		if (flow->hop_limit == 1 && (ipv6_is_link_local(source) || ipv6_is_zero(source)))
			return 0;
		return DROP_HERE(DROP_INVALID);
	}
	/* Every router lowers the hop limit: with the highest one, it has passed none (RFC 4861). */
	if (flow->hop_limit != ND_HOP_LIMIT || flow->icmp_code != 0)
		return DROP_HERE(DROP_INVALID);
	return 0;
}

struct neighbor_frame {
	__u8 pad[2]; /* puts what follows the Ethernet header onto a multiple of 8, as the sum needs */
	struct ethhdr eth;
	struct ipv6hdr ip;
	struct nd_message message;
};

#define NEIGHBOR_FRAME_LEN                                                                         \
	(sizeof(struct neighbor_frame) - __builtin_offsetof(struct neighbor_frame, eth))

/* The answer takes the place of the question. */
static __always_inline int neighbor_answer(struct __sk_buff *ctx, const struct endpoint_self *self,
					   const union ipv6_address *asker,
					   const union ipv6_address *target)
{
	struct neighbor_frame frame;
	__u64 mac = self->mac;
	__u64 node_mac = self->host_mac;

	__builtin_memset(&frame, 0, sizeof(frame));
	frame.eth.h_proto = BE16(ETH_P_IPV6);
	frame.ip.version_class_flow = BE32(IPV6_VERSION << 28);
	frame.ip.payload_len = BE16(sizeof(frame.message));
	frame.ip.nexthdr = IPPROTO_ICMPV6;
	frame.ip.hop_limit = ND_HOP_LIMIT;
	frame.ip.saddr = *target;
	frame.ip.daddr = *asker;
	frame.message.type = ICMPV6_NEIGHBOR_TELL;
	frame.message.flags = ND_IS_ROUTER | ND_IS_SOLICITED | ND_OVERRIDES;
	frame.message.target = *target;
	frame.message.option = ND_OPTION_ITS_MAC;
	frame.message.option_words = 1;
	mac_write(frame.eth.h_dest, mac);
	mac_write(frame.eth.h_source, node_mac);
	mac_write(frame.message.mac, node_mac);
	frame.message.check = checksum_of_ipv6(&frame.ip, sizeof(frame.message));
	if (bpf_skb_change_tail(ctx, NEIGHBOR_FRAME_LEN, 0) ||
	    bpf_skb_store_bytes(ctx, 0, &frame.eth, NEIGHBOR_FRAME_LEN, 0))
		return DROP_HERE(DROP_WRITE_ERROR);
	event_debug(ctx, DEBUG_NEIGHBOR_ANSWERED, target->word32[3], 0);
	return answer(ctx, self);
}

/* A message that neighbor_check() has let pass, from the pod. */
VERIFIED_ALONE int neighbor_from_container(struct __sk_buff *ctx, struct ct6_key *key,
					   struct flow *flow)
{
	const struct endpoint_self *self = self_find();
	const union ipv6_address *own;
	union ipv6_address asker;
	struct nd_message message;
	__u32 type;

	if (!key || !flow || !self)
		return DROP_HERE(DROP_INVALID_TC_BUFFER);
	own = (const void *)self->ipv6;
	type = __builtin_bswap16(flow->dport);
	__builtin_memcpy(&asker, key->saddr, sizeof(asker));
	if (type != ICMPV6_NEIGHBOR_ASK && type != ICMPV6_NEIGHBOR_TELL)
		return TC_ACT_OK;
	if (flow->payload_len < __builtin_offsetof(struct nd_message, option) ||
	    bpf_skb_load_bytes(ctx, flow->transport, &message,
			       __builtin_offsetof(struct nd_message, option)) ||
	    message.target.octet[0] == 0xff)
		return DROP_HERE(DROP_INVALID);
	if (type == ICMPV6_NEIGHBOR_TELL)
		return ipv6_is_link_local(&message.target) || ipv6_equal(&message.target, own)
			       ? TC_ACT_OK
			       : DROP_HERE(DROP_INVALID_SOURCE_IP);
	/* Without a source it asks whether an address is free: the answer would take it from the pod. */
	if (ipv6_is_zero(&asker) || ipv6_equal(&message.target, own))
		return TC_ACT_OK;
	return neighbor_answer(ctx, self, &asker, &message.target);
}
