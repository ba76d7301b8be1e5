/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Constants of a device of the node, in the objects of bpf_host.c alone. A change of one is a new generation of
 * the device's programs.
 */
#pragma once

#include "lib/utils.h"

/* The device, and the MAC under which it sends; both zero where it has none. */
DEFINE_U32(NATIVE_DEV_IFINDEX, 0xffffffff);
#define NATIVE_DEV_IFINDEX fetch_u32(NATIVE_DEV_IFINDEX)
DEFINE_MAC(NATIVE_DEV_MAC, 0x02, 0x00, 0x60, 0x0d, 0xf0, 0x0d);
#define NATIVE_DEV_MAC fetch_mac(NATIVE_DEV_MAC)

/* The node's addresses under which pods go out by this device. Zero: they do not. */
DEFINE_U32(IPV4_MASQUERADE, 0);
#define IPV4_MASQUERADE fetch_u32(IPV4_MASQUERADE)
DEFINE_IPV6(IPV6_MASQUERADE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
#define IPV6_MASQUERADE fetch_ipv6(IPV6_MASQUERADE)

/* DEVICE_*, lib/host_device.h. */
DEFINE_U32(DEVICE_FLAGS, 0);
#define DEVICE_FLAGS fetch_u32(DEVICE_FLAGS)
