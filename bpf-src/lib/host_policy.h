/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The node's own policy: may a packet come to the node, or leave it? Without one there is no more than a look at a
 * word. With one the node is judged as a pod is, by entries of its own and with entries of its own in conntrack, and
 * these differ from a pod's:
 *
 *   never judged      what neighbours and routers say to one another; ICMP errors that the node sends
 *   would be dropped, open ports; answers of DHCP; sessions that the kernel has a socket for, so that those which
 *   and may pass      stood before the policy came go on
 *
 * To the node is what its addresses, its routes or a group say; from the node, what leaves under one of its addresses.
 * Both are asked before NAT on the way out and behind it on the way in, so conntrack sees one pair of ends.
 * Reads: POLICY_MAP, NODE_OPEN_MAP, NODE_ADDRESSES_MAP, sockets of the node, and what connection.h does.
 * Drops: 133, 155, 181, and those of host_read.h.
 */
#pragma once

#include "lib/connection.h"
#include "lib/host_receive.h"

#undef THIS_FILE
#define THIS_FILE FILE_HOST_POLICY

/* RFC 2131, 4.1; RFC 8415, 7.2. A server of IPv6 may answer from any port. */
#define DHCP_SERVER  BE16(67)
#define DHCP_CLIENT  BE16(68)
#define DHCP6_CLIENT BE16(546)

static __always_inline int node_is_judged(void)
{
	return policy_revision(NODE_ID) != 0;
}

static __always_inline struct connection_view node_view(const union nat_key *key, __u32 family)
{
	return nat_is_ipv4(family) ? connection_view(key, FAMILY_IPV4)
				   : connection_view(key, FAMILY_IPV6);
}

/* Whether it goes no farther than the link, and says only who is there. */
static __always_inline int node_is_of_link(const struct flow *flow, __u32 family)
{
	if (nat_is_ipv4(family))
		return flow->protocol == IPPROTO_IGMP;
	return host_is_neighbor(flow, family) ||
	       (flow->protocol == IPPROTO_ICMPV6 && flow->hop_limit == 1 &&
		icmp6_is_listener(__builtin_bswap16(flow->dport)));
}

/* Whether an address is a group's, or everybody's on the link: the stack takes the latter before it looks at a route. */
static __always_inline int node_is_group(const struct nat_end *to, __u32 family)
{
	const __u8 *octets = (const void *)to->address;

	if (!nat_is_ipv4(family))
		return octets[0] == 0xff;
	return (octets[0] & 0xf0) == 0xe0 || !to->address[0] || to->address[0] == BE32(0xffffffff);
}

/* Whether a packet from outside ends at the node. Its routes know addresses, too, that the map does not know yet. */
VERIFIED_ALONE int node_is_receiver(struct __sk_buff *ctx, union nat_key *key, __u32 family)
{
	struct ipcache_key address;
	struct nat_end own = {};

	if (!key)
		return 1;
	nat_own_end(key, &own, family);
	if (host_is_node(&own, family) || node_is_group(&own, family))
		return 1;
	address = nat_is_ipv4(family) ? ipcache_key_of(own.address, FAMILY_IPV4)
				      : ipcache_key_of(own.address, FAMILY_IPV6);
	return identity_is_node(ctx, &address);
}

/* Whether a packet to outside leaves under an address of the node; no pod's does yet. */
VERIFIED_ALONE int node_is_sender(struct __sk_buff *ctx, __u32 family)
{
	struct nat_end own = {};
	long error;

	if (nat_is_ipv4(family))
		error = bpf_skb_load_bytes(
			ctx, device_network() + __builtin_offsetof(struct iphdr, saddr),
			own.address, sizeof(__be32));
	else
		error = bpf_skb_load_bytes(
			ctx, device_network() + __builtin_offsetof(struct ipv6hdr, saddr),
			own.address, sizeof(own.address));
	return !error && (host_is_node(&own, family) || identity_of_sender(ctx) == IDENTITY_HOST);
}

/* Whether a server tells the node which address it has, or is asked. */
static __always_inline int node_is_dhcp(const struct connection_view *view, __u32 family)
{
	if (view->protocol != IPPROTO_UDP)
		return 0;
	if (nat_is_ipv4(family))
		return view->own_port == DHCP_CLIENT && view->peers_port == DHCP_SERVER;
	return view->own_port == DHCP6_CLIENT;
}

/*
 * Whether the kernel has a socket for a packet's session. What only begins one belongs to none: a SYN, and what leaves by
 * UDP, where every client that calls connect() has such a socket before its first packet.
 */
static __always_inline int node_is_standing(struct __sk_buff *ctx, union nat_key *key,
					    const struct flow *flow, __u8 direction, __u32 family)
{
	struct nat_end own = {};
	int state;

	if (flow->class != CLASS_ERROR && flow->protocol == IPPROTO_TCP &&
	    (flow->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN)
		return 0;
	nat_own_end(key, &own, family);
	state = nat_socket_state(ctx, key, &own, family);
	if (nat_protocol(key, family) == IPPROTO_TCP)
		return state && state != BPF_TCP_LISTEN;
	return state == BPF_TCP_ESTABLISHED &&
	       (direction == DIRECTION_INGRESS || flow->class == CLASS_ERROR);
}

/* Whether a packet passes that the policy would drop. */
VERIFIED_ALONE int node_is_excused(struct __sk_buff *ctx, union nat_key *key, struct flow *flow,
				   __u32 family)
{
	struct policy_question question = policy_take(ctx);
	struct node_open_key open = {
		.port = question.port,
		.protocol = question.protocol,
		.direction = question.direction,
	};
	struct connection_view view;

	if (!key || !flow)
		return 0;
	view = node_view(key, family);
	return bpf_map_lookup_elem(&NODE_OPEN_MAP, &open) ||
	       (question.direction == DIRECTION_INGRESS && node_is_dhcp(&view, family)) ||
	       node_is_standing(ctx, key, flow, question.direction, family);
}

/* The answer to the question that stands in the scratch words: 0, or a drop, or POLICY_AUDITED. */
VERIFIED_ALONE int node_answer(struct __sk_buff *ctx, union nat_key *key, struct flow *flow,
			       __u32 family)
{
	struct policy_question question = policy_take(ctx);
	struct policy_value *value = policy_find(&question);
	__u8 reason = policy_reason(value);

	if (!key || !flow)
		return DROP_HERE(DROP_INVALID);
	if (reason && node_is_excused(ctx, key, flow, family)) {
		value = NULL;
		reason = 0;
	}
	policy_record(ctx, &question, value, reason);
	flow->policy_rule = ctx->cb[ANSWER_RULE];
	if (!reason)
		return 0;
	return CONFIG_POLICY_AUDIT_MODE ? POLICY_AUDITED : DROP_HERE(reason);
}

/* connection_look(), alone: with the rest of the node's way in it there would be too much to verify. */
VERIFIED_ALONE int node_look4(struct __sk_buff *ctx, struct ct4_key *key, struct flow *flow,
			      struct connection_case *judged, __u32 direction)
{
	if (!CONFIG_ENABLE_IPV4 || !key || !flow || !judged)
		return DROP_HERE(DROP_INVALID);
	return connection_look(ctx, key, flow, judged, FAMILY_IPV4, direction, CONNECTION_JUDGES);
}

VERIFIED_ALONE int node_look6(struct __sk_buff *ctx, struct ct6_key *key, struct flow *flow,
			      struct connection_case *judged, __u32 direction)
{
	if (!CONFIG_ENABLE_IPV6 || !key || !flow || !judged)
		return DROP_HERE(DROP_INVALID);
	return connection_look(ctx, key, flow, judged, FAMILY_IPV6, direction, CONNECTION_JUDGES);
}

/* As connection_step(), for the node: 0, or a drop. */
VERIFIED_ALONE int node_judge(struct __sk_buff *ctx, union nat_key *key, struct flow *flow,
			      __u32 direction, __u32 family)
{
	struct connection_case judged = {};
	int verdict;

	if (!key || !flow)
		return DROP_HERE(DROP_INVALID);
	verdict = nat_is_ipv4(family) ? node_look4(ctx, (void *)key, flow, &judged, direction)
				      : node_look6(ctx, (void *)key, flow, &judged, direction);
	if (verdict != CONNECTION_ASKS)
		return verdict;
	/* The policy has gone since somebody looked whether there is one. */
	if (!judged.revision)
		return 0;
	verdict = node_answer(ctx, key, flow, family);
	if (verdict < 0)
		return verdict;
	judged.flags = connection_flags(flow, verdict, direction);
	return nat_is_ipv4(family) ? connection_settle4(ctx, (void *)key, flow, &judged, direction)
				   : connection_settle6(ctx, (void *)key, flow, &judged, direction);
}

/* What an error to the node is about takes the error's place in `key`, if it can be read. */
VERIFIED_ALONE int node_quoted(struct __sk_buff *ctx, union nat_key *key, struct flow *flow,
			       __u32 family)
{
	struct nat_quoted quoted = { .is_sent = 1 };

	if (!key || !flow)
		return 0;
	quoted.network = flow->transport + sizeof(struct icmphdr);
	return nat_is_ipv4(family) ? nat_quoted_read4(ctx, &quoted, &key->v4)
				   : nat_quoted_read6(ctx, &quoted, &key->v6);
}

/* As host_read(), for conntrack: one entry for both directions, and no type of ICMP that policy would not judge. */
static __always_inline int node_read(struct __sk_buff *ctx, union nat_key *key, struct flow *flow,
				     const enum direction direction, __u32 family)
{
	int verdict = host_read(ctx, key, flow, direction, family);

	if (nat_is_ipv4(family))
		key->v4.flags = 0;
	else
		key->v6.flags = 0;
	if (flow->class == CLASS_LINK)
		flow->class = CLASS_ANSWER;
	return verdict;
}

/*
 * A packet to the stack of the node: TC_ACT_OK, or a drop. From a pod, its identity is in `flow`, and it is known that the
 * node gets it.
 */
VERIFIED_ALONE int node_receive(struct __sk_buff *ctx, struct flow *flow, __u32 family)
{
	union nat_key key = {};
	int unread;

	if (!flow)
		return TC_ACT_OK;
	flow->own_identity = IDENTITY_HOST;
	unread = node_read(ctx, &key, flow, DIRECTION_INGRESS, family);
	if (unread >= 0 && node_is_of_link(flow, family))
		return TC_ACT_OK;
	if (!flow->peer_identity && !node_is_receiver(ctx, &key, family))
		return TC_ACT_OK;
	if (unread < 0)
		return unread;
	if (flow->class == CLASS_ERROR)
		node_quoted(ctx, &key, flow, family);
	return node_judge(ctx, &key, flow, DIRECTION_INGRESS, family);
}

/* A packet that the node sends to outside: TC_ACT_OK, or a drop. */
VERIFIED_ALONE int node_send(struct __sk_buff *ctx, struct flow *flow, __u32 family)
{
	union nat_key key = {};
	int unread;

	if (!flow)
		return TC_ACT_OK;
	flow->own_identity = IDENTITY_HOST;
	unread = node_read(ctx, &key, flow, DIRECTION_EGRESS, family);
	if (unread < 0)
		return unread;
	if (node_is_of_link(flow, family) || flow->class == CLASS_ERROR)
		return TC_ACT_OK;
	return node_judge(ctx, &key, flow, DIRECTION_EGRESS, family);
}
