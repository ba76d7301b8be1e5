/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which pod answers instead of what a socket asks for: a host port at an address of the node. A host port
 * comes before a socket of the node that listens on the same port: so it does for those who ask from outside.
 */
#pragma once

#include "kernel/helpers.h"
#include "kernel/packet.h"
#include "lib/sock_end.h"
#include "maps_ports.h"
#include "maps_sock.h"

#define IPV4_LOOPBACK_MASK BE32(0xff000000)
#define IPV4_LOOPBACK      BE32(0x7f000000)
#define IPV4_LOCALHOST     BE32(0x7f000001)

/* To connect to no address is to connect to the loopback one: what follows would do so later. */
static __always_inline void sock_end_name_loopback(struct sock_end *end)
{
	if (end->address[0] | end->address[1] | end->address[2] | end->address[3])
		return;
	if (end->family == FAMILY_IPV4)
		end->address[0] = IPV4_LOCALHOST;
	else
		end->address[3] = BE32(1);
}

static __always_inline int sock_end_is_loopback(const struct sock_end *end)
{
	if (end->family == FAMILY_IPV4)
		return (end->address[0] & IPV4_LOOPBACK_MASK) == IPV4_LOOPBACK;
	return !(end->address[0] | end->address[1] | end->address[2]) && end->address[3] == BE32(1);
}

/* Another namespace may mean another machine by the same address, and by the loopback one it means itself. */
static __always_inline int sock_end_is_node(struct bpf_sock_addr *ctx, const struct sock_end *end)
{
	__u64 cookie = bpf_get_netns_cookie(ctx);
	const __u32 *owner = bpf_map_lookup_elem(&NETNS_MAP, &cookie);
	struct endpoint_key key = { .family = end->family };

	if (!owner)
		return 0;
	if (sock_end_is_loopback(end))
		return *owner == NETNS_OF_NODE;
	__builtin_memcpy(key.address, end->address, sizeof(key.address));
	return bpf_map_lookup_elem(&NODE_ADDRESSES_MAP, &key) != NULL;
}

/* The pod behind a host port that names this address, else behind one that names none. */
static __always_inline const struct host_port_value *sock_port_find(struct bpf_sock_addr *ctx,
								    const struct sock_end *end)
{
	struct host_port_key key = {
		.port = end->port,
		.protocol = (__u8)ctx->protocol,
		.family = end->family,
	};
	const struct host_port_value *pod;

	if (ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_UDP)
		return NULL;
	if (!sock_end_is_node(ctx, end))
		return NULL;
	__builtin_memcpy(key.address, end->address, sizeof(key.address));
	pod = bpf_map_lookup_elem(&HOST_PORTS_MAP, &key);
	if (pod)
		return pod;
	__builtin_memset(key.address, 0, sizeof(key.address));
	return bpf_map_lookup_elem(&HOST_PORTS_MAP, &key);
}
