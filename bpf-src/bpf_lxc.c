/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs of one endpoint, at the host end of its veth:
 *
 *   from-container   packets the pod sends     (ingress of the device)   ARP 6, IPv4 7, IPv6 10
 *   to-container     packets the pod gets      (egress of the device)    IPv4 22, IPv6 23
 *   policy/ingress   packets of another pod to this one, run at the sender
 *
 * This file dispatches; each step of a packet's way is in lib/. Packets that none of the steps drops
 * pass to the host's stack or to the pod.
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
#include "lib/cursor.h"
#include "lib/tail.h"
#include "lib/metrics.h"
#include "lib/drop.h"
#include "lib/events.h"
#include "lib/eth.h"
#include "lib/arp.h"
#include "lib/ipv4.h"
#include "lib/ipv6.h"

#undef THIS_FILE
#define THIS_FILE FILE_BPF_LXC

/* The kernel offers some of the helpers to GPL-compatible programs only. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Continues in `slot`; coming back is a drop, whose detail is the slot. */
#define TAIL_OR_DROP(ctx, slot)                                                                    \
	({                                                                                         \
		tail_call(ctx, slot);                                                              \
		DROP_WITH(DROP_MISSED_TAIL_CALL, slot);                                            \
	})

/* Continues in the program for the frame's protocol; returns a verdict if there is none. */
static __always_inline int step_from_container(struct __sk_buff *ctx)
{
	int type = eth_type_from_container(ctx);

	if (type < 0)
		return type;
	event_debug(ctx, DEBUG_FROM_CONTAINER, (__u32)type, ctx->len);
	event_trace(ctx, TRACE_FROM_CONTAINER, SECLABEL, 0);
	if (CONFIG_ENABLE_IPV4 && type == BE16(ETH_P_IP))
		return TAIL_OR_DROP(ctx, SLOT_IPV4_FROM_CONTAINER);
	if (CONFIG_ENABLE_IPV6 && type == BE16(ETH_P_IPV6))
		return TAIL_OR_DROP(ctx, SLOT_IPV6_FROM_CONTAINER);
	if (CONFIG_ENABLE_IPV4 && type == BE16(ETH_P_ARP))
		return TAIL_OR_DROP(ctx, SLOT_ARP);
	return DROP_HERE(DROP_UNKNOWN_L3);
}

/* Likewise for a frame to the pod. ARP passes: the host asks for the pod by it. */
static __always_inline int step_to_container(struct __sk_buff *ctx)
{
	int type = eth_type(ctx);

	if (type < 0)
		return type;
	event_debug(ctx, DEBUG_TO_CONTAINER, (__u32)type, ctx->len);
	event_trace(ctx, TRACE_FROM_STACK, 0, SECLABEL);
	if (CONFIG_ENABLE_IPV4 && type == BE16(ETH_P_IP))
		return TAIL_OR_DROP(ctx, SLOT_IPV4_TO_CONTAINER);
	if (CONFIG_ENABLE_IPV6 && type == BE16(ETH_P_IPV6))
		return TAIL_OR_DROP(ctx, SLOT_IPV6_TO_CONTAINER);
	if (CONFIG_ENABLE_IPV4 && type == BE16(ETH_P_ARP))
		return TC_ACT_OK;
	return DROP_HERE(DROP_UNKNOWN_L3);
}

/*
 * Attached by the loader to the ingress of the host end of the veth.
 * Reads the frame; writes nothing but counters and events.
 */
SEC("from-container")
int from_container(struct __sk_buff *ctx)
{
	return verdict_end(ctx, step_from_container(ctx), DIRECTION_EGRESS);
}

/*
 * Attached by the loader to the egress of the host end of the veth.
 * Reads the frame; writes nothing but counters and events.
 */
SEC("to-container")
int to_container(struct __sk_buff *ctx)
{
	return verdict_end(ctx, step_to_container(ctx), DIRECTION_INGRESS);
}

/* The end of what the pod sent: traced when it goes on to the host's stack. */
static __always_inline int end_from_container(struct __sk_buff *ctx, int verdict)
{
	if (verdict == TC_ACT_OK)
		event_trace(ctx, TRACE_TO_STACK, SECLABEL, 0);
	return verdict_end(ctx, verdict, DIRECTION_EGRESS);
}

/* The end of what comes to the pod. */
static __always_inline int end_to_container(struct __sk_buff *ctx, int verdict)
{
	if (verdict == TC_ACT_OK)
		event_trace(ctx, TRACE_TO_CONTAINER, 0, SECLABEL);
	return verdict_end(ctx, verdict, DIRECTION_INGRESS);
}

#if CONFIG_ENABLE_IPV4
/* Called by from_container. Writes nothing, or the answer to the pod. */
SEC("tail/arp")
TAIL(SLOT_ARP)
int tail_arp(struct __sk_buff *ctx)
{
	return end_from_container(ctx, arp_from_container(ctx));
}

/* Called by from_container. */
SEC("tail/ipv4-from")
TAIL(SLOT_IPV4_FROM_CONTAINER)
int tail_ipv4_from(struct __sk_buff *ctx)
{
	return end_from_container(ctx, ipv4_from_container(ctx));
}

/* Called by to_container. */
SEC("tail/ipv4-to")
TAIL(SLOT_IPV4_TO_CONTAINER)
int tail_ipv4_to(struct __sk_buff *ctx)
{
	return end_to_container(ctx, ipv4_to_container(ctx));
}
#endif

#if CONFIG_ENABLE_IPV6
/* Called by from_container. */
SEC("tail/ipv6-from")
TAIL(SLOT_IPV6_FROM_CONTAINER)
int tail_ipv6_from(struct __sk_buff *ctx)
{
	return end_from_container(ctx, ipv6_from_container(ctx));
}

/* Called by to_container. */
SEC("tail/ipv6-to")
TAIL(SLOT_IPV6_TO_CONTAINER)
int tail_ipv6_to(struct __sk_buff *ctx)
{
	return end_to_container(ctx, ipv6_to_container(ctx));
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

/*
 * In CALL_POLICY_MAP at LXC_ID, by the loader: another pod's programs call it to deliver a packet here.
 * The ingress policy is not there yet: everything passes.
 */
SEC("policy/ingress")
int policy_ingress(struct __sk_buff *ctx)
{
	return end_to_container(ctx, TC_ACT_OK);
}
