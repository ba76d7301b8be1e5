/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Facts of the kernel's BPF ABI for programs of control groups that see the addresses which sockets are given:
 * their context and their answer. Documented in the kernel's include/uapi/linux/bpf.h.
 */
#pragma once

#include "kernel/types.h"

/* The call goes on. Programs for what a call gives back may answer nothing else. */
#define SOCK_ADDR_GO_ON 1

/*
 * The address in a system call, in network order; a port fills the lower half of its word. The verifier
 * rewrites each access to the fields of the kernel's own structure, so a port is written as a whole word.
 */
struct bpf_sock_addr {
	__u32 user_family;
	__be32 user_ip4;
	__be32 user_ip6[4];
	__u32 user_port;
	__u32 family;
	__u32 type;
	__u32 protocol;
};

_Static_assert(__builtin_offsetof(struct bpf_sock_addr, user_port) == 24, "offset in the ABI");
_Static_assert(__builtin_offsetof(struct bpf_sock_addr, protocol) == 36, "offset in the ABI");
