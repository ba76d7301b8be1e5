/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The checksum of SCTP (RFC 9260, appendix A), of which only a port has changed. It is linear: a change at the
 * start of the packet changes it by the remainder of that change, moved on by the length of the packet. So the
 * packet itself need not be read, of which a part may lie in other fragments of memory.
 */
#pragma once

#include "kernel/helpers.h"
#include "kernel/packet.h"
#include "lib/utils.h"

/* As remainders are kept: the highest power of x is the lowest bit. */
#define CRC32C_POLYNOMIAL 0x82f63b78U
#define CRC32C_ONE        0x80000000U
#define CRC32C_ONE_OCTET  0x00800000U
/* The bits that the length of a packet has. */
#define CRC32C_LENGTH_BITS 16

/* The product of two remainders. Without a branch, since the kernel would verify both ways of each. */
VERIFIED_ALONE int crc32c_times(__u32 a, __u32 b)
{
	__u32 product = 0;
	int bit;

#pragma clang loop unroll(disable)
	for (bit = 31; bit >= 0; bit--) {
		product ^= b & -(a >> bit & 1);
		b = (b >> 1) ^ (CRC32C_POLYNOMIAL & -(b & 1));
	}
	return (int)product;
}

/* A remainder, moved on by so many octets. */
VERIFIED_ALONE int crc32c_move(__u32 remainder, __u32 octets)
{
	__u32 power = CRC32C_ONE_OCTET;
	int bit;

#pragma clang loop unroll(disable)
	for (bit = 0; bit < CRC32C_LENGTH_BITS; bit++) {
		if (octets >> bit & 1)
			remainder = (__u32)crc32c_times(remainder, power);
		power = (__u32)crc32c_times(power, power);
	}
	return (int)remainder;
}

/*
 * Writes a port of a whole packet of SCTP, the source's or the destination's; 0, or an error. A checksum of 0 is
 * one that a device is to fill in.
 */
static __always_inline long crc32c_replace_port(struct __sk_buff *ctx, __u32 transport, __u32 len,
						int is_source, __be16 from, __be16 to)
{
	__u32 place = transport + __builtin_offsetof(struct sctphdr, check);
	__u32 change = (__u32)(from ^ to) << (is_source ? 0 : 16);
	__u32 check;

	if (len >> CRC32C_LENGTH_BITS || bpf_skb_load_bytes(ctx, place, &check, sizeof(check)))
		return -1;
	if (check) {
		check ^= (__u32)crc32c_move(change, len);
		if (bpf_skb_store_bytes(ctx, place, &check, sizeof(check), 0))
			return -1;
	}
	return bpf_skb_store_bytes(ctx,
				   transport + (is_source
							? __builtin_offsetof(struct sctphdr, source)
							: __builtin_offsetof(struct sctphdr, dest)),
				   &to, sizeof(to), 0);
}
