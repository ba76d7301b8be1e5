/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Checksums of the packets that are made here (RFC 1071). Sizes are multiples of 4.
 */
#pragma once

#include "kernel/helpers.h"
#include "lib/utils.h"

/* The sum of 32-bit words, as the field of a header. */
static __always_inline __u16 checksum_fold(__s64 sum)
{
	__u32 folded = (__u32)sum;

	folded = (folded & 0xffff) + (folded >> 16);
	folded = (folded & 0xffff) + (folded >> 16);
	return (__u16)~folded;
}

static __always_inline __u16 checksum_of(const void *start, __u32 len)
{
	return checksum_fold(bpf_csum_diff(NULL, 0, start, len, 0));
}

/*
 * Of a message of ICMPv6, `len` bytes of memory right behind the header. The pseudo header is the two
 * addresses, which end the header, the length and the protocol (RFC 8200, 8.1).
 */
static __always_inline __u16 checksum_of_ipv6(const struct ipv6hdr *ip, __u32 len)
{
	__u32 seed = BE32(IPPROTO_ICMPV6) + ((__u32)ip->payload_len << 16);

	return checksum_fold(bpf_csum_diff(NULL, 0, &ip->saddr,
					   sizeof(ip->saddr) + sizeof(ip->daddr) + len, seed));
}
