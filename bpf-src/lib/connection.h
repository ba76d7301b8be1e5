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
 * Reads: SECLABEL, and what policy.h and conntrack.h do. Drops: 133, 155, 181.
 */
#pragma once

#include "lib/conntrack.h"
#include "lib/policy.h"
#include "lib/transport.h"

#undef THIS_FILE
#define THIS_FILE FILE_CONNECTION

/* The parts of a key that are in the same order for both families, and the peer's address. */
struct connection_view {
	const __be32 *peer;
	__be16 peers_port;
	__be16 own_port;
	__u8 protocol;
};

static __always_inline struct connection_view connection_view(const void *key, const int family)
{
	const struct ct4_key *v4 = key;
	const struct ct6_key *v6 = key;

	if (family == FAMILY_IPV4)
		return (struct connection_view){ &v4->daddr, v4->dport, v4->sport, v4->protocol };
	return (struct connection_view){ v6->daddr, v6->dport, v6->sport, v6->protocol };
}

static __always_inline __u8 connection_direction(const struct ct_value *entry)
{
	return entry->flags & CT_INGRESS ? DIRECTION_INGRESS : DIRECTION_EGRESS;
}

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
	/* The sender has been given another identity since, with the same address. */
	return direction == DIRECTION_EGRESS || !flow->peer_identity ||
	       !connection_is_tx(entry, flow, direction) ||
	       entry->source_identity == flow->peer_identity;
}

/* The port by which policy judges a known connection: that of the side that answers. */
static __always_inline __be16 connection_port(const struct connection_view *view, __u8 direction,
					      const int family)
{
	if (transport_is_icmp(view->protocol, family))
		return family == FAMILY_IPV4 ? BE16(ICMP_ECHO_REQUEST) : BE16(ICMPV6_ECHO_REQUEST);
	return direction == DIRECTION_EGRESS ? view->peers_port : view->own_port;
}

/* What judging a packet needs to know and finds out, besides the packet. */
struct connection_case {
	__u32 now;
	__u32 revision;
	__u32 is_known;        /* the packet has an entry, whose answer does not hold any more... */
	__u32 source_identity; /* ...and of that entry */
	__u32 flags;           /* likewise; then those of the new answer */
	__u32 is_tx;
};

/* What to ask about a packet without an entry. */
static __always_inline void connection_ask_new(struct policy_question *question,
					       const struct flow *flow,
					       const enum direction direction)
{
	question->identity = direction == DIRECTION_INGRESS ? flow->peer_identity : IDENTITY_NONE;
	question->port = flow->dport;
	question->protocol = flow->protocol;
	question->direction = direction;
}

/* What to ask about a packet with one. */
static __always_inline void connection_ask_again(struct policy_question *question,
						 const struct connection_case *known,
						 const struct connection_view *view,
						 const struct flow *flow, const int family)
{
	int by_peer = known->flags & CT_INGRESS;

	question->direction = by_peer ? DIRECTION_INGRESS : DIRECTION_EGRESS;
	question->protocol = view->protocol;
	question->port = connection_port(view, question->direction, family);
	question->identity = !by_peer       ? IDENTITY_NONE
			     : known->is_tx ? flow->peer_identity
					    : known->source_identity;
}

/*
 * A packet that opens a connection; others without one have passed the policy, and that is all. 0, or an
 * error.
 */
static __always_inline int connection_open(struct __sk_buff *ctx, const void *key,
					   struct flow *flow, const struct connection_case *new,
					   const int family)
{
	struct ct_value entry = {
		.source_identity = new->source_identity,
		.policy_revision = new->revision,
		.flags = (__u16) new->flags,
	};

	flow->reason = TRACE_NEW;
	if (!CONFIG_CONNTRACK || flow->class != CLASS_CONNECTION ||
	    (flow->protocol == IPPROTO_TCP && (flow->tcp_flags & TCP_FLAG_RST)))
		return 0;
	return (int)ct_create(ctx, key, flow, &entry, new->now, family);
}

/* Alone, so that the entry and the policy's question are not on the stack together. */
VERIFIED_ALONE int connection_open4(struct __sk_buff *ctx, struct ct4_key *key, struct flow *flow,
				    struct connection_case *new)
{
	KEEP(ctx);
	if (!CONFIG_ENABLE_IPV4 || !key || !flow || !new)
		return 0;
	return connection_open(ctx, key, flow, new, FAMILY_IPV4);
}

VERIFIED_ALONE int connection_open6(struct __sk_buff *ctx, struct ct6_key *key, struct flow *flow,
				    struct connection_case *new)
{
	KEEP(ctx);
	if (!CONFIG_ENABLE_IPV6 || !key || !flow || !new)
		return 0;
	return connection_open(ctx, key, flow, new, FAMILY_IPV6);
}

/* Asks the policy about a packet for which no entry answers; 0, or a drop. */
static __always_inline int connection_judge(struct __sk_buff *ctx, void *key, struct flow *flow,
					    struct connection_case *judged, const int family,
					    const enum direction direction)
{
	struct connection_view view = connection_view(key, family);
	struct policy_question question = {
		.revision = judged->revision,
		.is_ipv6 = family == FAMILY_IPV6,
	};
	int verdict, error;

	if (judged->is_known)
		connection_ask_again(&question, judged, &view, flow, family);
	else
		connection_ask_new(&question, flow, direction);
	if (question.identity == IDENTITY_NONE)
		question.identity = identity_of(view.peer, family);
	if (!flow->peer_identity)
		flow->peer_identity = question.identity;
	verdict = policy_ask(ctx, &question);
	flow->policy_rule = question.rule;
	if (verdict < 0)
		return verdict;
	judged->source_identity = direction == DIRECTION_EGRESS ? SECLABEL : question.identity;
	judged->flags = (direction == DIRECTION_INGRESS ? CT_INGRESS : 0) |
			(verdict == POLICY_AUDITED ? CT_POLICY_AUDIT : 0);
	if (judged->is_known)
		return 0;
	error = family == FAMILY_IPV4 ? connection_open4(ctx, key, flow, judged)
				      : connection_open6(ctx, key, flow, judged);
	return error ? DROP_WITH(DROP_CT_CREATE_FAILED, -error) : 0;
}

VERIFIED_ALONE int connection_judge4(struct __sk_buff *ctx, struct ct4_key *key, struct flow *flow,
				     struct connection_case *judged, __u32 direction)
{
	if (!CONFIG_ENABLE_IPV4 || !key || !flow || !judged)
		return DROP_HERE(DROP_INVALID);
	return connection_judge(ctx, key, flow, judged, FAMILY_IPV4, direction);
}

VERIFIED_ALONE int connection_judge6(struct __sk_buff *ctx, struct ct6_key *key, struct flow *flow,
				     struct connection_case *judged, __u32 direction)
{
	if (!CONFIG_ENABLE_IPV6 || !key || !flow || !judged)
		return DROP_HERE(DROP_INVALID);
	return connection_judge(ctx, key, flow, judged, FAMILY_IPV6, direction);
}

/* A packet of a known connection that may pass. */
static __always_inline void connection_go_on(struct __sk_buff *ctx, struct ct_value *entry,
					     struct flow *flow, __u32 now,
					     const enum direction direction)
{
	__u32 side = connection_side(entry, direction);

	if (!flow->peer_identity && (entry->flags & CT_INGRESS))
		flow->peer_identity = entry->source_identity;
	if (flow->class == CLASS_ERROR) {
		flow->reason = TRACE_RELATED;
		return;
	}
	flow->reason = (__u8)(TRACE_ESTABLISHED + side);
	ct_touch(ctx, entry, flow, side, now);
}

/* The policy's new answer, if the packet is one that renews it. */
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

/* 0, or a drop. */
static __always_inline int connection_step(struct __sk_buff *ctx, void *key, struct flow *flow,
					   const int family, const enum direction direction)
{
	struct connection_view view = connection_view(key, family);
	struct connection_case judged = { .revision = policy_revision() };
	struct ct_value *entry = NULL;
	int verdict;

	if (CONFIG_CONNTRACK) {
		judged.now = clock_seconds();
		entry = ct_find(key, view.protocol, flow, judged.now, family);
	}
	if (!entry || !connection_stands(entry, flow, judged.revision, direction)) {
		if (entry) {
			judged.is_known = 1;
			judged.is_tx = (__u32)connection_is_tx(entry, flow, direction);
			judged.source_identity = entry->source_identity;
			judged.flags = entry->flags;
		}
		verdict = family == FAMILY_IPV4
				  ? connection_judge4(ctx, key, flow, &judged, direction)
				  : connection_judge6(ctx, key, flow, &judged, direction);
		if (verdict < 0 || !entry)
			return verdict;
		connection_renew(entry, flow, &judged);
	}
	connection_go_on(ctx, entry, flow, judged.now, direction);
	return 0;
}

VERIFIED_ALONE int connection_from4(struct __sk_buff *ctx, struct ct4_key *key, struct flow *flow)
{
	if (!CONFIG_ENABLE_IPV4 || !key || !flow)
		return DROP_HERE(DROP_INVALID);
	return connection_step(ctx, key, flow, FAMILY_IPV4, DIRECTION_EGRESS);
}

VERIFIED_ALONE int connection_from6(struct __sk_buff *ctx, struct ct6_key *key, struct flow *flow)
{
	if (!CONFIG_ENABLE_IPV6 || !key || !flow)
		return DROP_HERE(DROP_INVALID);
	return connection_step(ctx, key, flow, FAMILY_IPV6, DIRECTION_EGRESS);
}

VERIFIED_ALONE int connection_to4(struct __sk_buff *ctx, struct ct4_key *key, struct flow *flow)
{
	if (!CONFIG_ENABLE_IPV4 || !key || !flow)
		return DROP_HERE(DROP_INVALID);
	return connection_step(ctx, key, flow, FAMILY_IPV4, DIRECTION_INGRESS);
}

VERIFIED_ALONE int connection_to6(struct __sk_buff *ctx, struct ct6_key *key, struct flow *flow)
{
	if (!CONFIG_ENABLE_IPV6 || !key || !flow)
		return DROP_HERE(DROP_INVALID);
	return connection_step(ctx, key, flow, FAMILY_IPV6, DIRECTION_INGRESS);
}
