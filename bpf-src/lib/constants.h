/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Constants that do not stand in ep_config.h: an object always has all of them, whatever the endpoint
 * has, so that one list of names, sizes and offsets holds for every template.
 */
#pragma once

#include "lib/utils.h"

/* The header of an endpoint without IPv6 has no LXC_IP. Zero is the address nobody has. */
#ifndef LXC_IP
DEFINE_IPV6(LXC_IP, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
#define LXC_IP fetch_ipv6(LXC_IP)
#endif

/* Likewise without IPv4. */
#ifndef LXC_IPV4
DEFINE_U32(LXC_IPV4, 0);
#define LXC_IPV4 fetch_u32(LXC_IPV4)
#endif

/* The pod's own MAC and the host end of its veth: ours alone, hence never in the header. */
DEFINE_MAC(LXC_MAC, 0x02, 0x00, 0x60, 0x0d, 0xf0, 0x0d);
#define LXC_MAC fetch_mac(LXC_MAC)
DEFINE_U32(LXC_IFINDEX, 0xffffffff);
#define LXC_IFINDEX fetch_u32(LXC_IFINDEX)

/* What is particular about the endpoint: SELF_*, lib/self.h. */
DEFINE_U32(LXC_FLAGS, 0);
#define LXC_FLAGS fetch_u32(LXC_FLAGS)
