/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Under which port of the node does a connection go out? Under its own, where nobody else talks to the same peer
 * by it, neither a connection of another pod nor a socket of the node; else under one at random that is
 * free. Between the same two ends there are 64,512 of them: where they are nearly used up a try finds
 * none, and the packet is dropped.
 *
 * What has no ports has the address alone: one connection of a protocol to a peer.
 * Reads: sockets of the node. Drops: 167.
 */
#pragma once

#include "lib/nat_pair.h"

#undef THIS_FILE
#define THIS_FILE FILE_NAT_PORT

/* With nine of ten ports in use one of 29 packets finds none, and the peer's next try does. */
#define NAT_TRIES      32
#define NAT_PORT_FIRST 1024
#define NAT_PORTS      (65536 - NAT_PORT_FIRST)

/* The protocols of which only the addresses are translated: no checksum of theirs has the addresses in it. */
static __always_inline int nat_is_portless(__u8 protocol)
{
	return protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6 || protocol == IPPROTO_GRE ||
	       protocol == IPPROTO_ESP;
}

static __always_inline int nat_has_ports(__u8 protocol, const int family)
{
	return transport_header_len(protocol, family) != 0;
}

static __always_inline __be16 nat_random_port(void)
{
	__u32 port = NAT_PORT_FIRST + bpf_get_prandom_u32() % NAT_PORTS;

	return __builtin_bswap16((__u16)port);
}

/*
 * The state of the node's socket that would get the answers to `end`, or 0 without one. One that listens there, or is
 * bound and talks to anybody, counts, too.
 */
VERIFIED_ALONE int nat_socket_state(struct __sk_buff *ctx, union nat_key *key, struct nat_end *end,
				    __u32 family)
{
	union bpf_sock_tuple ends = {};
	__u32 size = sizeof(ends.ipv4);
	struct bpf_sock *socket;
	__u32 state = 0;

	if (!key || !end)
		return 0;
	if (nat_is_ipv4(family)) {
		ends.ipv4.saddr = key->v4.daddr;
		ends.ipv4.daddr = end->address[0];
		ends.ipv4.sport = key->v4.dport;
		ends.ipv4.dport = end->port;
	} else {
		size = sizeof(ends.ipv6);
		__builtin_memcpy(ends.ipv6.saddr, key->v6.daddr, sizeof(ends.ipv6.saddr));
		__builtin_memcpy(ends.ipv6.daddr, end->address, sizeof(ends.ipv6.daddr));
		ends.ipv6.sport = key->v6.dport;
		ends.ipv6.dport = end->port;
	}
	/* The two are of different types to the kernel: one instruction must not read both. */
	if (nat_protocol(key, family) == IPPROTO_TCP) {
		socket = bpf_skc_lookup_tcp(ctx, &ends, size, (__u64)BPF_F_CURRENT_NETNS, 0);
		if (!socket)
			return 0;
		state = socket->state;
		KEEP(state);
		bpf_sk_release(socket);
	} else if (nat_protocol(key, family) == IPPROTO_UDP) {
		socket = bpf_sk_lookup_udp(ctx, &ends, size, (__u64)BPF_F_CURRENT_NETNS, 0);
		if (!socket)
			return 0;
		state = socket->state;
		bpf_sk_release(socket);
	}
	return (int)state;
}

/*
 * Makes the pair of a packet to the outside that has none, at the address in `end`; its port is chosen here. 0, or
 * a drop.
 */
VERIFIED_ALONE int nat_choose(struct __sk_buff *ctx, union nat_key *key, struct flow *flow,
			      struct nat_end *end, __u32 family)
{
	struct nat_end own = {};
	int try;

	if (!key || !flow || !end)
		return DROP_HERE(DROP_NAT_NO_MAPPING);
	nat_own_end(key, &own, family);
	end->port = own.port;
	if (!nat_has_ports(flow->protocol, (int)family))
		return nat_make(key, flow, end, family) ? DROP_HERE(DROP_NAT_NO_MAPPING) : 0;
	/* An identifier of 0 would make the echo of the other side look like the answer (icmp.h). */
	if (!end->port)
		end->port = nat_random_port();
#pragma clang loop unroll(disable)
	for (try = 0; try < NAT_TRIES; try++) {
		if (!nat_socket_state(ctx, key, end, family) && !nat_make(key, flow, end, family))
			return 0;
		end->port = nat_random_port();
	}
	return DROP_HERE(DROP_NAT_NO_MAPPING);
}
