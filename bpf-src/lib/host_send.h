/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What becomes of a packet to outside: it is translated by its pair, and a pod's first packet, or one of the node that
 * would look like a pod's, gets one. What a pod answers to somebody outside who has asked it by its own address
 * keeps that: the pod's programs know, and say so in the mark. All else passes untouched.
 * Drops: 167, 168, those of nat_error.h and nat_rewrite.h, and of a pod's packets those of host_read.h.
 */
#pragma once

#include "lib/host_receive.h"

#undef THIS_FILE
#define THIS_FILE FILE_HOST_SEND

/* Whether a pod's packets to this peer keep the pod's address. */
VERIFIED_ALONE int host_is_native(union nat_key *key, __u32 family)
{
	struct native_cidr_key network = {
		.prefixlen = NATIVE_CIDR_FIXED_BITS + (nat_is_ipv4(family) ? 32 : 128),
		.family = (__u8)family,
	};
	struct nat_end peer = {};

	if (!key)
		return 1;
	host_peer(key, &peer, family);
	__builtin_memcpy(network.address, peer.address, sizeof(network.address));
	return bpf_map_lookup_elem(&NATIVE_CIDRS_MAP, &network) || host_local(&peer, family) ||
	       host_is_node(&peer, family);
}

/* The node's address at this device; whether there is one. */
static __always_inline int host_masquerade_address(struct nat_end *end, __u32 family)
{
	union ipv6_address address = IPV6_MASQUERADE;

	if (nat_is_ipv4(family)) {
		end->address[0] = IPV4_MASQUERADE;
		return end->address[0] != 0;
	}
	__builtin_memcpy(end->address, &address, sizeof(end->address));
	return !ipv6_is_zero(&address);
}

/* A packet of the node that another connection, a pod's, would get the answers to. */
static __always_inline int host_own_collides(union nat_key *key, const struct nat_end *own,
					     struct flow *flow, __u32 family)
{
	struct nat_end end = *own;

	return flow->class == CLASS_CONNECTION && nat_is_taken(key, &end, family);
}

/*
 * Whether a packet to outside that has no pair needs one, at the address that `end` gets. 0, or HOST_TRANSLATE, or a
 * drop.
 */
VERIFIED_ALONE int host_masquerade(struct __sk_buff *ctx, union nat_key *key, struct flow *flow,
				   struct nat_end *end, __u32 family)
{
	struct endpoint_value *pod;
	struct nat_end own = {};
	int has_address;

	if (!key || !flow || !end)
		return 0;
	has_address = host_masquerade_address(end, family);
	nat_own_end(key, &own, family);
	end->port = own.port;
	if (has_address && nat_end_equal(&own, end))
		return host_own_collides(key, &own, flow, family) ? HOST_TRANSLATE : 0;
	if (ctx->mark & MARK_ANSWER)
		return 0;
	pod = host_local(&own, family);
	if (!pod || !(pod->flags & ENDPOINT_MASQUERADE))
		return 0;
	flow->own_identity = pod->identity;
	if (host_is_native(key, family))
		return 0;
	return has_address ? HOST_TRANSLATE : DROP_HERE(DROP_NAT_NO_MAPPING);
}

/* Why a packet that needs a pair cannot have one; 0, or a drop. */
static __always_inline int host_can_pair(const struct flow *flow, __u32 family)
{
	/* An answer to nothing that is known. */
	if (flow->class == CLASS_ANSWER)
		return DROP_HERE(DROP_NAT_NO_MAPPING);
	if (!nat_has_ports(flow->protocol, (int)family) && !nat_is_portless(flow->protocol))
		return DROP_HERE(DROP_NAT_UNSUPP_PROTO);
	return 0;
}

/* An error about something that is translated, to outside. The node's own keep their source. */
static __always_inline int host_send_error(struct __sk_buff *ctx, union nat_key *key,
					   struct flow *flow, struct nat_end *end, __u32 family)
{
	int verdict = nat_error(ctx, key, flow, end, family);

	return verdict == 0  ? nat_rewrite(ctx, key, flow, end, family)
	       : verdict < 0 ? verdict
			     : TC_ACT_OK;
}

/* A packet to outside: TC_ACT_OK, or a drop. */
VERIFIED_ALONE int host_send(struct __sk_buff *ctx, struct flow *flow, __u32 family)
{
	struct nat_end end = {};
	union nat_key key = {};
	int unread, verdict;

	if (!flow)
		return TC_ACT_OK;
	unread = host_read(ctx, &key, flow, DIRECTION_EGRESS, family);
	if (flow->class == CLASS_LINK)
		return TC_ACT_OK;
	if (unread >= 0 && flow->class == CLASS_ERROR)
		return host_send_error(ctx, &key, flow, &end, family);
	if (unread >= 0 && nat_find(&key, flow, &end, family))
		return nat_rewrite(ctx, &key, flow, &end, family);
	verdict = host_masquerade(ctx, &key, flow, &end, family);
	if (verdict <= 0)
		return verdict;
	if (unread < 0)
		return unread;
	verdict = host_can_pair(flow, family);
	if (verdict >= 0)
		verdict = nat_choose(ctx, &key, flow, &end, family);
	return verdict < 0 ? verdict : nat_rewrite(ctx, &key, flow, &end, family);
}
