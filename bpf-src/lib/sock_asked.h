/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a socket was asked to talk to, remembered for who asks it later with whom it talks. */
#pragma once

#include "kernel/bpf.h"
#include "kernel/helpers.h"
#include "lib/sock_end.h"
#include "maps_sock.h"

static __always_inline int sock_asked_is(const struct sock_asked_value *value,
					 const struct sock_end *end)
{
	__be32 differs =
		(value->address[0] ^ end->address[0]) | (value->address[1] ^ end->address[1]) |
		(value->address[2] ^ end->address[2]) | (value->address[3] ^ end->address[3]);

	return !differs && value->port == end->port;
}

static __always_inline struct sock_asked_key
sock_asked_key(struct bpf_sock_addr *ctx, const __be32 *address, __be16 port, __u8 family)
{
	struct sock_asked_key key = { .port = port, .family = family };

	key.cookie = bpf_get_socket_cookie(ctx);
	__builtin_memcpy(key.address, address, sizeof(key.address));
	return key;
}

/* Once for each peer: to write takes a lock, and a socket may send many datagrams to one. */
static __always_inline void sock_asked_remember(struct bpf_sock_addr *ctx,
						const struct sock_end *asked,
						const struct host_port_value *pod)
{
	struct sock_asked_key key = sock_asked_key(ctx, pod->address, pod->port, asked->family);
	struct sock_asked_value value = { .port = asked->port };
	const struct sock_asked_value *known = bpf_map_lookup_elem(&SOCK_ASKED_MAP, &key);

	if (known && sock_asked_is(known, asked))
		return;
	__builtin_memcpy(value.address, asked->address, sizeof(value.address));
	/* Without an entry the socket shows the pod's address, and nothing else is amiss. */
	bpf_map_update_elem(&SOCK_ASKED_MAP, &key, &value, BPF_ANY);
}

static __always_inline const struct sock_asked_value *sock_asked_find(struct bpf_sock_addr *ctx,
								      const struct sock_end *peer)
{
	struct sock_asked_key key = sock_asked_key(ctx, peer->address, peer->port, peer->family);

	return bpf_map_lookup_elem(&SOCK_ASKED_MAP, &key);
}
