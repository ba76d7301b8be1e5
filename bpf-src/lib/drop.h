/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Why packets are dropped, and the one exit for them.
 *
 * A step of the datapath returns a verdict: negative to drop, else a TC_ACT_*. DROP_HERE() makes the
 * negative one out of the reason and the place in the source, and only verdict_end() turns it into
 * TC_ACT_SHOT, a counter and an event.
 */
#pragma once

#include "lib/config.h"
#include "lib/flow.h"
#include "lib/metrics.h"
#include "lib/tail.h"

/*
 * X(code, name, meaning). The numbers are the ones that operators and dashboards know, hence the gaps:
 * a number is never used for something else.
 */
#define DROP_REASONS(X)                                                                            \
	X(130, INVALID_SOURCE_MAC, "the source MAC is not the endpoint's")                         \
	X(132, INVALID_SOURCE_IP, "the source address is not the endpoint's")                      \
	X(133, POLICY, "no rule allows it")                                                        \
	X(134, INVALID, "a header is cut short or contradicts itself")                             \
	X(135, CT_INVALID_HEADER, "conntrack cannot read the transport header")                    \
	X(136, FRAG_NEEDED, "too large for the path, and must not be fragmented")                  \
	X(137, CT_UNKNOWN_PROTO, "conntrack does not know the protocol")                           \
	X(139, UNKNOWN_L3, "neither IPv4, IPv6 nor ARP, or a family that is switched off")         \
	X(140, MISSED_TAIL_CALL, "the program of the next step is not loaded")                     \
	X(141, WRITE_ERROR, "the packet could not be changed")                                     \
	X(142, UNKNOWN_L4, "policy cannot judge this transport protocol")                          \
	X(143, UNKNOWN_ICMP4_CODE, "an ICMP error with an unknown code")                           \
	X(144, UNKNOWN_ICMP4_TYPE, "an ICMP message of an unknown type")                           \
	X(145, UNKNOWN_ICMP6_CODE, "an ICMPv6 error with an unknown code")                         \
	X(146, UNKNOWN_ICMP6_TYPE, "an ICMPv6 message of an unknown type")                         \
	X(147, NO_TUNNEL_KEY, "it came through a tunnel without a tunnel header")                  \
	X(150, UNKNOWN_TARGET, "no such endpoint on this node")                                    \
	X(151, UNROUTABLE, "there is no route to the destination")                                 \
	X(153, CSUM_L3, "the checksum of the IP header could not be updated")                      \
	X(154, CSUM_L4, "the checksum of the transport header could not be updated")               \
	X(155, CT_CREATE_FAILED, "the conntrack entry could not be made")                          \
	X(156, INVALID_EXTHDR, "the chain of IPv6 extension headers is broken or too long")        \
	X(157, FRAG_NOSUPPORT, "fragments are not tracked")                                        \
	X(158, NO_SERVICE, "the service has no backend")                                           \
	X(159, UNSUPP_SERVICE_PROTO, "services do not support the protocol")                       \
	X(160, NO_TUNNEL_ENDPOINT, "the node of the destination is not known")                     \
	X(161, NAT_46X64_DISABLED, "translation between IPv4 and IPv6 is switched off")            \
	X(162, EDT_HORIZON, "the bandwidth limit delays it for too long")                          \
	X(163, UNKNOWN_CT, "conntrack gave an unknown state")                                      \
	X(164, HOST_UNREACHABLE, "the host does not answer")                                       \
	X(165, NO_CONFIG, "a value of the node's configuration is missing")                        \
	X(166, UNSUPPORTED_L2, "no complete Ethernet header, or an IEEE 802.3 frame")              \
	X(167, NAT_NO_MAPPING, "no port is left to translate to")                                  \
	X(168, NAT_UNSUPP_PROTO, "NAT does not support the protocol")                              \
	X(169, NO_FIB, "the kernel's routing look-up failed")                                      \
	X(171, INVALID_IDENTITY, "the identity is not valid here")                                 \
	X(172, UNKNOWN_SENDER, "the sender is not known")                                          \
	X(173, NAT_NOT_NEEDED, "it needs no translation")                                          \
	X(175, FRAG_NOT_FOUND, "a later fragment whose first one was not seen")                    \
	X(176, FORBIDDEN_ICMP6, "an ICMPv6 message a pod must not send")                           \
	X(177, NOT_IN_SRC_RANGE, "the service does not allow this source")                         \
	X(181, POLICY_DENY, "a rule denies it")                                                    \
	X(182, VLAN_FILTERED, "the pod sent a VLAN tag")                                           \
	X(183, INVALID_VNI, "the tunnel's network number is not ours")                             \
	X(184, INVALID_TC_BUFFER, "state between two tail calls was lost")                         \
	X(187, NAT46, "translation from IPv4 to IPv6 failed")                                      \
	X(188, NAT64, "translation from IPv6 to IPv4 failed")                                      \
	X(190, CT_NO_MAP_FOUND, "there is no conntrack map for it")                                \
	X(191, SNAT_NO_MAP_FOUND, "there is no NAT map for it")                                    \
	X(196, TTL_EXCEEDED, "its hop limit is used up")                                           \
	X(197, NO_NODE_ID, "the peer node is not known")                                           \
	X(198, RATE_LIMITED, "the answer to it is rate-limited")                                   \
	X(202, HOST_NOT_READY, "the host's own policy program is not loaded")                      \
	X(203, ENDPOINT_NOT_READY, "the receiver's policy program is not loaded")

#define DROP_REASON(code, name, meaning) DROP_##name = (code),
enum drop_reason {
	DROP_REASONS(DROP_REASON)
};

/* Where a verdict was made. Each file with verdicts sets THIS_FILE to its own. */
enum source_file {
	FILE_STEPS = 1,
	FILE_ETH = 2,
	FILE_ARP = 3,
	FILE_IPV4 = 4,
	FILE_IPV6 = 5,
	FILE_TRANSPORT = 6,
	FILE_FRAGMENT = 7,
	FILE_ICMP = 8,
	FILE_NEIGHBOR = 9,
	FILE_EXTENSION = 10,
	FILE_POLICY = 11,
	FILE_CONNECTION = 12,
	FILE_DELIVER = 13,
	FILE_QUESTION = 14,
	FILE_NAT_PORT = 15,
	FILE_NAT_REWRITE = 16,
	FILE_NAT_ERROR = 17,
	FILE_HOST_READ = 18,
	FILE_HOST_RECEIVE = 19,
	FILE_HOST_SEND = 20,
	FILE_HOST_LINK = 21,
	FILE_HOST_POLICY = 22,
};

/*
 * A verdict to drop: reason in bits 0 to 7, line in 8 to 17, file in 18 to 22, detail in 23 to 30, and
 * the sign. The detail is what the reason asks for: a slot, an errno.
 */
#define DROP_WITH(reason, detail)                                                                  \
	(-(int)((reason) | (__LINE__ & 0x3ff) << 8 | THIS_FILE << 18 | (__u32)(__u8)(detail) << 23))
#define DROP_HERE(reason)     DROP_WITH(reason, 0)
#define DROP_REASON_OF(place) ((__u8)(place))
#define DROP_LINE_OF(place)   ((__u16)((place) >> 8 & 0x3ff))
#define DROP_FILE_OF(place)   ((__u8)((place) >> 18 & 0x1f))
#define DROP_DETAIL_OF(place) ((__u8)((place) >> 23))

/* What the programs behind drop() find in the packet's scratch words. */
enum drop_scratch {
	SCRATCH_PLACE = 0,
	SCRATCH_DIRECTION = 1, /* and, above it, the endpoint on the other side */
	SCRATCH_PEER_IDENTITY = 2,
	SCRATCH_POLICY_RULE = 3,
};

#define SCRATCH_PEER_ID_SHIFT 16

/* Counts a drop and leaves what is known of it for the program that tells. */
VERIFIED_ALONE int drop_record(struct __sk_buff *ctx, struct flow *flow, __u32 place,
			       __u32 direction)
{
	metrics_count(ctx, DROP_REASON_OF(place), direction);
	if (!flow)
		return 0;
	ctx->cb[SCRATCH_PLACE] = place;
	ctx->cb[SCRATCH_DIRECTION] = direction | (__u32)flow->peer_id << SCRATCH_PEER_ID_SHIFT;
	ctx->cb[SCRATCH_PEER_IDENTITY] = flow->peer_identity;
	ctx->cb[SCRATCH_POLICY_RULE] = flow->policy_rule;
	return 0;
}

/* Drops: counts, hands over to the programs that tell of it, and says so to the kernel. */
static __always_inline int drop(struct __sk_buff *ctx, int verdict, struct flow *flow,
				enum direction direction)
{
	__u32 place = (__u32)-verdict;

	/* Counted before the tail call: a missing notification must not hide a drop. */
	drop_record(ctx, flow, place, direction);
	metrics_count_lost(ctx, flow);
	/* Routing alone uses up a hop limit, and only of what the pod sent. */
	if (CONFIG_ENABLE_ROUTING && direction == DIRECTION_EGRESS &&
	    DROP_REASON_OF(place) == DROP_TTL_EXCEEDED)
		tail_call(ctx, SLOT_TIME_EXCEEDED);
	if (CONFIG_DROP_NOTIFY)
		tail_call(ctx, SLOT_DROP_NOTIFY);
	return TC_ACT_SHOT;
}

/* The same in an endpoint's own program, which has no hop limit to use up. */
static __always_inline int drop_on_entry(struct __sk_buff *ctx, int verdict, struct flow *flow,
					 enum direction direction)
{
	drop_record(ctx, flow, (__u32)-verdict, direction);
	if (CONFIG_DROP_NOTIFY)
		tail_call_indirect(ctx, SLOT_DROP_NOTIFY);
	return TC_ACT_SHOT;
}

/*
 * The end of a packet's way through the endpoint's programs. A program has one of it, since it is in
 * line: what comes before only decides.
 */
static __always_inline int verdict_end(struct __sk_buff *ctx, int verdict, struct flow *flow,
				       enum direction direction)
{
	if (verdict < 0)
		return drop(ctx, verdict, flow, direction);
	metrics_count(ctx, METRICS_FORWARDED, direction);
	metrics_count_lost(ctx, flow);
	return verdict;
}
