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

/* The next `size` bytes, or NULL where the readable part ends before. */
static __always_inline void *cursor_take(struct cursor *cursor, __u32 size)
{
	void *start = cursor->position;

	if (start + size > cursor->end)
		return NULL;
	cursor->position = start + size;
	return start;
}

/* Farther than this no header of a packet begins; the kernel wants a bound for what it adds to a pointer. */
#define CURSOR_PLACE_MAX 0x7fff

/*
 * The `size` bytes at `place` if they lie open, as headers nearly always do, or NULL. It spares a call of the helper
 * that reads them wherever they are, and as that does it leaves the packet as it is: only writing through a
 * pointer has the kernel unshare it.
 */
static __always_inline const void *cursor_peek(const struct __sk_buff *ctx, __u32 place, __u32 size)
{
	struct cursor cursor = cursor_of(ctx);

	if (place > CURSOR_PLACE_MAX)
		return NULL;
	cursor.position += place;
	return cursor_take(&cursor, size);
}

/* A copy of the fixed header that begins at `place`, wherever it lies; 0, or an error. */
static __always_inline long cursor_copy_ipv4(const struct __sk_buff *ctx, __u32 place,
					     struct iphdr *copy)
{
	const struct iphdr *open = cursor_peek(ctx, place, sizeof(*open));

	if (!open)
		return bpf_skb_load_bytes(ctx, place, copy, sizeof(*copy));
	*copy = *open;
	return 0;
}

static __always_inline long cursor_copy_ipv6(const struct __sk_buff *ctx, __u32 place,
					     struct ipv6hdr *copy)
{
	const struct ipv6hdr *open = cursor_peek(ctx, place, sizeof(*open));

	if (!open)
		return bpf_skb_load_bytes(ctx, place, copy, sizeof(*copy));
	*copy = *open;
	return 0;
}
