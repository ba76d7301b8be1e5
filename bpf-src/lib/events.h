/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Events for the monitor, through the ring buffer EVENTS_MAP. Each kind is behind its option, here and
 * nowhere else: whoever reports something just calls. A record is made in the ring itself, so that a
 * packet's bytes are copied once.
 */
#pragma once

#include "lib/drop.h"

/* Where a packet was seen: `subtype` of a trace event. */
enum trace_point {
	TRACE_TO_CONTAINER = 0,
	TRACE_TO_HOST = 2,
	TRACE_TO_STACK = 3,
	TRACE_FROM_CONTAINER = 5,
	TRACE_FROM_HOST = 7,
	TRACE_FROM_STACK = 8,
};

/* What its connection was then. */
enum trace_reason {
	TRACE_NEW = 0,
	TRACE_ESTABLISHED = 1,
	TRACE_REPLY = 2,
	TRACE_RELATED = 3,
	TRACE_UNKNOWN = 5,
};

/* From which level of MONITOR_AGGREGATION on packets are not reported where they come in. */
#define AGGREGATE_INCOMING 1

/* Messages of debug events, with what their arguments are. */
enum debug_message {
	DEBUG_FROM_CONTAINER = 1, /* ethertype, length */
	DEBUG_TO_CONTAINER = 2,   /* ethertype, length */
	DEBUG_ARP_ANSWERED = 3,   /* the address asked for */
};

/*
 * A record in the ring with its header, zero up to the captured bytes; or NULL, counted, where the ring
 * is full.
 */
static __always_inline void *event_begin(const struct __sk_buff *ctx, enum event_kind kind,
					 __u8 subtype, __u64 size, __u64 captured_size)
{
	struct event_header *header = bpf_ringbuf_reserve(&EVENTS_MAP, size, 0);

	if (!header) {
		metrics_count(ctx, METRICS_EVENT_LOST, DIRECTION_EGRESS);
		return NULL;
	}
	__builtin_memset(header, 0, size - captured_size);
	header->kind = kind;
	header->subtype = subtype;
	header->lxc_id = (__u16)LXC_ID;
	header->hash = ctx->hash;
	header->monotonic_ns = bpf_ktime_get_ns();
	return header;
}

static __always_inline void event_capture(const struct __sk_buff *ctx, struct event_packet *packet)
{
	__u32 len = ctx->len < EVENT_CAPTURE ? ctx->len : EVENT_CAPTURE;

	packet->ifindex = ctx->ifindex;
	packet->len = ctx->len;
	/* Keeps the compiler from undoing the bound that the verifier has to see. */
	asm volatile("" : "+r"(len));
	if (len == 0 || len > EVENT_CAPTURE || bpf_skb_load_bytes(ctx, 0, packet->start, len))
		len = 0;
	packet->captured = (__u16)len;
}

/* Of the packet whose scratch words drop() has filled. */
static __always_inline void event_drop(const struct __sk_buff *ctx)
{
	__u32 place = ctx->cb[SCRATCH_PLACE];
	struct drop_event *event =
		event_begin(ctx, EVENT_DROP, DROP_REASON_OF(place), sizeof(*event), EVENT_CAPTURE);

	if (!event)
		return;
	event->source_identity = ctx->cb[SCRATCH_SOURCE_IDENTITY];
	event->destination_identity = ctx->cb[SCRATCH_DESTINATION_IDENTITY];
	event->line = DROP_LINE_OF(place);
	event->file = DROP_FILE_OF(place);
	event->direction = (__u8)ctx->cb[SCRATCH_DIRECTION];
	event->detail = DROP_DETAIL_OF(place);
	event_capture(ctx, &event->packet);
	bpf_ringbuf_submit(event, 0);
}

static __always_inline int trace_is_wanted(enum trace_point point)
{
	if (!CONFIG_TRACE_NOTIFY)
		return 0;
	switch (point) {
	case TRACE_FROM_CONTAINER:
	case TRACE_FROM_HOST:
	case TRACE_FROM_STACK:
		return CONFIG_MONITOR_AGGREGATION < AGGREGATE_INCOMING;
	default:
		return 1;
	}
}

static __always_inline void event_trace(const struct __sk_buff *ctx, enum trace_point point,
					__u32 source_identity, __u32 destination_identity)
{
	struct trace_event *event;

	if (!trace_is_wanted(point))
		return;
	event = event_begin(ctx, EVENT_TRACE, (__u8)point, sizeof(*event), EVENT_CAPTURE);
	if (!event)
		return;
	event->source_identity = source_identity;
	event->destination_identity = destination_identity;
	event->reason = TRACE_UNKNOWN;
	event_capture(ctx, &event->packet);
	bpf_ringbuf_submit(event, 0);
}

static __always_inline void event_debug(const struct __sk_buff *ctx, enum debug_message message,
					__u32 first, __u32 second)
{
	struct debug_event *event;

	if (!CONFIG_DEBUG)
		return;
	event = event_begin(ctx, EVENT_DEBUG, (__u8)message, sizeof(*event), 0);
	if (!event)
		return;
	event->argument[0] = first;
	event->argument[1] = second;
	bpf_ringbuf_submit(event, 0);
}
