/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps of the programs of sockets alone. */
#pragma once

#include "kernel/bpf.h"
#include "lib/map.h"
#include "lib/utils.h"
#include "abi_node.h"

/* Connections and peers of datagrams that are remembered; older ones show the pod's address instead. */
#define SOCK_ASKED_MAP_SIZE 65536

/*
 * Read: every connection of a socket, to find out whether its network namespace is ours. Written: ADD and DEL of
 * every pod; the node's setup. By the kernel's cookie of the namespace, which no later one gets, too: the pod's
 * endpoint id, or 0 for the node's own.
 */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_HASH);
	MAP_TYPE(key, __u64);
	MAP_TYPE(value, __u32);
	MAP_NUMBER(max_entries, ENDPOINTS_MAP_SIZE + 1);
	MAP_NUMBER(map_flags, BPF_F_NO_PREALLOC);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} NETNS_MAP SEC(".maps");

/*
 * Read and written: the programs of sockets. What a socket was asked to talk to, by what it talks to instead.
 * Nobody deletes an entry: the one that was longest without use goes first.
 */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_LRU_HASH);
	MAP_TYPE(key, struct sock_asked_key);
	MAP_TYPE(value, struct sock_asked_value);
	MAP_NUMBER(max_entries, SOCK_ASKED_MAP_SIZE);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} SOCK_ASKED_MAP SEC(".maps");
