/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Events for the monitor, through the ring buffer EVENTS_MAP. Each kind is behind its option, here and
 * nowhere else: whoever reports something just calls. A record is made in the ring itself, so that a
 * packet's bytes are copied once.
 */
#pragma once

#include "abi_events.h"
#include "lib/drop.h"
#include "lib/self.h"

/* Where a packet was seen: `subtype` of a trace event. */
enum trace_point {
	TRACE_TO_CONTAINER = 0,
	TRACE_TO_HOST = 2,
	TRACE_TO_STACK = 3,
	TRACE_FROM_CONTAINER = 5,
	TRACE_FROM_STACK = 8,
	TRACE_FROM_NETWORK = 10,
};

/*
 * Levels of MONITOR_AGGREGATION. Each folds away what the ones before do, and more; the last three need
 * conntrack to know, and without it fold away no more than the first.
 */
#define AGGREGATE_INCOMING 1 /* packets where they come in, of which the end will be reported */
#define AGGREGATE_CONNECTIONS                                                                      \
	2 /* of a connection, in each direction: all but one in a while, and news */
#define AGGREGATE_TO_STATES                                                                        \
	3 /* ...all but news: the first packet, and flags of TCP not seen before */
#define AGGREGATE_TO_OPENING 4 /* ...all but the packet that opens it */
#define AGGREGATE_SECONDS    5

/* Messages of debug events, with what their arguments are. */
enum debug_message {
	DEBUG_FROM_CONTAINER = 1,    /* ethertype, length */
	DEBUG_TO_CONTAINER = 2,      /* ethertype, length */
	DEBUG_ARP_ANSWERED = 3,      /* the address asked for */
	DEBUG_NEIGHBOR_ANSWERED = 4, /* the last word of the address asked for */
	DEBUG_DELIVERED = 5,         /* endpoint, interface */
	DEBUG_POLICY_ASKED = 6,      /* identity; port and protocol; rule; verdict and match_bits */
};

/* What a verdict event tells. */
struct verdict_facts {
	__u32 revision;
	__u32 identity;
	__u32 network;
	__u32 rule;
	__be16 port;
	__u8 protocol;
	__u8 direction;
	__u8 verdict;
	__u8 match_bits;
	__u8 flags;
};

/*
 * Whether there is room for a record of this size. Where nobody reads, the ring is full for ever: a look at it spares
 * what the kernel does before it refuses a record, under a lock that all processors share.
 */
static __always_inline int event_has_room(__u64 size)
{
	return bpf_ringbuf_query(&EVENTS_MAP, BPF_RB_AVAIL_DATA) + size + BPF_RB_HEADER <
	       EVENTS_MAP_SIZE;
}

/*
 * A record in the ring with its header, zero up to the captured bytes; or NULL, counted, where the ring
 * is full.
 */
static __always_inline void *event_begin(const struct __sk_buff *ctx, __u32 id,
					 enum event_kind kind, __u8 subtype, __u64 size,
					 __u64 captured_size)
{
	struct event_header *header = NULL;

	if (event_has_room(size))
		header = bpf_ringbuf_reserve(&EVENTS_MAP, size, 0);
	if (!header) {
		metrics_count(ctx, METRICS_EVENT_LOST, DIRECTION_EGRESS);
		return NULL;
	}
	__builtin_memset(header, 0, size - captured_size);
	header->kind = kind;
	header->subtype = subtype;
	header->lxc_id = (__u16)id;
	header->hash = ctx->hash;
	header->monotonic_ns = bpf_ktime_get_ns();
	return header;
}

static __always_inline void event_capture(const struct __sk_buff *ctx, struct event_packet *packet)
{
	__u32 len = ctx->len < EVENT_CAPTURE ? ctx->len : EVENT_CAPTURE;

	packet->ifindex = ctx->ifindex;
	packet->len = ctx->len;
	KEEP(len);
	/* Signed: before Linux 6.9 the verifier learns no minimum from a comparison with 0 for equality. */
	if ((__s32)len <= 0 || len > EVENT_CAPTURE ||
	    bpf_skb_load_bytes(ctx, 0, packet->start, len))
		len = 0;
	packet->captured = (__u16)len;
}

/* Of the packet whose scratch words drop() has filled. */
static __always_inline void event_drop(const struct __sk_buff *ctx,
				       const struct endpoint_self *self)
{
	__u32 place = ctx->cb[SCRATCH_PLACE];
	__u32 peer = ctx->cb[SCRATCH_PEER_IDENTITY];
	int is_egress = (__u8)ctx->cb[SCRATCH_DIRECTION] == DIRECTION_EGRESS;
	struct drop_event *event;

	if (!CONFIG_DROP_NOTIFY)
		return;
	event = event_begin(ctx, self->id, EVENT_DROP, DROP_REASON_OF(place), sizeof(*event),
			    EVENT_CAPTURE);
	if (!event)
		return;
	event->source_identity = is_egress ? self->identity : peer;
	event->destination_identity = is_egress ? peer : self->identity;
	event->policy_rule = ctx->cb[SCRATCH_POLICY_RULE];
	event->destination_id = (__u16)(ctx->cb[SCRATCH_DIRECTION] >> SCRATCH_PEER_ID_SHIFT);
	event->line = DROP_LINE_OF(place);
	event->file = DROP_FILE_OF(place);
	event->direction = (__u8)ctx->cb[SCRATCH_DIRECTION];
	event->detail = DROP_DETAIL_OF(place);
	event_capture(ctx, &event->packet);
	bpf_ringbuf_submit(event, 0);
}

/* A packet that nobody has judged yet. */
static __always_inline int trace_is_incoming(__u32 point)
{
	return point == TRACE_FROM_CONTAINER || point == TRACE_FROM_STACK ||
	       point == TRACE_FROM_NETWORK;
}

static __always_inline int trace_is_wanted(enum trace_point point, const struct flow *flow)
{
	if (!CONFIG_TRACE_NOTIFY)
		return 0;
	if (trace_is_incoming(point))
		return CONFIG_MONITOR_AGGREGATION < AGGREGATE_INCOMING;
	return !flow->is_quiet;
}

VERIFIED_ALONE int event_trace_send(struct __sk_buff *ctx, struct flow *flow, __u32 point,
				    __u32 direction)
{
	const int is_egress = direction == DIRECTION_EGRESS;
	struct trace_event *event;

	if (!flow)
		return 0;
	event = event_begin(ctx, flow->own_id, EVENT_TRACE, (__u8)point, sizeof(*event),
			    EVENT_CAPTURE);
	if (!event)
		return 0;
	event->source_identity = is_egress ? flow->own_identity : flow->peer_identity;
	event->destination_identity = is_egress ? flow->peer_identity : flow->own_identity;
	event->destination_id = is_egress ? flow->peer_id : flow->own_id;
	event->reason = trace_is_incoming(point) ? TRACE_UNKNOWN : flow->reason;
	event_capture(ctx, &event->packet);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/* A lost one is counted where the packet's way through the program ends (metrics_count_lost()). */
static __always_inline void event_trace(struct __sk_buff *ctx, enum trace_point point,
					struct flow *flow, const enum direction direction)
{
	if (!trace_is_wanted(point, flow))
		return;
	if (flow->events_lost || !event_has_room(sizeof(struct trace_event)))
		flow->events_lost++;
	else
		event_trace_send(ctx, flow, point, direction);
}

/* The filter has the bit of a direction's number; without any bit it lets both pass. */
static __always_inline int verdict_is_wanted(__u8 direction)
{
	__u32 filter = POLICY_VERDICT_LOG_FILTER;

	return !filter || (filter & direction);
}

VERIFIED_ALONE int event_verdict_send(struct __sk_buff *ctx, struct verdict_facts *facts)
{
	struct verdict_event *event;

	if (!facts || !verdict_is_wanted(facts->direction))
		return 0;
	event = event_begin(ctx, LXC_ID, EVENT_VERDICT, facts->direction, sizeof(*event),
			    EVENT_CAPTURE);
	if (!event)
		return 0;
	event->remote_identity = facts->identity;
	event->remote_network = facts->network;
	event->policy_revision = facts->revision;
	event->policy_rule = facts->rule;
	event->dport = facts->port;
	event->verdict = facts->verdict;
	event->protocol = facts->protocol;
	event->match_bits = facts->match_bits;
	event->flags = facts->flags;
	event_capture(ctx, &event->packet);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

static __always_inline struct debug_event *event_debug_begin(const struct __sk_buff *ctx,
							     enum debug_message message,
							     __u32 first, __u32 second)
{
	const struct endpoint_self *self = self_find();
	struct debug_event *event;

	event = event_begin(ctx, self ? self->id : 0, EVENT_DEBUG, (__u8)message, sizeof(*event),
			    0);
	if (event) {
		event->argument[0] = first;
		event->argument[1] = second;
	}
	return event;
}

static __always_inline void event_debug(const struct __sk_buff *ctx, enum debug_message message,
					__u32 first, __u32 second)
{
	struct debug_event *event;

	if (!CONFIG_DEBUG)
		return;
	event = event_debug_begin(ctx, message, first, second);
	if (event)
		bpf_ringbuf_submit(event, 0);
}

static __always_inline void event_policy_debug(const struct __sk_buff *ctx,
					       const struct verdict_facts *facts)
{
	struct debug_event *event;

	if (!CONFIG_POLICY_DEBUG)
		return;
	event = event_debug_begin(ctx, DEBUG_POLICY_ASKED, facts->identity,
				  __builtin_bswap16(facts->port) | (__u32)facts->protocol << 16);
	if (!event)
		return;
	event->argument[2] = facts->rule;
	event->argument[3] = facts->verdict | (__u32)facts->match_bits << 8;
	bpf_ringbuf_submit(event, 0);
}
