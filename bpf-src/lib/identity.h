/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is it? From the outside in: the longest prefix of IPCACHE_MAP; a pod of this node, or the node; the
 * world. Within a node the sender's program knows, and says it to the receiver's in one of two ways: in a
 * scratch word before a tail call, or in the packet's mark on its way through the host's stack. A pod cannot
 * forge a mark: the kernel clears it where a packet changes the network namespace.
 *
 * Beside an identity an address may have a network: one that policy names. It says nothing of who is there.
 * Reads: IPCACHE_MAP, ENDPOINTS_MAP, the node's routes.
 */
#pragma once

#include "lib/config.h"
#include "maps.h"

/* Numbers below 256 are reserved; none is for "not known". */
enum identity {
	IDENTITY_NONE = 0,
	IDENTITY_HOST = 1,
	IDENTITY_WORLD = 2,
};

/*
 * The mark: what it says, and, around it, either an identity of 24 bits (the lower 16 above, the upper 8
 * below) or, above, the endpoint whose programs need not see the packet again. The bits 0x4000 and 0x8000
 * are other people's.
 */
#define MARK_KIND_MASK 0x0f00
#define MARK_IDENTITY  0x0f00
#define MARK_PASSED    0x0600
/* Beside an identity: the packet answers one from outside, and so it keeps its address. */
#define MARK_ANSWER 0x1000

static __always_inline __u32 mark_of_identity(__u32 identity)
{
	return identity << 16 | MARK_IDENTITY | (identity >> 16 & 0xff);
}

/* The identity in a mark, or none. */
static __always_inline __u32 identity_of_mark(__u32 mark)
{
	if ((mark & MARK_KIND_MASK) != MARK_IDENTITY)
		return IDENTITY_NONE;
	return mark >> 16 | (mark & 0xff) << 16;
}

static __always_inline __u32 mark_of_passed(__u32 id)
{
	return id << 16 | MARK_PASSED;
}

/* Whether the endpoint's programs have let it pass, or made it. */
static __always_inline int mark_is_passed(__u32 mark, __u32 id)
{
	return (mark & MARK_KIND_MASK) == MARK_PASSED && mark >> 16 == id;
}

/*
 * Who has sent a packet that comes out of the host's stack, as far as that shows: the sender's program has
 * marked it, or a socket of the node has sent it, so that it came in nowhere. Both are asked for: of what the
 * node forwards, IPv6 loses the device where it cuts a reassembled packet anew, and what comes straight from
 * another pod's device may still have that pod's socket.
 */
static __always_inline __u32 identity_of_sender(const struct __sk_buff *ctx)
{
	__u32 marked = identity_of_mark(ctx->mark);

	if (marked)
		return marked;
	return ctx->ingress_ifindex == 0 && ctx->sk ? IDENTITY_HOST : IDENTITY_NONE;
}

/* The key of an address; the revision is still to come. */
static __always_inline struct ipcache_key ipcache_key_of(const __be32 *address, const int family)
{
	struct ipcache_key key = {
		.prefixlen = IPCACHE_FIXED_BITS + (family == FAMILY_IPV4 ? 32 : 128),
		.family = (__u8)family,
	};

	key.address[0] = address[0];
	if (family == FAMILY_IPV6) {
		key.address[1] = address[1];
		key.address[2] = address[2];
		key.address[3] = address[3];
	}
	return key;
}

static __always_inline struct endpoint_value *endpoint_find(const __be32 *address, const int family)
{
	struct endpoint_key key = { .family = (__u8)family };

	key.address[0] = address[0];
	if (family == FAMILY_IPV6) {
		key.address[1] = address[1];
		key.address[2] = address[2];
		key.address[3] = address[3];
	}
	return bpf_map_lookup_elem(&ENDPOINTS_MAP, &key);
}

/*
 * Whether a packet of the pod to an address that is nobody's ends at the node itself: what the node has for it
 * is no way to send it on. Its routes know each of its addresses, as they are now, so nobody has to follow
 * these. A node that forwards nothing takes all that passes here for itself or drops it.
 */
static __always_inline int identity_is_node(struct __sk_buff *ctx, const struct ipcache_key *key)
{
	const int is_ipv4 = key->family == FAMILY_IPV4;
	struct bpf_fib_lookup route = {
		.family = is_ipv4 ? AF_INET : AF_INET6,
		.ifindex = ctx->ifindex,
	};
	const __u8 *octets = (const void *)key->address;
	long answer;

	/* Of a group the node may be a member, or not. */
	if (is_ipv4 ? (octets[0] & 0xf0) == 0xe0 : octets[0] == 0xff)
		return 0;
	route.destination[0] = key->address[0];
	route.destination[1] = key->address[1];
	route.destination[2] = key->address[2];
	route.destination[3] = key->address[3];
	answer = bpf_fib_lookup(ctx, &route, sizeof(route), 0);
	return answer == BPF_FIB_LKUP_RET_NOT_FWDED || answer == BPF_FIB_LKUP_RET_FWD_DISABLED;
}

/*
 * Who is at an address that the cache does not know? Pods of this node are known before everybody has heard of
 * them. Of a packet to the pod the source address alone never shows the node: what the node has sent is known
 * for that (identity_of_sender()), and others can write its addresses, too.
 */
VERIFIED_ALONE int identity_not_cached(struct __sk_buff *ctx, struct ipcache_key *key,
				       __u32 direction)
{
	struct endpoint_value *local;

	if (!key)
		return IDENTITY_WORLD;
	local = endpoint_find(key->address, key->family);
	if (local && !(local->flags & ENDPOINT_IS_HOST))
		return (int)local->identity;
	if (direction == DIRECTION_INGRESS)
		return IDENTITY_WORLD;
	return local || identity_is_node(ctx, key) ? IDENTITY_HOST : IDENTITY_WORLD;
}

/* Who is at the other end of a connection; `direction` is that of its first packet. */
static __always_inline __u32 identity_of(struct __sk_buff *ctx, struct ipcache_key *key,
					 __u32 direction)
{
	struct ipcache_value *value;

	key->revision = IPCACHE_WHO;
	value = bpf_map_lookup_elem(&IPCACHE_MAP, key);
	if (value && (direction == DIRECTION_EGRESS || value->identity != IDENTITY_HOST))
		return value->identity;
	return (__u32)identity_not_cached(ctx, key, direction);
}

/* The number of the longest network that the policy of this revision names and that has the address, or 0. */
static __always_inline __u32 network_of(struct ipcache_key *key, __u32 revision)
{
	struct ipcache_value *value;

	if (revision == IPCACHE_WHO)
		return IDENTITY_NONE;
	key->revision = revision;
	value = bpf_map_lookup_elem(&IPCACHE_MAP, key);
	return value ? value->identity : IDENTITY_NONE;
}
