/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs at the root of the tree of control groups, for sockets of the node and of its pods:
 *
 *   connect, sendmsg       who asks for a host port of the node gets the pod's address and port instead
 *   recvmsg, getpeername   who asks a socket with whom it talks gets what it asked for
 *
 * So no packet between a node and its own pods is ever translated. A program for IPv6 also sees IPv4
 * addresses inside IPv6 ones. A connection goes on to its pod when the host port is gone, as one to the
 * pod's own address would; a socket that names the receiver of each datagram finds the next pod.
 */

#include "node_config.h"
#include "kernel/bpf.h"
#include "kernel/helpers.h"
#include "kernel/sock_addr.h"
#include "abi_node.h"
#include "lib/sock_asked.h"
#include "lib/sock_end.h"
#include "lib/sock_port.h"

/* The kernel offers some of the helpers to GPL-compatible programs only. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline int turn4(struct bpf_sock_addr *ctx)
{
	struct sock_end asked = sock_end4_read(ctx);
	const struct host_port_value *pod;

	sock_end_name_loopback(&asked);
	pod = sock_port_find(ctx, &asked);
	if (pod) {
		sock_asked_remember(ctx, &asked, pod);
		sock_end4_write(ctx, pod->address, pod->port);
	}
	return SOCK_ADDR_GO_ON;
}

static __always_inline int turn6(struct bpf_sock_addr *ctx)
{
	struct sock_end asked = sock_end6_read(ctx);
	const struct host_port_value *pod;

	sock_end_name_loopback(&asked);
	pod = sock_port_find(ctx, &asked);
	if (pod) {
		sock_asked_remember(ctx, &asked, pod);
		sock_end6_write(ctx, asked.family, pod->address, pod->port);
	}
	return SOCK_ADDR_GO_ON;
}

static __always_inline int tell4(struct bpf_sock_addr *ctx)
{
	struct sock_end peer = sock_end4_read(ctx);
	const struct sock_asked_value *asked = sock_asked_find(ctx, &peer);

	if (asked)
		sock_end4_write(ctx, asked->address, asked->port);
	return SOCK_ADDR_GO_ON;
}

static __always_inline int tell6(struct bpf_sock_addr *ctx)
{
	struct sock_end peer = sock_end6_read(ctx);
	const struct sock_asked_value *asked = sock_asked_find(ctx, &peer);

	if (asked)
		sock_end6_write(ctx, peer.family, asked->address, asked->port);
	return SOCK_ADDR_GO_ON;
}

/* Called for connect(2), of datagrams, too. Reads and writes the address that it was given. */
SEC("cgroup/connect4")
int sock_connect4(struct bpf_sock_addr *ctx)
{
	return turn4(ctx);
}

/* Likewise on sockets of IPv6. */
SEC("cgroup/connect6")
int sock_connect6(struct bpf_sock_addr *ctx)
{
	return turn6(ctx);
}

/* Called for each datagram whose receiver is named. Reads and writes the receiver. */
SEC("cgroup/sendmsg4")
int sock_sendmsg4(struct bpf_sock_addr *ctx)
{
	return turn4(ctx);
}

/* Likewise over IPv6; where the receiver is an IPv4 address the kernel calls the program above. */
SEC("cgroup/sendmsg6")
int sock_sendmsg6(struct bpf_sock_addr *ctx)
{
	return turn6(ctx);
}

/* Called for each datagram whose sender is asked for. Reads and writes the sender. */
SEC("cgroup/recvmsg4")
int sock_recvmsg4(struct bpf_sock_addr *ctx)
{
	return tell4(ctx);
}

/* Likewise on sockets of IPv6. */
SEC("cgroup/recvmsg6")
int sock_recvmsg6(struct bpf_sock_addr *ctx)
{
	return tell6(ctx);
}

/* Called for getpeername(2). Reads and writes the peer. */
SEC("cgroup/getpeername4")
int sock_peername4(struct bpf_sock_addr *ctx)
{
	return tell4(ctx);
}

/* Likewise on sockets of IPv6. */
SEC("cgroup/getpeername6")
int sock_peername6(struct bpf_sock_addr *ctx)
{
	return tell6(ctx);
}
