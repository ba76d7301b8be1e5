/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs of the node, at its own devices:
 *
 *   from-netdev   packets of the world to the node and its pods   (ingress of a native device)
 *   to-netdev     packets of the node and its pods to the world   (egress of a native device)
 *   from-host     packets of the node's stack for its pods        (egress of weir_host)
 *   to-host       packets for the node's stack                    (ingress of weir_host)
 *
 *   policy/ingress   packets of a pod to the node itself, run at the pod's device, where the node has a policy
 *
 * They count and tell of what they drop, from the pod's point of view, or from the node's where that is at an end. What
 * passes a pod's own programs count.
 */

/* Values first, then what is made of them; the order is fixed. */
#include "node_config.h"
#include "ep_config.h"
#include "lib/constants.h"
#include "lib/host_constants.h"
#include "lib/config.h"
#include "kernel/bpf.h"
#include "kernel/helpers.h"
#include "kernel/packet.h"
#include "abi.h"
#include "maps.h"
#include "lib/host_receive.h"
#include "lib/host_send.h"
#include "lib/host_policy.h"
#include "lib/host_link.h"

/* The kernel offers some of the helpers to GPL-compatible programs only. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* What comes in by a native device, of a family: a verdict. */
static __always_inline int netdev_ingress(struct __sk_buff *ctx, struct flow *flow,
					  const int family)
{
	struct endpoint_value pod = {};
	int verdict = host_receive(ctx, flow, &pod, family);

	if (verdict == HOST_TO_POD)
		return host_deliver(ctx, flow, &pod, family);
	if (verdict != TC_ACT_OK || !node_is_judged())
		return verdict;
	/* It may have been translated. */
	*flow = (struct flow){};
	return node_receive(ctx, flow, family);
}

/* Likewise what goes out by one. */
static __always_inline int netdev_egress(struct __sk_buff *ctx, struct flow *flow, const int family)
{
	int verdict;

	if (node_is_judged() && node_is_sender(ctx, family)) {
		verdict = node_send(ctx, flow, family);
		if (verdict < 0)
			return verdict;
		*flow = (struct flow){};
	}
	return host_send(ctx, flow, family);
}

/* Attached by the loader to the ingress of a native device. Writes a packet to a pod, and the handover words. */
SEC("from-netdev")
int from_netdev(struct __sk_buff *ctx)
{
	struct flow flow = {};
	int verdict = TC_ACT_OK;

	if (!host_is_for_us(ctx))
		return TC_ACT_OK;
	verdict = host_check_tags(ctx);
	if (verdict)
		return host_end(ctx, verdict, &flow, DIRECTION_INGRESS);
	if (CONFIG_ENABLE_IPV4 && ctx->protocol == BE16(ETH_P_IP))
		verdict = netdev_ingress(ctx, &flow, FAMILY_IPV4);
	else if (CONFIG_ENABLE_IPV6 && ctx->protocol == BE16(ETH_P_IPV6))
		verdict = netdev_ingress(ctx, &flow, FAMILY_IPV6);
	return host_end(ctx, verdict, &flow, DIRECTION_INGRESS);
}

/* Attached by the loader to the egress of a native device. Writes a packet that is translated. */
SEC("to-netdev")
int to_netdev(struct __sk_buff *ctx)
{
	struct flow flow = {};
	int verdict = TC_ACT_OK;

	/* What has a tag was seen at the device of its VLAN. */
	if (ctx->vlan_present)
		return TC_ACT_OK;
	if (CONFIG_ENABLE_IPV4 && ctx->protocol == BE16(ETH_P_IP))
		verdict = netdev_egress(ctx, &flow, FAMILY_IPV4);
	else if (CONFIG_ENABLE_IPV6 && ctx->protocol == BE16(ETH_P_IPV6))
		verdict = netdev_egress(ctx, &flow, FAMILY_IPV6);
	return host_end(ctx, verdict, &flow, DIRECTION_EGRESS);
}

/*
 * Attached by the loader to the egress of weir_host, where the routes of the pods' networks lead. A pod that is there
 * has a route of its own, so what comes is for nobody, or for one that is just being made.
 */
SEC("from-host")
int from_host(struct __sk_buff *ctx)
{
	struct flow flow = {};
	int verdict = TC_ACT_OK;

	if (CONFIG_ENABLE_IPV4 && ctx->protocol == BE16(ETH_P_IP))
		verdict = host_link_step(ctx, FAMILY_IPV4);
	else if (CONFIG_ENABLE_IPV6 && ctx->protocol == BE16(ETH_P_IPV6))
		verdict = host_link_step(ctx, FAMILY_IPV6);
	return host_end(ctx, verdict, &flow, DIRECTION_INGRESS);
}

/* Attached by the loader to the ingress of weir_host. What comes from its other end is for the node itself. */
SEC("to-host")
int to_host(struct __sk_buff *ctx)
{
	(void)ctx;
	return TC_ACT_OK;
}

/*
 * In CALL_POLICY_MAP at NODE_ID, by the loader: a pod's programs call it for what their pod has begun with the node.
 * Reads the handover words. Counts for the pod's side, which cannot.
 */
SEC("policy/ingress")
int policy_ingress(struct __sk_buff *ctx)
{
	struct flow flow = { .peer_identity = ctx->cb[HANDOVER_SOURCE_IDENTITY] };
	int verdict = TC_ACT_OK;

	if (CONFIG_ENABLE_IPV4 && ctx->protocol == BE16(ETH_P_IP))
		verdict = node_receive(ctx, &flow, FAMILY_IPV4);
	else if (CONFIG_ENABLE_IPV6 && ctx->protocol == BE16(ETH_P_IPV6))
		verdict = node_receive(ctx, &flow, FAMILY_IPV6);
	if (verdict >= 0)
		metrics_count(ctx, METRICS_FORWARDED, DIRECTION_EGRESS);
	return host_end(ctx, verdict, &flow, DIRECTION_INGRESS);
}

#if CONFIG_DROP_NOTIFY
/* Called by host_end(). Reads the scratch words; writes the event. */
SEC("tail/drop")
TAIL(SLOT_DROP_NOTIFY)
int tail_drop(struct __sk_buff *ctx)
{
	struct endpoint_self node = {
		.id = (__u16)LXC_ID,
		.identity = ctx->cb[SCRATCH_OWN_IDENTITY],
	};

	event_drop(ctx, &node);
	return TC_ACT_SHOT;
}
#endif
