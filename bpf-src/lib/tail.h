/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tail calls within an endpoint. Each one is a chance to miss, so there are as few as the verifier
 * allows. The slots have the numbers that tools know; free ones may be taken for new programs.
 */
#pragma once

#include "maps.h"

#define SLOT_DROP_NOTIFY          1
#define SLOT_TIME_EXCEEDED        5
#define SLOT_ARP                  6
#define SLOT_IPV4_FROM_CONTAINER  7
#define SLOT_IPV6_FROM_CONTAINER  10
#define SLOT_NODEPORT_NAT         15
#define SLOT_NODEPORT_REVERSE_NAT 17
#define SLOT_IPV4_TO_CONTAINER    22
#define SLOT_IPV6_TO_CONTAINER    23
#define SLOT_OTHER_FROM_CONTAINER 24
#define SLOT_OTHER_TO_CONTAINER   25

/* A scratch word that nobody else uses. */
#define SCRATCH_SLOT 4

/* Puts a program into a slot: the loader reads this tag from the object's BTF. */
#define TAIL(slot) __attribute__((btf_decl_tag("tail:" TEXT(CALLS_MAP) "/" TEXT(slot))))

/*
 * Continues in `slot` of CALLS_MAP; returns only if nothing is there. Written out, since the kernel
 * turns a tail call into a direct jump only where the slot is a constant at the very instruction,
 * and the compiler would share one call between two slots.
 */
static __always_inline void tail_call(struct __sk_buff *ctx, const __u32 slot)
{
	asm volatile("r1 = %[ctx]\n\t"
		     "r2 = %[calls] ll\n\t"
		     "r3 = %[slot]\n\t"
		     "call 12"
		     :
		     : [ctx] "r"(ctx), [calls] "i"(&CALLS_MAP), [slot] "i"(slot)
		     : "r0", "r1", "r2", "r3", "r4", "r5", "memory");
}

/*
 * Likewise from a program of the endpoint's own, with the slot hidden from the kernel: to make a direct jump
 * it stops every processor several times, for each jump and at each load. A shared program pays that once.
 */
static __always_inline void tail_call_indirect(struct __sk_buff *ctx, __u32 slot)
{
	volatile __u32 *hidden = &ctx->cb[SCRATCH_SLOT];

	*hidden = slot;
	bpf_tail_call(ctx, &CALLS_MAP, *hidden);
}
