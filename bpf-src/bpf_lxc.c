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
 * Reads nothing of the packet; writes SELF_MAP.
 */
SEC("from-container")
int from_container(struct __sk_buff *ctx)
{
	self_enter();
	return enter(ctx, slot_from_container(ctx->protocol), DIRECTION_EGRESS);
}

/*
 * Attached by the loader to the egress of the host end of the veth.
 * Reads the mark, and whose packet it is; writes SELF_MAP and the handover words.
 */
SEC("to-container")
int to_container(struct __sk_buff *ctx)
{
	/* Judged and counted already, or made by the pod's own programs. */
	if (mark_is_passed(ctx->mark, LXC_ID))
		return TC_ACT_OK;
	self_enter();
	ctx->cb[HANDOVER_SOURCE_IDENTITY] = identity_of_sender(ctx);
	ctx->cb[HANDOVER_ORIGIN] = ORIGIN_STACK;
	return enter(ctx, slot_to_container(ctx->protocol), DIRECTION_INGRESS);
}

/*
 * In CALL_POLICY_MAP at LXC_ID, by the loader: another pod's programs call it to deliver a packet here.
 * Reads the handover words; writes SELF_MAP and counters.
 */
SEC("policy/ingress")
int policy_ingress(struct __sk_buff *ctx)
{
	self_enter();
	/* For the sender's side, which cannot count after a call and must not before it. */
	if (CONFIG_LOCAL_DELIVERY_METRICS && ctx->cb[HANDOVER_ORIGIN] == ORIGIN_ENDPOINT)
		metrics_count(ctx, METRICS_FORWARDED, DIRECTION_EGRESS);
	return enter(ctx, slot_to_container(ctx->protocol), DIRECTION_INGRESS);
}

/*
 * In POLICY_VERDICT_MAP at LXC_ID, by the loader: the shared programs call it to ask whether a connection may
 * exist. Reads the question in the scratch words; writes the answer there, counters of rules and events.
 */
SEC("policy/verdict")
int policy_verdict(struct __sk_buff *ctx)
{
	return policy_answer(ctx);
}

/*
 * From here on the shared programs: no constant of an endpoint and no map of its own may be named in them, or
 * every endpoint gets, and verifies, all of them for itself.
 */

/* Called by from_container for what is neither IP nor ARP. */
SEC("tail/other-from")
TAIL(SLOT_OTHER_FROM_CONTAINER)
int tail_other_from(struct __sk_buff *ctx)
{
	struct flow flow = {};

	return end_from_container(ctx, step_other_from(ctx, &flow), &flow);
}

/* Called by to_container and policy_ingress for what is not IP. Reads the handover words. */
SEC("tail/other-to")
TAIL(SLOT_OTHER_TO_CONTAINER)
int tail_other_to(struct __sk_buff *ctx)
{
	struct flow flow = { .peer_identity = ctx->cb[HANDOVER_SOURCE_IDENTITY] };

	return verdict_end(ctx, step_other_to(ctx, &flow), &flow, DIRECTION_INGRESS);
}

#if CONFIG_ENABLE_IPV4
/* Called by from_container. Writes nothing, or the answer to the pod. */
SEC("tail/arp")
TAIL(SLOT_ARP)
int tail_arp(struct __sk_buff *ctx)
{
	struct flow flow = {};

	return end_from_container(ctx, step_arp_from(ctx, &flow), &flow);
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
	const struct endpoint_self *self = self_find();

	if (self)
		event_drop(ctx, self);
	return TC_ACT_SHOT;
}
#endif

#if CONFIG_ENABLE_ROUTING
/* Called by drop() for what the pod sent. Reads the scratch words; writes the event and the answer. */
SEC("tail/time-exceeded")
TAIL(SLOT_TIME_EXCEEDED)
int tail_ttl(struct __sk_buff *ctx)
{
	const struct endpoint_self *self = self_find();

	if (!self)
		return TC_ACT_SHOT;
	event_drop(ctx, self);
	if (CONFIG_ENABLE_IPV4 && ctx->protocol == BE16(ETH_P_IP))
		return time_exceeded4(ctx, self);
	if (CONFIG_ENABLE_IPV6 && ctx->protocol == BE16(ETH_P_IPV6))
		return time_exceeded6(ctx, self);
	return TC_ACT_SHOT;
}
#endif
