/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The answer to a packet whose hop limit is used up here: ICMP time exceeded, from the router that we are
 * to the pod. Over IPv6 that is the link-local address of the host's MAC; over IPv4 the dummy address for
 * routers that have none (RFC 7600). It takes the place of the packet, of whose start it has a part.
 * Reads: MACs and address of SELF_MAP. Nobody is told when there is none: it is dropped in any case.
 */
#pragma once

#include "lib/checksum.h"
#include "lib/deliver.h"

/* At least 8 octets behind the longest header over IPv4, and some extension headers over IPv6. */
#define ERROR_SAMPLE  104
#define ERROR_TTL     64
#define DUMMY_ADDRESS BE32(0xc0000008) /* 192.0.0.8 */

struct error4 {
	__u8 pad[2]; /* as in neighbor_frame */
	struct ethhdr eth;
	struct iphdr ip;
	struct icmphdr icmp;
	__u8 sample[ERROR_SAMPLE];
};

struct error6 {
	__u8 pad[2];
	struct ethhdr eth;
	struct ipv6hdr ip;
	struct icmphdr icmp;
	__u8 sample[ERROR_SAMPLE];
};

static __always_inline void error_ethernet(struct ethhdr *eth, const struct endpoint_self *self,
					   __u16 type)
{
	__u64 mac = self->mac;
	__u64 node_mac = self->host_mac;

	mac_write(eth->h_dest, mac);
	mac_write(eth->h_source, node_mac);
	eth->h_proto = type;
}

/* Copies the start of the packet behind its Ethernet header; its length, or 0. */
static __always_inline __u32 error_sample(struct __sk_buff *ctx, __u8 *sample)
{
	__u32 len = ctx->len - sizeof(struct ethhdr);

	if (len > ERROR_SAMPLE)
		len = ERROR_SAMPLE;
	KEEP(len);
	if ((__s32)len <= 0 || len > ERROR_SAMPLE) /* signed: as in events.h */
		return 0;
	return bpf_skb_load_bytes(ctx, sizeof(struct ethhdr), sample, len) ? 0 : len;
}

/* Puts `len` bytes in place of the packet; a verdict. */
static __always_inline int error_send(struct __sk_buff *ctx, const struct endpoint_self *self,
				      const void *frame, __u32 len)
{
	if (bpf_skb_change_tail(ctx, len, 0) || bpf_skb_store_bytes(ctx, 0, frame, len, 0))
		return TC_ACT_SHOT;
	return answer(ctx, self);
}

static __always_inline int time_exceeded4(struct __sk_buff *ctx, const struct endpoint_self *self)
{
	struct error4 error;
	const struct iphdr *about = (const void *)error.sample;
	__u32 len;

	__builtin_memset(&error, 0, sizeof(error));
	len = error_sample(ctx, error.sample);
	/* RFC 1812, 4.3.2.7: never about an error, and of fragments about the first one alone. */
	if (len == 0 || about->frag_off & BE16(IPV4_OFFSET_MASK) ||
	    (about->protocol == IPPROTO_ICMP && (about->version_ihl & 0xf) == IPV4_MIN_WORDS &&
	     error.sample[sizeof(*about)] != ICMP_ECHO_REQUEST))
		return TC_ACT_SHOT;
	error_ethernet(&error.eth, self, BE16(ETH_P_IP));
	error.ip.version_ihl = IPV4_VERSION << 4 | IPV4_MIN_WORDS;
	error.ip.ttl = ERROR_TTL;
	error.ip.protocol = IPPROTO_ICMP;
	error.ip.saddr = DUMMY_ADDRESS;
	error.ip.daddr = self->ipv4;
	error.icmp.type = ICMP_TIME_EXCEEDED;
	error.ip.tot_len = __builtin_bswap16((__u16)(sizeof(error.ip) + sizeof(error.icmp) + len));
	error.ip.check = checksum_of(&error.ip, sizeof(error.ip));
	error.icmp.check = checksum_of(&error.icmp, sizeof(error.icmp) + sizeof(error.sample));
	return error_send(ctx, self, &error.eth,
			  sizeof(error.eth) + sizeof(error.ip) + sizeof(error.icmp) + len);
}

/* The address that the kernel gives the device by its MAC (RFC 4291, appendix A). */
static __always_inline void router_address(union ipv6_address *address, __u64 mac)
{
	address->word32[0] = BE32(0xfe800000);
	address->word32[1] = 0;
	mac_write(&address->octet[8], mac);
	address->octet[8] ^= 0x02;
	address->octet[11] = 0xff;
	address->octet[12] = 0xfe;
	address->octet[13] = (__u8)(mac >> 24);
	address->octet[14] = (__u8)(mac >> 32);
	address->octet[15] = (__u8)(mac >> 40);
}

static __always_inline int time_exceeded6(struct __sk_buff *ctx, const struct endpoint_self *self)
{
	struct error6 error;
	const struct ipv6hdr *about = (const void *)error.sample;
	__u32 len;

	__builtin_memset(&error, 0, sizeof(error));
	len = error_sample(ctx, error.sample);
	/* RFC 4443, 2.4: never about an error. */
	if (len == 0 || (about->nexthdr == IPPROTO_ICMPV6 &&
			 error.sample[sizeof(*about)] < ICMPV6_ECHO_REQUEST))
		return TC_ACT_SHOT;
	error_ethernet(&error.eth, self, BE16(ETH_P_IPV6));
	error.ip.version_class_flow = BE32(IPV6_VERSION << 28);
	error.ip.nexthdr = IPPROTO_ICMPV6;
	error.ip.hop_limit = ERROR_TTL;
	error.icmp.type = ICMPV6_TIME_EXCEEDED;
	router_address(&error.ip.saddr, self->host_mac);
	error.ip.daddr = about->saddr;
	error.ip.payload_len = __builtin_bswap16((__u16)(sizeof(error.icmp) + len));
	error.icmp.check = checksum_of_ipv6(&error.ip, sizeof(error.icmp) + sizeof(error.sample));
	return error_send(ctx, self, &error.eth,
			  sizeof(error.eth) + sizeof(error.ip) + sizeof(error.icmp) + len);
}
