/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The order of the steps in each program, and how each ends. Whatever is decided is decided in the other
 * files.
 */
#pragma once

#include "lib/arp.h"
#include "lib/connection.h"
#include "lib/eth.h"
#include "lib/ipv4.h"
#include "lib/ipv6.h"

#undef THIS_FILE
#define THIS_FILE FILE_STEPS

/* Continues in `slot`; coming back is a drop, whose detail is the slot. */
#define TAIL_OR_DROP(ctx, slot)                                                                    \
	({                                                                                         \
		tail_call(ctx, slot);                                                              \
		DROP_WITH(DROP_MISSED_TAIL_CALL, slot);                                            \
	})

/* Continues in the program for the frame's protocol; returns a verdict if there is none. */
static __always_inline int step_from_container(struct __sk_buff *ctx, struct flow *flow)
{
	int type = eth_type_from_container(ctx);

	if (type < 0)
		return type;
	event_debug(ctx, DEBUG_FROM_CONTAINER, (__u32)type, ctx->len);
	event_trace(ctx, TRACE_FROM_CONTAINER, flow, DIRECTION_EGRESS);
	if (CONFIG_ENABLE_IPV4 && type == BE16(ETH_P_IP))
		return TAIL_OR_DROP(ctx, SLOT_IPV4_FROM_CONTAINER);
	if (CONFIG_ENABLE_IPV6 && type == BE16(ETH_P_IPV6))
		return TAIL_OR_DROP(ctx, SLOT_IPV6_FROM_CONTAINER);
	if (CONFIG_ENABLE_IPV4 && type == BE16(ETH_P_ARP))
		return TAIL_OR_DROP(ctx, SLOT_ARP);
	return DROP_HERE(DROP_UNKNOWN_L3);
}

/* Likewise for a frame to the pod. ARP passes: the host asks for the pod by it. */
static __always_inline int step_to_container(struct __sk_buff *ctx, struct flow *flow)
{
	int type = eth_type(ctx);

	if (type < 0)
		return type;
	event_debug(ctx, DEBUG_TO_CONTAINER, (__u32)type, ctx->len);
	event_trace(ctx, TRACE_FROM_STACK, flow, DIRECTION_INGRESS);
	if (CONFIG_ENABLE_IPV4 && type == BE16(ETH_P_IP))
		return TAIL_OR_DROP(ctx, SLOT_IPV4_TO_CONTAINER);
	if (CONFIG_ENABLE_IPV6 && type == BE16(ETH_P_IPV6))
		return TAIL_OR_DROP(ctx, SLOT_IPV6_TO_CONTAINER);
	if (CONFIG_ENABLE_IPV4 && type == BE16(ETH_P_ARP))
		return TC_ACT_OK;
	return DROP_HERE(DROP_UNKNOWN_L3);
}

/*
 * IPv4: what is it, may it, and where to? A step that changes the packet is behind all that may drop it.
 */
static __always_inline int step_ipv4_from(struct __sk_buff *ctx, struct flow *flow)
{
	struct endpoint_value *target;
	struct ethhdr *eth = NULL;
	struct iphdr *ip = NULL;
	struct ct4_key key = {};
	int verdict = ipv4_header(ctx, &eth, &ip, flow);

	if (verdict < 0)
		return verdict;
	if (!ipv4_is_own_source(ip))
		return DROP_HERE(DROP_INVALID_SOURCE_IP);
	verdict = ipv4_read(ctx, ip, &key, flow, DIRECTION_EGRESS);
	if (verdict < 0)
		return verdict;
	verdict = connection_from4(ctx, &key, flow);
	if (verdict < 0)
		return verdict;
	target = deliver_find(&ip->daddr, flow, FAMILY_IPV4);
	if (!target)
		return deliver_to_stack(ctx);
	verdict = deliver_lower_ttl(ip);
	return verdict < 0 ? verdict : deliver_local(ctx, eth, target);
}

static __always_inline int step_ipv4_to(struct __sk_buff *ctx, struct flow *flow)
{
	__u32 origin = ctx->cb[HANDOVER_ORIGIN];
	struct ethhdr *eth = NULL;
	struct iphdr *ip = NULL;
	struct ct4_key key = {};
	int verdict = ipv4_header(ctx, &eth, &ip, flow);

	if (verdict < 0)
		return verdict;
	verdict = ipv4_read(ctx, ip, &key, flow, DIRECTION_INGRESS);
	if (verdict < 0)
		return verdict;
	verdict = connection_to4(ctx, &key, flow);
	return verdict < 0 ? verdict : deliver_to_container(ctx, origin);
}

/* The same for IPv6, and what neighbours say to one another. */
static __always_inline int step_ipv6_from(struct __sk_buff *ctx, struct flow *flow)
{
	struct endpoint_value *target;
	struct ethhdr *eth = NULL;
	struct ipv6hdr *ip = NULL;
	struct ct6_key key = {};
	int verdict = ipv6_header(ctx, &eth, &ip, flow);

	if (verdict < 0)
		return verdict;
	if (!ipv6_is_own_source(ip))
		return DROP_HERE(DROP_INVALID_SOURCE_IP);
	verdict = ipv6_read(ctx, ip, &key, flow, DIRECTION_EGRESS);
	if (verdict < 0)
		return verdict;
	if (flow->class == CLASS_LINK)
		return neighbor_from_container(ctx, &key, flow);
	verdict = connection_from6(ctx, &key, flow);
	if (verdict < 0)
		return verdict;
	target = deliver_find(ip->daddr.word32, flow, FAMILY_IPV6);
	/* A router does not forward what is from a link-local address (RFC 4291, 2.5.6). */
	if (!target || ipv6_is_link_local(&ip->saddr))
		return deliver_to_stack(ctx);
	verdict = deliver_lower_hop_limit(ctx, ip);
	return verdict < 0 ? verdict : deliver_local(ctx, eth, target);
}

static __always_inline int step_ipv6_to(struct __sk_buff *ctx, struct flow *flow)
{
	__u32 origin = ctx->cb[HANDOVER_ORIGIN];
	struct ethhdr *eth = NULL;
	struct ipv6hdr *ip = NULL;
	struct ct6_key key = {};
	int verdict = ipv6_header(ctx, &eth, &ip, flow);

	if (verdict < 0)
		return verdict;
	verdict = ipv6_read(ctx, ip, &key, flow, DIRECTION_INGRESS);
	if (verdict < 0)
		return verdict;
	if (flow->class == CLASS_LINK)
		return deliver_to_container(ctx, origin);
	verdict = connection_to6(ctx, &key, flow);
	return verdict < 0 ? verdict : deliver_to_container(ctx, origin);
}

/* Another pod's packet goes on as one from the stack does. */
static __always_inline int step_policy_ingress(struct __sk_buff *ctx)
{
	if (CONFIG_ENABLE_IPV4 && ctx->protocol == BE16(ETH_P_IP))
		return TAIL_OR_DROP(ctx, SLOT_IPV4_TO_CONTAINER);
	if (CONFIG_ENABLE_IPV6 && ctx->protocol == BE16(ETH_P_IPV6))
		return TAIL_OR_DROP(ctx, SLOT_IPV6_TO_CONTAINER);
	return DROP_HERE(DROP_UNKNOWN_L3);
}

/* The end of what the pod sent: traced when it goes on to the host's stack. */
static __always_inline int end_from_container(struct __sk_buff *ctx, int verdict, struct flow *flow)
{
	if (verdict == TC_ACT_OK)
		event_trace(ctx,
			    flow->peer_identity == IDENTITY_HOST ? TRACE_TO_HOST : TRACE_TO_STACK,
			    flow, DIRECTION_EGRESS);
	/* Handed to another pod's device: counted there. */
	if (verdict == TC_ACT_REDIRECT && flow->peer_id && !CONFIG_LOCAL_DELIVERY_METRICS)
		return verdict;
	return verdict_end(ctx, verdict, flow, DIRECTION_EGRESS);
}

/* The end of what comes to the pod. */
static __always_inline int end_to_container(struct __sk_buff *ctx, int verdict, struct flow *flow)
{
	if (verdict >= 0)
		event_trace(ctx, TRACE_TO_CONTAINER, flow, DIRECTION_INGRESS);
	return verdict_end(ctx, verdict, flow, DIRECTION_INGRESS);
}
