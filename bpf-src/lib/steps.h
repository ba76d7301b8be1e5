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

/* The program for what the pod sent. The kernel takes a packet for what this field says, not the frame. */
static __always_inline __u32 slot_from_container(__u32 protocol)
{
	if (CONFIG_ENABLE_IPV4 && protocol == BE16(ETH_P_IP))
		return SLOT_IPV4_FROM_CONTAINER;
	if (CONFIG_ENABLE_IPV6 && protocol == BE16(ETH_P_IPV6))
		return SLOT_IPV6_FROM_CONTAINER;
	if (CONFIG_ENABLE_IPV4 && protocol == BE16(ETH_P_ARP))
		return SLOT_ARP;
	return SLOT_OTHER_FROM_CONTAINER;
}

/* The program for a packet to the pod. */
static __always_inline __u32 slot_to_container(__u32 protocol)
{
	if (CONFIG_ENABLE_IPV4 && protocol == BE16(ETH_P_IP))
		return SLOT_IPV4_TO_CONTAINER;
	if (CONFIG_ENABLE_IPV6 && protocol == BE16(ETH_P_IPV6))
		return SLOT_IPV6_TO_CONTAINER;
	return SLOT_OTHER_TO_CONTAINER;
}

/* The end of an endpoint's own program: continues in the shared one in `slot`, or drops. */
static __always_inline int enter(struct __sk_buff *ctx, __u32 slot, const enum direction direction)
{
	struct flow flow;

	tail_call_indirect(ctx, slot);
	flow = (struct flow){};
	if (direction == DIRECTION_INGRESS)
		flow.peer_identity = ctx->cb[HANDOVER_SOURCE_IDENTITY];
	return drop_on_entry(ctx, DROP_WITH(DROP_MISSED_TAIL_CALL, slot), &flow, direction);
}

/* The start of a shared program for what the pod sent; 0, or a drop. */
static __always_inline int begin_from_container(struct __sk_buff *ctx, struct flow *flow,
						const struct endpoint_self *self)
{
	int type = eth_type_from_container(ctx, self);

	if (type < 0)
		return type;
	event_debug(ctx, DEBUG_FROM_CONTAINER, (__u32)type, ctx->len);
	event_trace(ctx, TRACE_FROM_CONTAINER, flow, DIRECTION_EGRESS);
	return 0;
}

/* Likewise for a packet to the pod. One from another pod was seen there. */
static __always_inline void begin_to_container(struct __sk_buff *ctx, struct flow *flow,
					       __u32 origin)
{
	if (origin == ORIGIN_ENDPOINT)
		return;
	event_debug(ctx, DEBUG_TO_CONTAINER, ctx->protocol, ctx->len);
	event_trace(ctx, origin == ORIGIN_NETWORK ? TRACE_FROM_NETWORK : TRACE_FROM_STACK, flow,
		    DIRECTION_INGRESS);
}

static __always_inline int step_other_from(struct __sk_buff *ctx, struct flow *flow)
{
	const struct endpoint_self *self = self_read(flow);
	int verdict;

	if (!self)
		return DROP_HERE(DROP_INVALID_TC_BUFFER);
	verdict = begin_from_container(ctx, flow, self);
	return verdict < 0 ? verdict : DROP_HERE(DROP_UNKNOWN_L3);
}

/* ARP passes: the host asks for the pod by it. */
static __always_inline int step_other_to(struct __sk_buff *ctx, struct flow *flow)
{
	int type = eth_type(ctx);

	if (!self_read(flow))
		return DROP_HERE(DROP_INVALID_TC_BUFFER);
	if (type < 0)
		return type;
	begin_to_container(ctx, flow, ctx->cb[HANDOVER_ORIGIN]);
	if (CONFIG_ENABLE_IPV4 && type == BE16(ETH_P_ARP) &&
	    ctx->cb[HANDOVER_ORIGIN] == ORIGIN_STACK)
		return TC_ACT_OK;
	return DROP_HERE(DROP_UNKNOWN_L3);
}

static __always_inline int step_arp_from(struct __sk_buff *ctx, struct flow *flow)
{
	const struct endpoint_self *self = self_read(flow);
	int verdict;

	if (!self)
		return DROP_HERE(DROP_INVALID_TC_BUFFER);
	verdict = begin_from_container(ctx, flow, self);
	return verdict < 0 ? verdict : arp_from_container(ctx, self);
}

/* After policy was asked, which to the kernel may have changed the packet; 0, or a drop that never happens. */
static __always_inline int headers_again(const struct __sk_buff *ctx, struct ethhdr **eth,
					 void **ip, __u32 ip_len)
{
	struct cursor cursor = cursor_of(ctx);

	*eth = cursor_take(&cursor, sizeof(**eth));
	*ip = cursor_take(&cursor, ip_len);
	return *eth && *ip ? 0 : DROP_HERE(DROP_INVALID);
}

/*
 * IPv4: what is it, may it, and where to? A step that changes the packet is behind all that may drop it.
 */
static __always_inline int step_ipv4_from(struct __sk_buff *ctx, struct flow *flow)
{
	const struct endpoint_self *self = self_read(flow);
	struct endpoint_value *target;
	struct ethhdr *eth = NULL;
	struct iphdr *ip = NULL;
	struct ct4_key key = {};
	int verdict;

	if (!self)
		return DROP_HERE(DROP_INVALID_TC_BUFFER);
	verdict = begin_from_container(ctx, flow, self);
	if (verdict < 0)
		return verdict;
	verdict = ipv4_header(ctx, &eth, &ip, flow);
	if (verdict < 0)
		return verdict;
	if (!ipv4_is_own_source(ip, self))
		return DROP_HERE(DROP_INVALID_SOURCE_IP);
	verdict = ipv4_read(ctx, ip, &key, flow, DIRECTION_EGRESS);
	if (verdict < 0)
		return verdict;
	verdict = connection_step(ctx, &key, flow, FAMILY_IPV4, DIRECTION_EGRESS);
	if (verdict < 0)
		return verdict;
	target = deliver_find(&key.daddr, flow, FAMILY_IPV4);
	if (!target)
		return deliver_to_stack(ctx, flow);
	verdict = headers_again(ctx, &eth, (void **)&ip, sizeof(*ip));
	if (verdict < 0)
		return verdict;
	verdict = deliver_lower_ttl(ip);
	return verdict < 0 ? verdict : deliver_local(ctx, eth, flow, target);
}

static __always_inline int step_ipv4_to(struct __sk_buff *ctx, struct flow *flow)
{
	const struct endpoint_self *self = self_read(flow);
	__u32 origin = ctx->cb[HANDOVER_ORIGIN];
	struct ethhdr *eth = NULL;
	struct iphdr *ip = NULL;
	struct ct4_key key = {};
	int verdict;

	if (!self)
		return DROP_HERE(DROP_INVALID_TC_BUFFER);
	begin_to_container(ctx, flow, origin);
	verdict = ipv4_header(ctx, &eth, &ip, flow);
	if (verdict < 0)
		return verdict;
	verdict = ipv4_read(ctx, ip, &key, flow, DIRECTION_INGRESS);
	if (verdict < 0)
		return verdict;
	verdict = connection_step(ctx, &key, flow, FAMILY_IPV4, DIRECTION_INGRESS);
	return verdict < 0 ? verdict : deliver_to_container(ctx, self, origin);
}

/* The same for IPv6, and what neighbours say to one another. */
static __always_inline int step_ipv6_from(struct __sk_buff *ctx, struct flow *flow)
{
	const struct endpoint_self *self = self_read(flow);
	struct endpoint_value *target;
	struct ethhdr *eth = NULL;
	struct ipv6hdr *ip = NULL;
	struct ct6_key key = {};
	int verdict;

	if (!self)
		return DROP_HERE(DROP_INVALID_TC_BUFFER);
	verdict = begin_from_container(ctx, flow, self);
	if (verdict < 0)
		return verdict;
	verdict = ipv6_header(ctx, &eth, &ip, flow);
	if (verdict < 0)
		return verdict;
	if (!ipv6_is_own_source(ip, self))
		return DROP_HERE(DROP_INVALID_SOURCE_IP);
	verdict = ipv6_read(ctx, ip, &key, flow, DIRECTION_EGRESS);
	if (verdict < 0)
		return verdict;
	if (flow->class == CLASS_LINK)
		return neighbor_from_container(ctx, &key, flow);
	verdict = connection_step(ctx, &key, flow, FAMILY_IPV6, DIRECTION_EGRESS);
	if (verdict < 0)
		return verdict;
	target = deliver_find(key.daddr, flow, FAMILY_IPV6);
	/* A router does not forward what is from a link-local address (RFC 4291, 2.5.6). */
	if (!target || ipv6_is_link_local((const void *)key.saddr))
		return deliver_to_stack(ctx, flow);
	verdict = headers_again(ctx, &eth, (void **)&ip, sizeof(*ip));
	if (verdict < 0)
		return verdict;
	verdict = deliver_lower_hop_limit(ctx, ip);
	return verdict < 0 ? verdict : deliver_local(ctx, eth, flow, target);
}

static __always_inline int step_ipv6_to(struct __sk_buff *ctx, struct flow *flow)
{
	const struct endpoint_self *self = self_read(flow);
	__u32 origin = ctx->cb[HANDOVER_ORIGIN];
	struct ethhdr *eth = NULL;
	struct ipv6hdr *ip = NULL;
	struct ct6_key key = {};
	int verdict;

	if (!self)
		return DROP_HERE(DROP_INVALID_TC_BUFFER);
	begin_to_container(ctx, flow, origin);
	verdict = ipv6_header(ctx, &eth, &ip, flow);
	if (verdict < 0)
		return verdict;
	verdict = ipv6_read(ctx, ip, &key, flow, DIRECTION_INGRESS);
	if (verdict < 0)
		return verdict;
	if (flow->class == CLASS_LINK)
		return deliver_to_container(ctx, self, origin);
	verdict = connection_step(ctx, &key, flow, FAMILY_IPV6, DIRECTION_INGRESS);
	return verdict < 0 ? verdict : deliver_to_container(ctx, self, origin);
}

/* The end of what the pod sent: traced when it goes on to the host's stack. */
static __always_inline int end_from_container(struct __sk_buff *ctx, int verdict, struct flow *flow)
{
	if (verdict == TC_ACT_OK)
		event_trace(ctx,
			    flow->peer_identity == IDENTITY_HOST ? TRACE_TO_HOST : TRACE_TO_STACK,
			    flow, DIRECTION_EGRESS);
	/* Handed to another pod's device: counted there. */
	if (verdict == TC_ACT_REDIRECT && flow->peer_id && !CONFIG_LOCAL_DELIVERY_METRICS) {
		metrics_count_lost(ctx, flow);
		return verdict;
	}
	return verdict_end(ctx, verdict, flow, DIRECTION_EGRESS);
}

/* The end of what comes to the pod. */
static __always_inline int end_to_container(struct __sk_buff *ctx, int verdict, struct flow *flow)
{
	if (verdict >= 0)
		event_trace(ctx, TRACE_TO_CONTAINER, flow, DIRECTION_INGRESS);
	return verdict_end(ctx, verdict, flow, DIRECTION_INGRESS);
}
