/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is the policy to be asked about a packet? About one that belongs to a known connection, what it was
 * asked when that one was opened; about any other one, what the packet says of itself.
 * Reads: IPCACHE_MAP, for the identity of the peer and its network. Drops: 134, which never happens.
 */
#pragma once

#include "lib/conntrack.h"
#include "lib/policy.h"
#include "lib/transport.h"

#undef THIS_FILE
#define THIS_FILE FILE_QUESTION

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

/* Beside 0 and a drop: nothing is known that answers, and the question stands in the scratch words. */
#define CONNECTION_ASKS 1

/* The question about a packet that no entry answers. */
static __always_inline int connection_ask(struct __sk_buff *ctx, const void *key, struct flow *flow,
					  struct connection_case *judged, const int family,
					  const enum direction direction)
{
	struct connection_view view = connection_view(key, family);
	struct ipcache_key address = ipcache_key_of(view.peer, family);
	struct policy_question question = {
		.revision = judged->revision,
		.is_ipv6 = family == FAMILY_IPV6,
	};

	if (judged->is_known)
		connection_ask_again(&question, judged, &view, flow, family);
	else
		connection_ask_new(&question, flow, direction);
	if (question.identity == IDENTITY_NONE)
		question.identity = identity_of(ctx, &address, question.direction);
	question.network = network_of(&address, judged->revision);
	if (!flow->peer_identity)
		flow->peer_identity = question.identity;
	judged->source_identity =
		direction == DIRECTION_EGRESS ? flow->own_identity : question.identity;
	policy_put(ctx, &question);
	return CONNECTION_ASKS;
}

/* Alone, so that the key for the identity and that of the connection are not on the stack together. */
VERIFIED_ALONE int connection_ask4(struct __sk_buff *ctx, struct ct4_key *key, struct flow *flow,
				   struct connection_case *judged, __u32 direction)
{
	if (!CONFIG_ENABLE_IPV4 || !key || !flow || !judged)
		return DROP_HERE(DROP_INVALID);
	return connection_ask(ctx, key, flow, judged, FAMILY_IPV4, direction);
}

VERIFIED_ALONE int connection_ask6(struct __sk_buff *ctx, struct ct6_key *key, struct flow *flow,
				   struct connection_case *judged, __u32 direction)
{
	if (!CONFIG_ENABLE_IPV6 || !key || !flow || !judged)
		return DROP_HERE(DROP_INVALID);
	return connection_ask(ctx, key, flow, judged, FAMILY_IPV6, direction);
}
