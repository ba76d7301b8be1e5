/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counters by reason and direction. Every packet that enters a program is counted once: as forwarded or
 * under its drop code (lib/drop.h). A tail call continues the same packet and counts nothing.
 */
#pragma once

#include "kernel/helpers.h"
#include "lib/flow.h"
#include "maps.h"

static __always_inline void metrics_add(__u8 reason, enum direction direction, __u64 packets,
					__u64 bytes)
{
	__u32 place = reason | (__u32)direction << 8;
	struct metrics_value *value = bpf_map_lookup_elem(&METRICS_MAP, &place);

	if (!value)
		return;
	/* The value is this CPU's own: no atomics. */
	value->packets += packets;
	value->bytes += bytes;
}

/* `reason`: METRICS_* or a drop code. */
static __always_inline void metrics_count(const struct __sk_buff *ctx, __u8 reason,
					  enum direction direction)
{
	metrics_add(reason, direction, 1, ctx->len);
}

/* The trace events of a packet that found no room, where its way ends; most often both that it has, in one. */
static __always_inline void metrics_count_lost(const struct __sk_buff *ctx, struct flow *flow)
{
	const __u64 lost = flow->events_lost;

	if (!lost)
		return;
	metrics_add(METRICS_EVENT_LOST, DIRECTION_EGRESS, lost, lost * ctx->len);
	flow->events_lost = 0;
}
