/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The far end of a socket as the maps have it, read from a system call and written back. An IPv4 address inside
 * an IPv6 one (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2) is an IPv4 address: so are the packets.
 */
#pragma once

#include "kernel/sock_addr.h"
#include "lib/utils.h"
#include "abi_node.h"

struct sock_end {
	__be32 address[4];
	__be16 port;
	__u8 family;
};

#define IPV4_IN_IPV6 BE32(0x0000ffff)

static __always_inline struct sock_end sock_end4_read(const struct bpf_sock_addr *ctx)
{
	struct sock_end end = {};

	end.family = FAMILY_IPV4;
	end.address[0] = ctx->user_ip4;
	end.port = (__be16)ctx->user_port;
	return end;
}

static __always_inline struct sock_end sock_end6_read(const struct bpf_sock_addr *ctx)
{
	struct sock_end end = {};
	__be32 first = ctx->user_ip6[0], second = ctx->user_ip6[1], third = ctx->user_ip6[2];

	end.port = (__be16)ctx->user_port;
	if (!(first | second) && third == IPV4_IN_IPV6) {
		end.family = FAMILY_IPV4;
		end.address[0] = ctx->user_ip6[3];
		return end;
	}
	end.family = FAMILY_IPV6;
	end.address[0] = first;
	end.address[1] = second;
	end.address[2] = third;
	end.address[3] = ctx->user_ip6[3];
	return end;
}

static __always_inline void sock_end4_write(struct bpf_sock_addr *ctx, const __be32 *address,
					    __be16 port)
{
	ctx->user_ip4 = address[0];
	ctx->user_port = port;
}

/* In the family that was read: the kernel takes no address of another one. */
static __always_inline void sock_end6_write(struct bpf_sock_addr *ctx, __u8 family,
					    const __be32 *address, __be16 port)
{
	int is_ipv4 = family == FAMILY_IPV4;

	ctx->user_ip6[0] = is_ipv4 ? 0 : address[0];
	ctx->user_ip6[1] = is_ipv4 ? 0 : address[1];
	ctx->user_ip6[2] = is_ipv4 ? IPV4_IN_IPV6 : address[2];
	ctx->user_ip6[3] = is_ipv4 ? address[0] : address[3];
	ctx->user_port = port;
}
