/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Policy: may a connection exist? Asked once for each, and again when the revision has changed. The entries
 * for the peer's identity, for the network that it is in and for anybody all count: one that denies wins, else
 * the finest one. All are of the revision in the question, so that a packet is judged by one policy.
 *
 * The entries and what is done with them are the endpoint's own, and stand in a program of its own. A shared
 * program asks it by a tail call out of a function: that replaces the function alone, so the answer comes
 * back to the function's caller as if it were its own.
 *
 * Reads: POLICY_MAP (and counts in it), POLICY_REVISION_MAP. Drops: 133, 140, 181.
 */
#pragma once

#include "lib/events.h"
#include "lib/identity.h"

#undef THIS_FILE
#define THIS_FILE FILE_POLICY

/* About a connection, from the pod's point of view: who is at its other end, and which end answers? */
struct policy_question {
	__u32 identity;
	__u32 network; /* of the policy, that the address is in, or 0 */
	__u32 revision;
	__be16 port;
	__u8 protocol;
	__u8 direction;
	__u8 is_ipv6;
};

/*
 * How it lies in the scratch words. Programs of two generations and of two templates speak it to one
 * another: the numbers stay, and other ones need another name of POLICY_VERDICT_MAP.
 */
enum question_word {
	QUESTION_IDENTITY = 0,
	QUESTION_REVISION = 1,
	QUESTION_ABOUT = 2, /* port, protocol << 16, direction << 24, and a bit for IPv6 */
	ANSWER_RULE = 3,    /* the answer, besides the verdict: the rule that decided */
	QUESTION_NETWORK = 4,
};

#define QUESTION_PROTOCOL_SHIFT  16
#define QUESTION_DIRECTION_SHIFT 24
#define QUESTION_IS_IPV6         0x80000000U

/* The detail of a missed call, where another one has its slot of CALLS_MAP. */
#define MISSED_VERDICT 0xff

/* The node's place among the endpoints. A revision of 0 there says that no policy judges the node. */
#define NODE_ID 0

/* Read before POLICY_MAP is: a change in between is then found at the next packet. */
static __always_inline __u32 policy_revision(__u32 id)
{
	__u32 *revision = bpf_map_lookup_elem(&POLICY_REVISION_MAP, &id);

	return revision ? *revision : 0;
}

/* Of two that are equally strong, the first one. */
static __always_inline struct policy_value *policy_stronger(struct policy_value *first,
							    struct policy_value *second)
{
	if (!first || !second)
		return first ? first : second;
	if (first->deny != second->deny)
		return first->deny ? first : second;
	return second->match_bits > first->match_bits ? second : first;
}

static __always_inline struct policy_value *policy_find(const struct policy_question *question)
{
	struct policy_key key = {
		.prefixlen = POLICY_FULL_BITS,
		.revision = question->revision,
		.identity = question->identity,
		.direction = question->direction,
		.protocol = question->protocol,
		.dport = question->port,
	};
	struct policy_value *found = bpf_map_lookup_elem(&POLICY_MAP, &key);

	if (question->network) {
		key.identity = question->network;
		found = policy_stronger(found, bpf_map_lookup_elem(&POLICY_MAP, &key));
	}
	key.identity = IDENTITY_NONE;
	return policy_stronger(found, bpf_map_lookup_elem(&POLICY_MAP, &key));
}

/* 0, or why it is dropped. */
static __always_inline __u8 policy_reason(const struct policy_value *value)
{
	if (!value)
		return DROP_POLICY;
	return value->deny ? DROP_POLICY_DENY : 0;
}

/* What the policy answers beyond 0 and a drop: audit mode lets pass what it would drop. */
#define POLICY_AUDITED 1

/* Counts the decision, and tells of it. */
static __always_inline void policy_record(struct __sk_buff *ctx,
					  const struct policy_question *question,
					  struct policy_value *value, __u8 reason)
{
	struct verdict_facts facts = {
		.revision = question->revision,
		.identity = question->identity,
		.network = question->network,
		.port = question->port,
		.protocol = question->protocol,
		.direction = question->direction,
		.verdict = reason,
		.flags = question->is_ipv6 ? VERDICT_IPV6 : 0,
	};

	if (value) {
		/* Another CPU may count in the same entry. */
		__sync_fetch_and_add(&value->packets, 1);
		__sync_fetch_and_add(&value->bytes, ctx->len);
		facts.rule = value->rule;
		facts.match_bits = value->match_bits;
	}
	ctx->cb[ANSWER_RULE] = facts.rule;
	if (CONFIG_POLICY_AUDIT_MODE && reason)
		facts.flags |= VERDICT_AUDITED;
	if (CONFIG_POLICY_VERDICT_NOTIFY)
		event_verdict_send(ctx, &facts);
	event_policy_debug(ctx, &facts);
}

/* The question that policy_put() has left. */
static __always_inline struct policy_question policy_take(const struct __sk_buff *ctx)
{
	__u32 about = ctx->cb[QUESTION_ABOUT];

	return (struct policy_question){
		.identity = ctx->cb[QUESTION_IDENTITY],
		.network = ctx->cb[QUESTION_NETWORK],
		.revision = ctx->cb[QUESTION_REVISION],
		.port = (__be16)about,
		.protocol = (__u8)(about >> QUESTION_PROTOCOL_SHIFT),
		.direction = (__u8)(about >> QUESTION_DIRECTION_SHIFT & 0x7f),
		.is_ipv6 = (about & QUESTION_IS_IPV6) != 0,
	};
}

/* In the endpoint's own program: 0, or a drop, or POLICY_AUDITED. */
static __always_inline int policy_answer(struct __sk_buff *ctx)
{
	struct policy_question question = policy_take(ctx);
	struct policy_value *value = policy_find(&question);
	__u8 reason = policy_reason(value);

	policy_record(ctx, &question, value, reason);
	if (!reason)
		return 0;
	return CONFIG_POLICY_AUDIT_MODE ? POLICY_AUDITED : DROP_HERE(reason);
}

/* Puts the question where the endpoint's policy program finds it. */
static __always_inline void policy_put(struct __sk_buff *ctx,
				       const struct policy_question *question)
{
	ctx->cb[QUESTION_IDENTITY] = question->identity;
	ctx->cb[QUESTION_REVISION] = question->revision;
	ctx->cb[QUESTION_ABOUT] = question->port |
				  (__u32)question->protocol << QUESTION_PROTOCOL_SHIFT |
				  (__u32)question->direction << QUESTION_DIRECTION_SHIFT |
				  (question->is_ipv6 ? QUESTION_IS_IPV6 : 0);
	ctx->cb[ANSWER_RULE] = 0;
	ctx->cb[QUESTION_NETWORK] = question->network;
}

/*
 * In a shared program: what the policy of endpoint `id` says to the question; 0, or a drop, or POLICY_AUDITED,
 * and the rule in ANSWER_RULE. To the kernel it may have changed the packet: pointers
 * into it are to be taken anew.
 */
VERIFIED_ALONE int policy_call(struct __sk_buff *ctx, __u32 id)
{
	int verdict = DROP_WITH(DROP_MISSED_TAIL_CALL, MISSED_VERDICT);

	bpf_tail_call(ctx, &POLICY_VERDICT_MAP, id);
	/* The compiler sees this return alone, and must not believe that there is no other. */
	KEEP(verdict);
	return verdict;
}
