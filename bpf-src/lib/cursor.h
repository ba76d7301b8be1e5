/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packet cursor: where reading stands and where the readable part ends. Every header is taken
 * through it, so that each bounds check the verifier asks for stands in one place.
 */
#pragma once

#include "kernel/bpf.h"
#include "kernel/helpers.h"
#include "lib/utils.h"

struct cursor {
	void *position;
	void *end;
};

/*
 * Read anew for each cursor: the compiler would keep the number from an earlier one, in 32 bits as the field
 * has them, and to the kernel that is no pointer any more.
 */
static __always_inline struct cursor cursor_of(const struct __sk_buff *ctx)
{
	const volatile struct __sk_buff *fields = ctx;

	return (struct cursor){ .position = (void *)(long)fields->data,
				.end = (void *)(long)fields->data_end };
}

/*
 * A cursor at the start of the packet. Only the linear part of a packet can be read; where that holds
 * less than `want` bytes and the packet has more, the kernel is asked to pull them in. Pointers taken
 * from an older cursor are invalid afterwards.
 */
static __always_inline struct cursor cursor_open(struct __sk_buff *ctx, __u32 want)
{
	struct cursor cursor = cursor_of(ctx);

	/* A packet that is shorter than that lies open already; cursor_take() will say so. */
	if (cursor.position + want > cursor.end && cursor.position + ctx->len > cursor.end) {
		bpf_skb_pull_data(ctx, want < ctx->len ? want : ctx->len);
		cursor = cursor_of(ctx);
	}
	return cursor;
}

/* The next `size` bytes, or NULL where the packet ends before. */
static __always_inline void *cursor_take(struct cursor *cursor, __u32 size)
{
	void *start = cursor->position;

	if (start + size > cursor->end)
		return NULL;
	cursor->position = start + size;
	return start;
}
