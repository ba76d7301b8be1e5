/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fragments. Only the first one has ports, by which policy and conntrack judge; it leaves them in
 * FRAG4_MAP or FRAG6_MAP for the others. A fragment that overtakes the first one is dropped, as is one
 * whose first fragment was cut so short that it hides the transport header (RFC 1858).
 * Reads and writes: the two maps. Drops: 134, 175, and those of transport.h.
 */
#pragma once

#include "lib/transport.h"

#undef THIS_FILE
#define THIS_FILE FILE_FRAGMENT

/* A fragment at this place, in units of 8, would overwrite the flags of TCP (RFC 3128). */
#define FRAGMENT_OVER_TCP_FLAGS 1

static __always_inline struct frag_value *fragment_find(const void *key, const int family)
{
	if (family == FAMILY_IPV4)
		return bpf_map_lookup_elem(&FRAG4_MAP, key);
	return bpf_map_lookup_elem(&FRAG6_MAP, key);
}

static __always_inline void fragment_store(const void *key, const struct frag_value *value,
					   const int family)
{
	/* Where the map is full and nothing can be evicted, the later fragments will be dropped. */
	if (family == FAMILY_IPV4)
		bpf_map_update_elem(&FRAG4_MAP, key, value, BPF_ANY);
	else
		bpf_map_update_elem(&FRAG6_MAP, key, value, BPF_ANY);
}

/* Fills in what the transport header says of a fragment; 0, or a drop. */
static __always_inline int fragment_read(struct __sk_buff *ctx, struct flow *flow, const void *key,
					 const int family)
{
	struct frag_value *first;
	struct frag_value value = {};
	int verdict;

	if ((flow->fragment & FRAGMENT_PLACE) == 0) {
		verdict = transport_read(ctx, flow, family);
		if (verdict < 0)
			return verdict;
		value.sport = flow->sport;
		value.dport = flow->dport;
		value.protocol = flow->protocol;
		fragment_store(key, &value, family);
		return 0;
	}
	first = fragment_find(key, family);
	if (!first)
		return DROP_HERE(DROP_FRAG_NOT_FOUND);
	if (first->protocol == IPPROTO_TCP &&
	    (flow->fragment & FRAGMENT_PLACE) == FRAGMENT_OVER_TCP_FLAGS)
		return DROP_HERE(DROP_INVALID);
	flow->tcp_flags = first->protocol == IPPROTO_TCP ? 0 : CT_SEEN;
	flow->protocol = first->protocol;
	flow->sport = first->sport;
	flow->dport = first->dport;
	return 0;
}

/* The addresses as the packet has them: the two directions have identifiers of their own. */
VERIFIED_ALONE int fragment_read4(struct __sk_buff *ctx, struct ct4_key *key, struct flow *flow,
				  __u32 direction)
{
	struct frag4_key fragment = {};

	if (!CONFIG_ENABLE_IPV4 || !flow || !key)
		return DROP_HERE(DROP_INVALID);
	fragment.daddr = direction == DIRECTION_EGRESS ? key->daddr : key->saddr;
	fragment.saddr = direction == DIRECTION_EGRESS ? key->saddr : key->daddr;
	fragment.id = (__be16)flow->fragment_id;
	fragment.protocol = flow->protocol;
	return fragment_read(ctx, flow, &fragment, FAMILY_IPV4);
}

VERIFIED_ALONE int fragment_read6(struct __sk_buff *ctx, struct ct6_key *key, struct flow *flow,
				  __u32 direction)
{
	struct frag6_key fragment = {};
	const void *daddr, *saddr;

	if (!CONFIG_ENABLE_IPV6 || !flow || !key)
		return DROP_HERE(DROP_INVALID);
	daddr = direction == DIRECTION_EGRESS ? key->daddr : key->saddr;
	saddr = direction == DIRECTION_EGRESS ? key->saddr : key->daddr;
	__builtin_memcpy(fragment.daddr, daddr, sizeof(fragment.daddr));
	__builtin_memcpy(fragment.saddr, saddr, sizeof(fragment.saddr));
	fragment.id = flow->fragment_id;
	return fragment_read(ctx, flow, &fragment, FAMILY_IPV6);
}
