/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every map. The names are macros of the headers; code never spells one. All are pinned by name, so that
 * our loader, tc and bpftool find the same ones. A map of a part that is switched off does not exist: an
 * LRU map takes its memory when it is created. The program arrays have no initial values, which tc
 * could not load; the loader fills them from the tags of TAIL().
 */
#pragma once

#include "kernel/bpf.h"
#include "lib/config.h"
#include "lib/map.h"
#include "lib/utils.h"
#include "abi.h"

#define CALLS_MAP_SIZE           48
#define CALL_POLICY_MAP_SIZE     65535
#define POLICY_VERDICT_MAP_SIZE  65535
#define POLICY_REVISION_MAP_SIZE 65536

/*
 * Read: every packet of a new connection. Written: the policy compiler; packets and bytes, the datapath.
 * What no entry allows is dropped: an endpoint without policy has one entry for each direction that allows
 * identity 0 at POLICY_FIXED_BITS. Of one peer only the finest entry is seen: a rule that denies more than a
 * finer one allows must be written at the finer one's key, too. While the policy changes the entries of two
 * revisions are there.
 */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_LPM_TRIE);
	MAP_TYPE(key, struct policy_key);
	MAP_TYPE(value, struct policy_value);
	MAP_NUMBER(max_entries, POLICY_MAP_SIZE);
	MAP_NUMBER(map_flags, BPF_F_NO_PREALLOC);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} POLICY_MAP SEC(".maps");

/*
 * Read: every packet that has a connection or opens one. Written: the policy compiler, between the new entries
 * of POLICY_MAP and IPCACHE_MAP and the end of the old ones. By endpoint id, the revision whose entries judge:
 * what was allowed under another one is asked anew.
 */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_ARRAY);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, __u32);
	MAP_NUMBER(max_entries, POLICY_REVISION_MAP_SIZE);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} POLICY_REVISION_MAP SEC(".maps");

/*
 * Read: tail calls within the endpoint. Written: the loader, once, before anybody sees the map; endpoints of
 * one template share it, unless one of these programs is an endpoint's alone (CONNTRACK_LOCAL).
 */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_PROG_ARRAY);
	MAP_NUMBER(key_size, 4);
	MAP_NUMBER(value_size, 4);
	MAP_NUMBER(max_entries, CALLS_MAP_SIZE);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} CALLS_MAP SEC(".maps");

/*
 * Read: local delivery, to run the receiver's policy. Written: the loader, by endpoint id.
 * Shared by all endpoints; an empty place is an endpoint that is not ready.
 */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_PROG_ARRAY);
	MAP_NUMBER(key_size, 4);
	MAP_NUMBER(value_size, 4);
	MAP_NUMBER(max_entries, CALL_POLICY_MAP_SIZE);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} CALL_POLICY_MAP SEC(".maps");

/*
 * Read: the shared programs, to ask an endpoint's policy (lib/policy.h). Written: the loader, by endpoint id.
 * Shared by all endpoints; an empty place drops what is asked about.
 */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_PROG_ARRAY);
	MAP_NUMBER(key_size, 4);
	MAP_NUMBER(value_size, 4);
	MAP_NUMBER(max_entries, POLICY_VERDICT_MAP_SIZE);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} POLICY_VERDICT_MAP SEC(".maps");

/* A pod without a family has zeros. It is written and read by programs of one template, so nobody else knows it. */
struct endpoint_self {
	__u16 id;
	__u16 flags; /* SELF_* */
	__u32 identity;
	__u32 ifindex;
	__be32 ipv4;
	__be32 ipv6[4];
	__u64 mac;
	__u64 host_mac;
};

/*
 * Read: the shared programs, to know for whom they run. Written: an endpoint's own programs, before they
 * call one of them. Classifiers run with softirqs off, so no other packet comes in between on this CPU.
 */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, struct endpoint_self);
	MAP_NUMBER(max_entries, 1);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} SELF_MAP SEC(".maps");

/*
 * Read: routing, to find a local receiver. Written: the loader, when an endpoint comes or goes.
 * An endpoint has an entry for each of its addresses.
 */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_HASH);
	MAP_TYPE(key, struct endpoint_key);
	MAP_TYPE(value, struct endpoint_value);
	MAP_NUMBER(max_entries, ENDPOINTS_MAP_SIZE);
	MAP_NUMBER(map_flags, BPF_F_NO_PREALLOC);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} ENDPOINTS_MAP SEC(".maps");

/*
 * Read: every packet of a new connection, for the identity of its peer and the network that it is in. Written:
 * identity allocation, and the policy compiler (`ipBlock`). No entry: lib/identity.h.
 */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_LPM_TRIE);
	MAP_TYPE(key, struct ipcache_key);
	MAP_TYPE(value, struct ipcache_value);
	MAP_NUMBER(max_entries, IPCACHE_MAP_SIZE);
	MAP_NUMBER(map_flags, BPF_F_NO_PREALLOC);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} IPCACHE_MAP SEC(".maps");

/*
 * Read: the operator; the clock in it, conntrack.h. Written: every program, at the one place where a packet's way ends;
 * the clock, where a packet is first one of a tick.
 * Forwarded and dropped add up to what came in. An array, which a packet needs no call to find its place in; so it has
 * all places, whatever fewer are asked for.
 */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	MAP_TYPE(key, __u32);
	MAP_TYPE(value, struct metrics_value);
	MAP_NUMBER(max_entries,
		   METRICS_MAP_SIZE > METRICS_PLACES ? METRICS_MAP_SIZE : METRICS_PLACES);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} METRICS_MAP SEC(".maps");

/*
 * Read: the monitor. Written: every program whose events are switched on (lib/events.h).
 * A full ring loses the event, never the packet, and counts it.
 */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_RINGBUF);
	MAP_NUMBER(max_entries, EVENTS_MAP_SIZE);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} EVENTS_MAP SEC(".maps");

/*
 * The maps below exist in some shapes only. They are always declared: code names the map of a part that
 * is switched off and is cut away together with it, so that the conditions stand at the end alone.
 */
#define DECLARED __attribute__((section(".maps")))

/*
 * Read and written: every TCP packet over IPv4. Also read by the operator; deleted with the endpoint.
 * Of this endpoint alone with CONNTRACK_LOCAL, by its name in the header. A full map evicts the connection
 * that was longest without a packet, so a flood of new ones takes the place of idle ones first.
 */
extern struct ct_tcp4_map {
	MAP_NUMBER(type, BPF_MAP_TYPE_LRU_HASH);
	MAP_TYPE(key, struct ct4_key);
	MAP_TYPE(value, struct ct_value);
	MAP_NUMBER(max_entries, CT_MAP_SIZE_TCP);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} CT_MAP_TCP4 DECLARED;

/*
 * Read and written: every other packet over IPv4; a map of its own, so that a flood of these does not
 * evict TCP connections. Otherwise as CT_MAP_TCP4.
 */
extern struct ct_any4_map {
	MAP_NUMBER(type, BPF_MAP_TYPE_LRU_HASH);
	MAP_TYPE(key, struct ct4_key);
	MAP_TYPE(value, struct ct_value);
	MAP_NUMBER(max_entries, CT_MAP_SIZE_ANY);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} CT_MAP_ANY4 DECLARED;

/*
 * Read and written: every TCP packet over IPv6.
 * Otherwise as CT_MAP_TCP4.
 */
extern struct ct_tcp6_map {
	MAP_NUMBER(type, BPF_MAP_TYPE_LRU_HASH);
	MAP_TYPE(key, struct ct6_key);
	MAP_TYPE(value, struct ct_value);
	MAP_NUMBER(max_entries, CT_MAP_SIZE_TCP);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} CT_MAP_TCP6 DECLARED;

/*
 * Read and written: every other packet over IPv6.
 * Otherwise as CT_MAP_ANY4.
 */
extern struct ct_any6_map {
	MAP_NUMBER(type, BPF_MAP_TYPE_LRU_HASH);
	MAP_TYPE(key, struct ct6_key);
	MAP_TYPE(value, struct ct_value);
	MAP_NUMBER(max_entries, CT_MAP_SIZE_ANY);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} CT_MAP_ANY6 DECLARED;

/*
 * Read: later fragments, which have no ports. Written: first fragments.
 * Needed without conntrack, too: policy is by port.
 */
extern struct frag4_map {
	MAP_NUMBER(type, BPF_MAP_TYPE_LRU_HASH);
	MAP_TYPE(key, struct frag4_key);
	MAP_TYPE(value, struct frag_value);
	MAP_NUMBER(max_entries, FRAG_MAP_SIZE);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} FRAG4_MAP DECLARED;

/*
 * Read: later fragments over IPv6. Written: first fragments.
 * Otherwise as FRAG4_MAP.
 */
extern struct frag6_map {
	MAP_NUMBER(type, BPF_MAP_TYPE_LRU_HASH);
	MAP_TYPE(key, struct frag6_key);
	MAP_TYPE(value, struct frag_value);
	MAP_NUMBER(max_entries, FRAG_MAP_SIZE);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} FRAG6_MAP DECLARED;

#if CONFIG_CONNTRACK && CONFIG_ENABLE_IPV4
struct ct_tcp4_map CT_MAP_TCP4 SEC(".maps");
struct ct_any4_map CT_MAP_ANY4 SEC(".maps");
#endif

#if CONFIG_CONNTRACK && CONFIG_ENABLE_IPV6
struct ct_tcp6_map CT_MAP_TCP6 SEC(".maps");
struct ct_any6_map CT_MAP_ANY6 SEC(".maps");
#endif

#if CONFIG_ENABLE_IPV4
struct frag4_map FRAG4_MAP SEC(".maps");
#endif

#if CONFIG_ENABLE_IPV6
struct frag6_map FRAG6_MAP SEC(".maps");
#endif
