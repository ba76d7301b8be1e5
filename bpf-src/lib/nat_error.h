/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors about translated packets. Who gets one knows what it is about by the packet that is quoted, so that
 * is translated, too, into what its sender once sent. Of its transport header 8 octets are surely there (RFC
 * 792); checksums in these are put right. That of TCP is behind them, and nobody checks it there.
 * Drops: 141, 153, 154.
 */
#pragma once

#include "lib/checksum.h"
#include "lib/icmp.h"
#include "lib/nat_pair.h"
#include "lib/nat_rewrite.h"

#undef THIS_FILE
#define THIS_FILE FILE_NAT_ERROR

/* Beside 0 and a drop: it is about nothing that is translated; or it is, but the error itself stays. */
#define NAT_ERROR_FOREIGN 1
#define NAT_ERROR_INSIDE  2

/* The quoted packet: where it stands, and the start of its transport header. */
struct nat_quoted {
	__u32 network;
	__u32 transport;
	union {
		__u8 header[8];
		struct icmphdr icmp;
		struct {
			__u32 ports; /* the source's in the lower half */
			__be16 len;
			__u16 check; /* of UDP */
		};
	};
	__u8 protocol;
	__u8 is_sent; /* by our side */
	__u8 is_ours; /* the error itself comes from our end, or goes there */
	__u8 pad;
};

/* The ports of an echo are from the side that sent the quoted packet. */
static __always_inline void nat_quoted_ports(const struct nat_quoted *quoted, __be16 *own,
					     __be16 *peers, const int family)
{
	struct flow inner = {};

	if (transport_is_icmp(quoted->protocol, family)) {
		inner.dport = BE16(quoted->icmp.type);
		inner.sport = quoted->icmp.id;
		icmp_ports(&inner, own, peers, family,
			   quoted->is_sent ? DIRECTION_EGRESS : DIRECTION_INGRESS);
		return;
	}
	*own = (__be16)(quoted->ports >> (quoted->is_sent ? 0 : 16));
	*peers = (__be16)(quoted->ports >> (quoted->is_sent ? 16 : 0));
}

/* Reads what is quoted; `key` has been the error's, and becomes that of what it is about. Whether it is of use. */
static __always_inline int nat_quoted_read4(struct __sk_buff *ctx, struct nat_quoted *quoted,
					    struct snat4_key *key)
{
	struct iphdr ip;
	__be32 own;

	if (bpf_skb_load_bytes(ctx, quoted->network, &ip, sizeof(ip)) ||
	    ip.version_ihl >> 4 != IPV4_VERSION || ip.frag_off & BE16(IPV4_OFFSET_MASK))
		return 0;
	quoted->transport = quoted->network + (ip.version_ihl & 0xf) * 4;
	quoted->protocol = ip.protocol;
	own = quoted->is_sent ? ip.saddr : ip.daddr;
	quoted->is_ours = own == key->saddr;
	/* An error goes to the sender of what it is about. */
	if (quoted->is_sent ? !quoted->is_ours : ip.saddr != key->daddr)
		return 0;
	key->daddr = quoted->is_sent ? ip.daddr : ip.saddr;
	key->saddr = own;
	key->protocol = ip.protocol;
	if (bpf_skb_load_bytes(ctx, quoted->transport, quoted->header, sizeof(quoted->header)))
		return 0;
	nat_quoted_ports(quoted, &key->sport, &key->dport, FAMILY_IPV4);
	return transport_header_len(ip.protocol, FAMILY_IPV4) != 0;
}

/* Likewise. Where extension headers come first, nothing matches. */
static __always_inline int nat_quoted_read6(struct __sk_buff *ctx, struct nat_quoted *quoted,
					    struct snat6_key *key)
{
	const union ipv6_address *own, *peer;
	struct ipv6hdr ip;

	if (bpf_skb_load_bytes(ctx, quoted->network, &ip, sizeof(ip)))
		return 0;
	quoted->transport = quoted->network + sizeof(ip);
	quoted->protocol = ip.nexthdr;
	own = quoted->is_sent ? &ip.saddr : &ip.daddr;
	peer = quoted->is_sent ? &ip.daddr : &ip.saddr;
	quoted->is_ours = (__u8)ipv6_equal(own, (const void *)key->saddr);
	if (quoted->is_sent ? !quoted->is_ours : !ipv6_equal(peer, (const void *)key->daddr))
		return 0;
	__builtin_memcpy(key->daddr, peer, sizeof(key->daddr));
	__builtin_memcpy(key->saddr, own, sizeof(key->saddr));
	key->protocol = ip.nexthdr;
	if (bpf_skb_load_bytes(ctx, quoted->transport, quoted->header, sizeof(quoted->header)))
		return 0;
	nat_quoted_ports(quoted, &key->sport, &key->dport, FAMILY_IPV6);
	return transport_header_len(ip.nexthdr, FAMILY_IPV6) != 0;
}

/* A checksum, after something in its sum has grown by so much. */
static __always_inline __be16 nat_sum_grown(__be16 sum, __u32 by)
{
	return checksum_fold((__s64)((__u32)(__u16)~sum + by));
}

/* Our port and the checksum; `diff` is what the address adds to a sum. */
static __always_inline void nat_quoted_turn(struct nat_quoted *quoted, __be16 from, __be16 to,
					    __s64 diff, const int family)
{
	const __u32 shift = quoted->is_sent ? 0 : 16;
	__u32 by = (__u32)(__u16)~from + to;

	if (quoted->protocol != IPPROTO_ICMP)
		by += (__u16)~checksum_fold(diff);
	if (transport_is_icmp(quoted->protocol, family)) {
		quoted->icmp.check = nat_sum_grown(quoted->icmp.check, by);
		quoted->icmp.id = to;
		return;
	}
	/* By arithmetic: a place that depends on the packet is none that the kernel lets a program write to. */
	quoted->ports = (quoted->ports & ~(0xffffU << shift)) | (__u32)to << shift;
	if (quoted->protocol != IPPROTO_UDP || !quoted->check)
		return;
	quoted->check = nat_sum_grown(quoted->check, by);
	if (!quoted->check)
		quoted->check = 0xffff;
}

/* Puts `end` into the quoted packet, and what that changes into the sum of the error; 0, or a drop. */
static __always_inline int nat_quoted_write(struct __sk_buff *ctx, struct nat_quoted *quoted,
					    const struct flow *flow, const struct nat_end *own,
					    const struct nat_end *end, __u32 family)
{
	__u32 check = flow->transport + __builtin_offsetof(struct icmphdr, check);
	__s64 diff = nat_address_diff(own, end);
	__u8 was[8];

	__builtin_memcpy(was, quoted->header, sizeof(was));
	nat_quoted_turn(quoted, own->port, end->port, diff, (int)family);
	/* What a header of IPv4 adds to a sum stays the same: it has a checksum of its own in it. */
	diff = bpf_csum_diff(was, sizeof(was), quoted->header, sizeof(quoted->header),
			     nat_is_ipv4(family) ? 0 : (__u32)diff);
	if (bpf_l4_csum_replace(ctx, check, 0, (__u64)diff, 0))
		return DROP_HERE(DROP_CSUM_L4);
	if (bpf_skb_store_bytes(ctx, quoted->transport, quoted->header, sizeof(quoted->header), 0))
		return DROP_HERE(DROP_WRITE_ERROR);
	return nat_write_address(ctx, quoted->network, own, end, quoted->is_sent, family);
}

/*
 * Translates what an error is about. `key` and `flow` are those of the error; afterwards `key` and `end` say what
 * becomes of its own address. 0, or a drop, or NAT_ERROR_*.
 */
VERIFIED_ALONE int nat_error(struct __sk_buff *ctx, union nat_key *key, struct flow *flow,
			     struct nat_end *end, __u32 family)
{
	struct nat_quoted quoted = {};
	struct nat_end own = {};
	int is_read, verdict;

	if (!key || !flow || !end)
		return NAT_ERROR_FOREIGN;
	quoted.network = flow->transport + sizeof(struct icmphdr);
	quoted.is_sent = nat_is_in(key, family) != 0;
	is_read = nat_is_ipv4(family) ? nat_quoted_read4(ctx, &quoted, &key->v4)
				      : nat_quoted_read6(ctx, &quoted, &key->v6);
	if (!is_read || !nat_find_quoted(key, end, family))
		return NAT_ERROR_FOREIGN;
	nat_own_end(key, &own, family);
	verdict = nat_quoted_write(ctx, &quoted, flow, &own, end, family);
	if (verdict < 0)
		return verdict;
	return quoted.is_ours ? 0 : NAT_ERROR_INSIDE;
}
