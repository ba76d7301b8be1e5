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
#define ETH_P_8021Q     0x8100
#define ETH_P_8021AD    0x88A8
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
#define IPPROTO_HOPOPTS  0
#define IPPROTO_ICMP     1
#define IPPROTO_IGMP     2
#define IPPROTO_IPIP     4
#define IPPROTO_TCP      6
#define IPPROTO_UDP      17
#define IPPROTO_IPV6     41
#define IPPROTO_ROUTING  43
#define IPPROTO_FRAGMENT 44
#define IPPROTO_GRE      47
#define IPPROTO_ESP      50
#define IPPROTO_AH       51
#define IPPROTO_ICMPV6   58
#define IPPROTO_DSTOPTS  60
#define IPPROTO_SCTP     132

/* RFC 791. */
#define IPV4_VERSION     4
#define IPV4_MIN_WORDS   5
#define IPV4_FLAG_MORE   0x2000
#define IPV4_OFFSET_MASK 0x1fff

/* Options; all but the first two have their length in the second octet. */
#define IPV4_OPTION_END          0
#define IPV4_OPTION_NOP          1
#define IPV4_OPTION_LOOSE_ROUTE  131
#define IPV4_OPTION_STRICT_ROUTE 137

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

/* RFC 8200, 4: how each extension header begins. */
struct ipv6_extension {
	__u8 nexthdr;
	__u8 length;
	__be16 offset_more; /* of a fragment: offset in units of 8, and whether more follow */
	__be32 id; /* likewise; the third octet of a routing header's word is what it has left */
};

#define IPV6_FRAGMENT_MORE        0x0001
#define IPV6_FRAGMENT_OFFSET_MASK 0xfff8

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

/* RFC 9260, 3.1. */
struct sctphdr {
	__be16 source;
	__be16 dest;
	__be32 tag;
	__u32 check; /* lowest octet first, unlike all others */
};

/* RFC 792 and RFC 4443 share the first eight octets. */
#define ICMP_ECHO_REPLY    0
#define ICMP_UNREACHABLE   3
#define ICMP_ECHO_REQUEST  8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER     12

#define ICMPV6_UNREACHABLE   1
#define ICMPV6_TOO_BIG       2
#define ICMPV6_TIME_EXCEEDED 3
#define ICMPV6_PARAMETER     4
#define ICMPV6_ECHO_REQUEST  128
#define ICMPV6_ECHO_REPLY    129
#define ICMPV6_MLD_QUERY     130
#define ICMPV6_MLD_DONE      132
#define ICMPV6_ROUTER_ASK    133
#define ICMPV6_ROUTER_TELL   134
#define ICMPV6_NEIGHBOR_ASK  135
#define ICMPV6_NEIGHBOR_TELL 136
#define ICMPV6_REDIRECT      137
#define ICMPV6_MLD2_REPORT   143

struct icmphdr {
	__u8 type;
	__u8 code;
	__u16 check;
	__be16 id;
	__be16 sequence;
};

/* RFC 4861, 4.3 and 4.4: a solicitation or an advertisement, with the one option that matters. */
#define ND_IS_ROUTER      0x80
#define ND_IS_SOLICITED   0x40
#define ND_OVERRIDES      0x20
#define ND_OPTION_ITS_MAC 2
#define ND_HOP_LIMIT      255

struct nd_message {
	__u8 type;
	__u8 code;
	__u16 check;
	__u8 flags;
	__u8 reserved[3];
	union ipv6_address target;
	__u8 option;
	__u8 option_words;
	__u8 mac[ETH_ALEN];
};

_Static_assert(sizeof(struct ethhdr) == 14, "RFC layout");
_Static_assert(sizeof(struct arphdr) == 28, "RFC layout");
_Static_assert(sizeof(struct iphdr) == 20, "RFC layout");
_Static_assert(sizeof(struct ipv6hdr) == 40, "RFC layout");
_Static_assert(sizeof(struct tcphdr) == 20, "RFC layout");
_Static_assert(sizeof(struct udphdr) == 8, "RFC layout");
_Static_assert(sizeof(struct sctphdr) == 12, "RFC layout");
_Static_assert(sizeof(struct icmphdr) == 8, "RFC layout");
_Static_assert(sizeof(struct ipv6_extension) == 8, "RFC layout");
