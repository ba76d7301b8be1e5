/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Policy: may a connection exist? Asked once for each, and again when the revision has changed. Both the
 * entry for the peer's identity and the one for anybody count: one that denies wins, else the finer one.
 * The node reaches its pods unless an entry denies it: its probes must not depend on policy.
 * Reads: POLICY_MAP (and counts in it), POLICY_REVISION_MAP. Drops: 133, 181.
 */
#pragma once

#include "lib/events.h"
#include "lib/identity.h"

#undef THIS_FILE
#define THIS_FILE FILE_POLICY

/* About a connection, from the pod's point of view: who is at its other end, and which end answers? */
struct policy_question {
	__u32 identity;
	__u32 revision;
	__be16 port;
	__u8 protocol;
	__u8 direction;
	__u32 is_ipv6;
	__u32 rule; /* the answer, besides the verdict: the rule that decided */
};

/* Read before POLICY_MAP is: a change in between is then found at the next packet. */
static __always_inline __u32 policy_revision(void)
{
	__u32 id = LXC_ID;
	__u32 *revision = bpf_map_lookup_elem(&POLICY_REVISION_MAP, &id);

	return revision ? *revision : 0;
}

static __always_inline struct policy_value *policy_stronger(struct policy_value *peers,
							    struct policy_value *anybodys)
{
	if (!peers || !anybodys)
		return peers ? peers : anybodys;
	if (peers->deny != anybodys->deny)
		return peers->deny ? peers : anybodys;
	return anybodys->match_bits > peers->match_bits ? anybodys : peers;
}

static __always_inline struct policy_value *policy_find(const struct policy_question *question)
{
	struct policy_key key = {
		.prefixlen = POLICY_FULL_BITS,
		.identity = question->identity,
		.direction = question->direction,
		.protocol = question->protocol,
		.dport = question->port,
	};
	struct policy_value *peers = bpf_map_lookup_elem(&POLICY_MAP, &key);

	key.identity = IDENTITY_NONE;
	return policy_stronger(peers, bpf_map_lookup_elem(&POLICY_MAP, &key));
}

/* 0, or why it is dropped. */
static __always_inline __u8 policy_reason(const struct policy_value *value,
					  const struct policy_question *question)
{
	if (value)
		return value->deny ? DROP_POLICY_DENY : 0;
	if (question->direction == DIRECTION_INGRESS && question->identity == IDENTITY_HOST)
		return 0;
	return DROP_POLICY;
}

/* What the policy answers beyond 0 and a drop: audit mode lets pass what it would drop. */
#define POLICY_AUDITED 1

/* Counts the decision, and tells of it. */
static __always_inline void policy_record(struct __sk_buff *ctx, struct policy_question *question,
					  struct policy_value *value, __u8 reason)
{
	struct verdict_facts facts = {
		.revision = question->revision,
		.identity = question->identity,
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
	question->rule = facts.rule;
	if (CONFIG_POLICY_AUDIT_MODE && reason)
		facts.flags |= VERDICT_AUDITED;
	if (CONFIG_POLICY_VERDICT_NOTIFY)
		event_verdict_send(ctx, &facts);
	event_policy_debug(ctx, &facts);
}

/* 0, or a drop, or POLICY_AUDITED. */
VERIFIED_ALONE int policy_ask(struct __sk_buff *ctx, struct policy_question *question)
{
	struct policy_value *value;
	__u8 reason;

	if (!question)
		return DROP_HERE(DROP_POLICY);
	value = policy_find(question);
	reason = policy_reason(value, question);
	policy_record(ctx, question, value, reason);
	if (!reason)
		return 0;
	return CONFIG_POLICY_AUDIT_MODE ? POLICY_AUDITED : DROP_HERE(reason);
}
