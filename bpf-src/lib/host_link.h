/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * weir_host, by which the node's stack sends what its routes have for pods; and how each of the node's programs ends.
 * Reads: ENDPOINTS_MAP. Drops: 134, 139, 141, 150.
 */
#pragma once

#include "lib/host_receive.h"

#undef THIS_FILE
#define THIS_FILE FILE_HOST_LINK

/* As SCRATCH_SLOT: the identity on our side of what is dropped. */
#define SCRATCH_OWN_IDENTITY 4

/* The number in a tag; that of VLAN 0 is a priority alone, which the kernel takes off to go on at this device. */
#define VLAN_NUMBER 0x0fff

/* Not a frame for somebody else on the link, nor one of a VLAN, which its own device will get. */
static __always_inline int host_is_for_us(const struct __sk_buff *ctx)
{
	return ctx->pkt_type != PACKET_OTHERHOST &&
	       !(ctx->vlan_present && ctx->vlan_tci & VLAN_NUMBER);
}

/* Behind a tag of VLAN 0 another: the kernel takes both off, and no program would see what is inside. A drop, or 0. */
static __always_inline int host_check_tags(const struct __sk_buff *ctx)
{
	if (ctx->vlan_present &&
	    (ctx->protocol == BE16(ETH_P_8021Q) || ctx->protocol == BE16(ETH_P_8021AD)))
		return DROP_HERE(DROP_UNKNOWN_L3);
	return 0;
}

/* Whether an address is a group's, or one of the link. */
static __always_inline int host_is_of_link(const struct nat_end *to, const int family)
{
	const __u8 *octets = (const void *)to->address;

	if (family == FAMILY_IPV4)
		return octets[0] >= 0xe0;
	return octets[0] == 0xff || (octets[0] == 0xfe && (octets[1] & 0xc0) == 0x80);
}

/* To the device of the pod at the packet's destination, whose programs judge it as the node's. A verdict. */
static __always_inline int host_link_step(struct __sk_buff *ctx, const int family)
{
	const __u32 place = family == FAMILY_IPV4 ? __builtin_offsetof(struct iphdr, daddr)
						  : __builtin_offsetof(struct ipv6hdr, daddr);
	const __u32 size = family == FAMILY_IPV4 ? sizeof(__be32) : sizeof(union ipv6_address);
	struct endpoint_value pod = {};
	struct nat_end to = {};
	__u16 macs[6];

	if (bpf_skb_load_bytes(ctx, sizeof(struct ethhdr) + place, to.address, size))
		return DROP_HERE(DROP_INVALID);
	if (host_is_of_link(&to, family))
		return TC_ACT_OK;
	if (!host_find_pod(&to, &pod, family))
		return DROP_HERE(DROP_UNKNOWN_TARGET);
	mac_write(&macs[0], pod.mac);
	mac_write(&macs[3], pod.host_mac);
	if (bpf_skb_store_bytes(ctx, 0, macs, sizeof(macs), 0))
		return DROP_HERE(DROP_WRITE_ERROR);
	return (int)bpf_redirect(pod.ifindex, 0);
}

/* The end of a packet's way through one of the node's programs. */
static __always_inline int host_end(struct __sk_buff *ctx, int verdict, struct flow *flow,
				    enum direction direction)
{
	if (verdict >= 0)
		return verdict;
	drop_record(ctx, flow, (__u32)-verdict, direction);
	ctx->cb[SCRATCH_OWN_IDENTITY] = flow->own_identity ? flow->own_identity : SECLABEL;
	if (CONFIG_DROP_NOTIFY)
		tail_call(ctx, SLOT_DROP_NOTIFY);
	return TC_ACT_SHOT;
}
