/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Pairs: found, looked after, made. A pair is made in an order that gives an end on the node to one flow alone:
 * first the half that is not the packet's own, and where somebody lives there it is not made.
 * Reads and writes: SNAT_MAP4, SNAT_MAP6.
 */
#pragma once

#include "lib/nat.h"

/* Beside 0 and a drop: the end belongs to another connection. */
#define NAT_TAKEN 1

/* The other half is gone: it is made again, with what this one knows. */
static __always_inline void nat_repair(const union nat_key *back, const struct nat_end *own,
				       const struct nat_life *life, __u32 now, __u32 family)
{
	union nat_half half = {};

	nat_fill(&half, own, life->seen_back, life->seen, now, nat_protocol(back, family), family);
	nat_store(back, &half, BPF_NOEXIST, family);
}

/*
 * Brings both halves to what either has seen, `life` being that of the one under `key`, which leads to `end`. 0
 * where the other half is somebody else's: this one has been given up.
 */
VERIFIED_ALONE int nat_look_after(union nat_key *key, struct nat_life *life, struct nat_end *end,
				  __u32 family)
{
	struct nat_end own = {}, there = {};
	struct nat_life *other;
	union nat_key back;
	__u32 now, lifetime;

	if (!key || !life || !end)
		return 0;
	now = clock_seconds();
	back = nat_key_back(key, end, family);
	nat_own_end(key, &own, family);
	other = nat_look_up(&back, &there, family);
	if (!other) {
		nat_repair(&back, &own, life, now, family);
		return 1;
	}
	if (!nat_end_equal(&own, &there))
		return !nat_is_alive(other, now);
	if (other->seen_back != life->seen)
		other->seen_back = life->seen;
	life->seen_back = other->seen;
	lifetime = now + nat_lifetime(life, nat_protocol(key, family));
	life->lifetime = lifetime;
	if (other->lifetime != lifetime)
		other->lifetime = lifetime;
	return 1;
}

/* Notes a packet in its half; 0 where the half has been given up. What does not change is not written. */
static __always_inline int nat_touch(union nat_key *key, struct nat_life *life,
				     const struct flow *flow, struct nat_end *end, __u32 now,
				     __u32 family)
{
	__u8 news = flow->tcp_flags & ~life->seen;
	__u32 lifetime;

	if (news)
		life->seen |= news;
	lifetime = now + nat_lifetime(life, flow->protocol);
	if (!news && life->lifetime == lifetime)
		return 1;
	life->lifetime = lifetime;
	return nat_look_after(key, life, end, family);
}

/* Whether a packet has a pair; then `end` is what it gets. */
VERIFIED_ALONE int nat_find(union nat_key *key, struct flow *flow, struct nat_end *end,
			    __u32 family)
{
	__u32 now = clock_seconds();
	struct nat_life *life;
	struct ct_value state;
	union nat_key own;

	if (!key || !flow || !end)
		return 0;
	own = *key;
	life = nat_look_up(&own, end, family);
	if (!life)
		return 0;
	state = nat_state(life);
	if (!nat_is_alive(life, now) || ct_is_reopened(&state, flow))
		return 0;
	return nat_touch(key, life, flow, end, now, family);
}

/* Likewise for what an error is about: it is no sign of life of that. */
VERIFIED_ALONE int nat_find_quoted(union nat_key *key, struct nat_end *end, __u32 family)
{
	struct nat_life *life;
	union nat_key own;

	if (!key || !end)
		return 0;
	own = *key;
	life = nat_look_up(&own, end, family);
	return life && nat_is_alive(life, clock_seconds());
}

/* Whether `other`, which leads `there`, is of another connection than the one that has `own` on our side. */
static __always_inline int nat_is_others(const struct nat_life *other, const struct nat_end *there,
					 const struct nat_end *own, __u32 now)
{
	return other && nat_is_alive(other, now) && !nat_end_equal(own, there);
}

/* Whether another connection than that of `key` has `end`. */
VERIFIED_ALONE int nat_is_taken(union nat_key *key, struct nat_end *end, __u32 family)
{
	struct nat_end own = {}, there = {};
	struct nat_life *other;
	union nat_key back;

	if (!key || !end)
		return 1;
	back = nat_key_back(key, end, family);
	nat_own_end(key, &own, family);
	other = nat_look_up(&back, &there, family);
	return nat_is_others(other, &there, &own, clock_seconds());
}

/*
 * Makes the pair of a packet that has none: packets of `key` get `end`, and those of the other direction what is
 * in `key`. 0, or NAT_TAKEN. Halves of an earlier pair of the same ends begin anew.
 */
VERIFIED_ALONE int nat_make(union nat_key *key, struct flow *flow, struct nat_end *end,
			    __u32 family)
{
	struct nat_end own = {}, there = {};
	__u32 now = clock_seconds();
	union nat_half half = {};
	struct nat_life *other;
	union nat_key at;
	__u8 protocol;

	if (!key || !flow || !end)
		return NAT_TAKEN;
	at = nat_key_back(key, end, family);
	protocol = nat_protocol(key, family);
	nat_own_end(key, &own, family);
	other = nat_look_up(&at, &there, family);
	if (nat_is_others(other, &there, &own, now))
		return NAT_TAKEN;
	nat_fill(&half, &own, 0, flow->tcp_flags, now, protocol, family);
	/* Of two packets on two processors that want the same end, one gets it. */
	if (nat_store(&at, &half, other ? BPF_ANY : BPF_NOEXIST, family))
		return NAT_TAKEN;
	at = *key;
	nat_fill(&half, end, flow->tcp_flags, 0, now, protocol, family);
	return nat_store(&at, &half, BPF_ANY, family) ? NAT_TAKEN : 0;
}
