/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Facts of the kernel's BPF ABI: numbers of map types and flags, the verdicts of a tc program, and
 * the context it gets. Documented in the kernel's include/uapi/linux/{bpf,pkt_cls}.h; numbers and
 * offsets there never change. Only what this datapath uses is declared.
 */
#pragma once

#include "kernel/types.h"

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PROG_ARRAY = 3,
	BPF_MAP_TYPE_PERCPU_HASH = 5,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_LPM_TRIE = 11,
	BPF_MAP_TYPE_RINGBUF = 27,
};

/* Flag of map creation: take memory when an entry is made. */
#define BPF_F_NO_PREALLOC 1

/* Flags of an update: overwrite or create; create alone. */
#define BPF_ANY     0
#define BPF_NOEXIST 1

/* Flags of bpf_l4_csum_replace(), beside the size. */
#define BPF_F_PSEUDO_HDR     0x10 /* the pseudo header has changed, too */
#define BPF_F_MARK_MANGLED_0 0x20 /* 0 stands for no checksum */

/* What a ring buffer is asked: how many bytes wait to be read. Before each record stand so many of the kernel's. */
#define BPF_RB_AVAIL_DATA 0
#define BPF_RB_HEADER     8

/* The network namespace of the device. */
#define BPF_F_CURRENT_NETNS (-1L)

/* `pkt_type` of a frame that is for somebody else on the link. */
#define PACKET_OTHERHOST 3

/* Verdicts of a direct-action classifier; bpf_redirect() and its kin return TC_ACT_REDIRECT. */
#define TC_ACT_OK       0
#define TC_ACT_SHOT     2
#define TC_ACT_REDIRECT 7

/*
 * The context of a tc program. It has no memory of its own: the verifier rewrites each access, by
 * offset, to the field of the packet's sk_buff.
 */
struct __sk_buff {
	__u32 len;
	__u32 pkt_type;
	__u32 mark;
	__u32 queue_mapping;
	__u32 protocol;
	__u32 vlan_present;
	__u32 vlan_tci;
	__u32 vlan_proto;
	__u32 priority;
	__u32 ingress_ifindex;
	__u32 ifindex;
	__u32 tc_index;
	__u32 cb[5];
	__u32 hash;
	__u32 tc_classid;
	__u32 data;
	__u32 data_end;
	__u32 not_used_here[21];
	const void *sk; /* the local socket that has sent it, or NULL */
};

_Static_assert(__builtin_offsetof(struct __sk_buff, ifindex) == 40, "offset in the ABI");
_Static_assert(__builtin_offsetof(struct __sk_buff, cb) == 48, "offset in the ABI");
_Static_assert(__builtin_offsetof(struct __sk_buff, data_end) == 80, "offset in the ABI");
_Static_assert(__builtin_offsetof(struct __sk_buff, sk) == 168, "offset in the ABI");

/* Between whom a socket is looked for; as a packet to the socket has them. */
union bpf_sock_tuple {
	struct {
		__be32 saddr;
		__be32 daddr;
		__be16 sport;
		__be16 dport;
	} ipv4;
	struct {
		__be32 saddr[4];
		__be32 daddr[4];
		__be16 sport;
		__be16 dport;
	} ipv6;
};

/* A socket that was found, as far as one that only waits for a handshake has it, too. */
struct bpf_sock {
	__u32 not_used_here[18];
	__u32 state;
};

_Static_assert(__builtin_offsetof(struct bpf_sock, state) == 72, "offset in the ABI");

/* `state` of a socket; for one of UDP the first one says that it is connected. */
#define BPF_TCP_ESTABLISHED 1
#define BPF_TCP_LISTEN      10

/* Families as sockets have them. */
#define AF_INET  2
#define AF_INET6 10

/* Answers of a look-up of a route that are not a next hop. */
#define BPF_FIB_LKUP_RET_NOT_FWDED    4
#define BPF_FIB_LKUP_RET_FWD_DISABLED 5

/* What a route is looked up for, from the device `ifindex`; then the answer. Addresses of IPv4 are first words. */
struct bpf_fib_lookup {
	__u8 family;
	__u8 l4_protocol;
	__be16 sport;
	__be16 dport;
	__u16 tot_len;
	__u32 ifindex;
	__be32 flowinfo;
	__be32 source[4];
	__be32 destination[4];
	__u8 vlan_and_macs[16];
};

_Static_assert(sizeof(struct bpf_fib_lookup) == 64, "size in the ABI");
