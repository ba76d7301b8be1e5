/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counters by reason and direction. Every packet that enters a program is counted once: as forwarded or
 * under its drop code (lib/drop.h). A tail call continues the same packet and counts nothing.
 */
#pragma once

#include "kernel/helpers.h"
#include "maps.h"

/* `reason`: METRICS_* or a drop code. */
static __always_inline void metrics_count(const struct __sk_buff *ctx, __u8 reason,
					  enum direction direction)
{
	struct metrics_key key = { .reason = reason, .direction = direction };
	struct metrics_value *value = bpf_map_lookup_elem(&METRICS_MAP, &key);
	struct metrics_value first = { .packets = 1, .bytes = ctx->len };

	if (!value) {
		/* Full: the packet stays uncounted, and goes its way. */
		bpf_map_update_elem(&METRICS_MAP, &key, &first, BPF_ANY);
		return;
	}
	/* The value is this CPU's own: no atomics. */
	value->packets += 1;
	value->bytes += ctx->len;
}
