/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is particular about the device at which the node's programs run. */
#pragma once

#include "lib/host_constants.h"

/* Numbers for the builder (DEVICE_FLAGS). */
enum device_flag {
	DEVICE_HAS_NO_ETHERNET = 0x0001, /* a tunnel: packets begin with the header of IP */
};

static __always_inline int device_has_ethernet(void)
{
	return !(DEVICE_FLAGS & DEVICE_HAS_NO_ETHERNET);
}

/* The bytes before the header of IP. */
static __always_inline __u32 device_network(void)
{
	return device_has_ethernet() ? sizeof(struct ethhdr) : 0;
}
