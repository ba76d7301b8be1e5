/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps of the node's own programs, at its devices, by the rules of maps.h. No pod's program knows them: an
 * LRU map takes its memory when it is created, and a node that translates nothing has none.
 */
#pragma once

#include "maps.h"
#include "maps_ports.h"
#include "abi_node.h"

#define NATIVE_CIDRS_MAP_SIZE 1024
#define NODE_OPEN_MAP_SIZE    1024

/*
 * Read: the first packet of a pod to somebody outside. Written: the node's setup. An entry is a network in which
 * the addresses of pods are known, so that these keep them.
 */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_LPM_TRIE);
	MAP_TYPE(key, struct native_cidr_key);
	MAP_TYPE(value, __u8);
	MAP_NUMBER(max_entries, NATIVE_CIDRS_MAP_SIZE);
	MAP_NUMBER(map_flags, BPF_F_NO_PREALLOC);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} NATIVE_CIDRS_MAP SEC(".maps");

/*
 * Read: what the node's policy would drop. Written: with that policy, and by the node's setup. The value says nothing.
 */
struct {
	MAP_NUMBER(type, BPF_MAP_TYPE_HASH);
	MAP_TYPE(key, struct node_open_key);
	MAP_TYPE(value, __u8);
	MAP_NUMBER(max_entries, NODE_OPEN_MAP_SIZE);
	MAP_NUMBER(map_flags, BPF_F_NO_PREALLOC);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} NODE_OPEN_MAP SEC(".maps");

/*
 * Read and written: every packet between a native device and a pod that is translated. Also read by the operator;
 * the halves of a pod are deleted with it, those of a host port with that. A full map evicts the half that was
 * longest without a packet; lib/nat.h makes it again from the other one.
 */
extern struct snat4_map {
	MAP_NUMBER(type, BPF_MAP_TYPE_LRU_HASH);
	MAP_TYPE(key, struct snat4_key);
	MAP_TYPE(value, struct snat4_value);
	MAP_NUMBER(max_entries, SNAT_MAP_SIZE);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} SNAT_MAP4 DECLARED;

/*
 * Read and written: likewise over IPv6.
 * Otherwise as SNAT_MAP4.
 */
extern struct snat6_map {
	MAP_NUMBER(type, BPF_MAP_TYPE_LRU_HASH);
	MAP_TYPE(key, struct snat6_key);
	MAP_TYPE(value, struct snat6_value);
	MAP_NUMBER(max_entries, SNAT_MAP_SIZE);
	MAP_NUMBER(pinning, PIN_BY_NAME);
} SNAT_MAP6 DECLARED;

#if CONFIG_ENABLE_IPV4
struct snat4_map SNAT_MAP4 SEC(".maps");
#endif

#if CONFIG_ENABLE_IPV6
struct snat6_map SNAT_MAP6 SEC(".maps");
#endif
