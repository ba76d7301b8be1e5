/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Host ports: which pod answers at a port of the node. One that names an address goes before one that names none,
 * and none answers at an address that is not the node's: what the node only forwards is not for it.
 * Reads: HOST_PORTS_MAP, NODE_ADDRESSES_MAP.
 */
#pragma once

#include "kernel/helpers.h"
#include "lib/utils.h"
#include "maps_ports.h"

static __always_inline void host_port_address(__be32 *to, const __be32 *from, const int family)
{
	to[0] = from[0];
	to[1] = family == FAMILY_IPV6 ? from[1] : 0;
	to[2] = family == FAMILY_IPV6 ? from[2] : 0;
	to[3] = family == FAMILY_IPV6 ? from[3] : 0;
}

static __always_inline int host_port_is_at_node(const __be32 *address, const int family)
{
	struct endpoint_key key = { .family = (__u8)family };

	host_port_address(key.address, address, family);
	return bpf_map_lookup_elem(&NODE_ADDRESSES_MAP, &key) != NULL;
}

/*
 * Who answers at this port, or NULL. Most packets are for no host port, so the ports are looked up before the
 * address is.
 */
static __always_inline const struct host_port_value *
host_port_find(const __be32 *address, __be16 port, __u8 protocol, const int family)
{
	struct host_port_key key = {
		.port = port,
		.protocol = protocol,
		.family = (__u8)family,
	};
	const struct host_port_value *pod = bpf_map_lookup_elem(&HOST_PORTS_MAP, &key);
	const struct host_port_value *named;

	host_port_address(key.address, address, family);
	named = bpf_map_lookup_elem(&HOST_PORTS_MAP, &key);
	if (named)
		pod = named;
	return pod && host_port_is_at_node(address, family) ? pod : NULL;
}
