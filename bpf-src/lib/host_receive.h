/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What becomes of a packet from outside: it is translated by its pair, or by a host port, which makes one; then it goes,
 * as one to a pod's own address does, to the pod past the host's stack. Who claims to be a pod or the node is lying.
 *
 * Whatever else there is passes untouched. An answer is taken at any native device, whichever the question left by.
 * A pair whose pod is gone counts for nothing: the node itself answers, so the peer learns at once that nobody is
 * there. Drops: 132, 167, 203, and those of nat_error.h and nat_rewrite.h.
 */
#pragma once

#include "lib/cursor.h"
#include "lib/deliver.h"
#include "lib/host_ports.h"
#include "lib/host_read.h"
#include "lib/nat_error.h"
#include "lib/nat_port.h"

#undef THIS_FILE
#define THIS_FILE FILE_HOST_RECEIVE

/* Beside TC_ACT_* and a drop: to the pod that was found. Beside 0 and a drop: translate. */
#define HOST_TO_POD    16
#define HOST_TRANSLATE 1

static __always_inline int host_read(struct __sk_buff *ctx, union nat_key *key, struct flow *flow,
				     const enum direction direction, __u32 family)
{
	return nat_is_ipv4(family) ? host_read4(ctx, key, flow, direction)
				   : host_read6(ctx, key, flow, direction);
}

static __always_inline struct endpoint_value *host_local(const struct nat_end *end, __u32 family)
{
	return nat_is_ipv4(family) ? endpoint_find(end->address, FAMILY_IPV4)
				   : endpoint_find(end->address, FAMILY_IPV6);
}

static __always_inline int host_is_node(const struct nat_end *end, __u32 family)
{
	return nat_is_ipv4(family) ? host_port_is_at_node(end->address, FAMILY_IPV4)
				   : host_port_is_at_node(end->address, FAMILY_IPV6);
}

/* The address on the other side. */
static __always_inline void host_peer(const union nat_key *key, struct nat_end *peer, __u32 family)
{
	if (nat_is_ipv4(family))
		peer->address[0] = key->v4.daddr;
	else
		__builtin_memcpy(peer->address, key->v6.daddr, sizeof(peer->address));
}

/* Copies the pod at `end`; whether there is one. */
VERIFIED_ALONE int host_find_pod(struct nat_end *end, struct endpoint_value *pod, __u32 family)
{
	struct endpoint_value *found;

	if (!end || !pod)
		return 0;
	found = host_local(end, family);
	if (!found || found->flags & ENDPOINT_IS_HOST)
		return 0;
	*pod = *found;
	return 1;
}

/* Whether a packet from outside has an address of ours as its source. */
VERIFIED_ALONE int host_is_spoofed(union nat_key *key, __u32 family)
{
	struct nat_end peer = {};

	if (!key)
		return 1;
	host_peer(key, &peer, family);
	return host_local(&peer, family) || host_is_node(&peer, family);
}

/* Whether a packet may open a connection to a host port: one of the node itself may have the port on its side, too. */
static __always_inline int host_port_opens(const struct flow *flow, __u32 family)
{
	if (flow->class != CLASS_CONNECTION || transport_is_icmp(flow->protocol, (int)family) ||
	    !nat_has_ports(flow->protocol, (int)family) || flow->fragment & FRAGMENT_PLACE)
		return 0;
	return flow->protocol != IPPROTO_TCP ||
	       (flow->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN;
}

/* Whether a pod answers at the port of the node that a packet is for; `end` becomes its. */
VERIFIED_ALONE int host_port_answers(union nat_key *key, struct nat_end *end, __u32 family)
{
	const struct host_port_value *pod;
	struct nat_end own = {};
	__u8 protocol;

	if (!key || !end)
		return 0;
	nat_own_end(key, &own, family);
	protocol = nat_protocol(key, family);
	pod = nat_is_ipv4(family) ? host_port_find(own.address, own.port, protocol, FAMILY_IPV4)
				  : host_port_find(own.address, own.port, protocol, FAMILY_IPV6);
	if (!pod)
		return 0;
	__builtin_memcpy(end->address, pod->address, sizeof(end->address));
	end->port = pod->port;
	return 1;
}

/* A packet that opens a connection to a host port gets a pair. 0, or HOST_TRANSLATE, or a drop. */
static __always_inline int host_port_step(union nat_key *key, struct flow *flow,
					  struct nat_end *end, __u32 family)
{
	if (!host_port_opens(flow, family) || !host_port_answers(key, end, family))
		return 0;
	/* Behind a pair its source would be taken for what it claims to be. */
	if (host_is_spoofed(key, family))
		return DROP_HERE(DROP_INVALID_SOURCE_IP);
	return nat_make(key, flow, end, family) ? DROP_HERE(DROP_NAT_NO_MAPPING) : HOST_TRANSLATE;
}

/* Finds what a packet from outside becomes, and does it in what an error quotes. 0, or HOST_TRANSLATE, or a drop. */
VERIFIED_ALONE int host_receive_pair(struct __sk_buff *ctx, union nat_key *key, struct flow *flow,
				     struct nat_end *end, __u32 family)
{
	union nat_key quoted;
	int verdict;

	if (!key || !flow || !end || flow->class == CLASS_LINK)
		return 0;
	if (flow->class == CLASS_ERROR) {
		quoted = *key;
		verdict = nat_error(ctx, &quoted, flow, end, family);
		if (verdict < 0)
			return verdict;
		return verdict == 0 ? HOST_TRANSLATE : 0;
	}
	if (nat_find(key, flow, end, family))
		return HOST_TRANSLATE;
	return host_port_step(key, flow, end, family);
}

/* Whether what is to be translated has a receiver: a pod that is there, or the node under another port. */
static __always_inline int host_has_receiver(const union nat_key *key, struct nat_end *end,
					     struct endpoint_value *pod, __u32 family)
{
	struct nat_end own = {};

	if (host_find_pod(end, pod, family))
		return 1;
	nat_own_end(key, &own, family);
	own.port = end->port;
	return nat_end_equal(&own, end);
}

/* Neighbours on the link: of one that has the node's own address the node must hear (RFC 4862, 5.4.4). */
static __always_inline int host_is_neighbor(const struct flow *flow, __u32 family)
{
	__u32 type = __builtin_bswap16(flow->dport);

	return !nat_is_ipv4(family) && flow->protocol == IPPROTO_ICMPV6 &&
	       flow->hop_limit == ND_HOP_LIMIT && type >= ICMPV6_ROUTER_ASK &&
	       type <= ICMPV6_REDIRECT;
}

/* A packet from outside: TC_ACT_OK, or HOST_TO_POD with the pod, or a drop. */
VERIFIED_ALONE int host_receive(struct __sk_buff *ctx, struct flow *flow,
				struct endpoint_value *pod, __u32 family)
{
	struct nat_end end = {};
	union nat_key key = {};
	int verdict = 0;

	if (!flow || !pod)
		return TC_ACT_OK;
	if (host_read(ctx, &key, flow, DIRECTION_INGRESS, family) >= 0) {
		if (host_is_neighbor(flow, family))
			return TC_ACT_OK;
		verdict = host_receive_pair(ctx, &key, flow, &end, family);
	}
	if (verdict == HOST_TRANSLATE && host_has_receiver(&key, &end, pod, family))
		verdict = nat_rewrite(ctx, &key, flow, &end, family);
	else if (verdict >= 0 && host_is_spoofed(&key, family))
		verdict = DROP_HERE(DROP_INVALID_SOURCE_IP);
	else if (verdict >= 0) {
		nat_own_end(&key, &end, family);
		host_find_pod(&end, pod, family);
	}
	if (verdict < 0)
		return verdict;
	return pod->lxc_id ? HOST_TO_POD : TC_ACT_OK;
}

/* To a pod of this node, as deliver_local() does. Returns a verdict, or not at all. */
static __always_inline int host_deliver(struct __sk_buff *ctx, const struct flow *flow,
					const struct endpoint_value *pod, const int family)
{
	const __u32 ip_len = family == FAMILY_IPV4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	struct cursor cursor;
	struct ethhdr *eth;
	void *ip;

	/* The stack knows what to do with options, and what to answer where the hop limit is used up. */
	if (!CONFIG_ENABLE_ROUTING || !device_has_ethernet() || flow->hop_limit <= 1 ||
	    (family == FAMILY_IPV4 && flow->transport != device_network() + ip_len))
		return TC_ACT_OK;
	cursor = cursor_open(ctx, sizeof(*eth) + ip_len);
	eth = cursor_take(&cursor, sizeof(*eth));
	ip = cursor_take(&cursor, ip_len);
	if (!eth || !ip)
		return TC_ACT_OK;
	if (family == FAMILY_IPV4)
		deliver_lower_ttl(ip);
	else
		deliver_lower_hop_limit(ctx, ip);
	mac_write(eth->h_dest, pod->mac);
	mac_write(eth->h_source, pod->host_mac);
	if (!CONFIG_FORCE_LOCAL_POLICY_EVAL_AT_SOURCE)
		return (int)bpf_redirect(pod->ifindex, 0);
	ctx->cb[HANDOVER_SOURCE_IDENTITY] = IDENTITY_NONE;
	ctx->cb[HANDOVER_ORIGIN] = ORIGIN_NETWORK;
	bpf_tail_call(ctx, &CALL_POLICY_MAP, pod->lxc_id);
	return DROP_HERE(DROP_ENDPOINT_NOT_READY);
}
