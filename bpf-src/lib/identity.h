/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who is it? From the outside in: the longest prefix of IPCACHE_MAP; an address of this node; the world.
 * Within a node the sender's program knows, and says it to the receiver's in one of two ways: in a scratch
 * word before a tail call, or in the packet's mark on its way through the host's stack. A pod cannot forge
 * a mark: the kernel clears it where a packet changes the network namespace.
 * Reads: IPCACHE_MAP, ENDPOINTS_MAP.
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

/* Where the cache has nothing: addresses of this node are known before everybody has heard of them. */
static __always_inline __u32 identity_of_node(const __be32 *address, const int family)
{
	struct endpoint_value *local;

	/* A link-local address is the other end of the veth: others are not forwarded (RFC 4291, 2.5.6). */
	if (family == FAMILY_IPV6 && (address[0] & BE32(0xffc00000)) == BE32(0xfe800000))
		return IDENTITY_HOST;
	local = endpoint_find(address, family);
	if (!local)
		return IDENTITY_WORLD;
	return local->flags & ENDPOINT_IS_HOST ? IDENTITY_HOST : local->identity;
}

static __always_inline __u32 identity_of(const __be32 *address, const int family)
{
	struct ipcache_key key = {
		.prefixlen = IPCACHE_FIXED_BITS + (family == FAMILY_IPV4 ? 32 : 128),
		.family = (__u8)family,
	};
	struct ipcache_value *value;

	key.address[0] = address[0];
	if (family == FAMILY_IPV6) {
		key.address[1] = address[1];
		key.address[2] = address[2];
		key.address[3] = address[3];
	}
	value = bpf_map_lookup_elem(&IPCACHE_MAP, &key);
	return value ? value->identity : identity_of_node(address, family);
}
