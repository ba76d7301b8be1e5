/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * May the packet pass, as part of its connection?
 *
 * A connection has one judge: the policy for the direction of its first packet, asked about the peer and
 * the port that answers. That holds for packets of both directions and for ICMP errors about it, so the
 * way back needs no rule. As long as the revision stands, the answer in the entry does; then whichever
 * packet comes next asks anew. Only the side that began renews the answer in the entry: of its packets the
 * sender's identity is known for certain, while an answer to it is judged by the identity it once had.
 *
 * Reads: what policy.h and conntrack.h do, ENDPOINTS_MAP. Drops: 133, 140, 155, 181.
 */
#pragma once

#include "lib/question.h"

#undef THIS_FILE
#define THIS_FILE FILE_CONNECTION

/* 0 for a packet of the side that began the connection, 1 for one of the other side. */
static __always_inline __u32 connection_side(const struct ct_value *entry,
					     const enum direction direction)
{
	return (entry->flags & CT_INGRESS) ^ (direction == DIRECTION_INGRESS ? CT_INGRESS : 0);
}

/* Whether it proves who the side is that began. Of an error anybody may be the sender. */
static __always_inline int connection_is_tx(const struct ct_value *entry, const struct flow *flow,
					    const enum direction direction)
{
	return flow->class != CLASS_ERROR && connection_side(entry, direction) == 0;
}

/* Whether the entry's answer still holds. */
static __always_inline int connection_stands(const struct ct_value *entry, const struct flow *flow,
					     __u32 revision, const enum direction direction)
{
	if (entry->policy_revision != revision)
		return 0;
	if (!CONFIG_POLICY_AUDIT_MODE && (entry->flags & CT_POLICY_AUDIT))
		return 0;
	if (direction == DIRECTION_EGRESS || !connection_is_tx(entry, flow, direction))
		return 1;
	/* The sender has been given another identity since, with the same address; or is somebody with the node's. */
	return entry->source_identity == flow->peer_identity ||
	       (!flow->peer_identity && entry->source_identity != IDENTITY_HOST);
}

/* Who is at the other end, as far as the entry says: the one that began, or the node. */
static __always_inline __u32 connection_peer(const struct ct_value *entry)
{
	if (entry->flags & CT_INGRESS)
		return entry->source_identity;
	return entry->flags & CT_TO_NODE ? IDENTITY_HOST : IDENTITY_NONE;
}

/* The flags of an entry, of a packet that the policy has let pass. */
static __always_inline __u32 connection_flags(const struct flow *flow, int verdict,
					      const enum direction direction)
{
	const __u32 to_peer = flow->peer_identity == IDENTITY_HOST ? CT_TO_NODE : 0;

	return (direction == DIRECTION_INGRESS ? CT_INGRESS : to_peer) |
	       (verdict == POLICY_AUDITED ? CT_POLICY_AUDIT : 0);
}

/* A packet of a known connection that may pass. */
static __always_inline void connection_go_on(struct __sk_buff *ctx, struct ct_value *entry,
					     struct flow *flow, __u32 now,
					     const enum direction direction)
{
	__u32 side = connection_side(entry, direction);

	if (!flow->peer_identity)
		flow->peer_identity = connection_peer(entry);
	if (flow->class == CLASS_ERROR) {
		flow->reason = TRACE_RELATED;
		return;
	}
	flow->reason = (__u8)(TRACE_ESTABLISHED + side);
	ct_touch(ctx, entry, flow, side, now);
}

/*
 * Of what the pod sends: is the peer a pod of this node? A connection remembers that for its second, so most packets to
 * outside need no look-up. A pod that has come since gets what is sent in that second from the host's stack.
 */
static __always_inline void connection_seek(struct ct_value *entry, const __be32 *peer,
					    struct flow *flow, __u32 now, const int family)
{
	const struct endpoint_value *found;
	__u32 sought = entry->sought;

	if (sought >> 1 != (now & 0x7fffffff)) {
		found = endpoint_find(peer, family);
		sought = now << 1 | (found && !(found->flags & ENDPOINT_IS_HOST));
		entry->sought = sought;
	}
	flow->is_outside = !(sought & 1);
}

/* Whether somebody asks where the peer is: the programs of pods do, to deliver. */
enum connection_use {
	CONNECTION_JUDGES,
	CONNECTION_DELIVERS
};

/* Looks for an answer: 0, or a drop, or CONNECTION_ASKS. */
static __always_inline int connection_look(struct __sk_buff *ctx, void *key, struct flow *flow,
					   struct connection_case *judged, const int family,
					   const enum direction direction,
					   const enum connection_use use)
{
	struct connection_view view = connection_view(key, family);
	struct ct_value *entry = NULL;

	judged->revision = policy_revision(flow->own_id);
	if (CONFIG_CONNTRACK) {
		judged->now = clock_seconds();
		entry = ct_find(key, view.protocol, flow, judged->now, family);
	}
	if (entry && connection_stands(entry, flow, judged->revision, direction)) {
		connection_go_on(ctx, entry, flow, judged->now, direction);
		if (CONFIG_ENABLE_ROUTING && use == CONNECTION_DELIVERS &&
		    direction == DIRECTION_EGRESS)
			connection_seek(entry, view.peer, flow, judged->now, family);
		return 0;
	}
	if (entry) {
		judged->is_known = 1;
		judged->is_tx = (__u32)connection_is_tx(entry, flow, direction);
		judged->source_identity = entry->source_identity;
		judged->flags = entry->flags;
	}
	return family == FAMILY_IPV4 ? connection_ask4(ctx, key, flow, judged, direction)
				     : connection_ask6(ctx, key, flow, judged, direction);
}

/*
 * A packet that opens a connection; others without one have passed the policy, and that is all. 0, or a
 * drop.
 */
static __always_inline int connection_open(struct __sk_buff *ctx, const void *key,
					   struct flow *flow, const struct connection_case *judged,
					   const int family)
{
	struct ct_value entry = {
		.source_identity = judged->source_identity,
		.policy_revision = judged->revision,
		.flags = (__u16)judged->flags,
	};
	long error;

	flow->reason = TRACE_NEW;
	if (!CONFIG_CONNTRACK || flow->class != CLASS_CONNECTION ||
	    (flow->protocol == IPPROTO_TCP && (flow->tcp_flags & TCP_FLAG_RST)))
		return 0;
	error = ct_create(ctx, key, flow, &entry, judged->now, family);
	return error ? DROP_WITH(DROP_CT_CREATE_FAILED, -error) : 0;
}

/* The policy's new answer about a known connection, if the packet is one that renews it. */
static __always_inline void connection_renew(struct ct_value *entry, const struct flow *flow,
					     const struct connection_case *judged)
{
	if (!judged->is_tx)
		return;
	entry->source_identity = judged->source_identity;
	entry->policy_rule = flow->policy_rule;
	entry->flags = (__u16)judged->flags;
	entry->policy_revision = judged->revision;
}

/* After the policy has let it pass: 0, or a drop. */
static __always_inline int connection_settle(struct __sk_buff *ctx, void *key, struct flow *flow,
					     const struct connection_case *judged, const int family,
					     const enum direction direction)
{
	struct connection_view view = connection_view(key, family);
	struct ct_value *entry;

	if (!CONFIG_CONNTRACK || !judged->is_known)
		return connection_open(ctx, key, flow, judged, family);
	entry = ct_find(key, view.protocol, flow, judged->now, family);
	/* Evicted meanwhile: the next packet opens it again. */
	if (!entry)
		return 0;
	connection_renew(entry, flow, judged);
	connection_go_on(ctx, entry, flow, judged->now, direction);
	return 0;
}

VERIFIED_ALONE int connection_settle4(struct __sk_buff *ctx, struct ct4_key *key, struct flow *flow,
				      struct connection_case *judged, __u32 direction)
{
	KEEP(ctx);
	KEEP(direction);
	if (!CONFIG_ENABLE_IPV4 || !key || !flow || !judged)
		return DROP_HERE(DROP_INVALID);
	return connection_settle(ctx, key, flow, judged, FAMILY_IPV4, direction);
}

VERIFIED_ALONE int connection_settle6(struct __sk_buff *ctx, struct ct6_key *key, struct flow *flow,
				      struct connection_case *judged, __u32 direction)
{
	KEEP(ctx);
	KEEP(direction);
	if (!CONFIG_ENABLE_IPV6 || !key || !flow || !judged)
		return DROP_HERE(DROP_INVALID);
	return connection_settle(ctx, key, flow, judged, FAMILY_IPV6, direction);
}

/*
 * 0, or a drop. The policy is asked from here, the program itself: a tail call out of a function is allowed
 * only where its callers have less than 256 bytes on the stack.
 */
static __always_inline int connection_step(struct __sk_buff *ctx, void *key, struct flow *flow,
					   const int family, const enum direction direction)
{
	struct connection_case judged = {};
	int verdict =
		connection_look(ctx, key, flow, &judged, family, direction, CONNECTION_DELIVERS);

	if (verdict != CONNECTION_ASKS)
		return verdict;
	verdict = policy_call(ctx, flow->own_id);
	flow->policy_rule = ctx->cb[ANSWER_RULE];
	if (verdict < 0)
		return verdict;
	judged.flags = connection_flags(flow, verdict, direction);
	return family == FAMILY_IPV4 ? connection_settle4(ctx, key, flow, &judged, direction)
				     : connection_settle6(ctx, key, flow, &judged, direction);
}
