/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Headers as they lie in a packet, and the numbers in them. The layouts are those of the standards
 * named at each; structure names are the kernel's, where it has one. No structure has padding, so each
 * may be laid over a packet. Flag bits are masks on whole fields: bit-fields have no fixed layout.
 */
#pragma once

#include "kernel/types.h"

/* IEEE 802.3; ethertypes below ETH_P_802_3_MIN are lengths. */
#define ETH_ALEN        6
#define ETH_P_802_3_MIN 0x0600
#define ETH_P_IP        0x0800
#define ETH_P_ARP       0x0806
#define ETH_P_IPV6      0x86DD

struct ethhdr {
	__u8 h_dest[ETH_ALEN];
	__u8 h_source[ETH_ALEN];
	__be16 h_proto;
};

/* RFC 826 for Ethernet and IPv4. The addresses are octets: they lie at odd places. */
#define ARPHRD_ETHER  1
#define ARPOP_REQUEST 1
#define ARPOP_REPLY   2

struct arphdr {
	__be16 ar_hrd;
	__be16 ar_pro;
	__u8 ar_hln;
	__u8 ar_pln;
	__be16 ar_op;
	__u8 ar_sha[ETH_ALEN];
	__u8 ar_sip[4];
	__u8 ar_tha[ETH_ALEN];
	__u8 ar_tip[4];
};

/* Protocol numbers of IANA. */
#define IPPROTO_ICMP   1
#define IPPROTO_TCP    6
#define IPPROTO_UDP    17
#define IPPROTO_ICMPV6 58
#define IPPROTO_SCTP   132

/* RFC 791. */
#define IPV4_VERSION     4
#define IPV4_MIN_WORDS   5
#define IPV4_FLAG_MORE   0x2000
#define IPV4_OFFSET_MASK 0x1fff

struct iphdr {
	__u8 version_ihl;
	__u8 tos;
	__be16 tot_len;
	__be16 id;
	__be16 frag_off;
	__u8 ttl;
	__u8 protocol;
	__u16 check;
	__be32 saddr;
	__be32 daddr;
};

/* RFC 8200. Seen as two words, so that an address is compared in two instructions. */
#define IPV6_VERSION 6

union ipv6_address {
	__u8 octet[16];
	__be32 word32[4];
	__u64 word[2];
};

struct ipv6hdr {
	__be32 version_class_flow;
	__be16 payload_len;
	__u8 nexthdr;
	__u8 hop_limit;
	union ipv6_address saddr;
	union ipv6_address daddr;
};

/* RFC 9293; flags stand in the low octet of the word after the sequence numbers. */
#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_RST 0x04
#define TCP_FLAG_ACK 0x10

struct tcphdr {
	__be16 source;
	__be16 dest;
	__be32 seq;
	__be32 ack_seq;
	__u8 offset_reserved;
	__u8 flags;
	__be16 window;
	__u16 check;
	__be16 urg_ptr;
};

/* RFC 768. */
struct udphdr {
	__be16 source;
	__be16 dest;
	__be16 len;
	__u16 check;
};

/* RFC 792 and RFC 4443 share the first eight octets. */
struct icmphdr {
	__u8 type;
	__u8 code;
	__u16 check;
	__be16 id;
	__be16 sequence;
};

_Static_assert(sizeof(struct ethhdr) == 14, "RFC layout");
_Static_assert(sizeof(struct arphdr) == 28, "RFC layout");
_Static_assert(sizeof(struct iphdr) == 20, "RFC layout");
_Static_assert(sizeof(struct ipv6hdr) == 40, "RFC layout");
_Static_assert(sizeof(struct tcphdr) == 20, "RFC layout");
_Static_assert(sizeof(struct udphdr) == 8, "RFC layout");
_Static_assert(sizeof(struct icmphdr) == 8, "RFC layout");
