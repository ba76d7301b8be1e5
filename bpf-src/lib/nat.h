/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Translated connections. Each is a pair of entries, its halves: one is found by packets of our side to the
 * outside and says what becomes of their source, the other one by packets from the outside and says what becomes
 * of their destination. Masquerade and host ports differ in who makes the pair, and in nothing else.
 *
 * A packet finds its half by one look-up. Once a second, and when TCP says something new, it also looks after the
 * other half: both live as long as conntrack lets the connection live (conntrack.h), and one that was
 * evicted is made again. A pair of which both halves are gone is forgotten; so is the port that it had.
 *
 * Reads and writes: SNAT_MAP4, SNAT_MAP6.
 */
#pragma once

#include "lib/events.h"
#include "lib/conntrack.h"
#include "maps_host.h"

/* The larger one stands first: all of it is set to zero. */
union nat_key {
	struct snat6_key v6;
	struct snat4_key v4;
} __attribute__((aligned(8)));

union nat_half {
	struct snat6_value v6;
	struct snat4_value v4;
} __attribute__((aligned(8)));

/* How the values of both families end. */
struct nat_life {
	__be16 port;
	__u8 seen;
	__u8 seen_back;
	__u32 lifetime;
	__u32 created;
};

_Static_assert(__builtin_offsetof(struct snat4_value, port) + sizeof(struct nat_life) ==
		       sizeof(struct snat4_value),
	       "the end of a value");
_Static_assert(__builtin_offsetof(struct snat6_value, port) + sizeof(struct nat_life) ==
		       sizeof(struct snat6_value),
	       "the end of a value");

/* An address and a port: what a packet has on our side, or gets in place of that. */
struct nat_end {
	__be32 address[4];
	__be16 port;
	__u16 pad;
};

/* In a shape of one family there is nothing to ask, and no map of the other one. */
static __always_inline int nat_is_ipv4(__u32 family)
{
	KEEP(family);
	return CONFIG_ENABLE_IPV4 && (!CONFIG_ENABLE_IPV6 || family == FAMILY_IPV4);
}

/*
 * The half of a key that is on the stack (conntrack.h), by its end, and where it leads. What depends on the map is done
 * where the kernel knows which one it is.
 */
static __always_inline struct nat_life *nat_look_up(const union nat_key *key, struct nat_end *end,
						    __u32 family)
{
	struct snat4_value *v4;
	struct snat6_value *v6;

	if (nat_is_ipv4(family)) {
		v4 = bpf_map_lookup_elem(&SNAT_MAP4, key);
		if (!v4)
			return NULL;
		end->address[0] = v4->address;
		end->port = v4->port;
		return (void *)&v4->port;
	}
	if (!CONFIG_ENABLE_IPV6)
		return NULL;
	v6 = bpf_map_lookup_elem(&SNAT_MAP6, key);
	if (!v6)
		return NULL;
	__builtin_memcpy(end->address, v6->address, sizeof(end->address));
	end->port = v6->port;
	return (void *)&v6->port;
}

/* Likewise. */
static __always_inline long nat_store(const union nat_key *key, const union nat_half *half,
				      __u64 flags, __u32 family)
{
	long error;

	if (nat_is_ipv4(family)) {
		error = bpf_map_update_elem(&SNAT_MAP4, key, half, flags);
		KEEP(error);
		return error;
	}
	if (!CONFIG_ENABLE_IPV6)
		return -1;
	error = bpf_map_update_elem(&SNAT_MAP6, key, half, flags);
	KEEP(error);
	return error;
}

static __always_inline __u8 nat_protocol(const union nat_key *key, __u32 family)
{
	return nat_is_ipv4(family) ? key->v4.protocol : key->v6.protocol;
}

static __always_inline int nat_is_in(const union nat_key *key, __u32 family)
{
	return (nat_is_ipv4(family) ? key->v4.flags : key->v6.flags) & SNAT_IN;
}

/* What packets of this key have on our side. */
static __always_inline void nat_own_end(const union nat_key *key, struct nat_end *end, __u32 family)
{
	if (nat_is_ipv4(family)) {
		end->address[0] = key->v4.saddr;
		end->port = key->v4.sport;
		return;
	}
	__builtin_memcpy(end->address, key->v6.saddr, sizeof(end->address));
	end->port = key->v6.sport;
}

static __always_inline int nat_end_equal(const struct nat_end *a, const struct nat_end *b)
{
	return a->address[0] == b->address[0] && a->address[1] == b->address[1] &&
	       a->address[2] == b->address[2] && a->address[3] == b->address[3] &&
	       a->port == b->port;
}

/* The key of the other half, of a half that leads to `end`. */
static __always_inline union nat_key nat_key_back(const union nat_key *key,
						  const struct nat_end *end, __u32 family)
{
	union nat_key back = *key;

	if (nat_is_ipv4(family)) {
		back.v4.saddr = end->address[0];
		back.v4.sport = end->port;
		back.v4.flags ^= SNAT_IN;
		return back;
	}
	__builtin_memcpy(back.v6.saddr, end->address, sizeof(back.v6.saddr));
	back.v6.sport = end->port;
	back.v6.flags ^= SNAT_IN;
	return back;
}

/* As conntrack sees it: flags of both sides, and no more. */
static __always_inline struct ct_value nat_state(const struct nat_life *life)
{
	return (struct ct_value){ .tx_tcp_flags = life->seen, .rx_tcp_flags = life->seen_back };
}

static __always_inline __u32 nat_lifetime(const struct nat_life *life, __u8 protocol)
{
	struct ct_value state = nat_state(life);

	return ct_lifetime(&state, protocol);
}

static __always_inline int nat_is_alive(const struct nat_life *life, __u32 now)
{
	return (__s32)(life->lifetime - now) > 0;
}

/* A half that leads to `end`, and was first seen now. */
static __always_inline void nat_fill(union nat_half *half, const struct nat_end *end, __u8 seen,
				     __u8 seen_back, __u32 now, __u8 protocol, __u32 family)
{
	struct nat_life life = {
		.port = end->port,
		.seen = seen,
		.seen_back = seen_back,
		.created = now,
	};

	life.lifetime = now + nat_lifetime(&life, protocol);
	if (nat_is_ipv4(family)) {
		half->v4.address = end->address[0];
		__builtin_memcpy(&half->v4.port, &life, sizeof(life));
		return;
	}
	__builtin_memcpy(half->v6.address, end->address, sizeof(end->address));
	__builtin_memcpy(&half->v6.port, &life, sizeof(life));
}
