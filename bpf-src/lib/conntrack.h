/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Conntrack: the entries and their states. What an entry means for a packet is in connection.h.
 *
 * An entry lives for some time after its last packet, by its state: a moment after both sides are done
 * (or one has reset the connection), long after both have spoken, and for a start in between. Nobody
 * removes it then; it counts as absent, and the map takes its place for another one.
 *
 * Reads and writes: CT_MAP_*, the clock in METRICS_MAP. Drops: 155.
 */
#pragma once

#include "lib/drop.h"
#include "lib/flow.h"
#include "maps.h"

#undef THIS_FILE
#define THIS_FILE FILE_CONNECTION

/* Seconds. RFC 5382 asks for 7,440 at least between packets of TCP, RFC 4787 for 120 of UDP. */
#define CT_LIFETIME_TCP         21600
#define CT_LIFETIME_TCP_OPENING 60
#define CT_LIFETIME_TCP_OVER    10
#define CT_LIFETIME_ANY         180
#define CT_LIFETIME_ANY_OPENING 60

#define NANOSECONDS 1000000000ULL

/* Seconds of the clock, and the tick of the kernel at which it was read. */
struct clock_read {
	__u64 tick;
	__u64 seconds;
};

_Static_assert(sizeof(struct clock_read) == sizeof(struct metrics_value), "in place of a counter");

/*
 * The coarse clock costs a third of the fine one; a tick is nothing to a lifetime. It moves with the kernel's tick, which
 * is a word in memory, so each CPU asks for it once in a tick.
 */
static __always_inline __u32 clock_seconds(void)
{
	__u32 place = METRICS_CLOCK;
	struct clock_read *known = bpf_map_lookup_elem(&METRICS_MAP, &place);
	__u64 tick = bpf_jiffies64();

	if (!known)
		return 0;
	if (known->tick != tick) {
		known->seconds = bpf_ktime_get_coarse_ns() / NANOSECONDS;
		known->tick = tick;
	}
	return (__u32)known->seconds;
}

/*
 * Before Linux 6.2 a key in the memory that a function verified alone was given is refused: it must be on
 * the stack. Of that there are 512 bytes for all functions in a chain, each rounded up to 32.
 */
union ct_key {
	struct ct4_key v4;
	struct ct6_key v6;
};

static __always_inline union ct_key ct_own_key(const void *key, const int family)
{
	union ct_key own;

	/* By type: the compiler copies what is aligned to nothing byte by byte. */
	if (family == FAMILY_IPV4)
		own.v4 = *(const struct ct4_key *)key;
	else
		own.v6 = *(const struct ct6_key *)key;
	return own;
}

/* The kernel must know the map of a call in advance: two calls with one map each, not one with two. */
static __always_inline struct ct_value *ct_look_up(const void *key, __u8 protocol, const int family)
{
	union ct_key own = ct_own_key(key, family);
	struct ct_value *value;

	if (protocol != IPPROTO_TCP) {
		value = family == FAMILY_IPV4 ? bpf_map_lookup_elem(&CT_MAP_ANY4, &own)
					      : bpf_map_lookup_elem(&CT_MAP_ANY6, &own);
		KEEP(value);
		return value;
	}
	value = family == FAMILY_IPV4 ? bpf_map_lookup_elem(&CT_MAP_TCP4, &own)
				      : bpf_map_lookup_elem(&CT_MAP_TCP6, &own);
	KEEP(value);
	return value;
}

static __always_inline long ct_store(const void *key, const struct ct_value *value, __u8 protocol,
				     const int family)
{
	union ct_key own = ct_own_key(key, family);
	long error;

	if (protocol != IPPROTO_TCP) {
		error = family == FAMILY_IPV4
				? bpf_map_update_elem(&CT_MAP_ANY4, &own, value, BPF_ANY)
				: bpf_map_update_elem(&CT_MAP_ANY6, &own, value, BPF_ANY);
		KEEP(error);
		return error;
	}
	error = family == FAMILY_IPV4 ? bpf_map_update_elem(&CT_MAP_TCP4, &own, value, BPF_ANY)
				      : bpf_map_update_elem(&CT_MAP_TCP6, &own, value, BPF_ANY);
	KEEP(error);
	return error;
}

/* Both sides are done, or one does not want any more. */
static __always_inline int ct_is_over(const struct ct_value *entry)
{
	return (entry->tx_tcp_flags & entry->rx_tcp_flags & TCP_FLAG_FIN) ||
	       ((entry->tx_tcp_flags | entry->rx_tcp_flags) & TCP_FLAG_RST);
}

static __always_inline __u32 ct_lifetime(const struct ct_value *entry, __u8 protocol)
{
	__u8 both = entry->tx_tcp_flags & entry->rx_tcp_flags;

	if (protocol != IPPROTO_TCP)
		return both ? CT_LIFETIME_ANY : CT_LIFETIME_ANY_OPENING;
	if (ct_is_over(entry))
		return CT_LIFETIME_TCP_OVER;
	return both & TCP_FLAG_ACK ? CT_LIFETIME_TCP : CT_LIFETIME_TCP_OPENING;
}

/* A first packet may use the ports of a connection that is over. */
static __always_inline int ct_is_reopened(const struct ct_value *entry, const struct flow *flow)
{
	return flow->protocol == IPPROTO_TCP && flow->class == CLASS_CONNECTION &&
	       (flow->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN &&
	       ct_is_over(entry);
}

/* The live entry of a packet's connection, or NULL. */
static __always_inline struct ct_value *
ct_find(const void *key, __u8 protocol, const struct flow *flow, __u32 now, const int family)
{
	struct ct_value *entry = ct_look_up(key, protocol, family);

	if (!entry || (__s32)(entry->lifetime - now) <= 0 || ct_is_reopened(entry, flow))
		return NULL;
	return entry;
}

/* Makes the entry of a packet that policy has allowed; 0, or an error. */
static __always_inline long ct_create(struct __sk_buff *ctx, const void *key,
				      const struct flow *flow, struct ct_value *entry, __u32 now,
				      const int family)
{
	entry->tx_tcp_flags = flow->tcp_flags;
	entry->tx_reported = now;
	entry->policy_rule = flow->policy_rule;
	entry->lifetime = now + ct_lifetime(entry, flow->protocol);
	if (CONFIG_CONNTRACK_ACCOUNTING) {
		entry->tx_packets = 1;
		entry->tx_bytes = ctx->len;
	}
	return ct_store(key, entry, flow->protocol, family);
}

/* Whether a packet of a known connection is worth a trace event, at this level of aggregation. */
static __always_inline int ct_is_quiet(__u32 *reported, __u8 news, __u32 now)
{
	if (!CONFIG_TRACE_NOTIFY || CONFIG_MONITOR_AGGREGATION < AGGREGATE_CONNECTIONS)
		return 0;
	if (CONFIG_MONITOR_AGGREGATION >= AGGREGATE_TO_OPENING)
		return 1;
	if (!news && (CONFIG_MONITOR_AGGREGATION >= AGGREGATE_TO_STATES ||
		      now - *reported < AGGREGATE_SECONDS))
		return 1;
	*reported = now;
	return 0;
}

/*
 * Notes a packet of a known connection, of side 0 (tx) or 1 (rx). What does not change is not written: the
 * line stays shared. The side picks the fields by arithmetic: the kernel would verify each way of a branch
 * to the end.
 */
static __always_inline void ct_touch(const struct __sk_buff *ctx, struct ct_value *entry,
				     struct flow *flow, __u32 side, __u32 now)
{
	__u64 *counters;
	__u32 lifetime;
	__u8 *seen;
	__u8 news;

	KEEP(side);
	if (side > 1)
		return;
	counters = &entry->tx_packets + 2UL * side;
	seen = &entry->tx_tcp_flags + side;
	news = flow->tcp_flags & ~*seen;
	if (news)
		*seen |= news;
	lifetime = now + ct_lifetime(entry, flow->protocol);
	if (entry->lifetime != lifetime)
		entry->lifetime = lifetime;
	if (CONFIG_CONNTRACK_ACCOUNTING) {
		__sync_fetch_and_add(&counters[0], 1);
		__sync_fetch_and_add(&counters[1], ctx->len);
	}
	flow->is_quiet = ct_is_quiet(&entry->tx_reported + side, news, now);
}
