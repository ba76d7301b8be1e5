/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a packet goes that may pass.
 *
 *   a pod of this node   the receiver's policy program, by a tail call; it hands the packet to its pod.
 *                        Without FORCE_LOCAL_POLICY_EVAL_AT_SOURCE: the receiver's device, whose
 *                        to-container has the policy
 *   anywhere else        the host's stack, with the pod's identity in the mark; before that, what the pod
 *                        has begun with the node itself comes to the node's policy, where there is one
 *
 * Reads: ENDPOINTS_MAP, CALL_POLICY_MAP, POLICY_REVISION_MAP. Drops: 196, 202, 203.
 */
#pragma once

#include "lib/events.h"
#include "lib/identity.h"
#include "lib/policy.h"
#include "lib/self.h"

#undef THIS_FILE
#define THIS_FILE FILE_DELIVER

/*
 * What a program of CALL_POLICY_MAP finds in the scratch words. Programs of two generations and of two
 * templates speak it to one another: the numbers stay, and other ones need another name of the map.
 */
enum handover {
	HANDOVER_SOURCE_IDENTITY = 0, /* of the sender, or none */
	HANDOVER_ORIGIN = 1,
};

/* How a packet to the pod has come here. */
enum origin {
	ORIGIN_STACK = 0,
	ORIGIN_ENDPOINT = 1, /* the programs of another pod, at their device */
	ORIGIN_NETWORK = 2,  /* those of the node, at the device by which it came from outside */
};

/* Back to the pod, as an answer made here: its programs need not see it again. */
static __always_inline int answer(struct __sk_buff *ctx, const struct endpoint_self *self)
{
	ctx->mark = mark_of_passed(self->id);
	return (int)bpf_redirect(ctx->ifindex, 0);
}

/*
 * Whether the node's policy has to judge what a pod sends to the stack: what the pod has begun, and not what it answers
 * or says of something that the node has sent. Most packets are not for the node, so that comes first.
 */
static __always_inline int deliver_is_judged(const struct flow *flow)
{
	return flow->peer_identity == IDENTITY_HOST && flow->reason <= TRACE_ESTABLISHED &&
	       policy_revision(NODE_ID) != 0;
}

/* To the host's stack. Returns a verdict, or not at all. */
static __always_inline int deliver_to_stack(struct __sk_buff *ctx, struct flow *flow)
{
	/* Hidden, as in tail_call_indirect(). */
	volatile __u32 *node = &ctx->cb[SCRATCH_SLOT];

	ctx->mark = mark_of_identity(flow->own_identity) |
		    (flow->reason == TRACE_REPLY ? MARK_ANSWER : 0);
	if (!deliver_is_judged(flow))
		return TC_ACT_OK;
	event_trace(ctx, TRACE_TO_HOST, flow, DIRECTION_EGRESS);
	metrics_count_lost(ctx, flow);
	ctx->cb[HANDOVER_SOURCE_IDENTITY] = flow->own_identity;
	ctx->cb[HANDOVER_ORIGIN] = ORIGIN_ENDPOINT;
	*node = NODE_ID;
	bpf_tail_call(ctx, &CALL_POLICY_MAP, *node);
	return DROP_HERE(DROP_HOST_NOT_READY);
}

/* The next hop of a packet that may pass: an endpoint of this node, or NULL for the host's stack. */
static __always_inline struct endpoint_value *deliver_find(const __be32 *address, struct flow *flow,
							   const int family)
{
	struct endpoint_value *target;

	if (!CONFIG_ENABLE_ROUTING || flow->is_outside)
		return NULL;
	target = endpoint_find(address, family);
	if (!target || target->flags & ENDPOINT_IS_HOST)
		return NULL;
	flow->peer_id = target->lxc_id;
	return target;
}

/* To a pod of this node. Returns a verdict, or not at all. */
static __always_inline int deliver_local(struct __sk_buff *ctx, struct ethhdr *eth,
					 struct flow *flow, const struct endpoint_value *target)
{
	__u32 id = target->lxc_id;

	mac_write(eth->h_dest, target->mac);
	mac_write(eth->h_source, target->host_mac);
	event_debug(ctx, DEBUG_DELIVERED, id, target->ifindex);
	if (!CONFIG_FORCE_LOCAL_POLICY_EVAL_AT_SOURCE) {
		ctx->mark = mark_of_identity(flow->own_identity);
		return (int)bpf_redirect(target->ifindex, 0);
	}
	metrics_count_lost(ctx, flow);
	ctx->cb[HANDOVER_SOURCE_IDENTITY] = flow->own_identity;
	ctx->cb[HANDOVER_ORIGIN] = ORIGIN_ENDPOINT;
	bpf_tail_call(ctx, &CALL_POLICY_MAP, id);
	return DROP_HERE(DROP_ENDPOINT_NOT_READY);
}

/*
 * To the pod itself, from where the packet is: past its device, or where that has a queue with a rate into it,
 * since packets that do not wait in it do not count there.
 */
static __always_inline int deliver_to_container(struct __sk_buff *ctx,
						const struct endpoint_self *self, __u32 origin)
{
	if (origin == ORIGIN_STACK)
		return TC_ACT_OK;
	if (CONFIG_ENABLE_HOST_REDIRECT && !(self->flags & SELF_IS_QUEUED))
		return (int)bpf_redirect_peer(self->ifindex, 0);
	ctx->mark = mark_of_passed(self->id);
	return (int)bpf_redirect(self->ifindex, 0);
}

/* As a router lowers it, with the checksum (RFC 1624); 0, or a drop. */
static __always_inline int deliver_lower_ttl(struct iphdr *ip)
{
	__u32 check;

	if (ip->ttl <= 1)
		return DROP_HERE(DROP_TTL_EXCEEDED);
	check = ip->check + BE16(0x0100);
	ip->check = (__u16)(check + (check >= 0xffff));
	ip->ttl--;
	return 0;
}

static __always_inline int deliver_lower_hop_limit(struct __sk_buff *ctx, struct ipv6hdr *ip)
{
	if (ip->hop_limit <= 1)
		return DROP_HERE(DROP_TTL_EXCEEDED);
	ip->hop_limit--;
	/* A device may have summed the packet up: the low octet of a word is less by one. */
	bpf_csum_update(ctx, (__u16)~BE16(1));
	return 0;
}
