/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the programs of the node and of sockets share with Rust beside abi.h, by its rules: translated
 * connections, host ports, and what sockets were asked. No pod's own program knows these.
 */
#pragma once

#include "abi.h"

/*
 * HOST_PORTS_MAP: a port of the node, at one of its addresses, or with the address zero at each that it has in
 * this family...
 */
struct __abi host_port_key {
	__be32 address[4];
	__be16 port;
	__u8 protocol;
	__u8 family;
};

/* ...and who answers there: a pod of this node, by its address in the same family, and its own port. */
struct __abi host_port_value {
	__be32 address[4];
	__be16 port;
	__u16 lxc_id;
};

/* SNAT_MAP4: with this flag the half that packets from outside find, else the one that packets to outside find. */
#define SNAT_IN 0x01

/*
 * SNAT_MAP4: one half of a translated connection, always written as a packet to the outside has it: saddr and
 * sport are on our side, the pod's without SNAT_IN and the node's with it. Ports of an echo are those of ct4_key...
 */
struct __abi snat4_key {
	__be32 daddr;
	__be32 saddr;
	__be16 dport;
	__be16 sport;
	__u8 protocol;
	__u8 flags;
	__u8 pad[2];
};

/* SNAT_MAP6: likewise... */
struct __abi snat6_key {
	__be32 daddr[4];
	__be32 saddr[4];
	__be16 dport;
	__be16 sport;
	__u8 protocol;
	__u8 flags;
	__u8 pad[2];
};

/*
 * ...and what stands in the place of saddr and sport after translation: the other half has these in its key, and
 * in its value what is in the key of this one. `seen` are the flags of TCP (or CT_SEEN) of the packets that find
 * this half, `seen_back` of those that find the other one; `lifetime` and `created` are seconds of the
 * monotonic clock, and a half whose lifetime is over counts as absent.
 */
struct __abi snat4_value {
	__be32 address;
	__be16 port;
	__u8 seen;
	__u8 seen_back;
	__u32 lifetime;
	__u32 created;
};

struct __abi snat6_value {
	__be32 address[4];
	__be16 port;
	__u8 seen;
	__u8 seen_back;
	__u32 lifetime;
	__u32 created;
};

/* The bits of a key before the address, which every network covers: family and padding. */
#define NATIVE_CIDR_FIXED_BITS 32

/* NATIVE_CIDRS_MAP: a network in which pods keep their address. prefixlen as in ipcache_key. */
struct __abi native_cidr_key {
	__u32 prefixlen;
	__u8 family;
	__u8 pad[3];
	__be32 address[4];
};

/*
 * NODE_OPEN_MAP: a port at which the node may be talked to, or talk to others, whatever its policy says: the port of
 * the side that answers, and the direction of the packet that opens the connection, as the node sees it.
 */
struct __abi node_open_key {
	__be16 port;
	__u8 protocol;
	__u8 direction;
};

/* NETNS_MAP: instead of an endpoint's id, for the network namespace of the node itself. */
#define NETNS_OF_NODE 0

/* SOCK_ASKED_MAP: a socket, by the kernel's cookie, and the pod with which it talks... */
struct __abi sock_asked_key {
	__u64 cookie;
	__be32 address[4];
	__be16 port;
	__u8 family;
	__u8 pad[5];
};

/* ...and what it was asked to talk to instead, in the same family. */
struct __abi sock_asked_value {
	__be32 address[4];
	__be16 port;
	__u8 pad[2];
};

ABI_SIZE(host_port_key, 20);
ABI_SIZE(host_port_value, 20);
ABI_SIZE(native_cidr_key, 24);
ABI_SIZE(node_open_key, 4);
ABI_SIZE(snat4_key, 16);
ABI_SIZE(snat4_value, 16);
ABI_SIZE(snat6_key, 40);
ABI_SIZE(snat6_value, 28);
ABI_SIZE(sock_asked_key, 32);
ABI_SIZE(sock_asked_value, 20);
