/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ARP from the pod. With ENABLE_ARP_RESPONDER every address but the pod's own is answered with the host's:
 * to the pod, everybody is behind the host end of its veth, so no neighbour table has to agree.
 * Reads: addresses and MACs of SELF_MAP. Drops: 130, 132, 134.
 */
#pragma once

#include "lib/cursor.h"
#include "lib/deliver.h"

#undef THIS_FILE
#define THIS_FILE FILE_ARP

/* Addresses in ARP lie at odd places; both halves are aligned to two. */
static __always_inline __be32 arp_address(const __u8 *octets)
{
	const __u16 *half = (const void *)octets;

	return half[0] | (__u32)half[1] << 16;
}

static __always_inline int arp_is_ethernet_ipv4(const struct arphdr *arp)
{
	return arp->ar_hrd == BE16(ARPHRD_ETHER) && arp->ar_pro == BE16(ETH_P_IP) &&
	       arp->ar_hln == ETH_ALEN && arp->ar_pln == sizeof(__be32);
}

/* Turns the request into its answer, in place. */
static __always_inline void arp_make_reply(struct ethhdr *eth, struct arphdr *arp,
					   const struct endpoint_self *self)
{
	__be32 asker = arp_address(arp->ar_sip);
	__be32 target = arp_address(arp->ar_tip);
	__u64 mac = self->mac;
	__u64 node_mac = self->host_mac;

	mac_write(eth->h_dest, mac);
	mac_write(eth->h_source, node_mac);
	arp->ar_op = BE16(ARPOP_REPLY);
	mac_write(arp->ar_sha, node_mac);
	__builtin_memcpy(arp->ar_sip, &target, sizeof(target));
	mac_write(arp->ar_tha, mac);
	__builtin_memcpy(arp->ar_tip, &asker, sizeof(asker));
}

/* Lets a message pass to the host, or answers it; a forged sender is dropped in either case. */
static __always_inline int arp_from_container(struct __sk_buff *ctx,
					      const struct endpoint_self *self)
{
	struct cursor cursor = cursor_open(ctx, sizeof(struct ethhdr) + sizeof(struct arphdr));
	struct ethhdr *eth = cursor_take(&cursor, sizeof(*eth));
	struct arphdr *arp = cursor_take(&cursor, sizeof(*arp));
	__be32 own = self->ipv4;
	__be32 sender, target;

	if (!eth || !arp || !arp_is_ethernet_ipv4(arp))
		return DROP_HERE(DROP_INVALID);
	if (mac_read(arp->ar_sha) != self->mac)
		return DROP_HERE(DROP_INVALID_SOURCE_MAC);
	sender = arp_address(arp->ar_sip);
	target = arp_address(arp->ar_tip);
	/* A probe for a duplicate of the own address has no sender yet (RFC 5227, 2.1.1). */
	if (sender != own && sender != 0)
		return DROP_HERE(DROP_INVALID_SOURCE_IP);
	if (!CONFIG_ENABLE_ARP_RESPONDER || arp->ar_op != BE16(ARPOP_REQUEST) || target == own)
		return TC_ACT_OK;
	arp_make_reply(eth, arp, self);
	event_debug(ctx, DEBUG_ARP_ANSWERED, target, 0);
	return answer(ctx, self);
}
