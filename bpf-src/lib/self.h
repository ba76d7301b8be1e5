/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For whom does a program run? An endpoint's own programs have it in constants and leave it in SELF_MAP; the
 * programs that they tail-call are one and the same for all endpoints of a template, and find it there. So
 * the kernel verifies the large programs once for a template, and for each endpoint small ones alone.
 * Reads: every constant, in self_enter(). Reads and writes: SELF_MAP. Drops: 184, where it is used.
 */
#pragma once

#include "lib/flow.h"
#include "maps.h"

/* The flags of an endpoint; numbers for the builder (LXC_FLAGS). */
enum self_flag {
	SELF_IS_QUEUED = 0x0001, /* what goes to the pod waits in the queue of its device */
};

/* NULL never happens: the map has this place. */
static __always_inline struct endpoint_self *self_find(void)
{
	__u32 place = 0;

	return bpf_map_lookup_elem(&SELF_MAP, &place);
}

/* The start of an endpoint's own program. */
static __always_inline void self_enter(void)
{
	struct endpoint_self *self = self_find();
	union ipv6_address own = LXC_IP;
	__u64 *ipv6;

	if (!self)
		return;
	self->id = (__u16)LXC_ID;
	self->flags = (__u16)LXC_FLAGS;
	self->identity = SECLABEL;
	self->ifindex = LXC_IFINDEX;
	self->ipv4 = LXC_IPV4;
	self->mac = LXC_MAC;
	self->host_mac = NODE_MAC;
	ipv6 = (void *)self->ipv6;
	ipv6[0] = own.word[0];
	ipv6[1] = own.word[1];
}

/* The start of a shared one; NULL never happens. */
static __always_inline struct endpoint_self *self_read(struct flow *flow)
{
	struct endpoint_self *self = self_find();

	if (!self)
		return NULL;
	flow->own_id = self->id;
	flow->own_identity = self->identity;
	return self;
}
