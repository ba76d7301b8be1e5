/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes another address and port into a packet, with all checksums. Only helpers write: they copy a header that
 * the packet shares with somebody, as one of a socket of the node does, only where it is written to.
 *
 * A device may still have to sum the packet up, or may have done so: the helper for the transport's checksum knows
 * of both. Of an IPv6 packet that a device has summed up it takes the addresses for something outside of the
 * sum, as those of IPv4 in effect are; that is put right behind it.
 * Drops: 134, 141, 153, 154.
 */
#pragma once

#include "lib/checksum.h"
#include "lib/crc32c.h"
#include "lib/cursor.h"
#include "lib/host_device.h"
#include "lib/nat.h"
#include "lib/transport.h"

#undef THIS_FILE
#define THIS_FILE FILE_NAT_REWRITE

/* Where the checksum stands in the transport header; 0 for a protocol without one of the Internet's. */
static __always_inline __u32 nat_check_place(__u8 protocol, const int family)
{
	if (protocol == IPPROTO_TCP)
		return __builtin_offsetof(struct tcphdr, check);
	if (protocol == IPPROTO_UDP)
		return __builtin_offsetof(struct udphdr, check);
	return transport_is_icmp(protocol, family) ? __builtin_offsetof(struct icmphdr, check) : 0;
}

/* Where our side's port stands in the header of a packet that our side has sent, or gets. */
static __always_inline __u32 nat_port_place(__u8 protocol, int is_sender, const int family)
{
	if (transport_is_icmp(protocol, family))
		return __builtin_offsetof(struct icmphdr, id);
	return is_sender ? __builtin_offsetof(struct udphdr, source)
			 : __builtin_offsetof(struct udphdr, dest);
}

/* What an address adds to a sum in place of another one. */
static __always_inline __s64 nat_address_diff(const struct nat_end *from, const struct nat_end *to)
{
	/* The words behind an address of IPv4 are zero. */
	return bpf_csum_diff(from->address, sizeof(from->address), to->address, sizeof(to->address),
			     0);
}

/* The address in the sum of the transport. */
static __always_inline int nat_rewrite_sum(struct __sk_buff *ctx, const struct flow *flow,
					   const struct nat_end *from, const struct nat_end *to,
					   __u32 family)
{
	__u32 check = nat_check_place(flow->protocol, (int)family);
	__u64 flags = BPF_F_PSEUDO_HDR;
	__s64 diff;

	/* The sum of ICMP over IPv4 has no addresses in it. */
	if (!check || flow->protocol == IPPROTO_ICMP)
		return 0;
	if (flow->protocol == IPPROTO_UDP)
		flags |= BPF_F_MARK_MANGLED_0;
	if (nat_is_ipv4(family))
		return bpf_l4_csum_replace(ctx, flow->transport + check, from->address[0],
					   to->address[0], flags | sizeof(to->address[0]))
			       ? DROP_HERE(DROP_CSUM_L4)
			       : 0;
	diff = nat_address_diff(from, to);
	if (bpf_l4_csum_replace(ctx, flow->transport + check, 0, (__u64)diff, flags))
		return DROP_HERE(DROP_CSUM_L4);
	bpf_csum_update(ctx, (__u32)diff);
	return 0;
}

/* The port, and it in the sum. */
static __always_inline int nat_rewrite_port(struct __sk_buff *ctx, const struct flow *flow,
					    __be16 from, __be16 to, int is_sender, __u32 family)
{
	__u32 check = nat_check_place(flow->protocol, (int)family);
	__u64 flags = sizeof(to);
	__u32 place;

	place = flow->transport + nat_port_place(flow->protocol, is_sender, (int)family);
	if (flow->protocol == IPPROTO_SCTP)
		return crc32c_replace_port(ctx, flow->transport, flow->payload_len, is_sender, from,
					   to)
			       ? DROP_HERE(DROP_CSUM_L4)
			       : 0;
	if (flow->protocol == IPPROTO_UDP)
		flags |= BPF_F_MARK_MANGLED_0;
	if (check && bpf_l4_csum_replace(ctx, flow->transport + check, from, to, flags))
		return DROP_HERE(DROP_CSUM_L4);
	if (bpf_skb_store_bytes(ctx, place, &to, sizeof(to), 0))
		return DROP_HERE(DROP_WRITE_ERROR);
	return 0;
}

/*
 * The address in the header of IPv4 at `network`, and its checksum (RFC 1624), which stands right before the two
 * addresses: one helper writes all three. 0, or a drop.
 */
static __always_inline int nat_write_address4(struct __sk_buff *ctx, __u32 network, __be32 from,
					      __be32 to, int is_sender)
{
	const __u32 start = __builtin_offsetof(struct iphdr, check);
	struct iphdr ip;

	if (cursor_copy_ipv4(ctx, network, &ip))
		return DROP_HERE(DROP_CSUM_L3);
	ip.check = checksum_fold((__u16)~ip.check + (__u16)~from + (__u16)(~from >> 16) +
				 (__u16)to + (__u16)(to >> 16));
	if (is_sender)
		ip.saddr = to;
	else
		ip.daddr = to;
	return bpf_skb_store_bytes(ctx, network + start, &ip.check, sizeof(ip) - start, 0)
		       ? DROP_HERE(DROP_WRITE_ERROR)
		       : 0;
}

/* The address in the header at `network`; 0, or a drop. */
static __always_inline int nat_write_address(struct __sk_buff *ctx, __u32 network,
					     const struct nat_end *from, const struct nat_end *to,
					     int is_sender, __u32 family)
{
	__u32 place;

	if (nat_is_ipv4(family))
		return nat_write_address4(ctx, network, from->address[0], to->address[0],
					  is_sender);
	place = is_sender ? __builtin_offsetof(struct ipv6hdr, saddr)
			  : __builtin_offsetof(struct ipv6hdr, daddr);
	return bpf_skb_store_bytes(ctx, network + place, to->address, sizeof(to->address), 0)
		       ? DROP_HERE(DROP_WRITE_ERROR)
		       : 0;
}

/*
 * The packet of `key` gets `end` on our side: as its source if our side has sent it, else as its destination. A
 * later fragment has no ports, and an error has none of its own. 0, or a drop.
 */
VERIFIED_ALONE int nat_rewrite(struct __sk_buff *ctx, union nat_key *key, struct flow *flow,
			       struct nat_end *end, __u32 family)
{
	struct nat_end own = {};
	int is_sender, verdict = 0;

	if (!key || !flow || !end)
		return DROP_HERE(DROP_INVALID);
	nat_own_end(key, &own, family);
	is_sender = !nat_is_in(key, family);
	if (!(flow->fragment & FRAGMENT_PLACE)) {
		verdict = nat_rewrite_sum(ctx, flow, &own, end, family);
		if (!verdict && own.port != end->port && flow->class != CLASS_ERROR)
			verdict =
				nat_rewrite_port(ctx, flow, own.port, end->port, is_sender, family);
	}
	return verdict ? verdict
		       : nat_write_address(ctx, device_network(), &own, end, is_sender, family);
}
