/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps of host ports: the programs of native devices translate by them, those of sockets turn connections
 * by them. No pod's own program knows them.
 */
#pragma once

#include "kernel/bpf.h"
#include "lib/map.h"
#include "lib/utils.h"
#include "abi_node.h"

#define NODE_ADDRESSES_MAP_SIZE 1024

/*
 * Read: what is sent to the node from outside and opens a connection; connections of sockets of the node and
 * its pods. Written: ADD and DEL of a pod with host ports. A connection that runs goes by its own entries.
 */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_HASH);
	MAP_TYPE(key, struct host_port_key);
	MAP_TYPE(value, struct host_port_value);
	MAP_NUMBER(max_entries, HOST_PORTS_MAP_SIZE);
	MAP_NUMBER(map_flags, BPF_F_NO_PREALLOC);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} HOST_PORTS_MAP SEC(".maps");

/*
 * Read: as HOST_PORTS_MAP. Written: the node's setup. The addresses at which a host port answers that names
 * none; the value is the number of the device that has it.
 */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_HASH);
	MAP_TYPE(key, struct endpoint_key);
	MAP_TYPE(value, __u32);
	MAP_NUMBER(max_entries, NODE_ADDRESSES_MAP_SIZE);
	MAP_NUMBER(map_flags, BPF_F_NO_PREALLOC);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} NODE_ADDRESSES_MAP SEC(".maps");
