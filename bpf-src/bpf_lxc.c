/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs of one endpoint, at the host end of its veth:
 *
 *   from-container   packets the pod sends     (ingress of the device)   ARP 6, IPv4 7, IPv6 10
 *   to-container     packets the pod gets      (egress of the device)    IPv4 22, IPv6 23
 *   policy/ingress   packets of another pod to this one, run at the sender's device; goes on as above
 *
 * This file has the programs; the order of the steps in each is in lib/steps.h.
 */

/* Values first, then what is made of them; the order is fixed. */
#include "node_config.h"
#include "ep_config.h"
#include "lib/constants.h"
#include "lib/config.h"
#include "kernel/bpf.h"
#include "kernel/helpers.h"
#include "kernel/packet.h"
#include "abi.h"
#include "maps.h"
#include "lib/steps.h"
#include "lib/time_exceeded.h"

/* The kernel offers some of the helpers to GPL-compatible programs only. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * Attached by the loader to the ingress of the host end of the veth.
 * Reads the frame; writes nothing but counters and events.
 */
SEC("from-container")
int from_container(struct __sk_buff *ctx)
{
	struct flow flow = {};

	return verdict_end(ctx, step_from_container(ctx, &flow), &flow, DIRECTION_EGRESS);
}

/*
 * Attached by the loader to the egress of the host end of the veth.
 * Reads the frame and the mark; writes the handover words, counters and events.
 */
SEC("to-container")
int to_container(struct __sk_buff *ctx)
{
	struct flow flow = {};

	/* Judged and counted already, or made by the pod's own programs. */
	if (mark_is_passed(ctx->mark))
		return TC_ACT_OK;
	flow.peer_identity = identity_of_mark(ctx->mark);
	ctx->cb[HANDOVER_SOURCE_IDENTITY] = flow.peer_identity;
	ctx->cb[HANDOVER_ORIGIN] = ORIGIN_STACK;
	return verdict_end(ctx, step_to_container(ctx, &flow), &flow, DIRECTION_INGRESS);
}

#if CONFIG_ENABLE_IPV4
/* Called by from_container. Writes nothing, or the answer to the pod. */
SEC("tail/arp")
TAIL(SLOT_ARP)
int tail_arp(struct __sk_buff *ctx)
{
	struct flow flow = {};

	return end_from_container(ctx, arp_from_container(ctx), &flow);
}

/* Called by from_container. Writes what changes on the way: MACs and TTL, or the mark. */
SEC("tail/ipv4-from")
TAIL(SLOT_IPV4_FROM_CONTAINER)
int tail_ipv4_from(struct __sk_buff *ctx)
{
	struct flow flow = {};

	return end_from_container(ctx, step_ipv4_from(ctx, &flow), &flow);
}

/* Called by to_container and policy_ingress. Reads the handover words. */
SEC("tail/ipv4-to")
TAIL(SLOT_IPV4_TO_CONTAINER)
int tail_ipv4_to(struct __sk_buff *ctx)
{
	struct flow flow = { .peer_identity = ctx->cb[HANDOVER_SOURCE_IDENTITY] };

	return end_to_container(ctx, step_ipv4_to(ctx, &flow), &flow);
}
#endif

#if CONFIG_ENABLE_IPV6
/* Called by from_container. Writes what changes on the way, or the answer to the pod. */
SEC("tail/ipv6-from")
TAIL(SLOT_IPV6_FROM_CONTAINER)
int tail_ipv6_from(struct __sk_buff *ctx)
{
	struct flow flow = {};

	return end_from_container(ctx, step_ipv6_from(ctx, &flow), &flow);
}

/* Called by to_container and policy_ingress. Reads the handover words. */
SEC("tail/ipv6-to")
TAIL(SLOT_IPV6_TO_CONTAINER)
int tail_ipv6_to(struct __sk_buff *ctx)
{
	struct flow flow = { .peer_identity = ctx->cb[HANDOVER_SOURCE_IDENTITY] };

	return end_to_container(ctx, step_ipv6_to(ctx, &flow), &flow);
}
#endif

#if CONFIG_DROP_NOTIFY
/* Called by drop(), wherever it happens. Reads the scratch words; writes the event. */
SEC("tail/drop")
TAIL(SLOT_DROP_NOTIFY)
int tail_drop(struct __sk_buff *ctx)
{
	event_drop(ctx);
	return TC_ACT_SHOT;
}
#endif

#if CONFIG_ENABLE_ROUTING
/* Called by drop() for what the pod sent. Reads the scratch words; writes the event and the answer. */
SEC("tail/time-exceeded")
TAIL(SLOT_TIME_EXCEEDED)
int tail_ttl(struct __sk_buff *ctx)
{
	event_drop(ctx);
	if (CONFIG_ENABLE_IPV4 && ctx->protocol == BE16(ETH_P_IP))
		return time_exceeded4(ctx);
	if (CONFIG_ENABLE_IPV6 && ctx->protocol == BE16(ETH_P_IPV6))
		return time_exceeded6(ctx);
	return TC_ACT_SHOT;
}
#endif

/*
 * In CALL_POLICY_MAP at LXC_ID, by the loader: another pod's programs call it to deliver a packet here.
 * Reads the handover words; writes counters.
 */
SEC("policy/ingress")
int policy_ingress(struct __sk_buff *ctx)
{
	struct flow flow = { .peer_identity = ctx->cb[HANDOVER_SOURCE_IDENTITY] };

	/* For the sender's side, which cannot count after a call and must not before it. */
	if (CONFIG_LOCAL_DELIVERY_METRICS)
		metrics_count(ctx, METRICS_FORWARDED, DIRECTION_EGRESS);
	return verdict_end(ctx, step_policy_ingress(ctx), &flow, DIRECTION_INGRESS);
}
